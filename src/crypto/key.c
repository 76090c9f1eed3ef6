#include "crypto/key.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdlib.h>

#define PEM_MAX 16384 /* an RSA-4096 key has 3 300 */
enum { RSA_BITS = 4096 };

struct bb_key {
    EVP_PKEY *pkey;
    enum bb_key_type type;
    uint8_t *spki;
    size_t spki_len;
};

static enum bb_status wrong_key(struct bb_error *err, const char *text) {
    return bb_fail(err, BB_USAGE, "key", "P-256, P-384 or RSA-4096", NULL, "%s", text);
}

static bool type_of(const EVP_PKEY *pkey, enum bb_key_type *type) {
    if (EVP_PKEY_is_a(pkey, "RSA") && EVP_PKEY_get_bits(pkey) == RSA_BITS) {
        *type = BB_KEY_RSA4096;
        return true;
    }
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
    if (len <= 0) {
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
    case BB_KEY_RSA4096:
        pkey = EVP_RSA_gen(RSA_BITS);
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

enum bb_status bb_key_sign_ecdsa(const struct bb_key *key, struct bb_span message, uint8_t *rs,
                                 size_t rs_len, struct bb_error *err) {
    size_t half = key->type == BB_KEY_P384 ? 48 : 32;
    if (key->type == BB_KEY_RSA4096 || rs_len != 2 * half)
        return bb_fail_internal(err, "ECDSA with a key of another type");
    const EVP_MD *md = key->type == BB_KEY_P384 ? EVP_sha384() : EVP_sha256();
    uint8_t der[128]; /* P-384: at most 104 */
    size_t der_len = sizeof der;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, md, NULL, key->pkey) == 1 &&
              EVP_DigestSign(ctx, der, &der_len, message.ptr, message.len) == 1 &&
              fixed_rs(der, der_len, rs, half);
    EVP_MD_CTX_free(ctx);
    return ok ? BB_OK : bb_fail_internal(err, "ECDSA signature");
}
