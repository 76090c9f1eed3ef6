#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <limits.h>

/* The low-level contexts: 1.0 us where a fetch each time makes it 2.7 us (91 bytes, OpenSSL 3.0;
 * its one-shot SHA384() fetches too). They are deprecated for providers' sake, which we do not use
 * for digests. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

bool bb_sha256(struct bb_span in, uint8_t out[BB_SHA256_SIZE]) {
    SHA256_CTX ctx;
    return SHA256_Init(&ctx) == 1 && SHA256_Update(&ctx, in.ptr, in.len) == 1 &&
           SHA256_Final(out, &ctx) == 1;
}

bool bb_sha384(struct bb_span in, uint8_t out[BB_SHA384_SIZE]) {
    return bb_sha384_parts(&in, 1, out);
}

bool bb_sha512(struct bb_span in, uint8_t out[BB_SHA512_SIZE]) {
    SHA512_CTX ctx;
    return SHA512_Init(&ctx) == 1 && SHA512_Update(&ctx, in.ptr, in.len) == 1 &&
           SHA512_Final(out, &ctx) == 1;
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
