#include "tls_keys.h"

/* The low-level hash: what costs time in the library's key schedule is its fetches. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

void tls_hmac(const uint8_t key[TLS_HASH], const struct bb_span *parts, size_t n,
              uint8_t out[TLS_HASH]) {
    enum { BLOCK = 64 };
    uint8_t inner[BLOCK], outer[BLOCK];
    SHA256_CTX ctx;
    for (size_t i = 0; i < BLOCK; i++) {
        uint8_t byte = i < TLS_HASH ? key[i] : 0;
        inner[i] = byte ^ 0x36;
        outer[i] = byte ^ 0x5c;
    }
    (void)SHA256_Init(&ctx);
    (void)SHA256_Update(&ctx, inner, BLOCK);
    for (size_t i = 0; i < n; i++)
        (void)SHA256_Update(&ctx, parts[i].ptr, parts[i].len);
    (void)SHA256_Final(out, &ctx);
    (void)SHA256_Init(&ctx);
    (void)SHA256_Update(&ctx, outer, BLOCK);
    (void)SHA256_Update(&ctx, out, TLS_HASH);
    (void)SHA256_Final(out, &ctx);
}

void tls_expand(const uint8_t secret[TLS_HASH], const char *label, struct bb_span context,
                uint8_t *out, size_t len) {
    uint8_t info[128], block[TLS_HASH];
    struct bb_writer w = bb_writer(info, sizeof info);
    bb_write_u16be(&w, (uint16_t)len);
    bb_write_u8(&w, (uint8_t)(6 + strlen(label)));
    bb_write_bytes(&w, BB_SPAN_LIT("tls13 "));
    bb_write_bytes(&w, bb_span_str(label));
    bb_write_u8(&w, (uint8_t)context.len);
    bb_write_bytes(&w, context);
    size_t made = 0;
    for (uint8_t counter = 1; made < len; counter++) {
        const struct bb_span parts[] = {bb_span(block, counter == 1 ? 0 : TLS_HASH),
                                        bb_writer_span(&w), bb_span(&counter, 1)};
        tls_hmac(secret, parts, 3, block);
        size_t n = len - made < TLS_HASH ? len - made : TLS_HASH;
        memcpy(out + made, block, n);
        made += n;
    }
}

void tls_transcript(const SHA256_CTX *running, uint8_t out[TLS_HASH]) {
    SHA256_CTX copy = *running;
    (void)SHA256_Final(out, &copy);
}

bool tls_half_start(struct tls_half *half, const EVP_CIPHER *cipher, bool encrypts) {
    uint8_t key[16];
    tls_expand(half->secret, "key", bb_span(NULL, 0), key, sizeof key);
    tls_expand(half->secret, "iv", bb_span(NULL, 0), half->iv, sizeof half->iv);
    half->sequence = 0;
    return EVP_CipherInit_ex2(half->ctx, cipher, key, NULL, encrypts ? 1 : 0, NULL) == 1;
}

static void nonce(struct tls_half *half, uint8_t out[12]) {
    uint64_t n = half->sequence++;
    memcpy(out, half->iv, 12);
    for (int i = 11; i > 3; i--, n >>= 8)
        out[i] ^= (uint8_t)n;
}

size_t tls_seal(struct tls_half *half, uint8_t type, struct bb_span data, uint8_t *out) {
    uint8_t iv[12];
    int n = 0, tail = 0, ignored = 0;
    size_t body = data.len + 1 + TLS_TAG;
    struct bb_writer w = bb_writer(out, TLS_RECORD_HEAD);
    nonce(half, iv);
    bb_write_u8(&w, 23);
    bb_write_u16be(&w, 0x0303);
    bb_write_u16be(&w, (uint16_t)body);
    uint8_t *at = out + TLS_RECORD_HEAD;
    bool good =
        EVP_EncryptInit_ex2(half->ctx, NULL, NULL, iv, NULL) == 1 &&
        EVP_EncryptUpdate(half->ctx, NULL, &ignored, out, TLS_RECORD_HEAD) == 1 &&
        EVP_EncryptUpdate(half->ctx, at, &n, data.ptr, (int)data.len) == 1 &&
        EVP_EncryptUpdate(half->ctx, at + data.len, &tail, &type, 1) == 1 &&
        EVP_EncryptFinal_ex(half->ctx, at + data.len + 1, &ignored) == 1 &&
        EVP_CIPHER_CTX_ctrl(half->ctx, EVP_CTRL_AEAD_GET_TAG, TLS_TAG, at + data.len + 1) == 1;
    return good ? TLS_RECORD_HEAD + body : 0;
}

bool tls_open(struct tls_half *half, uint8_t *record, size_t len, struct bb_span *data,
              uint8_t *type) {
    uint8_t iv[12], *body = record + TLS_RECORD_HEAD;
    int n = 0, ignored = 0;
    if (record[0] != 23 || len < TLS_RECORD_HEAD + TLS_TAG + 1)
        return false;
    size_t inner = len - TLS_RECORD_HEAD - TLS_TAG;
    nonce(half, iv);
    if (EVP_DecryptInit_ex2(half->ctx, NULL, NULL, iv, NULL) != 1 ||
        EVP_CIPHER_CTX_ctrl(half->ctx, EVP_CTRL_AEAD_SET_TAG, TLS_TAG, body + inner) != 1 ||
        EVP_DecryptUpdate(half->ctx, NULL, &ignored, record, TLS_RECORD_HEAD) != 1 ||
        EVP_DecryptUpdate(half->ctx, body, &n, body, (int)inner) != 1 ||
        EVP_DecryptFinal_ex(half->ctx, body + n, &ignored) != 1)
        return false;
    while (inner > 0 && body[inner - 1] == 0) /* padding */
        inner--;
    if (inner == 0)
        return false;
    *type = body[inner - 1];
    *data = bb_span(body, inner - 1);
    return true;
}
