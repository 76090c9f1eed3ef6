/* Who issued what: algorithms, names, flags and dates of certificates and CRLs, each wrong in turn,
 * signed by the very key that is asked about. */
#include "vectors.h"

#include "attester/sim/store.h"
#include "codec/pem.h"
#include "crypto/cert.h"
#include "crypto/issue.h"
#include "evidence/snp/chain.h"
#include "evidence/snp/roots.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

static struct bb_key *ark_key, *ask_key, *vek_key;

static int make_keys(void **state) {
    (void)state;
    struct bb_sim_store store;
    return bb_sim_store_open(&store, kept_keys(), NULL) == BB_OK &&
                   bb_sim_store_key(&store, "ark.key", BB_KEY_RSA4096, &ark_key, NULL) == BB_OK &&
                   bb_sim_store_key(&store, "ask.key", BB_KEY_RSA4096, &ask_key, NULL) == BB_OK &&
                   bb_key_generate(BB_KEY_P384, &vek_key, NULL) == BB_OK
               ? 0
               : 1;
}

static int free_keys(void **state) {
    (void)state;
    bb_key_free(ark_key);
    bb_key_free(ask_key);
    bb_key_free(vek_key);
    return 0;
}

struct der {
    uint8_t data[4096];
    size_t len;
};

static struct bb_span span_of(const struct der *d) { return bb_span(d->data, d->len); }

static void issue(struct der *out, enum bb_issue_profile profile, const char *o, const char *cn,
                  const struct bb_key *key, const char *issuer_cn, const struct bb_key *issuer) {
    struct bb_issue_cert spec = {.profile = profile,
                                 .serial = 0x10000 + (profile == BB_ISSUE_CA ? 1 : 0),
                                 .subject = {o, cn},
                                 .issuer = {o, issuer_cn},
                                 .not_after = 2000000000};
    assert_int_equal(
        bb_issue_cert(&spec, key, issuer, out->data, sizeof out->data, &out->len, NULL), BB_OK);
}

static X509 *edit(const struct der *d) {
    const uint8_t *at = d->data;
    X509 *x = d2i_X509(NULL, &at, (long)d->len);
    assert_non_null(x);
    return x;
}

/* Signs again, after a change, with the key's own digest or padding. */
struct algorithm {
    const char *md, *mgf; /* mgf NULL: PKCS #1 v1.5 */
    int salt;
};

static EVP_MD_CTX *signer(const struct bb_key *key, const struct algorithm *a) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey = NULL;
    assert_int_equal(EVP_DigestSignInit(ctx, &pkey, EVP_get_digestbyname(a->md), NULL,
                                        (EVP_PKEY *)bb_key_native(key)),
                     1);
    if (a->mgf != NULL) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(pkey, EVP_get_digestbyname(a->mgf)), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey, a->salt), 1);
    }
    return ctx;
}

static void finish(X509 *x, const struct bb_key *key, const struct algorithm *a, struct der *out) {
    EVP_MD_CTX *ctx = signer(key, a);
    uint8_t *at = out->data;
    assert_true(X509_sign_ctx(x, ctx) > 0);
    EVP_MD_CTX_free(ctx);
    assert_true(i2d_X509(x, NULL) <= (int)sizeof out->data);
    out->len = (size_t)i2d_X509(x, &at);
    X509_free(x);
}

static const struct algorithm amd = {"SHA384", "SHA384", 48};

static bool issued(const struct der *cert, const struct der *issuer) {
    struct bb_cert *c = NULL, *i = NULL;
    assert_int_equal(bb_cert_parse(span_of(cert), &c, NULL), BB_OK);
    assert_int_equal(bb_cert_parse(span_of(issuer), &i, NULL), BB_OK);
    bool good = bb_cert_issued_by(c, i);
    bb_cert_free(c);
    bb_cert_free(i);
    return good;
}

static void test_signature_algorithms(void **state) {
    (void)state;
    static const struct {
        struct algorithm algorithm;
        bool good;
    } rows[] = {
        {{"SHA384", "SHA384", 48}, true},  {{"SHA384", "SHA384", 32}, false},
        {{"SHA384", "SHA384", 64}, false}, {{"SHA384", "SHA256", 48}, false},
        {{"SHA256", "SHA384", 48}, false}, {{"SHA256", "SHA256", 32}, false},
        {{"SHA512", "SHA512", 48}, false}, {{"SHA384", NULL, 0}, false},
        {{"SHA1", NULL, 0}, false},
    };
    struct der ca, leaf, again;
    issue(&ca, BB_ISSUE_ROOT, "Test", "ARK-Milan", ark_key, "ARK-Milan", ark_key);
    issue(&leaf, BB_ISSUE_CA, "Test", "SEV-Milan", ask_key, "ARK-Milan", ark_key);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        finish(edit(&leaf), ark_key, &rows[i].algorithm, &again);
        if (issued(&again, &ca) != rows[i].good)
            fail_msg("row %zu", i);
    }
}

static void set_critical_ext(X509 *x, int nid, const char *value) {
    int at = X509_get_ext_by_NID(x, nid, -1);
    if (at >= 0)
        X509_EXTENSION_free(X509_delete_ext(x, at));
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(ext);
    assert_int_equal(X509_add_ext(x, ext, -1), 1);
    X509_EXTENSION_free(ext);
}

static void test_issuers(void **state) {
    (void)state;
    struct der ca, other, leaf;
    issue(&ca, BB_ISSUE_ROOT, "Test", "ARK-Milan", ark_key, "ARK-Milan", ark_key);
    issue(&leaf, BB_ISSUE_CA, "Test", "SEV-Milan", ask_key, "ARK-Milan", ark_key);
    assert_true(issued(&leaf, &ca));
    assert_true(issued(&ca, &ca));
    assert_false(issued(&ca, &leaf));
    issue(&other, BB_ISSUE_ROOT, "Test", "ARK-Genoa", ark_key, "ARK-Genoa", ark_key);
    assert_false(issued(&leaf, &other)); /* the right key under another name */
    issue(&other, BB_ISSUE_ROOT, "Test", "ARK-Milan", ask_key, "ARK-Milan", ask_key);
    assert_false(issued(&leaf, &other)); /* the right name with another key */
    issue(&other, BB_ISSUE_LEAF, "Test", "ARK-Milan", ark_key, "ARK-Milan", ark_key);
    assert_false(issued(&leaf, &other)); /* no CA */
    static const struct {
        int nid;
        const char *value;
        bool good;
    } rows[] = {{NID_basic_constraints, "critical,CA:FALSE", false},
                {NID_basic_constraints, "critical,CA:TRUE", true},
                {NID_key_usage, "critical,cRLSign", false},
                {NID_key_usage, "critical,digitalSignature", false},
                {NID_key_usage, "critical,keyCertSign", true},
                {NID_name_constraints, "critical,permitted;email:example.org", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        X509 *x = edit(&ca);
        set_critical_ext(x, rows[i].nid, rows[i].value);
        finish(x, ark_key, &amd, &other);
        if (issued(&leaf, &other) != rows[i].good)
            fail_msg("row %zu: %s", i, rows[i].value);
    }
}

static void test_version_1(void **state) {
    (void)state;
    struct der leaf, old;
    struct bb_cert *cert = NULL;
    issue(&leaf, BB_ISSUE_LEAF, "Test", "SEV-VCEK", vek_key, "SEV-Milan", ask_key);
    X509 *x = edit(&leaf);
    assert_int_equal(X509_set_version(x, X509_VERSION_1), 1);
    finish(x, ask_key, &amd, &old);
    assert_int_equal(bb_der_kind(span_of(&old)), BB_DER_CERTIFICATE);
    assert_int_equal(bb_cert_parse(span_of(&old), &cert, NULL), BB_OK);
    assert_string_equal(bb_cert_flaw(cert), "the certificate is not X.509 version 3");
    bb_cert_free(cert);
}

enum crl_change { HONEST, NO_END, CRITICAL, PKCS1, SHORT_SALT };

static void make_crl(struct der *out, const char *issuer_cn, const struct bb_key *key,
                     const uint64_t *revoked, enum crl_change change) {
    struct bb_issue_crl spec = {.issuer = {BB_SNP_SIMULATOR_O, issuer_cn},
                                .number = 1,
                                .this_update = 1000,
                                .next_update = 2000,
                                .revoked = revoked,
                                .n_revoked = revoked == NULL ? 0 : 1};
    assert_int_equal(bb_issue_crl(&spec, key, out->data, sizeof out->data, &out->len, NULL), BB_OK);
    if (change == HONEST)
        return;
    const uint8_t *at = out->data;
    X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)out->len);
    assert_non_null(crl);
    if (change == NO_END) { /* nextUpdate is optional in the format: made anew without it */
        X509_CRL *other = X509_CRL_new();
        assert_int_equal(X509_CRL_set_version(other, X509_CRL_VERSION_2), 1);
        assert_int_equal(X509_CRL_set_issuer_name(other, X509_CRL_get_issuer(crl)), 1);
        assert_int_equal(X509_CRL_set1_lastUpdate(other, X509_CRL_get0_lastUpdate(crl)), 1);
        X509_CRL_free(crl);
        crl = other;
    }
    if (change == CRITICAL)
        assert_int_equal(X509_EXTENSION_set_critical(X509_CRL_get_ext(crl, 0), 1), 1);
    const struct algorithm pkcs1 = {"SHA384", NULL, 0}, salt = {"SHA384", "SHA384", 32};
    EVP_MD_CTX *ctx = signer(key, change == PKCS1 ? &pkcs1 : change == SHORT_SALT ? &salt : &amd);
    uint8_t *write = out->data;
    assert_true(X509_CRL_sign_ctx(crl, ctx) > 0);
    out->len = (size_t)i2d_X509_CRL(crl, &write);
    EVP_MD_CTX_free(ctx);
    X509_CRL_free(crl);
}

static void test_crls(void **state) {
    (void)state;
    static const uint64_t ark_serial = 0x10000, ask_serial = 0x10001, other_serial = 0x10002;
    struct der vek, ask, ark, crl;
    issue(&ark, BB_ISSUE_ROOT, BB_SNP_SIMULATOR_O, "ARK-Milan", ark_key, "ARK-Milan", ark_key);
    issue(&ask, BB_ISSUE_CA, BB_SNP_SIMULATOR_O, "SEV-Milan", ask_key, "ARK-Milan", ark_key);
    issue(&vek, BB_ISSUE_LEAF, BB_SNP_SIMULATOR_O, "SEV-VCEK", vek_key, "SEV-Milan", ask_key);
    const struct {
        const char *issuer;
        const struct bb_key *key;
        const uint64_t *revoked;
        enum crl_change change;
        enum bb_snp_crl_state want;
    } rows[] = {{"ARK-Milan", ark_key, NULL, HONEST, BB_SNP_CRL_GOOD},
                {"ARK-Milan", ark_key, &other_serial, HONEST, BB_SNP_CRL_GOOD},
                {"ARK-Milan", ark_key, &ask_serial, HONEST, BB_SNP_CRL_REVOKED},
                {"ARK-Milan", ark_key, &ark_serial, HONEST, BB_SNP_CRL_REVOKED},
                {"ARK-Genoa", ark_key, NULL, HONEST, BB_SNP_CRL_NONE},
                {"ARK-Milan", ask_key, NULL, HONEST, BB_SNP_CRL_NONE},
                {"SEV-Milan", ask_key, NULL, HONEST, BB_SNP_CRL_NONE},
                {"ARK-Milan", ark_key, NULL, NO_END, BB_SNP_CRL_NOT_IN_WINDOW},
                {"ARK-Milan", ark_key, NULL, CRITICAL, BB_SNP_CRL_NONE},
                {"ARK-Milan", ark_key, NULL, PKCS1, BB_SNP_CRL_NONE},
                {"ARK-Milan", ark_key, NULL, SHORT_SALT, BB_SNP_CRL_NONE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_snp_certs *set = NULL;
        struct bb_snp_path path;
        struct bb_snp_need need = {.signer = BB_SNP_SIGNER_VCEK, .now = 1500};
        make_crl(&crl, rows[i].issuer, rows[i].key, rows[i].revoked, rows[i].change);
        assert_int_equal(bb_der_kind(span_of(&crl)), BB_DER_CRL);
        struct bb_span certs[] = {span_of(&vek), span_of(&ask), span_of(&ark)};
        struct bb_span crls[] = {span_of(&crl)};
        assert_int_equal(bb_snp_certs_new(certs, 3, crls, 1, &set, NULL), BB_OK);
        bb_snp_certs_choose(set, &need, &path);
        enum bb_snp_crl_state got = bb_snp_certs_crl(set, &path, need.now, NULL);
        if (got != rows[i].want)
            fail_msg("row %zu: %d, want %d", i, (int)got, (int)rows[i].want);
        bb_snp_certs_free(set);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature_algorithms),
        cmocka_unit_test(test_issuers),
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_crls),
    };
    return cmocka_run_group_tests_name("cert", tests, make_keys, free_keys);
}
