/* Client and gateway engines joined without a network: a simulated TEE, one TLS key, an exporter
 * made of a shared secret. */
#ifndef BB_TESTS_CHANNEL_WORLD_H
#define BB_TESTS_CHANNEL_WORLD_H

#include "own_vectors.h"

#include "attester/sim/sim.h"
#include "channel/batch.h"
#include "channel/client.h"
#include "channel/gateway.h"

#include <ftw.h>
#include <time.h>
#include <unistd.h>

struct world {
    char dir[64];
    struct bb_sim *sim;
    struct bb_sim_certs certs;
    struct bb_policy *policy;
    uint8_t spki[BB_SPKI_SIZE], binding[BB_SPKI_SIZE];
    uint8_t config[256];
    size_t config_len;
};

/* The TLS session of one end: equal secrets are one connection. */
struct session {
    uint8_t secret;
    const char *label;
};

static inline bool session_export(void *ctx, struct bb_span context,
                                  uint8_t out[BB_EXPORTED_SIZE]) {
    const struct session *s = ctx;
    struct bb_span parts[] = {bb_span_str(s->label), bb_span(&s->secret, 1), context};
    return s->secret != 0 && bb_sha384_parts(parts, 3, out);
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static const char *const world_apps[] = {"http/1.1", "raw"};
static const char *const world_issuers[] = {"https://other.example", "https://verifier.example"};

static inline int world_new(void **state) {
    static struct world w;
    struct bb_error err = {0};
    char *json = NULL;
    bb_copy_text(w.dir, sizeof w.dir, "/tmp/blindbox-test-XXXXXX");
    if (mkdtemp(w.dir) == NULL || bb_sim_open(w.dir, &w.sim, &err) != BB_OK)
        return -1;
    bb_sim_config(w.sim)->latency_ms = 0;
    if (bb_sim_certs(w.sim, NULL, &w.certs, &err) != BB_OK ||
        bb_sim_policy(w.sim, &json, &err) != BB_OK ||
        bb_policy_parse(bb_span_str(json), &w.policy, &err) != BB_OK) {
        print_message("%s\n", err.text);
        return -1;
    }
    free(json);
    json_t *rows = own_vectors("exchange.json");
    const json_t *hex = json_object_get(json_array_get(rows, 0), "hex");
    struct bb_span spki = hex_member(hex, "spki"), binding = hex_member(hex, "binding_spki");
    memcpy(w.spki, spki.ptr, sizeof w.spki);
    memcpy(w.binding, binding.ptr, sizeof w.binding);
    free_span(spki);
    free_span(binding);
    json_decref(rows);
    struct bb_writer out = bb_writer(w.config, sizeof w.config);
    bb_config_build(&(struct bb_config){.software = "blindbox 0.1",
                                        .upstream = "unix:/run/app.sock",
                                        .apps = world_apps,
                                        .n_apps = 2},
                    &out);
    w.config_len = out.len;
    *state = &w;
    return 0;
}

static inline int world_free(void **state) {
    struct world *w = *state;
    bb_policy_free(w->policy);
    bb_sim_free(w->sim);
    return nftw(w->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* How one exchange is to go; zero is the honest one. */
struct plan {
    size_t others; /* further leaves of the batch */
    uint16_t flags;
    unsigned client_forms; /* 0: form 1 */
    unsigned form;         /* of the offer, plus one; 0: form 1 */
    void (*report_data)(struct bb_batch *batch, uint8_t report_data[64]);
    void (*request)(uint8_t *frame, size_t len); /* on its way */
    struct session client_session;               /* secret 0: the gateway's */
    const struct bb_policy_verifier *verifier;   /* the client's; NULL: the policy's first */
    const struct bb_policy *policy;              /* NULL: the world's */
    /* Malloced; NULL: none. */
    char *(*token)(const struct world *w, const struct bb_batch *batch, const uint8_t *report);
};

struct exchange {
    struct world *w;
    struct session gateway_session, client_session;
    struct bb_gateway_offer offer;
    struct bb_client *client;
    struct bb_gateway_conn *conn;
    struct bb_batch *batch;
    uint8_t report[BB_SNP_REPORT_SIZE];
    uint8_t frame[1 << 16]; /* the response, with its length */
    size_t frame_len;
};

static inline struct bb_client_tls good_tls(const struct world *w) {
    return (struct bb_client_tls){.tls13 = true,
                                  .x509 = true,
                                  .alpn = BB_SPAN_LIT("blindbox/1"),
                                  .spki = BB_SPAN_OF(w->spki)};
}

static inline struct bb_client *client_with(const struct world *w, const struct bb_policy *policy,
                                            const struct bb_policy_verifier *verifier,
                                            unsigned forms) {
    struct bb_client *client = NULL;
    struct bb_client_wants wants;
    struct bb_client_tls tls = good_tls(w);
    assert_int_equal(bb_client_wants_from(policy, verifier, &wants, NULL), BB_OK);
    memset(wants.nonce, 7, sizeof wants.nonce);
    if (forms != 0)
        wants.forms = forms;
    assert_int_equal(bb_client_new(&wants, &client, NULL), BB_OK);
    assert_int_equal(bb_client_check_tls(client, &tls, NULL), BB_OK);
    return client;
}

static inline struct bb_client *client_new(const struct world *w, unsigned forms) {
    return client_with(w, w->policy, &w->policy->verifiers[0], forms);
}

static inline void capture(struct exchange *x) {
    struct bb_span out = bb_gateway_conn_output(x->conn);
    assert_true(out.len > 4 && out.len <= sizeof x->frame);
    memcpy(x->frame, out.ptr, out.len);
    x->frame_len = out.len;
}

/* Seals a batch of the connection's leaf and others, lets the simulator sign, answers. */
static inline void answer(struct exchange *x, const struct plan *plan) {
    struct world *w = x->w;
    static uint8_t leaves[64 * BB_MERKLE_NODE], path[BB_MERKLE_DEPTH_MAX * BB_MERKLE_NODE],
        cmw_bytes[32768], alone_bytes[2048];
    uint8_t report_data[64];
    memcpy(leaves, bb_gateway_conn_leaf(x->conn), BB_MERKLE_NODE);
    assert_true(bb_random(leaves + BB_MERKLE_NODE, sizeof leaves - BB_MERKLE_NODE));
    struct bb_batch_input in = {.leaves = leaves,
                                .n = plan->others + 1,
                                .form = x->offer.form,
                                .flags = plan->flags,
                                .spki = BB_SPAN_OF(w->spki),
                                .binding_spki = BB_SPAN_OF(w->binding),
                                .config = bb_span(w->config, w->config_len)};
    assert_int_equal(bb_batch_new(&in, bb_random, &x->batch, NULL), BB_OK);
    memcpy(report_data, x->batch->report_data, sizeof report_data);
    if (plan->report_data != NULL)
        plan->report_data(x->batch, report_data);
    assert_int_equal(bb_sim_sign(w->sim, report_data, NULL, x->report, NULL), BB_OK);
    struct bb_cmw cmw = {.report = BB_SPAN_OF(x->report),
                         .vek = w->certs.vek,
                         .ask = w->certs.ask,
                         .ark = w->certs.ark,
                         .crl = w->certs.crl};
    struct bb_writer cw = bb_writer(cmw_bytes, sizeof cmw_bytes);
    bb_cmw_build(&cmw, &cw);
    struct bb_writer aw = bb_writer(alone_bytes, sizeof alone_bytes);
    bb_cmw_build(&(struct bb_cmw){.report = cmw.report}, &aw);
    char *token = plan->token == NULL ? NULL : plan->token(w, x->batch, x->report);
    struct bb_gateway_evidence e = {.kind = x->offer.kind,
                                    .form = x->offer.form,
                                    .flags = plan->flags,
                                    .cmw = bb_writer_span(&cw),
                                    .cmw_report = bb_writer_span(&aw),
                                    .token = bb_span_str(token == NULL ? "" : token),
                                    .config = in.config,
                                    .binding_spki = in.binding_spki,
                                    .depth = x->batch->depth};
    bb_batch_proof(x->batch, 0, &e.index, path);
    e.path = bb_span(path, (size_t)e.depth * BB_MERKLE_NODE);
    assert_int_equal(bb_gateway_conn_answer(x->conn, &e, NULL), BB_OK);
    free(token);
}

/* Everything up to the response on its way; what the gateway refuses is captured too. */
static inline struct exchange *exchange_new(struct world *w, const struct plan *plan) {
    struct exchange *x = calloc(1, sizeof *x);
    uint8_t salt[BB_SALT_SIZE], frame[BB_FRAME_HEAD_SIZE + BB_REQUEST_MAX];
    size_t used = 0;
    assert_non_null(x);
    x->w = w;
    x->gateway_session = (struct session){.secret = 1, .label = BB_EXPORTER_LABEL};
    x->client_session =
        plan->client_session.secret != 0 ? plan->client_session : x->gateway_session;
    x->offer = (struct bb_gateway_offer){.kind = BB_KIND_SIMULATED,
                                         .form = plan->form == 0 ? 1 : plan->form - 1,
                                         .apps = world_apps,
                                         .n_apps = 2,
                                         .issuers = world_issuers,
                                         .n_issuers = 2,
                                         .spki = BB_SPAN_OF(w->spki)};
    memset(salt, 9, sizeof salt);
    const struct bb_policy *policy = plan->policy == NULL ? w->policy : plan->policy;
    x->client =
        client_with(w, policy, plan->verifier == NULL ? &policy->verifiers[0] : plan->verifier,
                    plan->client_forms);
    assert_int_equal(bb_gateway_conn_new(&x->offer, salt, session_export, &x->gateway_session, 0,
                                         &x->conn, NULL),
                     BB_OK);
    struct bb_span request = bb_client_request(x->client);
    memcpy(frame, request.ptr, request.len);
    if (plan->request != NULL)
        plan->request(frame, request.len);
    if (bb_gateway_conn_feed(x->conn, bb_span(frame, request.len), 0, &used) == BB_GATEWAY_BATCH)
        answer(x, plan);
    capture(x);
    return x;
}

static inline void exchange_free(struct exchange *x) {
    bb_client_free(x->client);
    bb_gateway_conn_free(x->conn);
    bb_batch_free(x->batch);
    free(x);
}

/* The response as the client would read it, for changing one thing. */
static inline struct bb_response response_of(const struct exchange *x) {
    struct bb_response p;
    assert_true(bb_response_parse(bb_span(x->frame + 4, x->frame_len - 4), &p));
    return p;
}

static inline void set_body(struct exchange *x, struct bb_span body) {
    static uint8_t copy[1 << 16]; /* `body` may point into the frame */
    assert_true(body.len + 4 <= sizeof x->frame);
    memcpy(copy, body.ptr, body.len);
    struct bb_writer w = bb_writer(x->frame, sizeof x->frame);
    bb_write_u32be(&w, (uint32_t)body.len);
    bb_write_bytes(&w, bb_span(copy, body.len));
    x->frame_len = w.len;
}

static inline void set_response(struct exchange *x, const struct bb_response *p) {
    static uint8_t body[1 << 16];
    struct bb_writer w = bb_writer(body, sizeof body);
    bb_response_build(p, &w);
    assert_false(w.failed);
    set_body(x, bb_writer_span(&w));
}

/* Steps 2 to 6 of the client on the captured frame. */
static inline enum bb_status client_bind(struct exchange *x, struct bb_error *err) {
    bool done = false;
    enum bb_status status = bb_client_feed(x->client, bb_span(x->frame, x->frame_len), &done, err);
    if (status != BB_OK)
        return status;
    if (!done)
        return bb_client_eof(x->client, err);
    return bb_client_bind(x->client, session_export, &x->client_session, err);
}

static inline struct bb_client_appraisal local_appraisal(const struct bb_policy *policy) {
    return (struct bb_client_appraisal){
        .policy = policy, .verifier = &policy->verifiers[0], .now = (int64_t)time(NULL)};
}

/* Steps 2 to 11. `where` gets the error's field, or the id of the first failed check. */
static inline enum bb_status client_verdict(struct exchange *x, const struct bb_policy *policy,
                                            char where[BB_FIELD_MAX], struct bb_result *result) {
    struct bb_error err = {0};
    enum bb_status status = client_bind(x, &err);
    *result = (struct bb_result){0};
    bb_copy_text(where, BB_FIELD_MAX, err.field);
    if (status != BB_OK)
        return status;
    struct bb_client_appraisal in = local_appraisal(policy);
    status = bb_client_appraise(x->client, &in, result);
    if (status != BB_OK)
        bb_copy_text(where, BB_FIELD_MAX, bb_check_name(result->first_failed));
    return status;
}

#endif
