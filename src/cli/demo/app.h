/* The demo's application: a small HTTP server that counts every byte and connection it gets.
 * POST /generate {"input_text": ...} answers {"output": ...}. */
#ifndef BB_CLI_DEMO_APP_H
#define BB_CLI_DEMO_APP_H

#include "cli/demo/peer.h"

struct bb_demo_app {
    struct bb_demo_peer peer;
    uint64_t probes; /* connections of bb_demo_app_counts() itself */
};

struct bb_demo_counts {
    uint64_t bytes, connections;
};

/* Stop with bb_demo_peer_stop(&app->peer). */
BB_MUST_USE enum bb_status bb_demo_app_start(struct bb_demo_app *app, const char *listen,
                                             struct bb_error *err);
/* Everything that reached the application before this call: it first lets a connection of its own
 * be served, so that none is still on its way. */
BB_MUST_USE enum bb_status bb_demo_app_counts(struct bb_demo_app *app, struct bb_demo_counts *out,
                                              struct bb_error *err);
/* The application alone, until a signal: to play with what --keep leaves. Returns the exit code. */
int bb_demo_app_main(const char *listen);

#endif
