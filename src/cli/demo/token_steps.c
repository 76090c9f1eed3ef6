#include "cli/demo/token_steps.h"

#include "base/hex.h"
#include "base/rfc3339.h"
#include "cli/demo/policies.h"
#include "cli/demo/stages.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { MINUTE = 60, HOUR = 3600 };

struct telling {
    const struct bb_demo_world *world;
    struct bb_session *session;
    const struct bb_policy *policy;
    const struct bb_policy_verifier *verifier;
    struct bb_span text; /* the token */
    struct bb_token token;
    bool background;
};

static enum bb_status does_not_hold(const char *what, struct bb_error *err) {
    return bb_fail(err, BB_INTERNAL, what, NULL, NULL,
                   "what the client had accepted does not hold");
}

static int64_t integer(const struct telling *t, const char *name) {
    return (int64_t)json_integer_value(json_object_get(t->token.claims, name));
}

/* ---- 4 ---- */

/* The report came along, because the policy asks for what no token states: the client checks it as
 * it does without a service. */
static enum bb_status checked_again(struct telling *t, struct bb_demo_step *step,
                                    struct bb_error *err) {
    struct bb_demo_step stages = {.n = 0};
    int64_t ns = 0;
    if (bb_session_result(t->session)->subject != BB_OF_BOTH)
        return does_not_hold("report", err);
    BB_TRY(bb_demo_stages(t->session, t->policy, &stages, err));
    for (size_t i = 0; i < stages.n; i++)
        ns += stages.fact[i].ns;
    bb_demo_fact_add(step, "and here again", "chain, CRL, signature, fit, binding")->ns = ns;
    return BB_OK;
}

static enum bb_status service(struct telling *t, struct bb_demo_step *step, struct bb_error *err) {
    struct bb_demo_judged judged;
    const char *address = t->world->verifier.address;
    bb_demo_verifier_judged(&t->world->verifier, &judged);
    if (judged.us < 0)
        return does_not_hold("service", err);
    step->title = "the report is checked";
    step->ns = judged.us * 1000;
    (void)snprintf(step->text, sizeof step->text, "by the service %s", address);
    bb_demo_value_add(step, "service", address);
    bb_demo_fact_add(step, "asked by", "%s",
                     t->background ? "this client, with a nonce of its own (mode background)"
                                   : "the gateway, once for the batch (mode passport)");
    bb_demo_fact_add(step, "verdict", "%s, %s TEE, code known by %s", judged.verdict, judged.kind,
                     judged.compliance);
    return checked_again(t, step, err);
}

/* ---- 5 ---- */

static void header(const struct telling *t, struct bb_demo_step *step, const char *name,
                   const char *more) {
    const char *text = json_string_value(json_object_get(t->token.jws.header, name));
    struct bb_demo_fact *fact =
        bb_demo_fact_add(step, name, "%s%s", text == NULL ? "none" : text, more);
    bb_copy_text(fact->value, sizeof fact->value, text == NULL ? "" : text);
}

static void signing(const struct telling *t, struct bb_demo_step *step) {
    int64_t iat = integer(t, "iat"), life = integer(t, "exp") - iat;
    char from[BB_RFC3339_SIZE];
    bb_rfc3339_text(iat, from, sizeof from);
    step->title = "the service signs a token";
    step->ns = -1;
    (void)snprintf(step->text, sizeof step->text, "JWT of %zu bytes, as Microsoft's have it",
                   t->text.len);
    header(t, step, "alg", "");
    header(t, step, "kid", "");
    header(t, step, "jku", " (not read)");
    bb_demo_fact_add(step, "iss", "%s", t->token.iss);
    bb_demo_fact_add(step, "valid", "%" PRId64 " h %" PRId64 " min from %s", life / HOUR,
                     life % HOUR / MINUTE, from);
}

/* ---- 6 ---- */

static size_t usable(const struct bb_jwks *jwks) {
    size_t n = 0;
    for (size_t i = 0; i < bb_jwks_count(jwks); i++)
        n += bb_jwks_at(jwks, i)->key != NULL ? 1 : 0;
    return n;
}

static int64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static enum bb_status pinned_keys(const struct telling *t, struct bb_jwks **out,
                                  struct bb_error *err) {
    char text[BB_JWKS_MAX / 8];
    bb_demo_place_read(&t->world->place, BB_DEMO_KEY_SET, text, sizeof text);
    return bb_jwks_parse(bb_span_str(text), out, err);
}

static enum bb_status signature(const struct telling *t, struct bb_demo_step *step,
                                struct bb_error *err) {
    const struct bb_jws *jws = &t->token.jws;
    struct bb_jwks *jwks = NULL;
    BB_TRY(pinned_keys(t, &jwks, err));
    int64_t began = now_ns();
    enum bb_status status =
        bb_jwks_verify(jwks, jws->kid, jws->alg, jws->signing_input, jws->signature, err);
    step->ns = now_ns() - began;
    bb_demo_fact_add(step, "signature", "good: by 1 of %zu pinned keys", usable(jwks));
    bb_jwks_free(jwks);
    return status;
}

static enum bb_status checking(const struct telling *t, struct bb_demo_step *step,
                               struct bb_error *err) {
    int64_t left = integer(t, "exp") - (int64_t)time(NULL);
    step->title = "the token is checked";
    (void)snprintf(step->text, sizeof step->text, "by this client");
    BB_TRY(signature(t, step, err));
    if (strcmp(t->token.iss, t->verifier->issuer) != 0 || left <= 0)
        return does_not_hold("token", err);
    bb_demo_fact_add(step, "issuer", "%s: the policy's", t->verifier->issuer);
    bb_demo_fact_add(step, "validity", "for %" PRId64 " more seconds", left);
    return BB_OK;
}

/* ---- 7 ---- */

/* A claim, and what the policy wanted: `expected` NULL if it can only be as the comment says. */
static bool claim(const struct telling *t, struct bb_demo_step *step, const char *name,
                  const char *expected, const char *comment) {
    const json_t *value = json_object_get(t->token.claims, name);
    char *dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY), shown[32];
    const char *text = json_is_string(value) ? json_string_value(value) : dumped;
    bool good = text != NULL && (expected == NULL || strcmp(text, expected) == 0);
    bool hex = text != NULL && strlen(text) > sizeof shown - 1;
    (void)snprintf(shown, sizeof shown, hex ? "%.8s.." : "%s", text == NULL ? "" : text);
    struct bb_demo_fact *fact = bb_demo_fact_add(step, name, "%s: %s", shown, comment);
    bb_copy_text(fact->value, sizeof fact->value, text == NULL ? "" : text);
    free(dumped);
    return good;
}

/* A digest that the policy lists. */
static bool listed(const struct telling *t, struct bb_demo_step *step, const char *name,
                   const struct bb_policy_digests *list, const char *comment) {
    char expected[BB_HEX_SIZE(64)];
    bool good = false;
    for (size_t i = 0; i < list->count && !good; i++) {
        const char *text = json_string_value(json_object_get(t->token.claims, name));
        bb_hex_encode(bb_span(list->data + i * list->size, list->size), expected, sizeof expected);
        good = text != NULL && strcmp(text, expected) == 0;
    }
    return claim(t, step, name, good ? expected : "", comment) && good;
}

/* What ties the token to this connection: both from its own exporter and key. */
static bool bound(const struct telling *t, struct bb_demo_step *step) {
    const struct bb_client_bound *b = bb_session_bound(t->session);
    char data[BB_HEX_SIZE(BB_REPORT_DATA_SIZE)], d[BB_B64URL_SIZE(BB_D_SIZE)], runtime[128];
    bb_hex_encode(BB_SPAN_OF(b->report_data), data, sizeof data);
    bool good = bb_b64url_encode(BB_SPAN_OF(b->d), d, sizeof d);
    (void)snprintf(runtime, sizeof runtime, "{\"blindbox-1\":\"%s\"}", d);
    good = claim(t, step, "x-ms-sevsnpvm-reportdata", data, "this connection's") && good;
    good = claim(t, step, "x-ms-runtime", runtime, "D") && good;
    /* People see the member's value, not how it begins. */
    (void)snprintf(step->fact[step->n - 1].text, sizeof step->fact[0].text,
                   "blindbox-1 %.8s..: this batch's D", d);
    return good;
}

static bool rules(const struct telling *t, struct bb_demo_step *step) {
    const struct bb_policy *p = t->policy;
    bool good = claim(t, step, "x-ms-attestation-type", "sevsnpvm", "the policy's kind");
    good = claim(t, step, "x-ms-compliance-status", "azure-compliant-uvm", "listed") && good;
    good = claim(t, step, "x-ms-sevsnpvm-is-debuggable", "false", "production mode") && good;
    good =
        listed(t, step, "x-ms-sevsnpvm-launchmeasurement", &p->measurements, "the expected code") &&
        good;
    good = listed(t, step, "x-ms-sevsnpvm-hostdata", &p->host_data, "the expected one") && good;
    good = bound(t, step) && good;
    if (t->background)
        good = claim(t, step, "nonce", NULL, "this client's own") && good;
    return claim(t, step, "x-ms-blindbox-simulated", "true", "the policy allows it") && good;
}

static enum bb_status claims(const struct telling *t, struct bb_demo_step *step,
                             struct bb_error *err) {
    size_t passed = 0;
    const struct bb_check *checks = bb_session_result(t->session)->checks;
    for (int i = BB_CHECK_EXPECTED_CODE; i < BB_CHECK_COUNT; i++)
        passed += checks[i].outcome == BB_OUTCOME_PASSED ? 1 : 0;
    step->title = "the claims meet the policy";
    step->ns = -1;
    (void)snprintf(step->text, sizeof step->text, "%zu rules asked for, and all hold", passed);
    return rules(t, step) ? BB_OK : does_not_hold("claims", err);
}

static enum bb_status tell(struct telling *t, struct bb_demo_step *step, struct bb_error *err) {
    BB_TRY(service(t, &step[3], err));
    signing(t, &step[4]);
    BB_TRY(checking(t, &step[5], err));
    return claims(t, &step[6], err);
}

enum bb_status bb_demo_token_steps(const struct bb_demo_world *world, struct bb_session *session,
                                   struct bb_demo_step *step, struct bb_error *err) {
    struct telling t = {.world = world,
                        .session = session,
                        .policy = world->policy[world->mode],
                        .verifier = bb_session_verifier(session),
                        .text = bb_session_token(session),
                        .background = world->mode == BB_MODE_BACKGROUND};
    BB_TRY(bb_token_parse(t.text, &t.token, err));
    enum bb_status status = t.token.iss == NULL ? does_not_hold("iss", err) : tell(&t, step, err);
    bb_token_done(&t.token);
    return status;
}
