#include "crypto/cert.h"
#include "crypto/x509_time.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <stdlib.h>

const X509 *bb_cert_x509(const struct bb_cert *c); /* cert.c */

struct bb_crl {
    X509_CRL *crl;
    int64_t this_update, next_update;
};

static enum bb_status malformed(struct bb_error *err, const char *what) {
    return bb_fail(err, BB_CRL_UNAVAILABLE, "crl", NULL, NULL, "%s", what);
}

/* Takes the next element from `in`: all of it, and its content. */
static bool take_element(struct bb_span *in, int *tag, struct bb_span *whole,
                         struct bb_span *content) {
    enum { UNREADABLE = 0x80, INDEFINITE = 0x01 };
    const unsigned char *at = in->ptr;
    long len = 0;
    int class = 0;
    int flags = ASN1_get_object(&at, &len, tag, &class, (long)in->len);
    if ((flags & (UNREADABLE | INDEFINITE)) != 0 || class != V_ASN1_UNIVERSAL)
        return false;
    *content = bb_span(at, (size_t)len);
    *whole = bb_span(in->ptr, (size_t)(at - in->ptr) + (size_t)len);
    *in = bb_span(at + len, in->len - whole->len);
    return true;
}

/* The AlgorithmIdentifier inside the signed part and the one beside the signature must be the same
 * bytes (RFC 5280 5.1.1.2): the library looks at the unsigned one only. */
static bool same_algorithms(struct bb_span der) {
    struct bb_span whole, crl, tbs, inner, outer, content;
    int tag = 0;
    if (!take_element(&der, &tag, &whole, &crl) || !take_element(&crl, &tag, &whole, &tbs) ||
        !take_element(&crl, &tag, &outer, &content) || !take_element(&tbs, &tag, &inner, &content))
        return false;
    if (tag == V_ASN1_INTEGER && !take_element(&tbs, &tag, &inner, &content))
        return false;
    return bb_span_equal(inner, outer);
}

enum bb_status bb_crl_parse(struct bb_span der, struct bb_crl **out, struct bb_error *err) {
    if (der.len == 0 || der.len > BB_CRL_DER_MAX)
        return malformed(err, "the CRL is empty or too large");
    struct bb_crl *c = calloc(1, sizeof *c);
    if (c == NULL)
        return bb_fail_internal(err, "memory for a CRL");
    const uint8_t *at = der.ptr;
    c->crl = d2i_X509_CRL(NULL, &at, (long)der.len);
    if (c->crl == NULL || at != der.ptr + der.len ||
        !bb_asn1_time(X509_CRL_get0_lastUpdate(c->crl), &c->this_update)) {
        bb_crl_free(c);
        return malformed(err, "not one DER CRL");
    }
    if (!bb_asn1_time(X509_CRL_get0_nextUpdate(c->crl), &c->next_update))
        c->next_update = INT64_MIN; /* no end stated: in no window */
    if (!same_algorithms(der)) {
        bb_crl_free(c);
        return malformed(err, "signature algorithm differs inside and outside the signed part");
    }
    *out = c;
    return BB_OK;
}

void bb_crl_free(struct bb_crl *c) {
    if (c == NULL)
        return;
    X509_CRL_free(c->crl);
    free(c);
}

/* A CRL with an extension that narrows or changes its meaning (delta, issuing distribution point)
 * is marked critical by RFC 5280; we know none, so none may be there. */
static bool has_critical_extension(X509_CRL *crl) {
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++)
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)) != 0)
            return true;
    return false;
}

bool bb_crl_issued_by(const struct bb_crl *c, const struct bb_cert *issuer) {
    const X509 *x509 = bb_cert_x509(issuer);
    const X509_ALGOR *alg = NULL;
    X509_CRL_get0_signature(c->crl, NULL, &alg);
    if (bb_cert_flaw(issuer) != NULL)
        return false;
    return bb_is_pss_sha384(alg) && !has_critical_extension(c->crl) &&
           X509_NAME_cmp(X509_CRL_get_issuer(c->crl), X509_get_subject_name(x509)) == 0 &&
           X509_CRL_verify(c->crl, X509_get0_pubkey(x509)) == 1;
}

int64_t bb_crl_this_update(const struct bb_crl *c) { return c->this_update; }
int64_t bb_crl_next_update(const struct bb_crl *c) { return c->next_update; }

bool bb_crl_lists(const struct bb_crl *c, const struct bb_cert *cert) {
    X509_REVOKED *entry = NULL;
    const ASN1_INTEGER *serial = X509_get0_serialNumber(bb_cert_x509(cert));
    return X509_CRL_get0_by_serial(c->crl, &entry, serial) != 0;
}
