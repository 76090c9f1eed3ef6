/* A man in the middle with the gateway's own TLS key: ends TLS towards the user, opens a second
 * connection to the real gateway, and passes request and response on unchanged. Key and nonce are
 * right then; the exporter of the user's connection is not in the report. */
#ifndef BB_CLI_DEMO_RELAY_H
#define BB_CLI_DEMO_RELAY_H

#include "cli/demo/line.h"

struct bb_demo_relay {
    struct bb_demo_peer peer;
    struct bb_tls_context *server; /* with the gateway's key; borrowed */
    struct bb_tls_context *client;
    const char *to;      /* the gateway */
    atomic_bool relayed; /* a whole request and a whole response went through */
};

BB_MUST_USE enum bb_status bb_demo_relay_start(struct bb_demo_relay *relay,
                                               struct bb_tls_context *server, const char *to,
                                               struct bb_error *err);
void bb_demo_relay_stop(struct bb_demo_relay *relay);

#endif
