/* X.509 certificates and CRLs: parsed once, asked by the evidence kinds. Nothing here trusts. */
#ifndef BB_CRYPTO_CERT_H
#define BB_CRYPTO_CERT_H

#include "base/error.h"

/* Larger certificates and CRLs are refused before they are parsed: the attack is memory. */
#define BB_CERT_DER_MAX 8192
#define BB_CRL_DER_MAX 65536
#define BB_CERT_NAME_MAX 128

struct bb_cert;
struct bb_crl;

/* Parses exactly one DER certificate, nothing after it; copies what it needs. */
BB_MUST_USE enum bb_status bb_cert_parse(struct bb_span der, struct bb_cert **out,
                                         struct bb_error *err);
void bb_cert_free(struct bb_cert *cert); /* NULL-safe */

/* Why the certificate proves nothing, or NULL: another version than 3, signature algorithms that
 * differ inside and outside the signed part, an unknown critical extension, a key, serial number or
 * time that cannot be read. A flawed certificate is issued by nobody, issues nothing and verifies
 * nothing; its names can be read. Static storage. */
const char *bb_cert_flaw(const struct bb_cert *cert);

/* The DER, owned by the certificate. */
struct bb_span bb_cert_der(const struct bb_cert *cert);
/* SubjectPublicKeyInfo DER, owned by the certificate, and its SHA-256. */
struct bb_span bb_cert_spki(const struct bb_cert *cert);
const uint8_t *bb_cert_spki_sha256(const struct bb_cert *cert);
/* First CN and O of the subject, CN of the issuer; "" if there is none. Owned by the certificate.
 */
const char *bb_cert_subject_cn(const struct bb_cert *cert);
const char *bb_cert_subject_o(const struct bb_cert *cert);
const char *bb_cert_issuer_cn(const struct bb_cert *cert);
/* Serial number as the minimal big-endian bytes; empty span for zero or a negative number. */
struct bb_span bb_cert_serial(const struct bb_cert *cert);
bool bb_cert_is_ca(
    const struct bb_cert *cert); /* BasicConstraints CA and, if present, keyCertSign */
/* Seconds since 1970, inclusive bounds. */
int64_t bb_cert_not_before(const struct bb_cert *cert);
int64_t bb_cert_not_after(const struct bb_cert *cert);

/* Looks an extension up by the DER content octets of its OID. `count` gets how often it stands
 * there (more than once is malformed for our uses); `value` the content of the OCTET STRING of the
 * first, owned by the certificate. */
void bb_cert_extension(const struct bb_cert *cert, struct bb_span oid, struct bb_span *value,
                       size_t *count);

/* True if `issuer`'s key signed `cert` (RSASSA-PSS SHA-384 with salt 48), `issuer` is a
 * CA and the names chain. Dates are not looked at. */
BB_MUST_USE bool bb_cert_issued_by(const struct bb_cert *cert, const struct bb_cert *issuer);

/* True if r || s (48 bytes each, big-endian, 0 < r, s < n) is an ECDSA P-384 / SHA-384 signature of
 * `message` by the certificate's key. False for any other key. */
BB_MUST_USE bool bb_cert_verify_p384(const struct bb_cert *cert, struct bb_span message,
                                     const uint8_t rs[96]);
bool bb_cert_key_is_p384(const struct bb_cert *cert);

BB_MUST_USE enum bb_status bb_crl_parse(struct bb_span der, struct bb_crl **out,
                                        struct bb_error *err);
void bb_crl_free(struct bb_crl *crl);
/* True if `issuer`'s key signed it, the names match and no critical extension is unknown. */
BB_MUST_USE bool bb_crl_issued_by(const struct bb_crl *crl, const struct bb_cert *issuer);
/* thisUpdate and nextUpdate; next is INT64_MIN (so in no window) where it is absent. */
int64_t bb_crl_this_update(const struct bb_crl *crl);
int64_t bb_crl_next_update(const struct bb_crl *crl);
bool bb_crl_lists(const struct bb_crl *crl, const struct bb_cert *cert);

#endif
