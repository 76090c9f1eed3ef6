/* Public keys and the signatures of JOSE (RFC 7518 3): verified by OpenSSL, chosen by the caller,
 * never by what was signed. */
#ifndef BB_CRYPTO_PUBKEY_H
#define BB_CRYPTO_PUBKEY_H

#include "base/error.h"

#define BB_RSA_BITS_MIN 2048        /* smaller keys are not keys: forgery */
#define BB_RSA_BITS_MAX 8192        /* larger ones cost too much: time */
#define BB_RSA_EXPONENT_BITS_MAX 32 /* so do larger exponents: time */

/* A certificate or key in DER: memory. Certificates of attested signers hold whole reports with their
 * chains. */
#define BB_PUBKEY_DER_MAX 65536

enum bb_sig_alg {
    BB_SIG_NONE = 0,
    BB_SIG_RS256,
    BB_SIG_RS384,
    BB_SIG_RS512,
    BB_SIG_PS256, /* MGF1 with the same hash, salt as long as the hash */
    BB_SIG_PS384,
    BB_SIG_PS512,
    BB_SIG_ES256, /* P-256; r || s, 64 bytes */
    BB_SIG_ES384, /* P-384; r || s, 96 bytes */
    BB_SIG_ES512, /* P-521; r || s, 132 bytes */
    BB_SIG_COUNT
};

/* "RS256" ...; NULL for NONE. And back: NONE for a name that is not in the list, case counts. */
const char *bb_sig_alg_name(enum bb_sig_alg alg);
enum bb_sig_alg bb_sig_alg_from_name(struct bb_span name);

struct bb_pubkey;

/* Big-endian, unsigned, no leading zero (n, e) or of the field's exact size (x, y): RFC 7518 6.2
 * and 6.3: MalformedEvidence if not. UnsupportedEvidence for an RSA key out of the bounds above, an
 * even, small or huge exponent, an even modulus, a modulus of a generator known to be broken, a
 * curve other than P-256, P-384, P-521, a point that is not on it. The field is the JWK's member. */
BB_MUST_USE enum bb_status bb_pubkey_from_rsa(struct bb_span n, struct bb_span e,
                                              struct bb_pubkey **out, struct bb_error *err);
BB_MUST_USE enum bb_status bb_pubkey_from_ec(struct bb_span crv, struct bb_span x, struct bb_span y,
                                             struct bb_pubkey **out, struct bb_error *err);
/* The key of an X.509 certificate (DER), of the same types. Nothing else of the certificate counts:
 * neither its dates nor who signed it. MalformedEvidence if it cannot be read. */
BB_MUST_USE enum bb_status bb_pubkey_from_cert(struct bb_span der, struct bb_pubkey **out,
                                               struct bb_error *err);
/* A SubjectPublicKeyInfo (DER). */
BB_MUST_USE enum bb_status bb_pubkey_from_spki(struct bb_span der, struct bb_pubkey **out,
                                               struct bb_error *err);
void bb_pubkey_free(struct bb_pubkey *key); /* NULL-safe */

/* True if a key of this type can make signatures of that algorithm. */
bool bb_pubkey_fits(const struct bb_pubkey *key, enum bb_sig_alg alg);
/* False for a key that does not fit, a signature of another length, r or s out of range, and for
 * every failure of the library. Threads may share a key. */
BB_MUST_USE bool bb_pubkey_verify(const struct bb_pubkey *key, enum bb_sig_alg alg,
                                  struct bb_span message, struct bb_span signature);
/* SHA-256 of the SubjectPublicKeyInfo. */
const uint8_t *bb_pubkey_spki_sha256(const struct bb_pubkey *key);

#endif
