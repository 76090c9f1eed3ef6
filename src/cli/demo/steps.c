#include "cli/demo/steps.h"

#include "appraise/rules_snp.h"
#include "base/hex.h"
#include "cli/demo/gateway.h"
#include "cli/demo/policies.h"
#include "cli/demo/stages.h"
#include "cli/demo/token_steps.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

enum { WARM_UP_MS = 20000 };

struct walk {
    struct bb_demo_world *world;
    struct bb_demo_gateway *gateway;
    struct bb_demo_user user;
    struct bb_snp_report report;
    struct bb_demo_step *step; /* eight */
};

static void title(struct bb_demo_step *step, const char *text, int64_t ns) {
    step->title = text;
    step->ns = ns;
}

/* A fact in hex: cut for people, whole for JSON. */
static void hex_fact(struct bb_demo_step *step, const char *name, struct bb_span bytes,
                     const char *more) {
    char text[BB_HEX_SIZE(16)];
    bb_hex_short(bytes, text, sizeof text);
    struct bb_demo_fact *fact = bb_demo_fact_add(step, name, "%s%s", text, more);
    bb_hex_encode(bytes, fact->value, sizeof fact->value);
}

static void connection(struct walk *w, struct bb_demo_step *step) {
    const struct bb_session_times *t = bb_session_times(w->user.session);
    title(step, "the connection opens", (t->connect + t->handshake) * 1000);
    (void)snprintf(step->text, sizeof step->text, "TLS 1.3, %s, %s", BB_ALPN,
                   bb_session_address(w->user.session));
    bb_demo_value_add(step, "address", bb_session_address(w->user.session));
}

static void request(struct walk *w, struct bb_demo_step *step) {
    const struct bb_client_bound *b = bb_session_bound(w->user.session);
    char id[BB_HEX_SIZE(BB_BATCH_ID_SIZE)];
    title(step, "a report is requested", -1);
    bb_hex_encode(bb_span(b->d, BB_BATCH_ID_SIZE), id, sizeof id);
    (void)snprintf(step->text, sizeof step->text, "batch %s, leaf %" PRIu32 " of %u, depth %u", id,
                   b->response.index, 1U << b->response.depth, b->response.depth);
    bb_demo_value_add(step, "batch", id);
    hex_fact(step, "leaf", BB_SPAN_OF(b->leaf), ": from TLS exporter, key and nonce");
}

static void signing(struct walk *w, struct bb_demo_step *step) {
    struct bb_demo_gateway_log log;
    bb_demo_gateway_read_log(w->gateway, &log);
    title(step, "the hardware signs", (int64_t)log.report_us * 1000);
    (void)snprintf(step->text, sizeof step->text, "AMD SEV-SNP %s (SIMULATED)",
                   bb_snp_product_name(w->report.product));
    hex_fact(step, "report id", w->report.report_id, "");
    hex_fact(step, "chip", w->report.chip_id, "");
}

static enum bb_status checking(struct walk *w, struct bb_demo_step *step, struct bb_error *err) {
    title(step, "the report is checked", bb_session_times(w->user.session)->verdict * 1000);
    (void)snprintf(step->text, sizeof step->text, "by the client itself (mode local)");
    return bb_demo_stages(w->user.session, w->world->policy[BB_MODE_LOCAL], step, err);
}

static void token(struct bb_demo_step *step, const char *what, const char *text) {
    title(step, what, -1);
    bb_copy_text(step->text, sizeof step->text, text);
}

/* Step 7 without a service: the rows of the policy that were asked for. */
static void claims(struct walk *w, struct bb_demo_step *step) {
    const struct bb_snp_report *r = &w->report;
    char tcb[BB_VALUE_MAX];
    size_t passed = 0;
    const struct bb_check *checks = bb_session_result(w->user.session)->checks;
    for (int i = BB_CHECK_EXPECTED_CODE; i < BB_CHECK_COUNT; i++)
        passed += checks[i].outcome == BB_OUTCOME_PASSED ? 1 : 0;
    title(step, "the claims meet the policy", -1);
    (void)snprintf(step->text, sizeof step->text, "%zu rules asked for, and all hold", passed);
    hex_fact(step, "measurement", r->measurement, ": the expected code");
    hex_fact(step, "host data", r->host_data, ": the expected container policy");
    bb_demo_fact_add(step, "mode", "production: debug %s, migration %s",
                     (r->policy & BB_SNP_POLICY_DEBUG) == 0 ? "off" : "ON",
                     (r->policy & BB_SNP_POLICY_MIGRATE_MA) == 0 ? "off" : "ON");
    bb_demo_fact_add(step, "VMPL", "%" PRIu32 ": the guest's own level", r->vmpl);
    bb_tcb_text(r->reported_tcb, r->product, tcb, sizeof tcb);
    bb_demo_fact_add(step, "TCB", "%s: new enough", tcb);
    bb_demo_fact_add(step, "firmware", "%u.%u.%u, committed: it cannot be rolled back",
                     r->current.major, r->current.minor, r->current.build);
}

/* The model's output as people read it; JSON keeps the answer as it came. */
static void answer(struct bb_demo_step *step, const char *json) {
    json_t *object = json_loads(json, 0, NULL);
    const char *output = json_string_value(json_object_get(object, "output"));
    struct bb_demo_fact *fact =
        bb_demo_fact_add(step, "answer", "%s", output == NULL ? json : output);
    bb_copy_text(fact->value, sizeof fact->value, json);
    json_decref(object);
}

static enum bb_status query(struct walk *w, struct bb_demo_step *step,
                            const struct bb_demo_counts *before, struct bb_error *err) {
    struct bb_demo_counts after;
    BB_TRY(bb_demo_app_counts(&w->world->app, &after, err));
    title(step, "the query goes through", w->user.query_us * 1000);
    (void)snprintf(step->text, sizeof step->text, "HTTP, unchanged, to %s",
                   w->world->app.peer.address);
    bb_demo_fact_add(step, "POST /generate", "%s", BB_DEMO_QUERY);
    answer(step, w->user.answer);
    bb_demo_fact_add(step, "application", "got %" PRIu64 " connection, %" PRIu64 " bytes",
                     after.connections - before->connections, after.bytes - before->bytes);
    if (after.connections - before->connections == 1 && after.bytes - before->bytes == w->user.sent)
        return BB_OK;
    return bb_fail(err, BB_INTERNAL, "application", NULL, NULL,
                   "the application did not get exactly what the user sent");
}

/* Steps 4 to 7 without a service. */
static enum bb_status local(struct walk *w, struct bb_error *err) {
    BB_TRY(checking(w, &w->step[3], err));
    token(&w->step[4], "the service signs a token", "not used in mode local");
    token(&w->step[5], "the token is checked", "not used in mode local");
    claims(w, &w->step[6]);
    return BB_OK;
}

static enum bb_status tell(struct walk *w, const struct bb_demo_counts *before,
                           struct bb_error *err) {
    const struct bb_client_bound *b = bb_session_bound(w->user.session);
    BB_TRY(bb_snp_report_parse(b->cmw.report, &w->report, err));
    connection(w, &w->step[0]);
    request(w, &w->step[1]);
    signing(w, &w->step[2]);
    BB_TRY(w->world->mode == BB_MODE_LOCAL
               ? local(w, err)
               : bb_demo_token_steps(w->world, w->user.session, w->step, err));
    return query(w, &w->step[7], before, err);
}

/* So that the times are those of a gateway that runs, not of one that starts. */
static enum bb_status warm_up(struct walk *w, struct bb_error *err) {
    char policy[BB_DEMO_PATH_MAX];
    const struct bb_demo_place *place = &w->world->place;
    const char *const args[] = {"attest", w->gateway->address, "--policy",
                                bb_demo_path(place, BB_DEMO_POLICY_FILE, policy), NULL};
    int code = 0;
    return bb_demo_run(place, "blindbox-net", args, "run-attest.out", "run-attest.log", WARM_UP_MS,
                       &code, err);
}

static enum bb_status walk(struct walk *w, struct bb_demo_outcome *outcome, struct bb_error *err) {
    struct bb_demo_counts before;
    BB_TRY(warm_up(w, err));
    BB_TRY(bb_demo_app_counts(&w->world->app, &before, err));
    BB_TRY(bb_demo_user_query(&w->user, w->gateway->address, w->world->policy[w->world->mode],
                              &w->world->net, err));
    bb_demo_user_outcome(&w->user, outcome);
    if (outcome->status != BB_OK)
        return bb_fail(err, outcome->status, outcome->field, outcome->expected, outcome->found,
                       "the honest connection was refused");
    if (w->user.answer[0] == '\0')
        return bb_fail(err, BB_INTERNAL, "application", "an answer", "none",
                       "the query over the attested connection got no answer");
    return tell(w, &before, err);
}

enum bb_status bb_demo_walk(struct bb_demo_world *world, struct bb_demo_walk *out,
                            struct bb_error *err) {
    struct bb_demo_gateway gateway;
    struct walk w = {.world = world, .gateway = &gateway, .step = out->steps.step};
    *out = (struct bb_demo_walk){.gateway = ""};
    const struct bb_demo_gateway_options options = {.upstream = world->upstream,
                                                    .service = world->verifier.address};
    BB_TRY(bb_demo_gateway_start(&world->place, &options, &gateway, err));
    bb_copy_text(out->gateway, sizeof out->gateway, gateway.address);
    enum bb_status status = walk(&w, &out->outcome, err);
    bb_demo_user_done(&w.user);
    bb_demo_gateway_stop(&gateway);
    return status;
}
