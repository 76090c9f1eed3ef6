#include "jose.h"

#include "base/hex.h"
#include "rounds.h"
#include "codec/jws.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

static const char kid[] = "k1";

static void key_set_text(const struct bb_key *key, char *out, size_t cap) {
    struct bb_key_rsa rsa;
    struct bb_key_ec ec;
    char a[BB_B64URL_SIZE(512)], b[BB_B64URL_SIZE(48)];
    if (bb_key_rsa_public(key, &rsa)) {
        must(bb_b64url_encode(bb_span(rsa.n, rsa.n_len), a, sizeof a) &&
                 bb_b64url_encode(bb_span(rsa.e, rsa.e_len), b, sizeof b),
             "numbers");
        (void)snprintf(out, cap,
                       "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\",\"kid\":\"%s\"}]}", a,
                       b, kid);
        return;
    }
    must(bb_key_ec_public(key, &ec) && bb_b64url_encode(bb_span(ec.x, ec.len), a, sizeof a) &&
             bb_b64url_encode(bb_span(ec.y, ec.len), b, sizeof b),
         "numbers");
    (void)snprintf(
        out, cap,
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\",\"kid\":\"%s\"}]}",
        ec.crv, a, b, kid);
}

struct bench_jose bench_jose_new(enum bb_sig_alg alg, enum bb_key_type type) {
    struct bench_jose j = {.alg = alg};
    char text[2048];
    must(bb_key_generate(type, &j.key, NULL) == BB_OK, "key");
    key_set_text(j.key, text, sizeof text);
    must(bb_jwks_parse(bb_span_str(text), &j.jwks, NULL) == BB_OK, "key set");
    return j;
}

void bench_jose_done(struct bench_jose *j) {
    bb_jwks_free(j->jwks);
    bb_key_free(j->key);
}

char *bench_jose_token(const struct bench_jose *j, struct bb_span payload) {
    char header[256];
    uint8_t signature[BB_SIGNATURE_MAX];
    size_t len = 0;
    (void)snprintf(header, sizeof header,
                   "{\"alg\":\"%s\",\"jku\":\"https://verifier.example/certs\",\"kid\":\"%s\","
                   "\"typ\":\"JWT\"}",
                   bb_sig_alg_name(j->alg), kid);
    char *input = bb_jws_signing_input(bb_span_str(header), payload);
    must(input != NULL && bb_key_sign(j->key, j->alg, bb_span_str(input), signature,
                                      sizeof signature, &len, NULL) == BB_OK,
         "signing a token");
    char *token = bb_jws_finish(input, bb_span(signature, len));
    must(token != NULL, "memory");
    return token;
}

struct bench_bare {
    EVP_MD *md;
    EVP_MD_CTX *digest;
    EVP_PKEY_CTX *verify, *sign;
    uint8_t signature[BB_SIGNATURE_MAX];
    size_t len;
};

/* DER of r || s, which the library wants; RSA's signature as it is. */
static void set_signature(struct bench_bare *b, bool ec, struct bb_span signature) {
    must(signature.len <= sizeof b->signature, "signature");
    if (!ec) {
        memcpy(b->signature, signature.ptr, signature.len);
        b->len = signature.len;
        return;
    }
    int half = (int)(signature.len / 2);
    uint8_t *at = b->signature;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    must(sig != NULL && ECDSA_SIG_set0(sig, BN_bin2bn(signature.ptr, half, NULL),
                                       BN_bin2bn(signature.ptr + half, half, NULL)) == 1,
         "signature");
    int len = i2d_ECDSA_SIG(sig, &at);
    must(len > 0, "signature");
    b->len = (size_t)len;
    ECDSA_SIG_free(sig);
}

static EVP_PKEY_CTX *ready(EVP_PKEY *pkey, const EVP_MD *md, bool ec, bool sign) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    must(ctx != NULL && (sign ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) == 1 &&
             EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 &&
             (ec || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1),
         "context");
    return ctx;
}

struct bench_bare *bench_bare_new(const struct bench_jose *j, struct bb_span signature) {
    struct bench_bare *b = calloc(1, sizeof *b);
    EVP_PKEY *pkey = bb_key_native(j->key);
    bool ec = j->alg != BB_SIG_RS256;
    must(b != NULL, "memory");
    b->md = EVP_MD_fetch(NULL, j->alg == BB_SIG_ES384 ? "SHA384" : "SHA256", NULL);
    b->digest = EVP_MD_CTX_new();
    must(b->md != NULL && b->digest != NULL, "digest");
    b->verify = ready(pkey, b->md, ec, false);
    b->sign = ready(pkey, b->md, ec, true);
    set_signature(b, ec, signature);
    return b;
}

static unsigned hash(struct bench_bare *b, struct bb_span message, uint8_t out[EVP_MAX_MD_SIZE]) {
    unsigned len = 0;
    must(EVP_DigestInit_ex2(b->digest, b->md, NULL) == 1 &&
             EVP_DigestUpdate(b->digest, message.ptr, message.len) == 1 &&
             EVP_DigestFinal_ex(b->digest, out, &len) == 1,
         "digest");
    return len;
}

bool bench_bare_verify(struct bench_bare *b, struct bb_span message) {
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = hash(b, message, digest);
    return EVP_PKEY_verify(b->verify, b->signature, b->len, digest, len) == 1;
}

bool bench_bare_sign(struct bench_bare *b, struct bb_span message) {
    uint8_t digest[EVP_MAX_MD_SIZE], out[BB_SIGNATURE_MAX];
    size_t size = sizeof out;
    unsigned len = hash(b, message, digest);
    return EVP_PKEY_sign(b->sign, out, &size, digest, len) == 1;
}

void bench_bare_free(struct bench_bare *b) {
    EVP_PKEY_CTX_free(b->verify);
    EVP_PKEY_CTX_free(b->sign);
    EVP_MD_CTX_free(b->digest);
    EVP_MD_free(b->md);
    free(b);
}
