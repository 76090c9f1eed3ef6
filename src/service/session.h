/* The client's side of one connection: dials, shakes hands, makes the exchange of channel/client.h
 * and gives the verdict. Non-blocking; the caller waits for the events and keeps the clock.
 *
 *   while bb_session_step(s, &want) gives CONNECTING, HANDSHAKE, EXCHANGE or VERIFYING:
 *             wait for `want` on bb_session_fd(s), or until bb_session_deadline(s); then it is the
 *             turn of bb_session_expire()
 *   ACCEPTED  the verdict is good; not one application byte may be sent yet. bb_session_start(), then
 *             step until OPEN: the application's turn, on bb_session_tls()
 *   REFUSED   the peer got close_notify and nothing else; error or result say why
 *
 * The policy's verifiers are tried in order, each with a connection of its own: the next one only when
 * the one before is VerifierUnavailable, never after any other class. */
#ifndef BB_SERVICE_SESSION_H
#define BB_SERVICE_SESSION_H

#include "channel/client.h"
#include "service/address.h"
#include "service/fetch/fetch.h"
#include "service/fetch/keyset.h"
#include "service/tls.h"

/* How long service and keys may take together: below BB_START_MS, after which the gateway leaves. */
#define BB_SESSION_VERIFY_MS 20000

enum bb_session_state {
    BB_SESSION_REFUSED = 0,
    BB_SESSION_CONNECTING,
    BB_SESSION_HANDSHAKE,
    BB_SESSION_EXCHANGE,
    BB_SESSION_VERIFYING, /* a verification service, or its keys, are asked */
    BB_SESSION_ACCEPTED,
    BB_SESSION_STARTING,
    BB_SESSION_OPEN,
};

struct bb_verify_turn; /* verify_step.h */

/* Everything outlives the session. */
struct bb_session_options {
    const struct bb_target *target;
    struct bb_tls_context *tls; /* bb_tls_client_new() */
    const struct bb_policy *policy;
    const struct bb_collateral *more; /* certificates and CRLs besides the peer's; NULL: none */
    const char *app;                  /* application protocol; NULL: "raw" */
    uint32_t wait_ms;                 /* for the response; 0: BB_WAIT_MS_DEFAULT */
    uint64_t skip;                    /* bit n: check n is left out */
    /* Shared by sessions, both or none; made when they are needed where there are none. */
    struct bb_fetcher *fetcher;
    struct bb_keysets *keysets;
    struct bb_verify_turn *turns; /* BB_POLICY_VERIFIERS_MAX, shared too; NULL: none */
};

/* Microseconds each step took; 0 for a step that was not reached. */
struct bb_session_times {
    int64_t connect, handshake, evidence, token, verdict;
};

/* One of the policy's verifiers, and why it did not do. */
struct bb_session_attempt {
    const struct bb_policy_verifier *verifier;
    struct bb_error error;
};

struct bb_session;

/* Begins to dial. Fails with UnsupportedEvidence if the policy allows no kind that this build has,
 * PeerUnreachable if no address can be dialled at all. */
BB_MUST_USE enum bb_status bb_session_new(const struct bb_session_options *options,
                                          struct bb_session **out, struct bb_error *err);
/* NULL-safe; closes the socket. A session that was accepted and not started says goodbye first. */
void bb_session_free(struct bb_session *s);

/* Goes as far as it can. `want` gets BB_IO_*. */
enum bb_session_state bb_session_step(struct bb_session *s, unsigned *want);
/* The socket; while a service is asked, the request's. Another one after a failed address, a failed
 * verifier, and before and after VERIFYING, so ask again after each step. */
int bb_session_fd(const struct bb_session *s);
/* How many descriptors there were: a new one may have the old one's number. */
unsigned bb_session_dials(const struct bb_session *s);
/* When the present step ends at the latest, in bb_now_ms(). */
int64_t bb_session_deadline(const struct bb_session *s);
/* At the deadline: the next address, or REFUSED. Earlier calls do nothing. */
enum bb_session_state bb_session_expire(struct bb_session *s);
/* In ACCEPTED: sends the start frame with the next steps. */
void bb_session_start(struct bb_session *s);

struct bb_tls *bb_session_tls(struct bb_session *s);
/* The class that refused; BB_OK while nothing did. */
enum bb_status bb_session_status(const struct bb_session *s);
/* Why it was refused before there was an appraisal; status BB_OK if there is a result. */
const struct bb_error *bb_session_error(const struct bb_session *s);
/* The appraisal; verdict NONE if it was not reached. */
const struct bb_result *bb_session_result(const struct bb_session *s);
/* Appraises the evidence at hand under another policy; changes nothing in the session.
 * InternalError before there is any. */
BB_MUST_USE enum bb_status bb_session_appraise(const struct bb_session *s,
                                               const struct bb_policy *policy,
                                               struct bb_result *result);
/* What the peer sent and what it was bound to; NULL before. Unverified unless the result accepts.
 */
const struct bb_client_bound *bb_session_bound(const struct bb_session *s);
/* The policy's verifier that is, or was last, at work. */
const struct bb_policy_verifier *bb_session_verifier(const struct bb_session *s);
/* Those before it, all VerifierUnavailable. */
const struct bb_session_attempt *bb_session_attempts(const struct bb_session *s, size_t *n);
/* The service's token as received; empty: none. Unverified unless the result says otherwise. */
struct bb_span bb_session_token(const struct bb_session *s);
const struct bb_session_times *bb_session_times(const struct bb_session *s);
const struct bb_target *bb_session_target(const struct bb_session *s);
/* The address that was dialled, "[::1]:8443". */
const char *bb_session_address(const struct bb_session *s);
/* After TryAgain with a time: milliseconds to wait, else 0. */
uint64_t bb_session_retry_ms(const struct bb_session *s);

/* Blocks until ACCEPTED (or, with `start`, OPEN) or REFUSED; returns the class. */
BB_MUST_USE enum bb_status bb_session_run(struct bb_session *s, bool start);

#endif
