#include "service/session_json.h"

#include "appraise/result_json.h"
#include "base/hex.h"
#include "token/token.h"

#define SCHEMA "blindbox.connection-result/1"

static json_t *hex(struct bb_span s) {
    char text[BB_HEX_SIZE(64)];
    bb_hex_encode(s, text, sizeof text);
    return json_string(text);
}

/* What names the batch on both sides; the gateway logs the same id. */
static json_t *batch(const struct bb_client_bound *b) {
    json_t *o = json_object();
    (void)json_object_set_new(o, "id", hex(bb_span(b->d, BB_BATCH_ID_SIZE)));
    (void)json_object_set_new(o, "d", hex(BB_SPAN_OF(b->d)));
    (void)json_object_set_new(o, "leaf", hex(BB_SPAN_OF(b->leaf)));
    (void)json_object_set_new(o, "index", json_integer(b->response.index));
    (void)json_object_set_new(o, "depth", json_integer(b->response.depth));
    (void)json_object_set_new(o, "form", json_integer(b->response.form));
    (void)json_object_set_new(o, "flags", json_integer(b->response.flags));
    (void)json_object_set_new(o, "config_digest", hex(BB_SPAN_OF(b->config_digest)));
    return o;
}

static json_t *add_peer(json_t *o, const struct bb_session *s) {
    const struct bb_target *p = bb_session_target(s);
    const struct bb_session_times *t = bb_session_times(s);
    uint64_t retry = bb_session_retry_ms(s);
    if (retry > 0)
        (void)json_object_set_new(o, "retry_ms", json_integer((json_int_t)retry));
    (void)json_object_set_new(o, "peer",
                              json_pack("{s:s, s:s, s:s}", "host", p->host, "port", p->port,
                                        "address", bb_session_address(s)));
    (void)json_object_set_new(
        o, "times",
        json_pack("{s:I, s:I, s:I, s:I, s:I}", "connect_us", (json_int_t)t->connect, "handshake_us",
                  (json_int_t)t->handshake, "evidence_us", (json_int_t)t->evidence, "token_us",
                  (json_int_t)t->token, "verdict_us", (json_int_t)t->verdict));
    return o;
}

/* ---- who checked ---- */

static json_t *text_or_null(const char *text) {
    return text == NULL ? json_null() : bb_json_text(text);
}

static json_t *describe(const struct bb_policy_verifier *v) {
    static const char *const modes[] = {"local", "passport", "background"};
    json_t *o = json_pack("{s:s}", "mode", modes[v->mode]);
    if (v->mode == BB_MODE_LOCAL)
        return o;
    (void)json_object_set_new(o, "issuer", text_or_null(v->issuer));
    (void)json_object_set_new(o, "url", text_or_null(v->url));
    (void)json_object_set_new(o, "profile",
                              json_string(v->profile == BB_PROFILE_EAR ? "ear" : "maa"));
    return o;
}

/* The verifiers before the one that was at work, each with why it did not do. */
static json_t *tried(const struct bb_session *s) {
    size_t n = 0;
    const struct bb_session_attempt *attempts = bb_session_attempts(s, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = describe(attempts[i].verifier);
        const struct bb_error *e = &attempts[i].error;
        (void)json_object_set_new(o, "class", json_string(bb_status_name(e->status)));
        (void)json_object_set_new(o, "field", bb_json_text(e->field));
        (void)json_object_set_new(o, "found", bb_json_text(e->found));
        (void)json_object_set_new(o, "text", bb_json_text(e->text));
        (void)json_array_append_new(list, o);
    }
    return list;
}

/* The checks that the token decided: its own, and without a report all. */
static json_t *decided(const struct bb_result *r) {
    json_t *list = json_array();
    for (int i = 0; i < BB_CHECK_COUNT; i++) {
        enum bb_subject of = bb_check_subject((enum bb_check_id)i);
        enum bb_outcome outcome = r->checks[i].outcome;
        if ((of == BB_OF_TOKEN || (of == BB_OF_BOTH && r->subject == BB_OF_TOKEN)) &&
            (outcome == BB_OUTCOME_PASSED || outcome == BB_OUTCOME_FAILED))
            (void)json_array_append_new(list, json_string(bb_check_name((enum bb_check_id)i)));
    }
    return list;
}

/* What a token says counts once it is the issuer's. */
static json_t *token(const struct bb_session *s) {
    const struct bb_result *r = bb_session_result(s);
    struct bb_token parsed = {0};
    if (!bb_client_token_authentic(r) ||
        bb_token_parse(bb_session_token(s), &parsed, NULL) != BB_OK)
        return json_null();
    json_t *o = json_object();
    (void)json_object_set(o, "header", parsed.jws.header);
    (void)json_object_set(o, "claims", parsed.claims);
    (void)json_object_set_new(o, "decided", decided(r));
    bb_token_done(&parsed);
    return o;
}

static json_t *add_verifier(json_t *o, const struct bb_session *s) {
    json_t *v = describe(bb_session_verifier(s));
    (void)json_object_set_new(v, "tried", tried(s));
    (void)json_object_set_new(o, "verifier", v);
    (void)json_object_set_new(o, "token", token(s));
    return o;
}

json_t *bb_session_to_json(const struct bb_session *s, const struct bb_policy *policy,
                           const char *policy_source) {
    const struct bb_client_bound *b = bb_session_bound(s);
    const struct bb_result *r = bb_session_result(s);
    struct bb_snp_report report;
    if (r->verdict == BB_VERDICT_NONE)
        return add_peer(
            add_verifier(bb_connection_failed_to_json(bb_session_error(s), policy, policy_source),
                         s),
            s);
    /* What a report says counts once it is authentic; a token alone says what kind it was. */
    bool parsed = b != NULL && bb_client_authentic(r) &&
                  bb_snp_report_parse(b->cmw.report, &report, NULL) == BB_OK;
    bool by_token = b != NULL && r->subject == BB_OF_TOKEN && bb_client_token_authentic(r);
    bool kind_known =
        parsed || (by_token && r->checks[BB_CHECK_TOKEN_TYPE].outcome == BB_OUTCOME_PASSED);
    struct bb_result_view view = {.result = r,
                                  .schema = SCHEMA,
                                  .kind = bb_result_kind(r, kind_known),
                                  .policy_source = policy_source,
                                  .policy = policy,
                                  .report = parsed ? &report : NULL};
    json_t *o = bb_result_to_json(&view);
    if (o == NULL)
        return NULL;
    /* D names the batch once report or token vouch for it: before, it is no batch of the peer's. */
    bool named = (parsed || by_token) && bb_client_is_bound_by(r);
    (void)json_object_set_new(o, "batch", named ? batch(b) : json_null());
    return add_peer(add_verifier(o, s), s);
}

json_t *bb_connection_failed_to_json(const struct bb_error *err, const struct bb_policy *policy,
                                     const char *policy_source) {
    const struct bb_result refused = {.verdict = BB_VERDICT_REFUSED, .status = err->status};
    struct bb_result_view view = {.result = &refused,
                                  .schema = SCHEMA,
                                  .kind = "unknown",
                                  .policy_source = policy_source,
                                  .policy = policy};
    json_t *o = bb_result_to_json(&view);
    if (o == NULL)
        return NULL;
    bb_result_json_error(o, err);
    (void)json_object_set_new(o, "batch", json_null());
    (void)json_object_set_new(o, "verifier", json_null()); /* none was at work */
    (void)json_object_set_new(o, "token", json_null());
    return o;
}
