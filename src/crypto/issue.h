/* Making certificates and CRLs: for the simulated TEE, for the gateway's own TLS certificate and
 * for a verifier's signing key.
 * The authorities sign as AMD's do: RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48. */
#ifndef BB_CRYPTO_ISSUE_H
#define BB_CRYPTO_ISSUE_H

#include "crypto/cert.h"
#include "crypto/key.h"

/* A name in AMD's order: OU=Engineering, C=US, L=Santa Clara, ST=CA, O, CN. */
struct bb_issue_name {
    const char *o;
    const char *cn;
};

/* One raw non-critical extension: OID as its DER content octets, value as the content of extnValue.
 */
struct bb_issue_ext {
    struct bb_span oid;
    struct bb_span value;
};

enum bb_issue_profile {
    BB_ISSUE_LEAF, /* nothing but the raw extensions */
    BB_ISSUE_ROOT, /* KeyUsage keyCertSign + cRLSign, SKI, CA without path length */
    BB_ISSUE_CA,   /* SKI, AKI, CA with path length 0, KeyUsage keyCertSign */
};

struct bb_issue_cert {
    enum bb_issue_profile profile;
    uint64_t serial;
    struct bb_issue_name subject, issuer;
    int64_t not_before, not_after; /* seconds since 1970 */
    const char *crl_url;           /* CRL distribution point; NULL: none */
    const struct bb_issue_ext *exts;
    size_t n_exts;
};

/* Signs `subject`'s public key with `issuer` (RSA-4096). Writes the DER to `out`, its length to
 * `len`. */
BB_MUST_USE enum bb_status bb_issue_cert(const struct bb_issue_cert *spec,
                                         const struct bb_key *subject, const struct bb_key *issuer,
                                         uint8_t *out, size_t cap, size_t *len,
                                         struct bb_error *err);

struct bb_issue_crl {
    struct bb_issue_name issuer;
    uint64_t number;
    int64_t this_update, next_update;
    const uint64_t *revoked; /* serial numbers */
    size_t n_revoked;
};

BB_MUST_USE enum bb_status bb_issue_crl(const struct bb_issue_crl *spec,
                                        const struct bb_key *issuer, uint8_t *out, size_t cap,
                                        size_t *len, struct bb_error *err);

/* A self-signed TLS server certificate for a P-256 key: random serial, CN = `cn`, subjectAltName
 * DNS `cn`, ECDSA with SHA-256. */
BB_MUST_USE enum bb_status bb_issue_tls(const struct bb_key *key, const char *cn,
                                        int64_t not_before, int64_t not_after, uint8_t *out,
                                        size_t cap, size_t *len, struct bb_error *err);

#define BB_ISSUE_CN_MAX 255 /* of bb_issue_self_signed() */

/* A self-signed CA certificate for a key of any type, as Microsoft's attestation service has them in
 * its key set: random serial, CN = `cn` (the issuer's URL), CA:TRUE, no other extension. Signed with
 * RSASSA-PKCS1-v1_5 and SHA-256, or ECDSA with the curve's hash. X.520 bounds a CN at 64 characters;
 * a longer URL goes in whole all the same, since a cut name would name somebody else and OpenSSL,
 * Go and GnuTLS read it. UsageError for an empty text and above BB_ISSUE_CN_MAX bytes. */
BB_MUST_USE enum bb_status bb_issue_self_signed(const struct bb_key *key, const char *cn,
                                                int64_t not_before, int64_t not_after, uint8_t *out,
                                                size_t cap, size_t *len, struct bb_error *err);

#endif
