/* The gateway: attested TLS in front of an application. A parent that supervises, a worker that
 * owns the network, an attester that owns the TEE, and with verification services a fetcher that asks
 * them. */
#ifndef BB_SERVICE_GATEWAY_H
#define BB_SERVICE_GATEWAY_H

#include "channel/gateway.h"
#include "service/address.h"
#include "service/gateway/verifiers.h"

#define BB_CONNECTIONS_MAX 15000 /* open connections: descriptors (two each) and memory */
#define BB_CONNECTIONS_PER_ADDRESS                                                                 \
    4000                  /* nor more than a quarter: one address cannot take all places */
#define BB_DRAIN_MS 30000 /* how long open connections may go on after SIGTERM */

#define BB_GENERATIONS_MAX                                                                         \
    16 /* workers at a time, all but one of them finishing: reloads that pile up processes */

/* NULL, 0 and false: not said. */
struct bb_gateway_options {
    const char *config;     /* a file "blindbox.gateway/1" for what no flag says */
    const char *listen;     /* "[::]:8443", "127.0.0.1:0", "*:8443" */
    const char *upstream;   /* "tcp:HOST:PORT", "unix:PATH" */
    const char *attester;   /* "sim" */
    const char *sim_dir;    /* the simulated TEE's folder; NULL: its default */
    const char *sim_defect; /* NULL: honest */
    uint32_t max_age_s;     /* a connection older than this is closed */
    uint32_t idle_ms;
    struct bb_gateway_verifiers verifiers; /* none: no tokens */
    bool proxy_protocol;                   /* tell the application who connected: proxy_header.h */
};

/* Messages between parent and worker over `control`: one byte each. */
enum bb_control {
    BB_CONTROL_ATTESTER = 0, /* parent: with a new attester's socket */
    BB_CONTROL_RETIRE,       /* parent: another worker accepts; finish what is open, and end */
    BB_CONTROL_READY,        /* worker, once: it accepts */
    BB_CONTROL_FETCHER,      /* parent: with a new fetcher's socket */
};

/* The worker's loop: takes connections from `listener`. `options` are complete. Returns the exit
 * code. */
int bb_gateway_worker(const struct bb_gateway_options *options, int listener, int control);

/* The parent: opens the listener, runs `argv` again with --role for each child. `flags` are what the
 * command line said; they outlive the call. */
int bb_gateway_run(const struct bb_gateway_options *flags, char **argv);
/* A child's main, by role: "worker" or "attester". */
int bb_gateway_role(const struct bb_gateway_options *flags, const char *role);

#endif
