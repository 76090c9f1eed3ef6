/* A gateway in this process, of the same engines as the real one, whose TLS key the demo has: a
 * relay can so hold "the very same key", which the product never lets out. Simulated evidence only.
 */
#ifndef BB_CLI_DEMO_OWN_GATEWAY_H
#define BB_CLI_DEMO_OWN_GATEWAY_H

#include "attester/attester.h"
#include "channel/gateway.h"
#include "cli/demo/line.h"
#include "cli/demo/place.h"

struct bb_demo_own_gateway {
    struct bb_demo_peer peer;
    const char *upstream; /* address of the application */
    struct bb_key *key, *binding_key;
    struct bb_tls_context *tls; /* with `key`; borrowed by the relay */
    struct bb_attester *attester;
    struct bb_gateway_offer offer;
    uint8_t config[256];
    size_t config_len;
    uint8_t cmw[32768]; /* the last batch's evidence */
};

/* A TLS server of blindbox/1 with a new key. */
BB_MUST_USE enum bb_status bb_demo_server_new(struct bb_key **key, struct bb_tls_context **tls,
                                              struct bb_error *err);

/* Serves on loopback. bb_demo_own_gateway_stop() in any case. */
BB_MUST_USE enum bb_status bb_demo_own_gateway_start(struct bb_demo_own_gateway *gateway,
                                                     const struct bb_demo_place *place,
                                                     const char *upstream, struct bb_error *err);
void bb_demo_own_gateway_stop(struct bb_demo_own_gateway *gateway);

#endif
