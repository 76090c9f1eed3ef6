/* A pinned key set of a token issuer (RFC 7517): which keys may sign, and with what. */
#ifndef BB_TOKEN_JWKS_H
#define BB_TOKEN_JWKS_H

#include "base/error.h"
#include "crypto/pubkey.h"

#define BB_JWKS_MAX                                                                                \
    262144 /* bytes of a key set (real ones with certificates have 34 000): memory */
#define BB_JWKS_KEYS_MAX 64
#define BB_KID_MAX 256

struct bb_jwks;

/* Keys that may not be used are skipped, each with its reason: RSA under 2048 bits, symmetric keys
 * (kty oct), private keys (d: whoever reads the set could sign), `use` other than sig, key_ops without verify, a curve or kty that is not known, an alg
 * that does not fit the key, n/e and x5c that disagree. A key without n/e or crv/x/y is read from
 * x5c[0]. MalformedEvidence: no JSON object with an array "keys", a member twice, an entry that is
 * no object, a value of the wrong type, bad base64url (base64 in x5c). A set without one usable key
 * is fine here: nothing will verify. */
BB_MUST_USE enum bb_status bb_jwks_parse(struct bb_span json, struct bb_jwks **out,
                                         struct bb_error *err);
void bb_jwks_free(struct bb_jwks *jwks); /* NULL-safe */

size_t bb_jwks_count(const struct bb_jwks *jwks);
struct bb_jwk {
    const char *kid;             /* NULL if absent */
    const struct bb_pubkey *key; /* NULL: skipped */
    enum bb_sig_alg alg;         /* the only one this key may be used with; NONE: any that fits */
    const char *skipped;         /* why; NULL: usable */
};
const struct bb_jwk *bb_jwks_at(const struct bb_jwks *jwks, size_t i);

/* True if some usable key has that kid. */
bool bb_jwks_has(const struct bb_jwks *jwks, const char *kid);

/* Is `signature` by a key of the set? The keys with the token's `kid`; without a kid, or when no key
 * of the set has one, every key that fits. `alg` must be the key's own (its "alg" member, or one
 * that fits its type). False: TokenSignatureInvalid, whose text says whether the key is unknown,
 * skipped (and why), of another algorithm, or the signature wrong. */
BB_MUST_USE enum bb_status bb_jwks_verify(const struct bb_jwks *jwks, const char *kid,
                                          const char *alg, struct bb_span message,
                                          struct bb_span signature, struct bb_error *err);

#endif
