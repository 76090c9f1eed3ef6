/* Starts blindbox-fetch: safe in a program that has threads, other children and its own handlers. */
#ifndef BB_SERVICE_FETCH_SPAWN_H
#define BB_SERVICE_FETCH_SPAWN_H

#include "base/error.h"

#include <sys/types.h>

struct bb_fetch_process {
    int control; /* SOCK_SEQPACKET; close-on-exec. -1: no process */
    int pidfd;   /* names the child even when somebody else waited for it; -1: not to be had */
    pid_t pid;
};

/* VerifierUnavailable if it cannot be found or started. `out` is written only on success. */
BB_MUST_USE enum bb_status bb_fetch_spawn(struct bb_fetch_process *out, struct bb_error *err);
/* Ends it, waits for it, and for nobody else; may be repeated. */
void bb_fetch_process_end(struct bb_fetch_process *process);

#endif
