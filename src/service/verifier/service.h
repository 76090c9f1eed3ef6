/* `blindbox verifier` as a process: keys, listener, threads, signals. */
#ifndef BB_SERVICE_VERIFIER_SERVICE_H
#define BB_SERVICE_VERIFIER_SERVICE_H

#include "service/verifier/engine.h"

#define BB_KEYS_RELOAD_S 30 /* a running service looks for new keys so often */

struct bb_verifier_options {
    const char *listen;               /* loopback or unix:PATH */
    const char *issuer;               /* NULL: http://ADDRESS of the listener */
    const char *state_dir;            /* of the keys */
    unsigned threads;                 /* 0: one for each processor */
    struct bb_verifier_config config; /* but for the issuer */
};

/* Serves until SIGTERM or SIGINT; returns the exit code. Prints `listening on ADDRESS` when it does.
 * SIGHUP reads the keys again. */
int bb_verifier_run(const struct bb_verifier_options *options);

#endif
