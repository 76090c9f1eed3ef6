#include "crypto/pubkey.h"

#include "crypto/digest.h"
#include "crypto/roca.h"
#include "crypto/sig_alg.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>

struct bb_pubkey {
    EVP_PKEY *pkey;
    struct bb_sig_contexts contexts;
    size_t rsa_size; /* bytes of the modulus */
    uint8_t spki_sha256[BB_SHA256_SIZE];
};

static enum bb_status refuse(struct bb_error *err, const char *field, const char *expected,
                             const char *text) {
    return bb_fail(err, BB_UNSUPPORTED_EVIDENCE, field, expected, NULL, "%s", text);
}

static enum bb_status malformed(struct bb_error *err, const char *field, const char *text) {
    return bb_fail(err, BB_MALFORMED_EVIDENCE, field, NULL, NULL, "%s", text);
}

static enum bb_status check_modulus(const BIGNUM *n, struct bb_error *err) {
    char found[32];
    (void)snprintf(found, sizeof found, "%d bits", BN_num_bits(n));
    if (BN_num_bits(n) < BB_RSA_BITS_MIN || BN_num_bits(n) > BB_RSA_BITS_MAX)
        return bb_fail(err, BB_UNSUPPORTED_EVIDENCE, "n", "2048 to 8192 bits", found,
                       "the RSA key is too small or too large");
    if (BN_is_odd(n) == 0)
        return refuse(err, "n", "odd", "the RSA modulus is even");
    if (bb_roca_marked(n))
        return refuse(err, "n", NULL,
                      "the RSA key was made by a generator whose keys can be factored");
    return BB_OK;
}

static enum bb_status check_rsa(const EVP_PKEY *pkey, struct bb_error *err) {
    BIGNUM *n = NULL, *e = NULL;
    enum bb_status status = BB_OK;
    if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
        status = bb_fail_internal(err, "reading an RSA key");
    else if (BN_is_odd(e) == 0 || BN_is_one(e) == 1 || BN_num_bits(e) > BB_RSA_EXPONENT_BITS_MAX)
        status = refuse(err, "e", "odd, from 3 to 2^32 - 1", "the RSA exponent is not accepted");
    else
        status = check_modulus(n, err);
    BN_free(n);
    BN_free(e);
    return status;
}

static enum bb_status check_ec(EVP_PKEY *pkey, struct bb_error *err) {
    if (!bb_sig_fits(pkey, BB_SIG_ES256) && !bb_sig_fits(pkey, BB_SIG_ES384) &&
        !bb_sig_fits(pkey, BB_SIG_ES512))
        return refuse(err, "crv", "P-256, P-384, P-521", "the curve is not known");
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    bool good = ctx != NULL && EVP_PKEY_public_check(ctx) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good ? BB_OK : refuse(err, "x", NULL, "the point is not on the curve");
}

static enum bb_status check(EVP_PKEY *pkey, struct bb_error *err) {
    if (EVP_PKEY_is_a(pkey, "RSA")) /* not "RSA-PSS", whose parameters could be anything */
        return check_rsa(pkey, err);
    if (EVP_PKEY_is_a(pkey, "EC"))
        return check_ec(pkey, err);
    return refuse(err, "kty", "RSA or EC", "the key is of a type that is not known");
}

static bool set_spki(struct bb_pubkey *key) {
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key->pkey, &der);
    bool good = len > 0 && bb_sha256(bb_span(der, (size_t)len), key->spki_sha256);
    OPENSSL_free(der);
    return good;
}

/* Takes `pkey`, also on failure. */
static enum bb_status wrap(EVP_PKEY *pkey, struct bb_pubkey **out, struct bb_error *err) {
    struct bb_pubkey *key = calloc(1, sizeof *key);
    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return bb_fail_internal(err, "memory for a key");
    }
    key->pkey = pkey;
    enum bb_status status = check(pkey, err);
    if (status == BB_OK && (!bb_sig_contexts_init(&key->contexts, pkey, false) || !set_spki(key)))
        status = bb_fail_internal(err, "preparing a key");
    if (status != BB_OK) {
        bb_pubkey_free(key);
        return status;
    }
    key->rsa_size = (size_t)EVP_PKEY_get_size(pkey);
    *out = key;
    return BB_OK;
}

/* What a refused key left in the thread's error queue would look like a failure of TLS to the next
 * caller of SSL_get_error(). */
static enum bb_status wrap_quietly(EVP_PKEY *pkey, struct bb_pubkey **out, struct bb_error *err) {
    ERR_set_mark();
    enum bb_status status = wrap(pkey, out, err);
    ERR_pop_to_mark();
    return status;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *bld) {
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *pkey = NULL;
    ERR_set_mark();
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
        pkey = NULL;
    ERR_pop_to_mark();
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

/* RFC 7518 6.3.1: no more octets than the number needs. */
static bool minimal(struct bb_span number) { return number.len > 0 && number.ptr[0] != 0; }

static EVP_PKEY *rsa_key(struct bb_span n, struct bb_span e) {
    BIGNUM *bn_n = BN_bin2bn(n.ptr, (int)n.len, NULL), *bn_e = BN_bin2bn(e.ptr, (int)e.len, NULL);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (bn_n != NULL && bn_e != NULL && bld != NULL &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn_n) == 1 &&
        OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, bn_e) == 1)
        pkey = from_params("RSA", bld);
    OSSL_PARAM_BLD_free(bld);
    BN_free(bn_n);
    BN_free(bn_e);
    return pkey;
}

enum bb_status bb_pubkey_from_rsa(struct bb_span n, struct bb_span e, struct bb_pubkey **out,
                                  struct bb_error *err) {
    if (!minimal(n))
        return malformed(err, "n", "the RSA modulus is empty or begins with a zero byte");
    if (!minimal(e))
        return malformed(err, "e", "the RSA exponent is empty or begins with a zero byte");
    if (n.len > BB_RSA_BITS_MAX / 8) /* before any arithmetic */
        return refuse(err, "n", "2048 to 8192 bits", "the RSA key is too small or too large");
    if (e.len > BB_RSA_EXPONENT_BITS_MAX / 8)
        return refuse(err, "e", "odd, from 3 to 2^32 - 1", "the RSA exponent is not accepted");
    EVP_PKEY *pkey = rsa_key(n, e);
    return pkey == NULL ? bb_fail_internal(err, "making an RSA key") : wrap_quietly(pkey, out, err);
}

static const struct curve {
    const char *crv, *group;
    size_t size;
} curves[] = {{"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}};
enum { N_CURVES = sizeof curves / sizeof curves[0] };

static EVP_PKEY *ec_key(const struct curve *curve, struct bb_span x, struct bb_span y) {
    enum { UNCOMPRESSED = 4 }; /* SEC 1 2.3.3 */
    uint8_t point[1 + 2 * BB_SIG_HALF_MAX] = {UNCOMPRESSED};
    memcpy(point + 1, x.ptr, curve->size);
    memcpy(point + 1 + curve->size, y.ptr, curve->size);
    OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (bld != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, curve->group, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         1 + 2 * curve->size) == 1)
        pkey = from_params("EC", bld);
    OSSL_PARAM_BLD_free(bld);
    return pkey;
}

enum bb_status bb_pubkey_from_ec(struct bb_span crv, struct bb_span x, struct bb_span y,
                                 struct bb_pubkey **out, struct bb_error *err) {
    size_t i = 0;
    while (i < N_CURVES && !bb_span_equal(crv, bb_span_str(curves[i].crv)))
        i++;
    if (i == N_CURVES)
        return refuse(err, "crv", "P-256, P-384, P-521", "the curve is not known");
    if (x.len != curves[i].size)
        return malformed(err, "x", "the coordinate is not as long as the curve's field");
    if (y.len != curves[i].size)
        return malformed(err, "y", "the coordinate is not as long as the curve's field");
    EVP_PKEY *pkey = ec_key(&curves[i], x, y);
    return pkey == NULL ? refuse(err, "x", NULL, "the point is not on the curve")
                        : wrap_quietly(pkey, out, err);
}

enum bb_status bb_pubkey_from_cert(struct bb_span der, struct bb_pubkey **out,
                                   struct bb_error *err) {
    if (der.len == 0 || der.len > BB_PUBKEY_DER_MAX)
        return malformed(err, "certificate", "the certificate is empty or too large");
    const uint8_t *at = der.ptr;
    ERR_set_mark();
    X509 *x509 = d2i_X509(NULL, &at, (long)der.len);
    EVP_PKEY *pkey = x509 == NULL || at != der.ptr + der.len ? NULL : X509_get_pubkey(x509);
    X509_free(x509);
    ERR_pop_to_mark();
    if (pkey == NULL)
        return malformed(err, "certificate", "not one DER certificate with a key that can be read");
    return wrap_quietly(pkey, out, err);
}

enum bb_status bb_pubkey_from_spki(struct bb_span der, struct bb_pubkey **out,
                                   struct bb_error *err) {
    if (der.len == 0 || der.len > BB_PUBKEY_DER_MAX)
        return malformed(err, "key", "the public key is empty or too large");
    const uint8_t *at = der.ptr;
    ERR_set_mark();
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)der.len);
    ERR_pop_to_mark();
    if (pkey == NULL || at != der.ptr + der.len) {
        EVP_PKEY_free(pkey);
        return malformed(err, "key", "not one DER public key");
    }
    return wrap_quietly(pkey, out, err);
}

void bb_pubkey_free(struct bb_pubkey *key) {
    if (key == NULL)
        return;
    bb_sig_contexts_done(&key->contexts);
    EVP_PKEY_free(key->pkey);
    free(key);
}

bool bb_pubkey_fits(const struct bb_pubkey *key, enum bb_sig_alg alg) {
    return bb_sig_info(alg) != NULL && key->contexts.of[alg] != NULL;
}

/* r || s as the DER that OpenSSL wants; it refuses r or s of zero or above n - 1 itself. */
static int der_of_rs(struct bb_span rs, uint8_t **der) {
    int half = (int)(rs.len / 2), len = -1;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(rs.ptr, half, NULL), *s = BN_bin2bn(rs.ptr + half, half, NULL);
    if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
        BN_free(r);
        BN_free(s);
    } else {
        len = i2d_ECDSA_SIG(sig, der);
    }
    ECDSA_SIG_free(sig);
    return len;
}

static bool verify(const struct bb_pubkey *key, enum bb_sig_alg alg, struct bb_span message,
                   struct bb_span signature) {
    uint8_t digest[BB_SHA512_SIZE];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(key->contexts.of[alg]);
    bool good =
        ctx != NULL && bb_sig_digest(alg, message, digest) &&
        EVP_PKEY_verify(ctx, signature.ptr, signature.len, digest, bb_sig_info(alg)->md_len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return good;
}

bool bb_pubkey_verify(const struct bb_pubkey *key, enum bb_sig_alg alg, struct bb_span message,
                      struct bb_span signature) {
    if (!bb_pubkey_fits(key, alg))
        return false;
    size_t half = bb_sig_info(alg)->half;
    if (signature.len != (half == 0 ? key->rsa_size : 2 * half))
        return false;
    uint8_t *der = NULL;
    ERR_set_mark();
    if (half != 0) {
        int len = der_of_rs(signature, &der);
        signature = bb_span(der, len > 0 ? (size_t)len : 0);
    }
    bool good = signature.len > 0 && verify(key, alg, message, signature);
    OPENSSL_free(der);
    ERR_pop_to_mark();
    return good;
}

const uint8_t *bb_pubkey_spki_sha256(const struct bb_pubkey *key) { return key->spki_sha256; }
