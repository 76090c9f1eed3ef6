/* A signer of tokens with its pinned key set, and the library's signature check and signature alone:
 * the bounds of what BlindBox does with tokens. */
#ifndef BB_BENCH_JOSE_H
#define BB_BENCH_JOSE_H

#include "crypto/key.h"
#include "token/jwks.h"

struct bench_jose {
    enum bb_sig_alg alg;
    struct bb_key *key;
    struct bb_jwks *jwks; /* of that key alone, kid "k1" */
};

struct bench_jose bench_jose_new(enum bb_sig_alg alg, enum bb_key_type type);
void bench_jose_done(struct bench_jose *j);
/* A compact JWS of `payload`, malloced. */
char *bench_jose_token(const struct bench_jose *j, struct bb_span payload);

/* The library's own calls on objects that are ready: digest of the message, then the key. */
struct bench_bare;
struct bench_bare *bench_bare_new(const struct bench_jose *j, struct bb_span signature);
bool bench_bare_verify(struct bench_bare *b, struct bb_span message);
bool bench_bare_sign(struct bench_bare *b, struct bb_span message);
void bench_bare_free(struct bench_bare *b);

#endif
