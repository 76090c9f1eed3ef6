#include "crypto/key.h"

#include "crypto/sig_alg.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdlib.h>

#define PEM_MAX 16384 /* an RSA-4096 key has 3 300 */

struct bb_key {
    EVP_PKEY *pkey;
    enum bb_key_type type;
    uint8_t *spki;
    size_t spki_len;
    struct bb_sig_contexts contexts;
};

static enum bb_status wrong_key(struct bb_error *err, const char *text) {
    return bb_fail(err, BB_USAGE, "key", "P-256, P-384, RSA-2048, RSA-3072 or RSA-4096", NULL, "%s",
                   text);
}

static bool rsa_type(int bits, enum bb_key_type *type) {
    *type = bits == 2048 ? BB_KEY_RSA2048 : bits == 3072 ? BB_KEY_RSA3072 : BB_KEY_RSA4096;
    return bits == 2048 || bits == 3072 || bits == 4096;
}

static bool type_of(const EVP_PKEY *pkey, enum bb_key_type *type) {
    if (EVP_PKEY_is_a(pkey, "RSA"))
        return rsa_type(EVP_PKEY_get_bits(pkey), type);
    char group[32] = "";
    size_t len = 0;
    if (!EVP_PKEY_is_a(pkey, "EC") || EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) != 1)
        return false;
    *type = strcmp(group, "secp384r1") == 0 ? BB_KEY_P384 : BB_KEY_P256;
    return *type == BB_KEY_P384 || strcmp(group, "prime256v1") == 0;
}

/* Takes `pkey`, also on failure. */
static enum bb_status wrap(EVP_PKEY *pkey, struct bb_key **out, struct bb_error *err) {
    struct bb_key *key = calloc(1, sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return bb_fail_internal(err, "memory for a key");
    }
    key->pkey = pkey;
    if (!type_of(pkey, &key->type)) {
        bb_key_free(key);
        return wrong_key(err, "the key is of a type that is not used here");
    }
    int len = i2d_PUBKEY(pkey, &key->spki);
    if (len <= 0 || !bb_sig_contexts_init(&key->contexts, pkey, true)) {
        bb_key_free(key);
        return bb_fail_internal(err, "public key encoding");
    }
    key->spki_len = (size_t)len;
    *out = key;
    return BB_OK;
}

enum bb_status bb_key_generate(enum bb_key_type type, struct bb_key **out, struct bb_error *err) {
    EVP_PKEY *pkey = NULL;
    switch (type) {
    case BB_KEY_P256:
        pkey = EVP_EC_gen("P-256");
        break;
    case BB_KEY_P384:
        pkey = EVP_EC_gen("P-384");
        break;
    case BB_KEY_RSA2048:
        pkey = EVP_RSA_gen(2048);
        break;
    case BB_KEY_RSA3072:
        pkey = EVP_RSA_gen(3072);
        break;
    case BB_KEY_RSA4096:
        pkey = EVP_RSA_gen(4096);
        break;
    }
    if (pkey == NULL)
        return bb_fail_internal(err, "key generation");
    return wrap(pkey, out, err);
}

enum bb_status bb_key_from_pem(struct bb_span text, struct bb_key **out, struct bb_error *err) {
    if (text.len == 0 || text.len > PEM_MAX)
        return wrong_key(err, "the key file is empty or too large");
    BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
    if (bio == NULL)
        return bb_fail_internal(err, "memory for a key");
    /* A callback that gives no password, so that nothing asks on the terminal. */
    char none[] = "";
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, none);
    BIO_free(bio);
    if (pkey == NULL)
        return wrong_key(err, "not a PEM private key without password");
    return wrap(pkey, out, err);
}

enum bb_status bb_key_to_pem(const struct bb_key *key, uint8_t *out, size_t cap, size_t *len,
                             struct bb_error *err) {
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio == NULL)
        return bb_fail_internal(err, "memory for a key");
    char *text = NULL;
    bool made = PEM_write_bio_PKCS8PrivateKey(bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1;
    long size = made ? BIO_get_mem_data(bio, &text) : 0;
    bool fits = size > 0 && (size_t)size <= cap;
    if (fits) {
        memcpy(out, text, (size_t)size);
        *len = (size_t)size;
    }
    BIO_free(bio);
    return fits ? BB_OK : bb_fail_internal(err, "private key encoding");
}

void bb_key_free(struct bb_key *key) {
    if (key == NULL)
        return;
    bb_sig_contexts_done(&key->contexts);
    EVP_PKEY_free(key->pkey); /* wipes the secret parts itself */
    OPENSSL_free(key->spki);
    free(key);
}

struct bb_span bb_key_spki(const struct bb_key *key) {
    return bb_span(key->spki, key->spki_len);
}

void *bb_key_native(const struct bb_key *key) { return key->pkey; }

/* DER ECDSA-Sig-Value to r || s with leading zeros. */
static bool fixed_rs(const uint8_t *der, size_t der_len, uint8_t *rs, size_t half) {
    ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)der_len);
    bool ok = sig != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, (int)half) == (int)half &&
              BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + half, (int)half) == (int)half;
    ECDSA_SIG_free(sig);
    return ok;
}

bool bb_key_fits(const struct bb_key *key, enum bb_sig_alg alg) {
    return bb_sig_info(alg) != NULL && key->contexts.of[alg] != NULL;
}

/* How many bytes a signature has. */
static size_t signature_len(const struct bb_key *key, const struct bb_sig_info *info) {
    return info->group == NULL ? (size_t)EVP_PKEY_get_size(key->pkey) : 2 * info->half;
}

enum bb_status bb_key_sign(const struct bb_key *key, enum bb_sig_alg alg, struct bb_span message,
                           uint8_t *out, size_t cap, size_t *len, struct bb_error *err) {
    const struct bb_sig_info *info = bb_sig_info(alg);
    if (!bb_key_fits(key, alg) || signature_len(key, info) > cap)
        return bb_fail_internal(err, "signature with a key of another type");
    uint8_t digest[BB_SHA512_SIZE], made[BB_SIGNATURE_MAX]; /* ECDSA: DER */
    size_t made_len = sizeof made, want = signature_len(key, info);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(key->contexts.of[alg]);
    bool ok = ctx != NULL && bb_sig_digest(alg, message, digest) &&
              EVP_PKEY_sign(ctx, made, &made_len, digest, info->md_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (ok && info->group != NULL)
        ok = fixed_rs(made, made_len, out, info->half);
    else if (ok && made_len == want)
        memcpy(out, made, want);
    else
        ok = false;
    if (!ok)
        return bb_fail_internal(err, "signature");
    *len = want;
    return BB_OK;
}

enum bb_status bb_key_sign_ecdsa(const struct bb_key *key, struct bb_span message, uint8_t *rs,
                                 size_t rs_len, struct bb_error *err) {
    enum bb_sig_alg alg = key->type == BB_KEY_P384 ? BB_SIG_ES384 : BB_SIG_ES256;
    size_t len = 0;
    if (rs_len != 2 * bb_sig_info(alg)->half)
        return bb_fail_internal(err, "ECDSA with a key of another type");
    return bb_key_sign(key, alg, message, rs, rs_len, &len, err);
}

/* `width` 0: as many bytes as the number needs. */
static bool number(const struct bb_key *key, const char *name, size_t width, uint8_t *out,
                   size_t cap, size_t *len) {
    BIGNUM *bn = NULL;
    bool ok = EVP_PKEY_get_bn_param(key->pkey, name, &bn) == 1;
    size_t need = ok ? (size_t)BN_num_bytes(bn) : 0;
    if (width == 0)
        width = need;
    ok = ok && need <= width && width <= cap && BN_bn2binpad(bn, out, (int)width) == (int)width;
    BN_free(bn);
    if (ok)
        *len = width;
    return ok;
}

bool bb_key_rsa_public(const struct bb_key *key, struct bb_key_rsa *out) {
    struct bb_key_rsa rsa = {.n_len = 0};
    if (!EVP_PKEY_is_a(key->pkey, "RSA") ||
        !number(key, OSSL_PKEY_PARAM_RSA_N, 0, rsa.n, sizeof rsa.n, &rsa.n_len) ||
        !number(key, OSSL_PKEY_PARAM_RSA_E, 0, rsa.e, sizeof rsa.e, &rsa.e_len))
        return false;
    *out = rsa;
    return true;
}

bool bb_key_ec_public(const struct bb_key *key, struct bb_key_ec *out) {
    bool p384 = key->type == BB_KEY_P384;
    struct bb_key_ec ec = {.crv = p384 ? "P-384" : "P-256"};
    size_t width = p384 ? 48 : 32;
    if (!EVP_PKEY_is_a(key->pkey, "EC") ||
        !number(key, OSSL_PKEY_PARAM_EC_PUB_X, width, ec.x, sizeof ec.x, &ec.len) ||
        !number(key, OSSL_PKEY_PARAM_EC_PUB_Y, width, ec.y, sizeof ec.y, &ec.len))
        return false;
    *out = ec;
    return true;
}
