/* What a hostile verification service does to a token. Pure but for its key. */
#ifndef BB_CLI_DEMO_SPOIL_H
#define BB_CLI_DEMO_SPOIL_H

#include "crypto/key.h"

enum bb_demo_trick {
    BB_DEMO_HONEST,     /* nothing */
    BB_DEMO_TAMPERED,   /* a claim is changed, the signature is the old one */
    BB_DEMO_OTHER_KEY,  /* signed anew with a key of its own, under the other's key id */
    BB_DEMO_UNSIGNED,   /* alg none, and no signature */
    BB_DEMO_OTHER_NAME, /* signed with a key of its own, in its own name */
    BB_DEMO_RESIGNED,   /* the same claims, signed with a key of its own */
    BB_DEMO_EXPIRED,    /* and valid until an hour ago */
    BB_DEMO_LAUNDERED,  /* and without the mark of the simulated TEE */
    BB_DEMO_REPLAYED,   /* the first token that it got, once more; the caller's matter */
};

#define BB_DEMO_OWN_KID "demo"

/* The token as the trick leaves it: malloced; NULL if it cannot be made. `key` is a P-256 one. */
char *bb_demo_spoil(const char *token, enum bb_demo_trick trick, const struct bb_key *key,
                    int64_t now);
/* A key set of that one key, as BB_DEMO_OWN_KID: malloced, or NULL. */
char *bb_demo_own_key_set(const struct bb_key *key);

#endif
