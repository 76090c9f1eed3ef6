/* Private keys: made, kept, used. Only makers of evidence and TLS servers have any. */
#ifndef BB_CRYPTO_KEY_H
#define BB_CRYPTO_KEY_H

#include "base/error.h"

#define BB_P256_SPKI_SIZE 91

enum bb_key_type { BB_KEY_P256, BB_KEY_P384, BB_KEY_RSA4096 };

struct bb_key;

BB_MUST_USE enum bb_status bb_key_generate(enum bb_key_type type, struct bb_key **out,
                                           struct bb_error *err);
/* PEM (PKCS#8, no password) in `text`; any of the three types. */
BB_MUST_USE enum bb_status bb_key_from_pem(struct bb_span text, struct bb_key **out,
                                           struct bb_error *err);
/* Writes PEM to `out` (at most `cap` bytes), its length to `len`. */
BB_MUST_USE enum bb_status bb_key_to_pem(const struct bb_key *key, uint8_t *out, size_t cap,
                                         size_t *len, struct bb_error *err);
void bb_key_free(struct bb_key *key); /* NULL-safe; wipes */
/* SubjectPublicKeyInfo DER, owned by the key. */
struct bb_span bb_key_spki(const struct bb_key *key);
/* ECDSA with the curve's digest (P-256: SHA-256, P-384: SHA-384) over `message`; r || s,
 * big-endian, 32 or 48 bytes each. */
BB_MUST_USE enum bb_status bb_key_sign_ecdsa(const struct bb_key *key, struct bb_span message,
                                             uint8_t *rs, size_t rs_len, struct bb_error *err);
/* The library's own key object (EVP_PKEY *), borrowed: for TLS servers only. */
void *bb_key_native(const struct bb_key *key);

#endif
