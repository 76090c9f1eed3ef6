#include "crypto/issue.h"

#include "crypto/digest.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <time.h>

enum { PSS_SALT = 48, MAX_REVOKED = 64 };

static EVP_PKEY *native(const struct bb_key *key) { return bb_key_native(key); }

static bool add_rdn(X509_NAME *name, const char *field, int type, const char *value) {
    return X509_NAME_add_entry_by_txt(name, field, type, (const unsigned char *)value, -1, -1, 0) ==
           1;
}

/* AMD's order; everything UTF8String but the country. */
static X509_NAME *make_name(const struct bb_issue_name *n) {
    X509_NAME *name = X509_NAME_new();
    if (name != NULL && add_rdn(name, "OU", V_ASN1_UTF8STRING, "Engineering") &&
        add_rdn(name, "C", V_ASN1_PRINTABLESTRING, "US") &&
        add_rdn(name, "L", V_ASN1_UTF8STRING, "Santa Clara") &&
        add_rdn(name, "ST", V_ASN1_UTF8STRING, "CA") &&
        add_rdn(name, "O", V_ASN1_UTF8STRING, n->o) &&
        add_rdn(name, "CN", V_ASN1_UTF8STRING, n->cn))
        return name;
    X509_NAME_free(name);
    return NULL;
}

static bool add_ext(X509 *x, int nid, void *value, bool critical) {
    return value != NULL && X509_add1_ext_i2d(x, nid, value, critical ? 1 : 0, 0) == 1;
}

/* RFC 5280 4.2.1.2 method 1: SHA-1 over the public key's bits; an identifier, not a protection. */
static ASN1_OCTET_STRING *key_id(X509_PUBKEY *pub) {
    const unsigned char *bits = NULL;
    int bits_len = 0;
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
    if (id != NULL && X509_PUBKEY_get0_param(NULL, &bits, &bits_len, NULL, pub) == 1 &&
        EVP_Digest(bits, (size_t)bits_len, digest, &len, EVP_sha1(), NULL) == 1 &&
        ASN1_OCTET_STRING_set(id, digest, (int)len) == 1)
        return id;
    ASN1_OCTET_STRING_free(id);
    return NULL;
}

static bool add_ski(X509 *x) {
    ASN1_OCTET_STRING *id = key_id(X509_get_X509_PUBKEY(x));
    bool ok = add_ext(x, NID_subject_key_identifier, id, false);
    ASN1_OCTET_STRING_free(id);
    return ok;
}

static bool add_aki(X509 *x, const struct bb_key *issuer) {
    X509_PUBKEY *pub = NULL;
    AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
    bool ok = aki != NULL && X509_PUBKEY_set(&pub, native(issuer)) == 1 &&
              (aki->keyid = key_id(pub)) != NULL &&
              add_ext(x, NID_authority_key_identifier, aki, false);
    AUTHORITY_KEYID_free(aki);
    X509_PUBKEY_free(pub);
    return ok;
}

static bool add_ca(X509 *x, bool root) {
    enum { KEY_CERT_SIGN = 5, CRL_SIGN = 6 };
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
    bool ok = bc != NULL && usage != NULL;
    if (ok) {
        bc->ca = 0xff;
        if (!root)
            ok =
                (bc->pathlen = ASN1_INTEGER_new()) != NULL && ASN1_INTEGER_set(bc->pathlen, 0) == 1;
        ok = ok && ASN1_BIT_STRING_set_bit(usage, KEY_CERT_SIGN, 1) == 1 &&
             (!root || ASN1_BIT_STRING_set_bit(usage, CRL_SIGN, 1) == 1) &&
             add_ext(x, NID_basic_constraints, bc, true) && add_ext(x, NID_key_usage, usage, true);
    }
    BASIC_CONSTRAINTS_free(bc);
    ASN1_BIT_STRING_free(usage);
    return ok;
}

static bool add_config_ext(X509 *x, int nid, const char *kind, const char *value) {
    char text[256];
    if (snprintf(text, sizeof text, "%s:%s", kind, value) >= (int)sizeof text)
        return false;
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, text);
    bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

/* An OID from its content octets: with tag and length in front, as d2i wants it. */
static ASN1_OBJECT *oid_object(struct bb_span oid) {
    uint8_t der[64];
    if (oid.len > sizeof der - 2)
        return NULL;
    der[0] = V_ASN1_OBJECT;
    der[1] = (uint8_t)oid.len;
    memcpy(der + 2, oid.ptr, oid.len);
    const uint8_t *at = der;
    return d2i_ASN1_OBJECT(NULL, &at, (long)(oid.len + 2));
}

static bool add_raw(X509 *x, const struct bb_issue_ext *e) {
    ASN1_OBJECT *oid = oid_object(e->oid);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext = NULL;
    bool ok = oid != NULL && value != NULL &&
              ASN1_OCTET_STRING_set(value, e->value.ptr, (int)e->value.len) == 1 &&
              (ext = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, value)) != NULL &&
              X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(oid);
    return ok;
}

static bool add_extensions(X509 *x, const struct bb_issue_cert *spec, const struct bb_key *issuer) {
    bool ok = true;
    if (spec->profile != BB_ISSUE_LEAF)
        ok = add_ski(x) && (spec->profile == BB_ISSUE_ROOT || add_aki(x, issuer)) &&
             add_ca(x, spec->profile == BB_ISSUE_ROOT);
    if (ok && spec->crl_url != NULL)
        ok = add_config_ext(x, NID_crl_distribution_points, "URI", spec->crl_url);
    for (size_t i = 0; ok && i < spec->n_exts; i++)
        ok = add_raw(x, &spec->exts[i]);
    return ok;
}

/* A context that signs with RSASSA-PSS as AMD's authorities do; NULL for another key. */
static EVP_MD_CTX *pss_context(const struct bb_key *key) {
    EVP_PKEY_CTX *p = NULL; /* owned by the context */
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx != NULL && EVP_PKEY_is_a(native(key), "RSA") &&
        EVP_DigestSignInit(ctx, &p, EVP_sha384(), NULL, native(key)) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_mgf1_md(p, EVP_sha384()) == 1 &&
        EVP_PKEY_CTX_set_rsa_pss_saltlen(p, PSS_SALT) == 1)
        return ctx;
    EVP_MD_CTX_free(ctx);
    return NULL;
}

static bool set_validity(X509 *x, int64_t not_before, int64_t not_after) {
    return ASN1_TIME_adj(X509_getm_notBefore(x), (time_t)not_before, 0, 0) != NULL &&
           ASN1_TIME_adj(X509_getm_notAfter(x), (time_t)not_after, 0, 0) != NULL;
}

static bool set_names(X509 *x, const struct bb_issue_name *subject,
                      const struct bb_issue_name *issuer) {
    X509_NAME *s = make_name(subject), *i = make_name(issuer);
    bool ok = s != NULL && i != NULL && X509_set_subject_name(x, s) == 1 &&
              X509_set_issuer_name(x, i) == 1;
    X509_NAME_free(s);
    X509_NAME_free(i);
    return ok;
}

/* Takes what i2d made (der_len <= 0: nothing). */
static enum bb_status give_der(uint8_t *der, int der_len, uint8_t *out, size_t cap, size_t *len,
                               struct bb_error *err) {
    bool fits = der_len > 0 && (size_t)der_len <= cap;
    if (fits) {
        memcpy(out, der, (size_t)der_len);
        *len = (size_t)der_len;
    }
    OPENSSL_free(der);
    return fits ? BB_OK : bb_fail_internal(err, "making a certificate");
}

enum bb_status bb_issue_cert(const struct bb_issue_cert *spec, const struct bb_key *subject,
                             const struct bb_key *issuer, uint8_t *out, size_t cap, size_t *len,
                             struct bb_error *err) {
    X509 *x = X509_new();
    EVP_MD_CTX *ctx = pss_context(issuer);
    uint8_t *der = NULL;
    int der_len = 0;
    if (x != NULL && ctx != NULL && X509_set_version(x, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), spec->serial) == 1 &&
        set_names(x, &spec->subject, &spec->issuer) &&
        set_validity(x, spec->not_before, spec->not_after) &&
        X509_set_pubkey(x, native(subject)) == 1 && add_extensions(x, spec, issuer) &&
        X509_sign_ctx(x, ctx) > 0)
        der_len = i2d_X509(x, &der);
    X509_free(x);
    EVP_MD_CTX_free(ctx);
    return give_der(der, der_len, out, cap, len, err);
}

static bool revoke(X509_CRL *crl, uint64_t serial, const ASN1_TIME *when) {
    X509_REVOKED *entry = X509_REVOKED_new();
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    ASN1_TIME *date = ASN1_STRING_dup(when);
    bool ok = entry != NULL && number != NULL && date != NULL &&
              ASN1_INTEGER_set_uint64(number, serial) == 1 &&
              X509_REVOKED_set_serialNumber(entry, number) == 1 &&
              X509_REVOKED_set_revocationDate(entry, date) == 1 &&
              X509_CRL_add0_revoked(crl, entry) == 1;
    if (!ok)
        X509_REVOKED_free(entry);
    ASN1_INTEGER_free(number);
    ASN1_TIME_free(date);
    return ok;
}

static bool fill_crl(X509_CRL *crl, const struct bb_issue_crl *spec) {
    X509_NAME *name = make_name(&spec->issuer);
    ASN1_TIME *from = ASN1_TIME_adj(NULL, (time_t)spec->this_update, 0, 0);
    ASN1_TIME *to = ASN1_TIME_adj(NULL, (time_t)spec->next_update, 0, 0);
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    bool ok = name != NULL && from != NULL && to != NULL && number != NULL &&
              X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(crl, name) == 1 &&
              X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, to) == 1 &&
              ASN1_INTEGER_set_uint64(number, spec->number) == 1 &&
              X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) == 1;
    for (size_t i = 0; ok && i < spec->n_revoked && i < MAX_REVOKED; i++)
        ok = revoke(crl, spec->revoked[i], from);
    X509_NAME_free(name);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    ASN1_INTEGER_free(number);
    return ok;
}

enum bb_status bb_issue_crl(const struct bb_issue_crl *spec, const struct bb_key *issuer,
                            uint8_t *out, size_t cap, size_t *len, struct bb_error *err) {
    X509_CRL *crl = X509_CRL_new();
    EVP_MD_CTX *ctx = pss_context(issuer);
    uint8_t *der = NULL;
    int der_len = 0;
    if (crl != NULL && ctx != NULL && spec->n_revoked <= MAX_REVOKED && fill_crl(crl, spec) &&
        X509_CRL_sort(crl) == 1 && X509_CRL_sign_ctx(crl, ctx) > 0)
        der_len = i2d_X509_CRL(crl, &der);
    X509_CRL_free(crl);
    EVP_MD_CTX_free(ctx);
    return give_der(der, der_len, out, cap, len, err);
}

/* A TLS server's certificate names a host, an issuer's is a CA. */
static bool add_purpose(X509 *x, const char *host) {
    if (host != NULL)
        return add_config_ext(x, NID_subject_alt_name, "DNS", host);
    BASIC_CONSTRAINTS *bc = BASIC_CONSTRAINTS_new();
    if (bc != NULL)
        bc->ca = 0xff;
    bool ok = add_ext(x, NID_basic_constraints, bc, true);
    BASIC_CONSTRAINTS_free(bc);
    return ok;
}

static const EVP_MD *own_digest(const struct bb_key *key) {
    return bb_key_fits(key, BB_SIG_ES384) ? EVP_sha384() : EVP_sha256();
}

/* `host` NULL: a CA. */
static enum bb_status self_signed(const struct bb_key *key, const char *cn, const char *host,
                                  const int64_t window[2], uint8_t *out, size_t cap, size_t *len,
                                  struct bb_error *err) {
    uint64_t serial = 0;
    if (!bb_random((uint8_t *)&serial, sizeof serial))
        return bb_fail_internal(err, "random numbers");
    X509 *x = X509_new();
    X509_NAME *name = X509_NAME_new();
    uint8_t *der = NULL;
    int der_len = 0;
    if (x != NULL && name != NULL && add_rdn(name, "CN", V_ASN1_UTF8STRING, cn) &&
        X509_set_version(x, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1 &&
        X509_set_subject_name(x, name) == 1 && X509_set_issuer_name(x, name) == 1 &&
        set_validity(x, window[0], window[1]) && X509_set_pubkey(x, native(key)) == 1 &&
        add_purpose(x, host) && X509_sign(x, native(key), own_digest(key)) > 0)
        der_len = i2d_X509(x, &der);
    X509_free(x);
    X509_NAME_free(name);
    return give_der(der, der_len, out, cap, len, err);
}

enum bb_status bb_issue_tls(const struct bb_key *key, const char *cn, int64_t not_before,
                            int64_t not_after, uint8_t *out, size_t cap, size_t *len,
                            struct bb_error *err) {
    const int64_t window[2] = {not_before, not_after};
    return self_signed(key, cn, cn, window, out, cap, len, err);
}

enum bb_status bb_issue_self_signed(const struct bb_key *key, const char *cn, int64_t not_before,
                                    int64_t not_after, uint8_t *out, size_t cap, size_t *len,
                                    struct bb_error *err) {
    const int64_t window[2] = {not_before, not_after};
    if (cn[0] == '\0' || strlen(cn) > BB_ISSUE_CN_MAX)
        return bb_fail(err, BB_USAGE, "cn", "1 to 255 bytes", NULL,
                       "the certificate's name is empty or too long");
    return self_signed(key, cn, NULL, window, out, cap, len, err);
}
