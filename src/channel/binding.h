/* How a connection is bound to a report (channel protocol section 3). Pure. False only if the hash
 * library fails or an input has a wrong size: a refusal. */
#ifndef BB_CHANNEL_BINDING_H
#define BB_CHANNEL_BINDING_H

#include "crypto/merkle.h"

#define BB_EXPORTER_LABEL "EXPERIMENTAL-blindbox-1-server"
#define BB_EXPORTED_SIZE 48
#define BB_SPKI_SIZE 91
#define BB_SALT_SIZE 32
#define BB_D_SIZE 48
#define BB_BATCH_ID_SIZE 8 /* first bytes of D: how logs and results name a batch */
#define BB_RUNTIME_SIZE 81
#define BB_REPORT_DATA_SIZE 64
#define BB_STATEMENT_SIZE 217
#define BB_EXTRA_DATA_SIZE 32
#define BB_HCL_USER_DATA_SIZE 64
#define BB_ANCHORED_INPUT_SIZE 116
#define BB_FLAG_OUTSIDE_UPSTREAM 0x0001U /* other bits are reserved and must be zero */

/* TLS-Exporter(BB_EXPORTER_LABEL, context, 48) of this connection, after the whole handshake. False
 * ends the connection. */
typedef bool (*bb_exporter_fn)(void *ctx, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]);

/* True for the one form of key that counts: P-256, named curve, uncompressed, 91 bytes. */
bool bb_spki_is_p256(struct bb_span spki);

/* SHA-384(request body || salt): the exporter's context. */
BB_MUST_USE bool bb_binding_context(struct bb_span request, const uint8_t salt[BB_SALT_SIZE],
                                    uint8_t out[48]);
/* binder = SHA-384(spki || exported). */
BB_MUST_USE bool bb_binding_binder(struct bb_span spki, const uint8_t exported[BB_EXPORTED_SIZE],
                                   uint8_t out[48]);
/* leaf = SHA-384(0x00 || "blindbox/1 leaf" || binder): the tree's leaf hash itself. */
BB_MUST_USE bool bb_binding_leaf(struct bb_span spki, const uint8_t exported[BB_EXPORTED_SIZE],
                                 uint8_t out[48]);

struct bb_statement {
    unsigned depth;
    uint16_t flags;
    const uint8_t *root;         /* 48 */
    struct bb_span spki;         /* TLS key */
    struct bb_span binding_spki; /* attester's key */
    struct bb_span config;       /* CBOR as sent */
};

/* The statement itself: what D is the digest of. */
BB_MUST_USE bool bb_binding_statement(const struct bb_statement *s, uint8_t out[BB_STATEMENT_SIZE]);
/* D = SHA-384(statement). */
BB_MUST_USE bool bb_binding_d(const struct bb_statement *s, uint8_t out[BB_D_SIZE]);
/* {"blindbox-1":"<b64url(D)>"}, exactly 81 bytes, no terminator. */
BB_MUST_USE bool bb_binding_runtime(const uint8_t d[BB_D_SIZE], char out[BB_RUNTIME_SIZE + 1]);
/* report_data of form 0 or 1. */
BB_MUST_USE bool bb_binding_report_data(const uint8_t d[BB_D_SIZE], unsigned form,
                                        uint8_t out[BB_REPORT_DATA_SIZE]);
/* A vTPM quote's extraData (3.3). */
BB_MUST_USE bool bb_binding_extra_data(const uint8_t d[BB_D_SIZE], uint8_t out[BB_EXTRA_DATA_SIZE]);
/* What a gateway on Azure writes to the TPM before it reads the HCL report (3.3). */
BB_MUST_USE bool bb_binding_hcl_user_data(struct bb_span spki, struct bb_span binding_spki,
                                          uint8_t out[BB_HCL_USER_DATA_SIZE]);
/* The message that the binding key signs in anchored mode (3.4). */
void bb_binding_anchored_input(const uint8_t d[BB_D_SIZE], const uint8_t binder[48],
                               uint8_t out[BB_ANCHORED_INPUT_SIZE]);

#endif
