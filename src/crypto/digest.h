/* SHA-256, SHA-384, SHA-512 over one or several pieces. Never fail on good memory; false only if
 * the library fails, which callers must treat as a refusal. */
#ifndef BB_CRYPTO_DIGEST_H
#define BB_CRYPTO_DIGEST_H

#include "base/error.h"

#define BB_SHA256_SIZE 32
#define BB_SHA384_SIZE 48
#define BB_SHA512_SIZE 64

BB_MUST_USE bool bb_sha256(struct bb_span in, uint8_t out[BB_SHA256_SIZE]);
BB_MUST_USE bool bb_sha384(struct bb_span in, uint8_t out[BB_SHA384_SIZE]);
BB_MUST_USE bool bb_sha512(struct bb_span in, uint8_t out[BB_SHA512_SIZE]);
/* SHA-384 of the concatenation of `n` parts. */
BB_MUST_USE bool bb_sha384_parts(const struct bb_span *parts, size_t n,
                                 uint8_t out[BB_SHA384_SIZE]);
/* Fills `out` from the CSPRNG. */
BB_MUST_USE bool bb_random(uint8_t *out, size_t len);

#endif
