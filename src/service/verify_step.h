/* What a connection asks of the network before its verdict: in background mode the verification
 * service's token for the evidence at hand, and for every token the issuer's keys. Non-blocking. */
#ifndef BB_SERVICE_VERIFY_STEP_H
#define BB_SERVICE_VERIFY_STEP_H

#include "channel/client.h"
#include "service/breaker.h"
#include "service/fetch/fetch.h"
#include "service/fetch/keyset.h"

#define BB_VERIFY_NONCE_SIZE 32 /* of this client's own, in background mode */

/* What the connections of one program know of one service: while it fails they do not ask it, and
 * when it may be back, one asks first. Zeroed: nothing. */
struct bb_verify_turn {
    struct bb_breaker breaker;
    unsigned under_way;
};

/* Everything outlives the step. */
struct bb_verify_input {
    const struct bb_policy_verifier *verifier; /* passport or background */
    const struct bb_client *client;            /* bound */
    struct bb_fetcher *fetcher;                /* not used in passport mode */
    struct bb_keysets *keysets;
    struct bb_verify_turn *turn; /* of this verifier; NULL: this connection is the only one */
    int64_t ends_ms;             /* of all requests together, in bb_now_ms() */
};

struct bb_verify_step;

BB_MUST_USE enum bb_status bb_verify_step_new(const struct bb_verify_input *in,
                                              struct bb_verify_step **out, struct bb_error *err);
void bb_verify_step_free(struct bb_verify_step *step); /* NULL-safe; cancels */

/* Goes as far as it can. BB_OK with `done` false: wait for reading on bb_verify_step_fd(), another
 * one after each call. VerifierUnavailable: not asked (its turn), not answered, or by an error that may pass
 * (HTTP 408, 429, 5xx); no keys. TokenNotFound: the service refused the evidence, or its answer holds
 * no token. */
BB_MUST_USE enum bb_status bb_verify_step_go(struct bb_verify_step *step, bool *done,
                                             struct bb_error *err);
int bb_verify_step_fd(const struct bb_verify_step *step);
/* After `done`: what bb_client_appraise() needs. Owned by the step and the cache of key sets. */
void bb_verify_step_fill(const struct bb_verify_step *step, struct bb_client_appraisal *out);

#endif
