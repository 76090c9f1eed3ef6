/* The gateway: attested TLS in front of an application. A parent that supervises, a worker that
 * owns the network, an attester that owns the TEE. */
#ifndef BB_SERVICE_GATEWAY_H
#define BB_SERVICE_GATEWAY_H

#include "channel/gateway.h"
#include "service/address.h"

#define BB_CONNECTIONS_MAX 15000 /* open connections: descriptors (two each) and memory */
#define BB_CONNECTIONS_PER_ADDRESS                                                                 \
    4000                  /* nor more than a quarter: one address cannot take all places */
#define BB_DRAIN_MS 30000 /* how long open connections may go on after SIGTERM */

struct bb_gateway_options {
    const char *listen;     /* "[::]:8443", "127.0.0.1:0", "*:8443" */
    const char *upstream;   /* "tcp:HOST:PORT", "unix:PATH" */
    const char *sim_dir;    /* the simulated TEE's folder; NULL: its default */
    const char *sim_defect; /* NULL: honest */
    uint32_t max_age_s;     /* a connection older than this is closed */
    uint32_t idle_ms;
};

/* The worker's loop: takes connections from `listener` and attester sockets from `control` (one a
 * descriptor message). Returns the exit code. */
int bb_gateway_worker(const struct bb_gateway_options *options, int listener, int control);

/* The parent: opens the listener, runs `argv` again with --role for each child. */
int bb_gateway_run(const struct bb_gateway_options *options, char **argv);
/* A child's main, by role: "worker" or "attester". */
int bb_gateway_role(const struct bb_gateway_options *options, const char *role);

#endif
