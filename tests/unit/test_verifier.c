/* The verifier's engine: routes, refusals with code and class, claims. */
#include "verifier_world.h"

#include <pthread.h>

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static const struct {
    const char *method, *path;
    unsigned status;
    const char *code, *allow;
} routes[] = {
    {"GET", "/certs", 200, NULL, NULL},
    {"HEAD", "/certs", 200, NULL, NULL},
    {"GET", "/.well-known/openid-configuration", 200, NULL, NULL},
    {"GET", "/healthz", 200, NULL, NULL},
    {"GET", "/readyz", 200, NULL, NULL},
    {"GET", "/metrics", 200, NULL, NULL},
    {"POST", "/certs", 405, "MethodNotAllowed", "GET, HEAD"},
    {"PUT", "/metrics", 405, "MethodNotAllowed", "GET, HEAD"},
    {"get", "/certs", 405, "MethodNotAllowed", "GET, HEAD"},
    {"GET", "/attest/SevSnpVm", 405, "MethodNotAllowed", "POST"},
    {"HEAD", "/attest/sevsnpvm", 405, "MethodNotAllowed", "POST"},
    {"GET", "/", 404, "NotFound", NULL},
    {"GET", "/certs/", 404, "NotFound", NULL},
    {"GET", "/Certs", 404, "NotFound", NULL},
    {"POST", "/attest/AzureGuest", 404, "NotFound", NULL},
    {"POST", "/attest/SevSnpVm/", 404, "NotFound", NULL},
};

static void test_routes(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.issuer = NULL});
    for (size_t i = 0; i < COUNT(routes); i++) {
        const struct bb_http_request q = {.method = routes[i].method, .path = routes[i].path};
        struct bb_http_answer a = ask(v, &q);
        if (a.status != routes[i].status)
            fail_msg("%s %s: %u", routes[i].method, routes[i].path, a.status);
        assert_true(routes[i].code == NULL ? a.error_code == NULL
                                           : strcmp(a.error_code, routes[i].code) == 0);
        assert_true(routes[i].allow == NULL ? a.allow == NULL
                                            : strcmp(a.allow, routes[i].allow) == 0);
        bb_http_answer_done(&a);
    }
    bb_verifier_free(v);
}

static const struct {
    const char *version, *type, *encoding;
    unsigned status;
    const char *code;
} heads[] = {
    {"2020-10-01", "application/json", NULL, 200, NULL},
    {"2022-08-01", "Application/JSON; charset=utf-8", NULL, 200, NULL},
    {"2025-06-01", "application/json", "identity", 200, NULL},
    {NULL, "application/json", NULL, 400, "InvalidParameter"},
    {"", "application/json", NULL, 400, "InvalidParameter"},
    {"2018-09-01-preview", "application/json", NULL, 400, "InvalidParameter"},
    {"2022-08-01 ", "application/json", NULL, 400, "InvalidParameter"},
    {"2022-08-01", NULL, NULL, 415, "UnsupportedMediaType"},
    {"2022-08-01", "text/plain", NULL, 415, "UnsupportedMediaType"},
    {"2022-08-01", "application/jsonx", NULL, 415, "UnsupportedMediaType"},
    {"2022-08-01", "application/json", "gzip", 415, "UnsupportedMediaType"},
};

static void test_heads(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    char *body = request_new(&(struct evidence){0});
    for (size_t i = 0; i < COUNT(heads); i++) {
        struct bb_http_request q = post(body);
        q.api_version = heads[i].version;
        q.content_type = heads[i].type;
        q.content_encoding = heads[i].encoding;
        struct bb_http_answer a = ask(v, &q);
        if (a.status != heads[i].status)
            fail_msg("row %zu: %u %s", i, a.status, a.body);
        assert_true(heads[i].code == NULL ? a.error_code == NULL
                                          : strcmp(a.error_code, heads[i].code) == 0);
        bb_http_answer_done(&a);
    }
    struct bb_http_request q = post(body);
    q.body_too_large = true;
    struct bb_http_answer a = ask(v, &q);
    assert_int_equal(a.status, 413);
    bb_http_answer_done(&a);
    free(body);
    bb_verifier_free(v);
}

static void test_maa(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    for (unsigned form = 0; form < 2; form++) {
        char *body = request_new(&(struct evidence){.tail = form, .nonce = "n"});
        json_t *c = accepted(v, body, NULL);
        assert_string_equal(text_of(c, "iss"), ISSUER);
        assert_string_equal(text_of(c, "nonce"), "n");
        assert_string_equal(text_of(json_object_get(c, "x-ms-runtime"), "blindbox-1"),
                            "0123456789");
        assert_true(json_is_true(json_object_get(c, "x-ms-blindbox-simulated")));
        assert_null(json_object_get(c, "x-ms-compliance-status"));
        assert_true(json_is_false(json_object_get(c, "x-ms-sevsnpvm-is-debuggable")));
        assert_int_equal(json_object_size(c), 8 + 17 + 3);
        json_decref(c);
        free(body);
    }
    bb_verifier_free(v);
}

static void test_ear(void **state) {
    (void)state;
    static const struct {
        enum bb_sig_alg chosen;
        const char *alg;
    } rows[] = {{BB_SIG_RS256, "ES256"}, {BB_SIG_ES256, "ES256"}, {BB_SIG_ES384, "ES384"}};
    char *body = request_new(&(struct evidence){.nonce = "a nonce of mine"});
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bb_verifier *v = verifier_new(
            (struct bb_verifier_config){.allow_simulated = true, .algorithm = rows[i].chosen});
        struct bb_http_request q = post(body);
        q.accept = "application/eat+jwt";
        struct bb_http_answer a = ask(v, &q);
        struct bb_token token;
        assert_string_equal(a.type,
                            "application/eat+jwt; eat_profile=\"tag:ietf.org,2026:rats/ear#04\"");
        assert_int_equal(bb_token_parse(bb_span(a.body, a.len), &token, NULL), BB_OK);
        assert_string_equal(token.jws.alg, rows[i].alg);
        bb_token_done(&token);
        json_t *c = claims_of(v, &a, true);
        assert_string_equal(text_of(c, "ear_status"), "contraindicated"); /* simulated */
        assert_string_equal(json_string_value(json_array_get(json_object_get(c, "eat_nonce"), 0)),
                            "0123456789");
        assert_string_equal(json_string_value(json_array_get(json_object_get(c, "eat_nonce"), 1)),
                            "a nonce of mine");
        json_decref(c);
        bb_http_answer_done(&a);
        bb_verifier_free(v);
    }
    free(body);
}

static void test_accept(void **state) {
    (void)state;
    static const struct {
        const char *accept;
        bool ear;
    } rows[] = {{NULL, false},
                {"*/*", false},
                {"application/json", false},
                {"application/eat+jwt", true},
                {"Application/EAT+JWT; eat_profile=\"x\"", true},
                {"text/plain, application/eat+jwt", true},
                {"application/json, application/eat+jwt", false},
                {"application/eat+jwt, application/json;q=0.5", true},
                {"application/eat+jwtx", false},
                {"application/json;q=0.5, application/eat+jwt", true},
                {"application/json; q=0.500,application/eat+jwt;q=0.501", true},
                {"application/eat+jwt;q=0.9, application/json", false},
                {"application/eat+jwt;Q=0", false},
                {"application/eat+jwt;q=0.000, */*", false},
                {"application/eat+jwt;q=0.5, */*", false},
                {"application/eat+jwt, */*;q=0.1", true},
                {"*/*, application/eat+jwt", true},
                {"application/eat+jwt;q=0.5, application/*;q=0.4", true},
                {"application/eat+jwt;q=2", false},
                {"application/eat+jwt;q=", false},
                {"application/eat+jwt;q=0.5x", false},
                {"application/eat+jwt;q=\"1\"", false},
                {"application/eat+jwt; eat_profile=\"tag:ietf.org,2026:rats/ear#04\";q=0", false},
                {"text/x; a=\"application/json, \\\", b\", application/eat+jwt", true},
                {"text/x; a=\"application/eat+jwt\"", false},
                {"text/x; a=\", application/eat+jwt", false},
                {",, ,application/eat+jwt,,", true},
                {"application/json, application/json;q=0.1, application/eat+jwt;q=0.5", false},
                {"", false}};
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    char *body = request_new(&(struct evidence){0});
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bb_http_request q = post(body);
        q.accept = rows[i].accept;
        struct bb_http_answer a = ask(v, &q);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.body[0] != '{', rows[i].ear);
        bb_http_answer_done(&a);
    }
    free(body);
    bb_verifier_free(v);
}

/* What the simulator does wrong, and what the verifier says of it; those that it states in claims
 * instead of refusing are accepted. */
static const struct {
    const char *defect, *code, *start; /* code NULL: accepted */
} defects[] = {
    {"debug", NULL, NULL},
    {"vmpl", NULL, NULL},
    {"migration", NULL, NULL},
    {"measurement", NULL, NULL},
    {"host-data", NULL, NULL},
    {"provisional", NULL, NULL},
    {"nonce", "InvalidParameter", "FalseAttestationReport: report-data: "},
    {"forged-signature", "InvalidParameter", "ReportSignatureInvalid: signature: "},
    {"amd-names-root", "InvalidParameter", "CertificateChainInvalid: root: "},
    {"masked-key", "InvalidParameter", "MalformedEvidence: format: "},
    {"version", "InvalidParameter", "UnsupportedEvidence: version: "},
    {"reserved", "InvalidParameter", "MalformedEvidence: format: "},
    {"wrong-chip", "InvalidParameter", "CertificateChainInvalid: collateral: "},
    {"wrong-tcb-cert", "InvalidParameter", "CertificateChainInvalid: collateral: "},
    {"wrong-issuer", "InvalidParameter", "CertificateChainInvalid: chain: "},
};

static void test_defects(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    for (size_t i = 0; i < COUNT(defects); i++) {
        const struct bb_sim_defect *d = bb_sim_defect_find(defects[i].defect);
        assert_non_null(d);
        char *body = request_new(&(struct evidence){.defect = d});
        if (defects[i].code != NULL)
            refused(v, body, defects[i].code, defects[i].start);
        else
            json_decref(accepted(v, body, NULL));
        free(body);
    }
    bb_verifier_free(v);
}

static void test_debug_is_stated(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    char *body = request_new(&(struct evidence){.defect = bb_sim_defect_find("debug")});
    json_t *c = accepted(v, body, NULL);
    assert_true(json_is_true(json_object_get(c, "x-ms-sevsnpvm-is-debuggable")));
    json_decref(c);
    free(body);
    bb_verifier_free(v);
}

static void test_bindings(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    const struct evidence rows[] = {{.sent = "{\"blindbox-1\":\"0123456780\"}"},
                                    {.sent = "{ \"blindbox-1\":\"0123456789\"}"},
                                    {.tail = 2}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *body = request_new(&rows[i]);
        refused(v, body, "InvalidParameter", "FalseAttestationReport: report-data: ");
        free(body);
    }
    bb_verifier_free(v);
}

/* With a member of the request replaced. */
static char *changed(const char *body, const char *name, json_t *value) {
    json_t *o = json_loads(body, 0, NULL);
    assert_int_equal(json_object_set_new(o, name, value), 0);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

static void test_init_data(void **state) {
    (void)state;
    static const uint8_t text[] = "{\"a\":1}";
    struct bb_sim_config *config = bb_sim_config(sim), before = *config;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    assert_true(bb_sha256(bb_span(text, sizeof text - 1), config->host_data));
    char *body = request_new(&(struct evidence){0});
    char *good = changed(body, "initTimeData",
                         json_pack("{s:s, s:s}", "data", "eyJhIjoxfQ", "dataType", "JSON"));
    char *bad = changed(body, "initTimeData",
                        json_pack("{s:s, s:s}", "data", "eyJhIjoyfQ", "dataType", "JSON"));
    json_t *c = accepted(v, good, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(c, "x-ms-inittime"), "a")),
                     1);
    json_decref(c);
    refused(v, bad, "InvalidParameter", "InvalidEnclaveCode: initTimeData: ");
    *config = before;
    free(body);
    free(good);
    free(bad);
    bb_verifier_free(v);
}

static void test_no_runtime(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    char *body = request_new(&(struct evidence){.tail = 2});
    char *without = changed(body, "runtimeData", json_null());
    json_t *c = accepted(v, without, NULL);
    assert_null(json_object_get(c, "x-ms-runtime"));
    json_decref(c);
    free(body);
    free(without);
    bb_verifier_free(v);
}

static void test_simulated(void **state) {
    (void)state;
    uint8_t root[32];
    char json[512], hex[65];
    struct bb_policy *listed = NULL, *unlisted = NULL;
    struct bb_error err = {0};
    char *body = request_new(&(struct evidence){0});
    static const char form[] =
        "{\"schema\":\"blindbox.policy/1\",\"crl\":\"if-present\",\"vmpl\":[0],"
        "\"allow_simulated\":true,\"simulated_roots\":[\"%s\"]}";
    assert_int_equal(bb_sim_root(sim, root, &err), BB_OK);
    for (int other = 0; other < 2; other++) {
        bb_hex_encode(BB_SPAN_OF(root), hex, sizeof hex);
        int n = snprintf(json, sizeof json, form, hex);
        assert_int_equal(
            bb_policy_parse(bb_span(json, (size_t)n), other ? &unlisted : &listed, &err), BB_OK);
        root[0] ^= 1;
    }
    const struct {
        struct bb_verifier_config config;
        bool taken;
    } rows[] = {{{.allow_simulated = false}, false},
                {{.allow_simulated = true}, true},
                {{.allow_simulated = false, .own_policy = listed}, false},
                {{.allow_simulated = true, .own_policy = listed}, true},
                {{.allow_simulated = true, .own_policy = unlisted}, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bb_verifier *v = verifier_new(rows[i].config);
        if (rows[i].taken)
            json_decref(accepted(v, body, NULL));
        else
            refused(v, body, "PolicyEvaluationError", "SimulatedTee: root: ");
        bb_verifier_free(v);
    }
    bb_policy_free(listed);
    bb_policy_free(unlisted);
    free(body);
}

/* The operator's policy tightens: its refusals have their own code. */
static void test_own_policy(void **state) {
    (void)state;
    static const char json[] = "{\"schema\":\"blindbox.policy/1\",\"crl\":\"if-present\"}";
    struct bb_policy *policy = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_policy_parse(BB_SPAN_LIT(json), &policy, &err), BB_OK);
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){
        .allow_simulated = true, .own_policy = policy, .policy = BB_SPAN_LIT(json)});
    static const struct {
        const char *defect, *start;
    } rows[] = {{"debug", "DebugMode: debug: "},
                {"migration", "GuestPolicyRejected: guest-policy: "},
                {"vmpl", "GuestPolicyRejected: vmpl: "},
                {"provisional", "ProvisionalFirmware: provisional: "}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *body = request_new(&(struct evidence){.defect = bb_sim_defect_find(rows[i].defect)});
        refused(v, body, "PolicyEvaluationError", rows[i].start);
        free(body);
    }
    char *body = request_new(&(struct evidence){0});
    json_t *c = accepted(v, body, NULL);
    /* b64url(SHA-256(b64url(json))), by another program */
    assert_string_equal(text_of(c, "x-ms-policy-hash"),
                        "QJl6ZpfJZ0RwjSW2mdipJ3eHe9fQp78eLHVGo9zE7M4");
    json_decref(c);
    free(body);
    bb_verifier_free(v);
    bb_policy_free(policy);
}

static void test_policies_that_no_report_answers(void **state) {
    (void)state;
    char json[256], hex[97] = "";
    struct bb_policy *policy = NULL;
    struct bb_ring *ring = NULL;
    struct bb_verifier *v = NULL;
    struct bb_error err = {0};
    memset(hex, '1', 96);
    int n = snprintf(json, sizeof json,
                     "{\"schema\":\"blindbox.policy/1\",\"config_digests\":[\"%s\"]}", hex);
    assert_int_equal(bb_policy_parse(bb_span(json, (size_t)n), &policy, NULL), BB_OK);
    assert_int_equal(bb_ring_open(state_dir, ISSUER, start_time, &ring, NULL), BB_OK);
    const struct bb_verifier_config config = {.issuer = ISSUER, .own_policy = policy};
    assert_int_equal(bb_verifier_new(&config, ring, &v, &err), BB_USAGE);
    assert_string_equal(err.field, "config_digests");
    assert_null(v);
    bb_policy_free(policy);
}

static void test_compliance(void **state) {
    (void)state;
    struct bb_sim_config *config = bb_sim_config(sim);
    struct bb_reference *r = calloc(1, sizeof *r);
    assert_non_null(r);
    memcpy(r->measurement[0], config->measurement, 48);
    memcpy(r->host_data[0], config->host_data, 32);
    static const struct {
        size_t measurements, host_data;
        const char *defect;
        bool compliant;
    } rows[] = {{1, 1, NULL, true},           {1, 0, NULL, false},        {0, 1, NULL, false},
                {1, 1, "measurement", false}, {1, 1, "host-data", false}, {1, 1, "debug", false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        r->n_measurements = rows[i].measurements;
        r->n_host_data = rows[i].host_data;
        struct bb_verifier *v =
            verifier_new((struct bb_verifier_config){.allow_simulated = true, .reference = r});
        char *body = request_new(&(struct evidence){
            .defect = rows[i].defect == NULL ? NULL : bb_sim_defect_find(rows[i].defect)});
        json_t *c = accepted(v, body, NULL);
        assert_string_equal(text_of(c, "x-ms-compliance-status"),
                            rows[i].compliant ? "azure-compliant-uvm" : "(none)");
        json_decref(c);
        free(body);
        bb_verifier_free(v);
    }
    free(r);
}

static void test_own_certificates(void **state) {
    (void)state;
    const struct bb_span certs[] = {sim_certs.vek, sim_certs.ask, sim_certs.ark};
    char *body = request_new(&(struct evidence){.no_certs = true});
    struct bb_verifier *none = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    refused(none, body, "InvalidParameter", "CollateralUnavailable: collateral: ");
    struct bb_verifier *some = verifier_new(
        (struct bb_verifier_config){.allow_simulated = true, .own = {certs, 3, NULL, 0}});
    json_decref(accepted(some, body, NULL));
    bb_verifier_free(none);
    bb_verifier_free(some);
    free(body);
}

static void test_own_crl(void **state) {
    (void)state;
    const struct bb_sim_defect *d = bb_sim_defect_find("revoked");
    struct bb_sim_certs revoked;
    assert_int_equal(bb_sim_certs(sim, d, &revoked, NULL), BB_OK);
    struct bb_verifier *v = verifier_new(
        (struct bb_verifier_config){.allow_simulated = true, .own = {NULL, 0, &revoked.crl, 1}});
    char *body = request_new(&(struct evidence){.defect = d});
    refused(v, body, "InvalidParameter", "CertificateRevoked: crl: ");
    free(body);
    bb_verifier_free(v);
}

static void test_ready(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.issuer = NULL});
    const struct bb_http_request q = {.method = "GET", .path = "/readyz"};
    struct bb_http_answer a = ask(v, &q);
    assert_int_equal(a.status, 200);
    bb_http_answer_done(&a);
    bb_verifier_drain(v);
    a = ask(v, &q);
    assert_int_equal(a.status, 503);
    assert_string_equal(a.error_code, "ServiceUnavailable");
    bb_http_answer_done(&a);
    bb_verifier_free(v);
}

/* A clock that was set back, behind the making of the keys. */
static void test_an_earlier_clock(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    char *body = request_new(&(struct evidence){0});
    const struct bb_http_request q = post(body);
    struct bb_http_answer a;
    bb_verifier_answer(v, &q, start_time - 3600, &a);
    assert_true(a.status == 200 || a.status == 400); /* the certificates may be younger */
    bb_http_answer_done(&a);
    free(body);
    bb_verifier_free(v);
}

/* ---- threads: most is seen under ThreadSanitizer ---- */

enum { THREADS = 6, ROUNDS = 12 };
struct job {
    struct bb_verifier *v;
    char *body[2];
    unsigned seed;
    bool good;
};

static void *work(void *arg) {
    struct job *job = arg;
    static const char *const documents[] = {"/certs", "/metrics", "/readyz"};
    job->good = true;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct bb_http_request q = post(job->body[(i + job->seed) % 2]);
        struct bb_http_answer a;
        q.accept = i % 3 == 0 ? "application/eat+jwt" : NULL;
        bb_verifier_answer(job->v, &q, start_time, &a);
        job->good = job->good && a.status == 200;
        bb_http_answer_done(&a);
        const struct bb_http_request d = {.method = "GET", .path = documents[i % 3]};
        bb_verifier_answer(job->v, &d, start_time, &a);
        job->good = job->good && a.status == 200;
        bb_http_answer_done(&a);
        bb_verifier_took(job->v, BB_ROUTE_ATTEST, 1);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    struct bb_verifier *v = verifier_new((struct bb_verifier_config){.allow_simulated = true});
    struct job job[THREADS];
    pthread_t thread[THREADS];
    char *one = request_new(&(struct evidence){0}),
         *two = request_new(&(struct evidence){.tail = 1});
    for (unsigned i = 0; i < THREADS; i++) {
        job[i] = (struct job){.v = v, .body = {one, two}, .seed = i};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        struct bb_ring *ring = NULL;
        assert_int_equal(bb_ring_open(state_dir, ISSUER, start_time, &ring, NULL), BB_OK);
        bb_verifier_set_ring(v, ring);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_true(job[i].good);
    free(one);
    free(two);
    bb_verifier_free(v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_maa),
        cmocka_unit_test(test_ear),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_defects),
        cmocka_unit_test(test_debug_is_stated),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_init_data),
        cmocka_unit_test(test_no_runtime),
        cmocka_unit_test(test_simulated),
        cmocka_unit_test(test_own_policy),
        cmocka_unit_test(test_policies_that_no_report_answers),
        cmocka_unit_test(test_compliance),
        cmocka_unit_test(test_own_certificates),
        cmocka_unit_test(test_own_crl),
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_an_earlier_clock),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("verifier", tests, world_new, world_free);
}
