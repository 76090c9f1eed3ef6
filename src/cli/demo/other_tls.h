/* A TLS server that is no gateway: it selects no ALPN protocol, or one that the client did not
 * offer. Uses OpenSSL itself, because service/tls.h can only do it right. */
#ifndef BB_CLI_DEMO_OTHER_TLS_H
#define BB_CLI_DEMO_OTHER_TLS_H

#include "cli/demo/peer.h"

struct bb_demo_other_tls {
    struct bb_demo_peer peer;
    const char *alpn; /* what it selects; NULL: nothing */
    struct bb_key *key;
    void *ssl_ctx;
    atomic_bool spoke; /* it got as far as answering the client's hello */
};

/* bb_demo_other_tls_stop() in any case. */
BB_MUST_USE enum bb_status bb_demo_other_tls_start(struct bb_demo_other_tls *server,
                                                   const char *alpn, struct bb_error *err);
void bb_demo_other_tls_stop(struct bb_demo_other_tls *server);

#endif
