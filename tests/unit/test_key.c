/* Private keys: signatures of every algorithm under keys of every type, checked by OpenSSL itself;
 * the numbers of a JWK; self-signed certificates. */
#include "vectors.h"

#include "crypto/issue.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

static const enum bb_key_type types[] = {BB_KEY_P256, BB_KEY_P384, BB_KEY_RSA2048, BB_KEY_RSA3072};
enum { N_TYPES = sizeof types / sizeof types[0] };
static struct bb_key *keys[N_TYPES];

static int make_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++)
        if (bb_key_generate(types[i], &keys[i], NULL) != BB_OK)
            return 1;
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < N_TYPES; i++)
        bb_key_free(keys[i]);
    return 0;
}

struct row {
    enum bb_sig_alg alg;
    const char *name, *md;
    int salt;    /* 0: no PSS */
    size_t size; /* of the signature; 0: RSA */
    enum bb_key_type only;
};

static const struct row rows[] = {
    {BB_SIG_RS256, "RS256", "SHA256", 0, 0, 0},
    {BB_SIG_RS384, "RS384", "SHA384", 0, 0, 0},
    {BB_SIG_RS512, "RS512", "SHA512", 0, 0, 0},
    {BB_SIG_PS256, "PS256", "SHA256", 32, 0, 0},
    {BB_SIG_PS384, "PS384", "SHA384", 48, 0, 0},
    {BB_SIG_PS512, "PS512", "SHA512", 64, 0, 0},
    {BB_SIG_ES256, "ES256", "SHA256", 0, 64, BB_KEY_P256},
    {BB_SIG_ES384, "ES384", "SHA384", 0, 96, BB_KEY_P384},
};

static bool is_rsa(size_t key) { return types[key] != BB_KEY_P256 && types[key] != BB_KEY_P384; }

static bool should_fit(size_t key, const struct row *r) {
    return r->size == 0 ? is_rsa(key) : types[key] == r->only;
}

static struct bb_span der_of(const uint8_t *rs, size_t len, uint8_t *out) {
    ECDSA_SIG *sig = ECDSA_SIG_new();
    int half = (int)len / 2;
    assert_int_equal(
        ECDSA_SIG_set0(sig, BN_bin2bn(rs, half, NULL), BN_bin2bn(rs + half, half, NULL)), 1);
    int der_len = i2d_ECDSA_SIG(sig, &(uint8_t *){out});
    ECDSA_SIG_free(sig);
    return bb_span(out, (size_t)der_len);
}

static bool openssl_takes(size_t key, const struct row *r, struct bb_span sig) {
    struct bb_span spki = bb_key_spki(keys[key]);
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &(const uint8_t *){spki.ptr}, (long)spki.len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *p = NULL;
    uint8_t der[160];
    assert_int_equal(EVP_DigestVerifyInit(ctx, &p, EVP_get_digestbyname(r->md), NULL, pkey), 1);
    if (r->size != 0)
        sig = der_of(sig.ptr, sig.len, der);
    if (r->salt != 0)
        assert_true(EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(p, r->salt) == 1);
    bool good = EVP_DigestVerify(ctx, sig.ptr, sig.len, (const uint8_t *)"abc", 3) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return good;
}

static void check_signature(size_t key, const struct row *r) {
    uint8_t sig[BB_SIGNATURE_MAX];
    size_t len = 777;
    struct bb_error err = {0};
    assert_int_equal(bb_key_fits(keys[key], r->alg), should_fit(key, r));
    if (!should_fit(key, r)) {
        assert_int_equal(
            bb_key_sign(keys[key], r->alg, BB_SPAN_LIT("abc"), sig, sizeof sig, &len, &err),
            BB_INTERNAL);
        assert_int_equal(len, 777);
        return;
    }
    size_t want = r->size != 0 ? r->size : types[key] == BB_KEY_RSA2048 ? 256 : 384;
    assert_int_equal(bb_key_sign(keys[key], r->alg, BB_SPAN_LIT("abc"), sig, want, &len, &err),
                     BB_OK);
    assert_int_equal(len, want);
    assert_true(openssl_takes(key, r, bb_span(sig, len)));
    sig[5] ^= 1;
    assert_false(openssl_takes(key, r, bb_span(sig, len)));
    assert_int_equal(bb_key_sign(keys[key], r->alg, BB_SPAN_LIT("abc"), sig, want - 1, &len, &err),
                     BB_INTERNAL);
}

static void test_every_algorithm_under_every_key(void **state) {
    (void)state;
    for (size_t key = 0; key < N_TYPES; key++)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            check_signature(key, &rows[i]);
    for (size_t key = 0; key < N_TYPES; key++) {
        assert_false(bb_key_fits(keys[key], BB_SIG_NONE));
        assert_false(bb_key_fits(keys[key], BB_SIG_ES512));
        assert_false(bb_key_fits(keys[key], BB_SIG_COUNT));
    }
}

static void test_names_of_algorithms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(bb_sig_alg_name(rows[i].alg), rows[i].name);
        assert_int_equal(bb_sig_alg_from_name(bb_span_str(rows[i].name)), rows[i].alg);
    }
    assert_null(bb_sig_alg_name(BB_SIG_NONE));
    assert_null(bb_sig_alg_name(BB_SIG_COUNT));
    const char *const foreign[] = {"",       "none", "None",  "rs256",
                                   "RS256 ", "RS25", "HS256", "ES256K"};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        assert_int_equal(bb_sig_alg_from_name(bb_span_str(foreign[i])), BB_SIG_NONE);
}

static void assert_number(size_t key, const char *name, const uint8_t *bytes, size_t len) {
    BIGNUM *want = NULL, *got = BN_bin2bn(bytes, (int)len, NULL);
    assert_int_equal(EVP_PKEY_get_bn_param(bb_key_native(keys[key]), name, &want), 1);
    assert_int_equal(BN_cmp(want, got), 0);
    BN_free(want);
    BN_free(got);
}

static void test_numbers_of_a_jwk(void **state) {
    (void)state;
    for (size_t key = 0; key < N_TYPES; key++) {
        struct bb_key_rsa rsa;
        struct bb_key_ec ec;
        assert_int_equal(bb_key_rsa_public(keys[key], &rsa), is_rsa(key));
        assert_int_equal(bb_key_ec_public(keys[key], &ec), !is_rsa(key));
        if (is_rsa(key)) {
            assert_int_equal(rsa.n_len, types[key] == BB_KEY_RSA2048 ? 256 : 384);
            assert_memory_equal(rsa.e, "\x01\x00\x01", 3);
            assert_int_equal(rsa.e_len, 3);
            assert_number(key, OSSL_PKEY_PARAM_RSA_N, rsa.n, rsa.n_len);
        } else {
            assert_string_equal(ec.crv, types[key] == BB_KEY_P256 ? "P-256" : "P-384");
            assert_int_equal(ec.len, types[key] == BB_KEY_P256 ? 32 : 48);
            assert_number(key, OSSL_PKEY_PARAM_EC_PUB_X, ec.x, ec.len);
            assert_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, ec.y, ec.len);
        }
    }
}

static void test_keys_as_text(void **state) {
    (void)state;
    for (size_t key = 0; key < N_TYPES; key++) {
        uint8_t pem[4096];
        size_t len = 0;
        struct bb_key *again = NULL;
        assert_int_equal(bb_key_to_pem(keys[key], pem, sizeof pem, &len, NULL), BB_OK);
        assert_int_equal(bb_key_from_pem(bb_span(pem, len), &again, NULL), BB_OK);
        assert_true(bb_span_equal(bb_key_spki(again), bb_key_spki(keys[key])));
        bb_key_free(again);
    }
}

static void test_self_signed_certificates(void **state) {
    (void)state;
    char url[BB_ISSUE_CN_MAX + 2] = "https://";
    memset(url + 8, 'v', sizeof url - 9);
    url[100] = '\0';
    for (size_t key = 0; key < N_TYPES; key++) {
        uint8_t der[4096];
        size_t len = 0;
        struct bb_cert *cert = NULL;
        assert_int_equal(
            bb_issue_self_signed(keys[key], url, 1000, 2000, der, sizeof der, &len, NULL), BB_OK);
        assert_int_equal(bb_cert_parse(bb_span(der, len), &cert, NULL), BB_OK);
        assert_null(bb_cert_flaw(cert));
        assert_string_equal(bb_cert_subject_cn(cert), url);
        assert_string_equal(bb_cert_issuer_cn(cert), url);
        assert_true(bb_cert_is_ca(cert));
        assert_int_equal(bb_cert_not_before(cert), 1000);
        assert_int_equal(bb_cert_not_after(cert), 2000);
        assert_true(bb_span_equal(bb_cert_spki(cert), bb_key_spki(keys[key])));
        X509 *x = d2i_X509(NULL, &(const uint8_t *){der}, (long)len);
        assert_int_equal(X509_verify(x, bb_key_native(keys[key])), 1);
        X509_free(x);
        bb_cert_free(cert);
    }
}

static void test_names_of_certificates(void **state) {
    (void)state;
    char text[BB_ISSUE_CN_MAX + 2];
    uint8_t der[4096];
    size_t len = 0;
    for (size_t n = 0; n <= BB_ISSUE_CN_MAX + 1; n += n == 0 ? BB_ISSUE_CN_MAX : 1) {
        struct bb_error err = {0};
        memset(text, 'x', n);
        text[n] = '\0';
        enum bb_status want = n == BB_ISSUE_CN_MAX ? BB_OK : BB_USAGE;
        assert_int_equal(bb_issue_self_signed(keys[0], text, 0, 1, der, sizeof der, &len, &err),
                         want);
        assert_string_equal(err.field, want == BB_OK ? "" : "cn");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm_under_every_key),
        cmocka_unit_test(test_names_of_algorithms),
        cmocka_unit_test(test_numbers_of_a_jwk),
        cmocka_unit_test(test_keys_as_text),
        cmocka_unit_test(test_self_signed_certificates),
        cmocka_unit_test(test_names_of_certificates),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
