/* The gateway: attested TLS in front of an application. A parent that supervises, a worker that owns
 * the network, an attester that owns the TEE. */
#ifndef BB_SERVICE_GATEWAY_H
#define BB_SERVICE_GATEWAY_H

#include "channel/gateway.h"

#include <netinet/in.h>
#include <sys/un.h>

#define BB_CONNECTIONS_MAX 15000      /* open connections: descriptors (two each) and memory */
#define BB_CONNECTIONS_PER_ADDRESS 4000 /* one address cannot take all places */
#define BB_DRAIN_MS 30000             /* how long open connections may go on after SIGTERM */

struct bb_gateway_options {
    const char *listen;     /* "[::]:8443", "127.0.0.1:0", "*:8443" */
    const char *upstream;   /* "tcp:HOST:PORT", "unix:PATH" */
    const char *sim_dir;    /* the simulated TEE's folder; NULL: its default */
    const char *sim_defect; /* NULL: honest */
    uint32_t max_age_s;     /* a connection older than this is closed */
    uint32_t idle_ms;
};

/* Where applications are: resolved once, at start. */
struct bb_upstream {
    struct sockaddr_storage address;
    socklen_t len;
    bool outside; /* neither loopback nor a Unix socket: leaves the TEE */
    char uri[512];
};

BB_MUST_USE enum bb_status bb_upstream_parse(const char *text, struct bb_upstream *out,
                                             struct bb_error *err);
/* HOST:PORT, [V6]:PORT, *:PORT, and a bare PORT. `host` gets no brackets. */
BB_MUST_USE enum bb_status bb_host_port(const char *text, const char *default_port, char *host,
                                        size_t host_cap, char *port, size_t port_cap,
                                        struct bb_error *err);
/* A listening socket, non-blocking, close-on-exec; dual stack where `text` names an IPv6 wildcard. */
BB_MUST_USE enum bb_status bb_listen(const char *text, int *fd, struct bb_error *err);
/* "[::1]:8443" of a socket's own (or its peer's) address. */
void bb_address_text(const struct sockaddr_storage *address, char *out, size_t cap);

/* The worker's loop: takes connections from `listener` and attester sockets from `control` (one a
 * descriptor message). Returns the exit code. */
int bb_gateway_worker(const struct bb_gateway_options *options, int listener, int control);

/* The parent: opens the listener, runs `argv` again with --role for each child. */
int bb_gateway_run(const struct bb_gateway_options *options, char **argv);
/* A child's main, by role: "worker" or "attester". */
int bb_gateway_role(const struct bb_gateway_options *options, const char *role);

#endif
