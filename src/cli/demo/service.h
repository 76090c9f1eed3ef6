/* A hostile verification service: asks a real one, and does something to its answer. */
#ifndef BB_CLI_DEMO_SERVICE_H
#define BB_CLI_DEMO_SERVICE_H

#include "cli/demo/peer.h"
#include "cli/demo/spoil.h"

struct bb_demo_service {
    struct bb_demo_peer peer;
    struct bb_key *key;       /* its own, P-256 */
    char *first;              /* the first token that it got */
    _Atomic(const char *) to; /* address of the real one; changed at any time */
    atomic_int trick;         /* enum bb_demo_trick; changed at any time */
    atomic_uint answered;     /* tokens that it gave */
};

/* Serves on loopback, honestly at first. bb_demo_service_stop() in any case. */
BB_MUST_USE enum bb_status bb_demo_service_start(struct bb_demo_service *service, const char *to,
                                                 struct bb_error *err);
void bb_demo_service_stop(struct bb_demo_service *service);

#endif
