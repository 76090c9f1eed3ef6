/* An engine of a verifier with simulated evidence: requests made, answers taken apart. */
#ifndef BB_TESTS_VERIFIER_WORLD_H
#define BB_TESTS_VERIFIER_WORLD_H

#include "vectors.h"

#include "attester/sim/sim.h"
#include "base/hex.h"
#include "crypto/digest.h"
#include "service/verifier/engine.h"
#include "token/attest_request.h"
#include "token/report_data.h"
#include "token/token.h"

#include <ftw.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ISSUER "https://verifier.example"
#define RUNTIME "{\"blindbox-1\":\"0123456789\"}"

static char state_dir[64];
static struct bb_sim *sim;
static struct bb_sim_certs sim_certs;
static int64_t start_time;

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline int world_new(void **state) {
    (void)state;
    struct bb_error err = {0};
    start_time = (int64_t)time(NULL);
    bb_copy_text(state_dir, sizeof state_dir, "/tmp/blindbox-test-XXXXXX");
    if (mkdtemp(state_dir) == NULL || bb_sim_open(kept_keys(), &sim, &err) != BB_OK) {
        print_message("%s\n", err.text);
        return -1;
    }
    bb_sim_config_default(bb_sim_config(sim), BB_SNP_PRODUCT_MILAN);
    bb_sim_config(sim)->latency_ms = 0;
    return bb_sim_certs(sim, NULL, &sim_certs, &err) == BB_OK ? 0 : -1;
}

static inline int world_free(void **state) {
    (void)state;
    bb_sim_free(sim);
    return nftw(state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct bb_verifier *verifier_new(struct bb_verifier_config config) {
    struct bb_ring *ring = NULL;
    struct bb_verifier *v = NULL;
    struct bb_error err = {0};
    config.issuer = ISSUER;
    if (config.algorithm == BB_SIG_NONE)
        config.algorithm = BB_SIG_ES256;
    if (bb_ring_open(state_dir, ISSUER, start_time, &ring, &err) != BB_OK ||
        bb_verifier_new(&config, ring, &v, &err) != BB_OK)
        fail_msg("%s", err.text);
    return v;
}

/* How the evidence of one request is to be; zero is the honest one of form 1. */
struct evidence {
    const char *runtime; /* NULL: RUNTIME */
    const char *sent;    /* another runtime than the one signed */
    const struct bb_sim_defect *defect;
    unsigned tail; /* 0: form 1, 1: zeros, 2: another one */
    const char *nonce;
    bool no_certs;
};

/* Malloced. */
static inline char *request_new(const struct evidence *e) {
    uint8_t data[64], report[BB_SNP_REPORT_SIZE];
    struct bb_error err = {0};
    struct bb_sim_certs certs = sim_certs;
    const char *runtime = e->runtime == NULL ? RUNTIME : e->runtime;
    assert_true(bb_sha256(bb_span_str(runtime), data));
    assert_true(bb_report_data_tail(e->tail == 0 ? 1 : 0, data + 32));
    if (e->tail == 2)
        data[63] = 1;
    if (e->defect != NULL)
        assert_int_equal(bb_sim_certs(sim, e->defect, &certs, &err), BB_OK);
    if (bb_sim_sign(sim, data, e->defect, report, &err) != BB_OK)
        fail_msg("%s", err.text);
    const struct bb_attest_evidence evidence = {
        .report = BB_SPAN_OF(report),
        .certs = {certs.vek, certs.ask, certs.ark},
        .n_certs = e->no_certs ? 0 : 3,
        .runtime = bb_span_str(e->sent == NULL ? runtime : e->sent),
        .nonce = e->nonce};
    char *body = bb_attest_request_build(&evidence);
    assert_non_null(body);
    return body;
}

static inline struct bb_http_request post(const char *body) {
    return (struct bb_http_request){.method = "POST",
                                    .path = "/attest/SevSnpVm",
                                    .api_version = "2022-08-01",
                                    .content_type = "application/json",
                                    .body = bb_span_str(body)};
}

static inline struct bb_http_answer ask(struct bb_verifier *v, const struct bb_http_request *q) {
    struct bb_http_answer a;
    bb_verifier_answer(v, q, start_time, &a);
    assert_non_null(a.body);
    assert_int_equal(strlen(a.body), a.len);
    return a;
}

static inline json_t *json_of(const struct bb_http_answer *a) {
    json_t *o = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(o);
    return o;
}

/* Claims of the token in an answer, verified with the published keys. */
static inline json_t *claims_of(struct bb_verifier *v, const struct bb_http_answer *a, bool ear) {
    char *token = NULL;
    struct bb_token parsed = {0};
    struct bb_jwks *jwks = NULL;
    struct bb_error err = {0};
    const struct bb_http_request q = {.method = "GET", .path = "/certs"};
    if (a->status != 200)
        fail_msg("%u: %s", a->status, a->body);
    assert_int_equal(bb_attest_answer_token(bb_span(a->body, a->len), ear, &token, &err), BB_OK);
    struct bb_http_answer certs = ask(v, &q);
    assert_int_equal(bb_jwks_parse(bb_span(certs.body, certs.len), &jwks, &err), BB_OK);
    assert_int_equal(bb_token_parse(bb_span_str(token), &parsed, &err), BB_OK);
    if (bb_jwks_verify(jwks, parsed.jws.kid, parsed.jws.alg, parsed.jws.signing_input,
                       parsed.jws.signature, &err) != BB_OK)
        fail_msg("%s", err.text);
    json_t *claims = json_incref(parsed.claims);
    bb_token_done(&parsed);
    bb_jwks_free(jwks);
    bb_http_answer_done(&certs);
    free(token);
    return claims;
}

/* One body in, claims out. */
static inline json_t *accepted(struct bb_verifier *v, const char *body, const char *accept) {
    struct bb_http_request q = post(body);
    q.accept = accept;
    struct bb_http_answer a = ask(v, &q);
    json_t *claims = claims_of(v, &a, accept != NULL);
    bb_http_answer_done(&a);
    return claims;
}

/* One body in, a refusal of this code whose message begins with the class and names the field. */
static inline void refused(struct bb_verifier *v, const char *body, const char *code,
                           const char *start) {
    struct bb_http_request q = post(body);
    struct bb_http_answer a = ask(v, &q);
    json_t *o = json_of(&a);
    const json_t *error = json_object_get(o, "error");
    assert_int_equal(a.status, 400);
    assert_int_equal(json_object_size(o), 1);
    assert_int_equal(json_object_size(error), 2);
    assert_string_equal(json_string_value(json_object_get(error, "code")), code);
    assert_string_equal(a.error_code, code);
    if (strncmp(json_string_value(json_object_get(error, "message")), start, strlen(start)) != 0)
        fail_msg("expected %s, found %s", start, a.body);
    json_decref(o);
    bb_http_answer_done(&a);
}

static inline const char *text_of(const json_t *o, const char *name) {
    const char *text = json_string_value(json_object_get(o, name));
    return text == NULL ? "(none)" : text;
}

#endif
