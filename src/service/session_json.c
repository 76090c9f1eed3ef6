#include "service/session_json.h"

#include "appraise/result_json.h"
#include "base/hex.h"

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
        json_pack("{s:I, s:I, s:I, s:I}", "connect_us", (json_int_t)t->connect, "handshake_us",
                  (json_int_t)t->handshake, "evidence_us", (json_int_t)t->evidence, "verdict_us",
                  (json_int_t)t->verdict));
    return o;
}

static void add_verifier(json_t *o) {
    (void)json_object_set_new(o, "verifier", json_pack("{s:s}", "mode", "local"));
    (void)json_object_set_new(o, "token", json_null());
}

json_t *bb_session_to_json(const struct bb_session *s, const struct bb_policy *policy,
                           const char *policy_source) {
    const struct bb_client_bound *b = bb_session_bound(s);
    const struct bb_result *r = bb_session_result(s);
    struct bb_snp_report report;
    if (r->verdict == BB_VERDICT_NONE)
        return add_peer(bb_connection_failed_to_json(bb_session_error(s), policy, policy_source),
                        s);
    /* What a report says counts once it is authentic. */
    bool parsed = b != NULL && bb_client_authentic(r) &&
                  bb_snp_report_parse(b->cmw.report, &report, NULL) == BB_OK;
    struct bb_result_view view = {.result = r,
                                  .schema = SCHEMA,
                                  .kind = bb_result_kind(r, parsed),
                                  .policy_source = policy_source,
                                  .policy = policy,
                                  .report = parsed ? &report : NULL};
    json_t *o = bb_result_to_json(&view);
    if (o == NULL)
        return NULL;
    (void)json_object_set_new(o, "batch", parsed ? batch(b) : json_null());
    add_verifier(o);
    return add_peer(o, s);
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
    add_verifier(o);
    return o;
}
