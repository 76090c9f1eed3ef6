/* What each signature algorithm of JOSE means to OpenSSL, and contexts that are ready for it: inside
 * the crypto layer only. */
#ifndef BB_CRYPTO_SIG_ALG_H
#define BB_CRYPTO_SIG_ALG_H

#include "crypto/digest.h"
#include "crypto/pubkey.h"

#include <openssl/evp.h>

#define BB_SIG_HALF_MAX 66 /* r or s of P-521 */

struct bb_sig_info {
    const char *name;
    const char *md;
    size_t md_len;
    bool pss;
    const char *group; /* OpenSSL's name of the curve; NULL: RSA */
    size_t half;       /* bytes of r and of s; 0: RSA */
};

/* NULL for NONE and for numbers outside the list. */
const struct bb_sig_info *bb_sig_info(enum bb_sig_alg alg);
/* The digest that the algorithm signs; md_len bytes. */
BB_MUST_USE bool bb_sig_digest(enum bb_sig_alg alg, struct bb_span message,
                               uint8_t out[BB_SHA512_SIZE]);
/* True for an RSA key or a key on the curve that the algorithm asks for. */
bool bb_sig_fits(const EVP_PKEY *pkey, enum bb_sig_alg alg);

/* One context for each algorithm that fits the key, set up and never used itself: every signature
 * works on a copy. Looking algorithms and digests up again each time would cost as much as a tenth
 * of an RSA verification, and threads may copy at once. */
struct bb_sig_contexts {
    EVP_PKEY_CTX *of[BB_SIG_COUNT];
};

BB_MUST_USE bool bb_sig_contexts_init(struct bb_sig_contexts *c, EVP_PKEY *pkey, bool sign);
void bb_sig_contexts_done(struct bb_sig_contexts *c);

#endif
