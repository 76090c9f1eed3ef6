#include "service/verify_step.h"

#include "base/hex.h"
#include "codec/jws.h"
#include "crypto/digest.h"
#include "service/attest_answer.h"
#include "service/clock.h"
#include "token/attest_request.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_MAX = 2 * BB_JWS_MAX }; /* {"token": "..."} and what stands beside it */

struct bb_verify_step {
    struct bb_verify_input in;
    char nonce[BB_B64URL_SIZE(BB_VERIFY_NONCE_SIZE)]; /* empty: none was sent */
    struct bb_fetch *post;                            /* under way */
    char *token;                                      /* of the service's answer */
    struct bb_keyset *keys;
    const struct bb_jwks *jwks; /* of `keys`, once they are there */
    bool counted;               /* in the turn's requests under way */
};

/* ---- whose turn it is ---- */

static enum bb_status take_turn(struct bb_verify_step *s, struct bb_error *err) {
    struct bb_verify_turn *t = s->in.turn;
    uint64_t left = 0;
    if (t == NULL)
        return BB_OK;
    if (bb_breaker_is_open(&t->breaker, bb_now_ms(), &left) ||
        (bb_breaker_is_on_trial(&t->breaker) && t->under_way > 0))
        return bb_fail(err, BB_VERIFIER_UNAVAILABLE, "service", "an answer", "failures in a row",
                       "the verification service %s failed before; not asked for %llu ms",
                       s->in.verifier->issuer, (unsigned long long)left);
    t->under_way++;
    s->counted = true;
    return BB_OK;
}

static void end_turn(struct bb_verify_step *s) {
    if (s->counted)
        s->in.turn->under_way--;
    s->counted = false;
}

/* Whatever it said, a service that answers is there. */
static void judge_turn(struct bb_verify_step *s, enum bb_status status) {
    uint8_t chance = 0;
    if (s->counted && status == BB_VERIFIER_UNAVAILABLE) {
        (void)!bb_random(&chance, 1);
        bb_breaker_failed(&s->in.turn->breaker, bb_now_ms(), chance);
    } else if (s->counted) {
        bb_breaker_worked(&s->in.turn->breaker);
    }
    end_turn(s);
}

void bb_verify_step_free(struct bb_verify_step *s) {
    if (s == NULL)
        return;
    end_turn(s); /* left before the answer: that says nothing of the service */
    bb_fetch_end(s->post);
    bb_keyset_end(s->keys);
    free(s->token);
    free(s);
}

/* What is left of the time, for one request. */
static uint32_t time_left(const struct bb_verify_step *s) {
    int64_t left = s->in.ends_ms - bb_now_ms();
    if (left < 1)
        return 1;
    return left > BB_FETCH_MS_DEFAULT ? BB_FETCH_MS_DEFAULT : (uint32_t)left;
}

/* ---- the service's token ---- */

/* Report, certificates, runtime and a nonce: nothing that tells connections apart, neither request
 * nor salt, exporter, leaf or path. */
static char *make_body(struct bb_verify_step *s) {
    const struct bb_client_bound *b = bb_client_bound(s->in.client);
    uint8_t nonce[BB_VERIFY_NONCE_SIZE];
    char runtime[BB_RUNTIME_SIZE + 1];
    if (!bb_random(nonce, sizeof nonce) ||
        !bb_b64url_encode(BB_SPAN_OF(nonce), s->nonce, sizeof s->nonce) ||
        !bb_client_runtime(s->in.client, runtime))
        return NULL;
    struct bb_attest_evidence e = {.report = b->cmw.report,
                                   .certs = {b->cmw.vek, b->cmw.ask, b->cmw.ark},
                                   .n_certs = 3,
                                   .runtime = bb_span(runtime, BB_RUNTIME_SIZE),
                                   .nonce = s->nonce};
    return bb_attest_request_build(&e);
}

static enum bb_status begin_post(struct bb_verify_step *s, struct bb_error *err) {
    const struct bb_policy_verifier *v = s->in.verifier;
    BB_TRY(take_turn(s, err));
    char *body = make_body(s);
    if (body == NULL)
        return bb_fail_internal(err, "building a request to the verification service");
    /* Only the peer's certificates can make it that large. */
    if (strlen(body) > BB_ATTEST_BODY_MAX) {
        free(body);
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "cmw", NULL, NULL,
                       "the evidence is larger than a verification service takes");
    }
    struct bb_fetch_request r = {.url = v->url,
                                 .path = BB_ATTEST_PATH,
                                 .accept =
                                     v->profile == BB_PROFILE_EAR ? BB_MEDIA_EAR : BB_MEDIA_JWT,
                                 .body = bb_span_str(body),
                                 .ca_file = v->ca,
                                 .timeout_ms = time_left(s),
                                 .max = ANSWER_MAX};
    enum bb_status status = bb_fetch_begin(s->in.fetcher, &r, &s->post, err);
    free(body);
    return status;
}

static enum bb_status take_answer(struct bb_verify_step *s, const struct bb_fetch_answer *a,
                                  struct bb_error *err) {
    enum { GOOD = 200 };
    const struct bb_policy_verifier *v = s->in.verifier;
    char found[BB_VALUE_MAX], said[BB_ANSWER_SAID_MAX];
    if (a->http == GOOD)
        return bb_attest_answer_token(a->body, v->profile == BB_PROFILE_EAR, &s->token, err);
    bb_answer_said(a->body, said);
    (void)snprintf(found, sizeof found, "HTTP %u%s%.100s", a->http, said[0] == '\0' ? "" : " ",
                   said);
    if (bb_answer_may_pass(a->http))
        return bb_fail(err, BB_VERIFIER_UNAVAILABLE, "service", "a token", found,
                       "the verification service %s cannot answer", v->issuer);
    return bb_fail(err, BB_TOKEN_NOT_FOUND, "service", "a token", found,
                   "the verification service %s refused the evidence", v->issuer);
}

static enum bb_status go_post(struct bb_verify_step *s, bool *done, struct bb_error *err) {
    struct bb_fetch_answer answer = {0};
    enum bb_status status = BB_OK;
    switch (bb_fetch_take(s->post, &answer, err)) {
    case BB_FETCH_WAITING:
        return BB_OK;
    case BB_FETCH_DONE:
        status = take_answer(s, &answer, err);
        break;
    case BB_FETCH_FAILED:
        status = BB_VERIFIER_UNAVAILABLE;
        break;
    }
    bb_fetch_end(s->post);
    s->post = NULL;
    judge_turn(s, status);
    *done = status == BB_OK;
    return status;
}

/* ---- the issuer's keys ---- */

static struct bb_span token_of(const struct bb_verify_step *s) {
    return s->in.verifier->mode == BB_MODE_BACKGROUND
               ? bb_span_str(s->token)
               : bb_client_bound(s->in.client)->response.token;
}

/* The token's kid says only whether the keys at hand are old. */
static enum bb_status begin_keys(struct bb_verify_step *s, struct bb_error *err) {
    struct bb_jws jws = {0};
    const char *kid = bb_jws_parse(token_of(s), &jws, NULL) == BB_OK ? jws.kid : NULL;
    const struct bb_policy_verifier *v = s->in.verifier;
    const struct bb_keyset_source source = {
        .where = v->jwks, .is_file = v->jwks_is_file, .ca_file = v->ca};
    struct bb_error why = {0};
    enum bb_status status = bb_keyset_begin(s->in.keysets, &source, kid, &s->keys, &why);
    bb_jws_done(&jws);
    if (status == BB_USAGE && v->jwks_is_file) /* a file that is not there, or no key set */
        return bb_fail(err, BB_VERIFIER_UNAVAILABLE, "jwks", why.expected, why.found, "%s",
                       why.text);
    if (status != BB_OK && err->status == BB_OK)
        *err = why;
    return status;
}

static enum bb_status take_keys(struct bb_verify_step *s, bool *done, struct bb_error *err) {
    switch (bb_keyset_take(s->keys, &s->jwks, err)) {
    case BB_FETCH_WAITING:
        return BB_OK;
    case BB_FETCH_DONE:
        *done = true;
        return BB_OK;
    case BB_FETCH_FAILED:
        break;
    }
    return err->status == BB_OK ? BB_VERIFIER_UNAVAILABLE : err->status;
}

/* ---- both ---- */

enum bb_status bb_verify_step_new(const struct bb_verify_input *in, struct bb_verify_step **out,
                                  struct bb_error *err) {
    struct bb_verify_step *s = calloc(1, sizeof *s);
    if (s == NULL)
        return bb_fail_internal(err, "memory for asking a service");
    s->in = *in;
    enum bb_status status =
        in->verifier->mode == BB_MODE_BACKGROUND ? begin_post(s, err) : begin_keys(s, err);
    if (status != BB_OK) {
        bb_verify_step_free(s);
        return status;
    }
    *out = s;
    return BB_OK;
}

enum bb_status bb_verify_step_go(struct bb_verify_step *s, bool *done, struct bb_error *err) {
    bool answered = s->post == NULL;
    *done = false;
    if (!answered)
        BB_TRY(go_post(s, &answered, err));
    if (!answered)
        return BB_OK;
    if (s->keys == NULL)
        BB_TRY(begin_keys(s, err));
    return take_keys(s, done, err);
}

int bb_verify_step_fd(const struct bb_verify_step *s) {
    return s->post != NULL ? bb_fetch_fd(s->post) : bb_keyset_fd(s->keys);
}

void bb_verify_step_fill(const struct bb_verify_step *s, struct bb_client_appraisal *out) {
    out->jwks = s->jwks;
    out->token = bb_span_str(s->token == NULL ? "" : s->token);
    out->nonce = s->nonce[0] == '\0' ? NULL : s->nonce;
}
