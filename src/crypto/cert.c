#include "crypto/cert.h"

#include "crypto/digest.h"
#include "crypto/x509_time.h"

#include <openssl/asn1t.h>
#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdlib.h>
#include <time.h>

struct bb_cert {
    X509 *x509;
    uint8_t *der;
    size_t der_len;
    uint8_t *spki;
    size_t spki_len;
    uint8_t spki_sha256[BB_SHA256_SIZE];
    uint8_t serial[32];
    size_t serial_len;
    char subject_cn[BB_CERT_NAME_MAX];
    char subject_o[BB_CERT_NAME_MAX];
    char issuer_cn[BB_CERT_NAME_MAX];
    int64_t not_before, not_after;
    EVP_PKEY *key; /* borrowed from x509 */
    bool key_is_p384;
    const char *flaw; /* why it proves nothing; NULL if there is no reason */
};

bool bb_asn1_time(const ASN1_TIME *time, int64_t *seconds) {
    struct tm tm;
    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *seconds = (int64_t)timegm(&tm);
    return true;
}

static bool digest_is_sha384(const X509_ALGOR *alg) {
    const ASN1_OBJECT *oid = NULL;
    X509_ALGOR_get0(&oid, NULL, NULL, alg);
    return OBJ_obj2nid(oid) == NID_sha384;
}

/* AMD's older certificates state trailerField = 1 although it is the default; both are taken. */
bool bb_is_pss_sha384(const X509_ALGOR *alg) {
    const ASN1_OBJECT *oid = NULL;
    const void *value = NULL;
    int type = 0;
    X509_ALGOR_get0(&oid, &type, &value, alg);
    if (OBJ_obj2nid(oid) != NID_rsassaPss || type != V_ASN1_SEQUENCE)
        return false;
    RSA_PSS_PARAMS *pss = ASN1_item_unpack(value, ASN1_ITEM_rptr(RSA_PSS_PARAMS));
    if (pss == NULL)
        return false;
    bool ok = pss->hashAlgorithm != NULL && digest_is_sha384(pss->hashAlgorithm) &&
              pss->maskGenAlgorithm != NULL && pss->saltLength != NULL &&
              ASN1_INTEGER_get(pss->saltLength) == 48 &&
              (pss->trailerField == NULL || ASN1_INTEGER_get(pss->trailerField) == 1);
    if (ok) {
        const ASN1_OBJECT *mgf = NULL;
        int mgf_type = 0;
        const void *mgf_value = NULL;
        X509_ALGOR_get0(&mgf, &mgf_type, &mgf_value, pss->maskGenAlgorithm);
        X509_ALGOR *hash = OBJ_obj2nid(mgf) == NID_mgf1 && mgf_type == V_ASN1_SEQUENCE
                               ? ASN1_item_unpack(mgf_value, ASN1_ITEM_rptr(X509_ALGOR))
                               : NULL;
        ok = hash != NULL && digest_is_sha384(hash);
        X509_ALGOR_free(hash);
    }
    RSA_PSS_PARAMS_free(pss);
    return ok;
}

static void first_name(const X509_NAME *name, int nid, char out[BB_CERT_NAME_MAX]) {
    out[0] = '\0';
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    if (at < 0)
        return;
    const ASN1_STRING *data = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    int len = ASN1_STRING_length(data);
    if (len > 0)
        bb_escape(bb_span(ASN1_STRING_get0_data(data), (size_t)len), out, BB_CERT_NAME_MAX);
}

static bool read_serial(struct bb_cert *c) {
    const ASN1_INTEGER *serial = X509_get0_serialNumber(c->x509);
    int len = ASN1_STRING_length(serial);
    if (len < 0 || (size_t)len > sizeof c->serial)
        return false;
    const uint8_t *data = ASN1_STRING_get0_data(serial);
    bool zero_or_negative = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER ||
                            bb_span_is_zero(bb_span(data, (size_t)len));
    c->serial_len = zero_or_negative ? 0 : (size_t)len;
    memcpy(c->serial, data, c->serial_len);
    return true;
}

static bool read_key(struct bb_cert *c) {
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x509), &c->spki);
    if (len <= 0)
        return false;
    c->spki_len = (size_t)len;
    c->key = X509_get0_pubkey(c->x509);
    if (c->key == NULL)
        return false;
    char group[32] = "";
    size_t group_len = 0;
    c->key_is_p384 = EVP_PKEY_is_a(c->key, "EC") &&
                     EVP_PKEY_get_group_name(c->key, group, sizeof group, &group_len) == 1 &&
                     strcmp(group, "secp384r1") == 0;
    return bb_sha256(bb_span(c->spki, c->spki_len), c->spki_sha256);
}

/* The inner and the outer AlgorithmIdentifier must be the same (RFC 5280 4.1.1.2); a difference is
 * the mark of an altered certificate. */
static bool same_algorithms(const X509 *x509) {
    const X509_ALGOR *outer = NULL;
    X509_get0_signature(NULL, &outer, x509);
    return X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(x509)) == 0;
}

static enum bb_status malformed(struct bb_error *err, const char *what) {
    return bb_fail(err, BB_CERTIFICATE_CHAIN_INVALID, "certificate", NULL, NULL, "%s", what);
}

/* A critical extension that nobody here understands refuses the certificate (RFC 5280 4.2). */
static bool has_unknown_critical(const X509 *x509) {
    for (int i = 0; i < X509_get_ext_count(x509); i++) {
        X509_EXTENSION *ext = X509_get_ext(x509, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(ext));
        if (X509_EXTENSION_get_critical(ext) != 0 && nid != NID_basic_constraints &&
            nid != NID_key_usage)
            return true;
    }
    return false;
}

/* What makes a certificate worthless although it can be read. It is kept all the same, so that an
 * altered certificate is told from a missing one. */
static const char *find_flaw(struct bb_cert *c) {
    if (X509_get_version(c->x509) != X509_VERSION_3)
        return "the certificate is not X.509 version 3";
    if (!same_algorithms(c->x509))
        return "signature algorithm differs inside and outside the signed part";
    if (!read_serial(c) || !bb_asn1_time(X509_get0_notBefore(c->x509), &c->not_before) ||
        !bb_asn1_time(X509_get0_notAfter(c->x509), &c->not_after))
        return "serial number or validity cannot be read";
    if (has_unknown_critical(c->x509))
        return "a critical extension is not known to this build";
    return read_key(c) ? NULL : "public key cannot be read";
}

static void fill(struct bb_cert *c) {
    c->not_before = INT64_MAX; /* in no window, until it is read */
    c->not_after = INT64_MIN;
    c->flaw = find_flaw(c);
    first_name(X509_get_subject_name(c->x509), NID_commonName, c->subject_cn);
    first_name(X509_get_subject_name(c->x509), NID_organizationName, c->subject_o);
    first_name(X509_get_issuer_name(c->x509), NID_commonName, c->issuer_cn);
}

enum bb_status bb_cert_parse(struct bb_span der, struct bb_cert **out, struct bb_error *err) {
    if (der.len == 0 || der.len > BB_CERT_DER_MAX)
        return malformed(err, "the certificate is empty or too large");
    struct bb_cert *c = calloc(1, sizeof *c);
    if (c == NULL || (c->der = malloc(der.len)) == NULL) {
        bb_cert_free(c);
        return bb_fail_internal(err, "memory for a certificate");
    }
    memcpy(c->der, der.ptr, der.len);
    c->der_len = der.len;
    const uint8_t *at = c->der;
    c->x509 = d2i_X509(NULL, &at, (long)der.len);
    if (c->x509 == NULL || at != c->der + der.len) {
        bb_cert_free(c);
        return malformed(err, "not one DER certificate");
    }
    fill(c);
    *out = c;
    return BB_OK;
}

void bb_cert_free(struct bb_cert *c) {
    if (c == NULL)
        return;
    X509_free(c->x509);
    OPENSSL_free(c->spki);
    free(c->der);
    free(c);
}

struct bb_span bb_cert_der(const struct bb_cert *c) {
    return bb_span(c->der, c->der_len);
}
struct bb_span bb_cert_spki(const struct bb_cert *c) {
    return bb_span(c->spki, c->spki_len);
}
const uint8_t *bb_cert_spki_sha256(const struct bb_cert *c) { return c->spki_sha256; }
const char *bb_cert_subject_cn(const struct bb_cert *c) { return c->subject_cn; }
const char *bb_cert_subject_o(const struct bb_cert *c) { return c->subject_o; }
const char *bb_cert_issuer_cn(const struct bb_cert *c) { return c->issuer_cn; }
struct bb_span bb_cert_serial(const struct bb_cert *c) {
    return bb_span(c->serial, c->serial_len);
}
int64_t bb_cert_not_before(const struct bb_cert *c) { return c->not_before; }
int64_t bb_cert_not_after(const struct bb_cert *c) { return c->not_after; }
bool bb_cert_key_is_p384(const struct bb_cert *c) { return c->key_is_p384; }
const char *bb_cert_flaw(const struct bb_cert *c) { return c->flaw; }

bool bb_cert_is_ca(const struct bb_cert *c) {
    int crit = -1;
    BASIC_CONSTRAINTS *bc = X509_get_ext_d2i(c->x509, NID_basic_constraints, &crit, NULL);
    bool ca = bc != NULL && bc->ca != 0;
    BASIC_CONSTRAINTS_free(bc);
    ASN1_BIT_STRING *usage = X509_get_ext_d2i(c->x509, NID_key_usage, &crit, NULL);
    enum { KEY_CERT_SIGN = 5 };
    if (usage != NULL && ASN1_BIT_STRING_get_bit(usage, KEY_CERT_SIGN) == 0)
        ca = false;
    ASN1_BIT_STRING_free(usage);
    return ca;
}

void bb_cert_extension(const struct bb_cert *c, struct bb_span oid, struct bb_span *value,
                       size_t *count) {
    *value = bb_span(NULL, 0);
    *count = 0;
    for (int i = 0; i < X509_get_ext_count(c->x509); i++) {
        X509_EXTENSION *ext = X509_get_ext(c->x509, i);
        const ASN1_OBJECT *obj = X509_EXTENSION_get_object(ext);
        if (!bb_span_equal(bb_span(OBJ_get0_data(obj), OBJ_length(obj)), oid))
            continue;
        const ASN1_OCTET_STRING *data = X509_EXTENSION_get_data(ext);
        int len = ASN1_STRING_length(data);
        if ((*count)++ == 0 && len >= 0)
            *value = bb_span(ASN1_STRING_get0_data(data), (size_t)len);
    }
}

bool bb_cert_issued_by(const struct bb_cert *c, const struct bb_cert *issuer) {
    const X509_ALGOR *alg = NULL;
    X509_get0_signature(NULL, &alg, c->x509);
    if (c->flaw != NULL || issuer->flaw != NULL)
        return false;
    return bb_is_pss_sha384(alg) && bb_cert_is_ca(issuer) &&
           X509_NAME_cmp(X509_get_issuer_name(c->x509), X509_get_subject_name(issuer->x509)) == 0 &&
           X509_verify(c->x509, issuer->key) == 1;
}

static ECDSA_SIG *signature_of(const uint8_t rs[96]) {
    ECDSA_SIG *sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(rs, 48, NULL);
    BIGNUM *s = BN_bin2bn(rs + 48, 48, NULL);
    if (sig != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(sig, r, s) == 1)
        return sig;
    ECDSA_SIG_free(sig);
    BN_free(r);
    BN_free(s);
    return NULL;
}

bool bb_cert_verify_p384(const struct bb_cert *c, struct bb_span message, const uint8_t rs[96]) {
    uint8_t digest[BB_SHA384_SIZE];
    if (c->flaw != NULL || !c->key_is_p384 || !bb_sha384(message, digest))
        return false;
    ECDSA_SIG *sig = signature_of(rs);
    uint8_t *der = NULL;
    int der_len = sig == NULL ? -1 : i2d_ECDSA_SIG(sig, &der);
    ECDSA_SIG_free(sig);
    EVP_PKEY_CTX *ctx = der_len > 0 ? EVP_PKEY_CTX_new(c->key, NULL) : NULL;
    /* OpenSSL refuses r or s of zero or >= n itself: 1 is the only success. */
    bool good = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
                EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha384()) == 1 &&
                EVP_PKEY_verify(ctx, der, (size_t)der_len, digest, sizeof digest) == 1;
    EVP_PKEY_CTX_free(ctx);
    OPENSSL_free(der);
    return good;
}

/* For crl.c alone. */
const X509 *bb_cert_x509(const struct bb_cert *c);
const X509 *bb_cert_x509(const struct bb_cert *c) { return c->x509; }
