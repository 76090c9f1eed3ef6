/* Private keys: made, kept, used. Only makers of evidence and TLS servers have any. */
#ifndef BB_CRYPTO_KEY_H
#define BB_CRYPTO_KEY_H

#include "crypto/pubkey.h"

#define BB_P256_SPKI_SIZE 91
#define BB_SIGNATURE_MAX 512 /* of the largest key here, RSA-4096 */

enum bb_key_type { BB_KEY_P256, BB_KEY_P384, BB_KEY_RSA2048, BB_KEY_RSA3072, BB_KEY_RSA4096 };

struct bb_key;

BB_MUST_USE enum bb_status bb_key_generate(enum bb_key_type type, struct bb_key **out,
                                           struct bb_error *err);
/* PEM (PKCS#8, no password) in `text`; any of the types above. */
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
/* True if a key of this type can make signatures of that algorithm. */
bool bb_key_fits(const struct bb_key *key, enum bb_sig_alg alg);
/* A signature as JOSE has it (RFC 7518 3): RSA as many bytes as the modulus, ECDSA r || s. At most
 * BB_SIGNATURE_MAX bytes; `len` gets how many. InternalError for an algorithm that does not fit the
 * key or an `out` that is too small. Threads may share a key. */
BB_MUST_USE enum bb_status bb_key_sign(const struct bb_key *key, enum bb_sig_alg alg,
                                       struct bb_span message, uint8_t *out, size_t cap,
                                       size_t *len, struct bb_error *err);
/* The public numbers as a JWK has them (RFC 7518 6.2, 6.3): n and e big-endian without a leading
 * zero, x and y as long as the curve's field. False for a key of the other type. */
struct bb_key_rsa {
    uint8_t n[512], e[8];
    size_t n_len, e_len;
};
struct bb_key_ec {
    const char *crv; /* "P-256", "P-384"; static */
    uint8_t x[48], y[48];
    size_t len; /* of each */
};
BB_MUST_USE bool bb_key_rsa_public(const struct bb_key *key, struct bb_key_rsa *out);
BB_MUST_USE bool bb_key_ec_public(const struct bb_key *key, struct bb_key_ec *out);
/* The library's own key object (EVP_PKEY *), borrowed: for TLS servers only. */
void *bb_key_native(const struct bb_key *key);

#endif
