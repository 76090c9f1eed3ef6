/* TLS 1.3's key schedule with SHA-256 (RFC 8446 section 7.1), and its records with AES-128-GCM. For
 * the load generator's light client only: no constant-time care, no wiping. */
#ifndef BB_BENCH_TLS_KEYS_H
#define BB_BENCH_TLS_KEYS_H

#include "base/span.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

enum { TLS_HASH = 32, TLS_RECORD_HEAD = 5, TLS_TAG = 16, TLS_RECORD_MAX = 16384 + 256 };

/* One direction's traffic keys. */
struct tls_half {
    EVP_CIPHER_CTX *ctx;
    uint8_t secret[TLS_HASH], iv[12];
    uint64_t sequence;
};

void tls_hmac(const uint8_t key[TLS_HASH], const struct bb_span *parts, size_t n,
              uint8_t out[TLS_HASH]);
/* HKDF-Expand-Label; `len` at most 64. */
void tls_expand(const uint8_t secret[TLS_HASH], const char *label, struct bb_span context,
                uint8_t *out, size_t len);
/* The digest of what was hashed so far; the running hash goes on. */
void tls_transcript(const SHA256_CTX *running, uint8_t out[TLS_HASH]);
/* Sets key and IV from half->secret. */
bool tls_half_start(struct tls_half *half, const EVP_CIPHER *cipher, bool encrypts);
/* A whole record to `out`, which has room for data.len + 22; returns its length, 0 on failure. */
size_t tls_seal(struct tls_half *half, uint8_t type, struct bb_span data, uint8_t *out);
/* Opens a whole record in place; `data` gets the content, `type` its type. */
bool tls_open(struct tls_half *half, uint8_t *record, size_t len, struct bb_span *data,
              uint8_t *type);

#endif
