#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <limits.h>

/* The low-level calls: no fetch per call, 0.2 us instead of 0.5 us for short inputs (measured on
 * OpenSSL 3.0). They are deprecated for providers' sake, which we do not use for digests. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

bool bb_sha256(struct bb_span in, uint8_t out[BB_SHA256_SIZE]) {
    return SHA256(in.ptr, in.len, out) != NULL;
}

bool bb_sha384(struct bb_span in, uint8_t out[BB_SHA384_SIZE]) {
    return SHA384(in.ptr, in.len, out) != NULL;
}

bool bb_sha512(struct bb_span in, uint8_t out[BB_SHA512_SIZE]) {
    return SHA512(in.ptr, in.len, out) != NULL;
}

bool bb_sha384_parts(const struct bb_span *parts, size_t n, uint8_t out[BB_SHA384_SIZE]) {
    SHA512_CTX ctx;
    if (SHA384_Init(&ctx) != 1)
        return false;
    for (size_t i = 0; i < n; i++)
        if (parts[i].len > 0 && SHA384_Update(&ctx, parts[i].ptr, parts[i].len) != 1)
            return false;
    return SHA384_Final(out, &ctx) == 1;
}

bool bb_random(uint8_t *out, size_t len) {
    return len <= INT_MAX && RAND_bytes(out, (int)len) == 1;
}
