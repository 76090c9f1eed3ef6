/* Tokens on a connection: passport with and without evidence, background; every deviation with its
 * class and row. */
#include "channel_world.h"
#include "token_world.h"

static struct bb_key *key, *other_key;
static struct bb_jwks *jwks;
static char issuer[] = ISS;
static const char nonce[] = "bm9uY2U";
static struct bb_policy lenient; /* asks for nothing that a token does not state */

static const struct bb_policy_verifier passport = {
    .mode = BB_MODE_PASSPORT, .profile = BB_PROFILE_MAA, .issuer = issuer};
static const struct bb_policy_verifier passport_ear = {
    .mode = BB_MODE_PASSPORT, .profile = BB_PROFILE_EAR, .issuer = issuer};
static const struct bb_policy_verifier background = {
    .mode = BB_MODE_BACKGROUND, .profile = BB_PROFILE_MAA, .issuer = issuer};

static int setup(void **state) {
    if (world_new(state) != 0 || bb_key_generate(BB_KEY_P256, &key, NULL) != BB_OK ||
        bb_key_generate(BB_KEY_P256, &other_key, NULL) != BB_OK)
        return -1;
    jwks = key_set(key, "k1");
    lenient = *((struct world *)*state)->policy;
    lenient.crl_required = false;
    lenient.provisional_allowed = true;
    lenient.minimum_tcb.given = lenient.minimum_launch_tcb.given = false;
    lenient.simulated_roots.given = false; /* still at hand where the report is looked at */
    lenient.products_given = lenient.signers_given = lenient.report_versions_given = false;
    return 0;
}

static int teardown(void **state) {
    bb_jwks_free(jwks);
    bb_key_free(key);
    bb_key_free(other_key);
    return world_free(state);
}

/* What a case changes of the token: a patch of its claims, its header, its key. */
static const char *patch, *header;
static bool foreign_key, unsigned_token;

static void set_hex(json_t *claims, const char *name, struct bb_span value) {
    char text[BB_HEX_SIZE(64)];
    bb_hex_encode(value, text, sizeof text);
    assert_int_equal(json_object_set_new(claims, name, json_string(text)), 0);
}

static void set_times(json_t *claims) {
    json_int_t now = (json_int_t)time(NULL);
    (void)json_object_set_new(claims, "iat", json_integer(now));
    (void)json_object_set_new(claims, "nbf", json_integer(now));
    (void)json_object_set_new(claims, "exp", json_integer(now + 3600));
}

static char *finish(json_t *claims) {
    json_t *changes = quoted(patch == NULL ? "{}" : patch);
    merge(claims, changes);
    json_decref(changes);
    char *token = token_of(foreign_key ? other_key : key, BB_SIG_ES256,
                           header == NULL ? "{'alg':'ES256','kid':'k1'}" : header, claims);
    if (unsigned_token)
        strrchr(token, '.')[1] = '\0';
    return token;
}

static json_t *d_of(const struct bb_batch *batch) {
    char text[BB_B64URL_SIZE(48)];
    assert_true(bb_b64url_encode(BB_SPAN_OF(batch->d), text, sizeof text));
    return json_string(text);
}

/* What a service says of the batch's report. */
static char *maa(const struct world *w, const struct bb_batch *batch, const uint8_t *report) {
    struct bb_snp_report p;
    (void)w;
    json_t *claims = quoted(MAA);
    assert_int_equal(bb_snp_report_parse(bb_span(report, BB_SNP_REPORT_SIZE), &p, NULL), BB_OK);
    set_times(claims);
    set_hex(claims, "x-ms-sevsnpvm-reportdata", p.report_data);
    set_hex(claims, "x-ms-sevsnpvm-launchmeasurement", p.measurement);
    set_hex(claims, "x-ms-sevsnpvm-hostdata", p.host_data);
    (void)json_object_set_new(claims, "x-ms-blindbox-simulated", json_true());
    (void)json_object_set_new(claims, "x-ms-runtime",
                              json_pack("{s:o}", "blindbox-1", d_of(batch)));
    (void)json_object_set_new(claims, "nonce", json_string(nonce));
    return finish(claims);
}

static char *ear(const struct world *w, const struct bb_batch *batch, const uint8_t *report) {
    struct bb_snp_report p;
    json_t *claims = quoted(EAR04);
    json_t *snp = json_object_get(json_object_get(json_object_get(claims, "submods"), "sev-snp"),
                                  "ear_attester_claims");
    (void)w;
    assert_int_equal(bb_snp_report_parse(bb_span(report, BB_SNP_REPORT_SIZE), &p, NULL), BB_OK);
    set_times(claims);
    set_hex(snp, "x-ms-sevsnpvm-reportdata", p.report_data);
    set_hex(snp, "x-ms-sevsnpvm-launchmeasurement", p.measurement);
    set_hex(snp, "x-ms-sevsnpvm-hostdata", p.host_data);
    (void)json_object_set_new(claims, "x-ms-blindbox-simulated", json_true());
    json_t *submod = json_object_get(json_object_get(claims, "submods"), "sev-snp");
    json_t *vector = json_object_get(submod, "ear_trustworthiness_vector");
    (void)json_object_set_new(vector, "hardware", json_integer(-97));
    (void)json_object_set_new(submod, "ear_status", json_string("contraindicated"));
    (void)json_object_set_new(claims, "ear_status", json_string("contraindicated"));
    (void)json_object_set_new(claims, "eat_nonce", json_pack("[o]", d_of(batch)));
    return finish(claims);
}

static struct bb_client_appraisal appraisal(const struct bb_policy *policy,
                                            const struct bb_policy_verifier *verifier) {
    return (struct bb_client_appraisal){.policy = policy,
                                        .verifier = verifier,
                                        .jwks = jwks,
                                        .nonce =
                                            verifier->mode == BB_MODE_BACKGROUND ? nonce : NULL,
                                        .now = (int64_t)time(NULL)};
}

/* Binds and appraises; in background mode the token is made of what the client got. */
static void expect(struct exchange *x, const struct bb_client_appraisal *in, const char *name,
                   enum bb_status status, const char *where) {
    struct bb_error err = {0};
    struct bb_result r = {0};
    struct bb_client_appraisal with = *in;
    char found[BB_FIELD_MAX] = "", *token = NULL;
    enum bb_status got = client_bind(x, &err);
    bb_copy_text(found, sizeof found, err.field);
    if (got == BB_OK) {
        if (in->verifier->mode == BB_MODE_BACKGROUND && in->token.ptr == NULL) {
            token = maa(x->w, x->batch, x->report);
            with.token = bb_span_str(token);
        }
        got = bb_client_appraise(x->client, &with, &r);
        if (got != BB_OK)
            bb_copy_text(found, sizeof found, bb_check_name(r.first_failed));
    }
    if (got != status || strcmp(found, where) != 0)
        fail_msg("%s: %s at '%s', expected %s at '%s': %s", name, bb_status_name(got), found,
                 bb_status_name(status), where, r.checks[r.first_failed].reason);
    assert_int_equal(r.verdict == BB_VERDICT_ACCEPTED, status == BB_OK);
    free(token);
}

static void one(void **state, const struct bb_policy *policy, const struct bb_policy_verifier *v,
                const char *name, enum bb_status status, const char *where) {
    const struct bb_client_appraisal in = appraisal(policy, v);
    struct plan plan = {.others = 2,
                        .policy = policy,
                        .verifier = v,
                        .token = v->profile == BB_PROFILE_EAR ? ear : maa};
    struct exchange *x = exchange_new(*state, &plan);
    expect(x, &in, name, status, where);
    exchange_free(x);
}

static void reset(void) {
    patch = header = NULL;
    foreign_key = unsigned_token = false;
}

static void test_what_is_asked_for(void **state) {
    const struct world *w = *state;
    static const struct {
        const struct bb_policy_verifier *verifier;
        bool lenient;
        enum bb_want want;
    } rows[] = {{&passport, true, BB_WANT_TOKEN},
                {&passport, false, BB_WANT_BOTH},
                {&passport_ear, false, BB_WANT_BOTH},
                {&background, false, BB_WANT_EVIDENCE},
                {&background, true, BB_WANT_EVIDENCE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_client_wants wants;
        assert_int_equal(bb_client_wants_from(rows[i].lenient ? &lenient : w->policy,
                                              rows[i].verifier, &wants, NULL),
                         BB_OK);
        assert_int_equal(wants.want, rows[i].want);
        assert_int_equal(wants.issuer != NULL, rows[i].want != BB_WANT_EVIDENCE);
    }
    struct bb_policy rooted = lenient;
    struct bb_client_wants wants;
    rooted.simulated_roots.given = true;
    assert_int_equal(bb_client_wants_from(&rooted, &passport, &wants, NULL), BB_OK);
    assert_int_equal(wants.want, BB_WANT_BOTH);
}

/* An issuer exactly with a token. */
static void test_requests_out_of_form(void **state) {
    const struct world *w = *state;
    char long_issuer[300];
    struct bb_client_wants wants;
    struct bb_client *client = NULL;
    assert_int_equal(bb_client_wants_from(&lenient, &passport, &wants, NULL), BB_OK);
    memset(wants.nonce, 1, sizeof wants.nonce);
    wants.want = BB_WANT_EVIDENCE;
    assert_int_equal(bb_client_new(&wants, &client, NULL), BB_USAGE);
    wants.want = BB_WANT_TOKEN;
    wants.issuer = NULL;
    assert_int_equal(bb_client_new(&wants, &client, NULL), BB_USAGE);
    memset(long_issuer, 'a', sizeof long_issuer);
    long_issuer[256] = '\0';
    wants.issuer = long_issuer;
    assert_int_equal(bb_client_new(&wants, &client, NULL), BB_USAGE);
    long_issuer[255] = '\0';
    assert_int_equal(bb_client_new(&wants, &client, NULL), BB_OK);
    bb_client_free(client);
    (void)w;
}

static void test_honest_tokens_are_accepted(void **state) {
    struct world *w = *state;
    reset();
    one(state, &lenient, &passport, "want 2", BB_OK, "");
    one(state, w->policy, &passport, "want 3", BB_OK, "");
    one(state, w->policy, &background, "background", BB_OK, "");
    one(state, &lenient, &background, "background, lenient", BB_OK, "");
}

static void test_ears_are_accepted(void **state) {
    struct world *w = *state;
    reset();
    one(state, w->policy, &passport_ear, "want 3", BB_OK, "");
    one(state, &lenient, &passport_ear, "want 2", BB_OK, "");
    patch = "{'eat_nonce':['" D_TEXT "']}";
    one(state, w->policy, &passport_ear, "another D, want 3", BB_CHANNEL_BINDING_MISMATCH,
        "runtime");
    one(state, &lenient, &passport_ear, "another D, want 2", BB_CHANNEL_BINDING_MISMATCH,
        "runtime");
}

/* Each in all three modes: nothing of a bad token is made good by a good report. */
static void test_tokens_that_are_refused(void **state) {
    struct world *w = *state;
    static const struct {
        const char *name, *patch, *header;
        bool foreign_key, no_signature;
        enum bb_status status;
        const char *where;
    } rows[] = {
        {"foreign key", NULL, NULL, true, false, BB_TOKEN_SIGNATURE_INVALID, "token-signature"},
        {"no signature", NULL, NULL, false, true, BB_TOKEN_SIGNATURE_INVALID, "token-signature"},
        {"other issuer", "{'iss':'https://evil.example'}", NULL, false, false, BB_WRONG_ATTESTER,
         "issuer"},
        {"expired", "{'exp':1000}", NULL, false, false, BB_TOKEN_EXPIRED, "token-time"},
        {"not yet valid", "{'nbf':9999999999}", NULL, false, false, BB_TOKEN_NOT_YET_VALID,
         "token-time"},
        {"no exp", "{'exp':null}", NULL, false, false, BB_TOKEN_CLAIM_MISSING, "token-time"},
        {"another D", "{'x-ms-runtime':{'blindbox-1':'" D_TEXT "'}}", NULL, false, false,
         BB_CHANNEL_BINDING_MISMATCH, "runtime"},
        {"a second member", "{'x-ms-runtime':{'keys':[]}}", NULL, false, false,
         BB_CHANNEL_BINDING_MISMATCH, "runtime"},
        {"no runtime", "{'x-ms-runtime':null}", NULL, false, false, BB_CHANNEL_BINDING_MISMATCH,
         "runtime"},
        {"another report", "{'x-ms-sevsnpvm-reportdata':'" H64 "'}", NULL, false, false,
         BB_CHANNEL_BINDING_MISMATCH, "report-data"},
        {"debug", "{'x-ms-sevsnpvm-is-debuggable':true}", NULL, false, false, BB_DEBUG_MODE,
         "debug"},
        {"no debug claim", "{'x-ms-sevsnpvm-is-debuggable':null}", NULL, false, false,
         BB_TOKEN_CLAIM_MISSING, "debug"},
        {"not compliant", "{'x-ms-compliance-status':'none'}", NULL, false, false,
         BB_NON_COMPLIANT_UVM, "uvm"},
        {"no compliance", "{'x-ms-compliance-status':null}", NULL, false, false,
         BB_NON_COMPLIANT_UVM, "uvm"},
        {"another measurement", "{'x-ms-sevsnpvm-launchmeasurement':'" H48 "'}", NULL, false, false,
         BB_MEASUREMENT_MISMATCH, "measurement"},
        {"laundered: simulated, not said", "{'x-ms-blindbox-simulated':null}", NULL, false, false,
         BB_TOKEN_CLAIM_MISSING, "token-type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        reset();
        patch = rows[i].patch;
        header = rows[i].header;
        foreign_key = rows[i].foreign_key;
        unsigned_token = rows[i].no_signature;
        one(state, &lenient, &passport, rows[i].name, rows[i].status, rows[i].where);
        one(state, w->policy, &passport, rows[i].name, rows[i].status, rows[i].where);
        one(state, w->policy, &background, rows[i].name, rows[i].status, rows[i].where);
    }
    reset();
    patch = "{'nonce':'b3RoZXI'}";
    one(state, w->policy, &background, "another nonce", BB_CHANNEL_BINDING_MISMATCH, "nonce");
    patch = "{'nonce':null}";
    one(state, w->policy, &background, "no nonce", BB_CHANNEL_BINDING_MISMATCH, "nonce");
    reset();
}

/* A token of one batch, shown to a connection of another. */
static char *kept;
static char *replayed(const struct world *w, const struct bb_batch *batch, const uint8_t *report) {
    (void)w, (void)batch, (void)report;
    return strdup(kept);
}

static char *record(const struct world *w, const struct bb_batch *batch, const uint8_t *report) {
    kept = maa(w, batch, report);
    return strdup(kept);
}

static void test_tokens_of_other_batches(void **state) {
    struct world *w = *state;
    const struct bb_policy *policies[] = {&lenient, w->policy};
    for (size_t i = 0; i < 2; i++) {
        const struct bb_client_appraisal in = appraisal(policies[i], &passport);
        struct plan plan = {
            .others = 1, .policy = policies[i], .verifier = &passport, .token = record};
        struct exchange *x = exchange_new(w, &plan);
        expect(x, &in, "its own", BB_OK, "");
        exchange_free(x);
        plan.token = replayed;
        x = exchange_new(w, &plan);
        expect(x, &in, "replayed", BB_CHANNEL_BINDING_MISMATCH, "report-data");
        exchange_free(x);
        free(kept);
    }
}

/* The response's token, exactly if one was asked for. */
static void test_token_missing_unasked_too_large(void **state) {
    static char large[BB_TOKEN_MAX + 2];
    struct world *w = *state;
    const struct bb_client_appraisal in = appraisal(&lenient, &passport);
    struct plan plan = {.policy = &lenient, .verifier = &passport, .token = maa};
    reset();
    struct exchange *x = exchange_new(w, &plan);
    struct bb_response p = response_of(x);
    p.token = bb_span(NULL, 0);
    set_response(x, &p);
    expect(x, &in, "missing", BB_TOKEN_NOT_FOUND, "token");
    exchange_free(x);
    memset(large, 'a', sizeof large);
    for (size_t len = BB_TOKEN_MAX; len <= BB_TOKEN_MAX + 1; len++) {
        x = exchange_new(w, &plan);
        p = response_of(x);
        p.token = bb_span(large, len);
        set_response(x, &p);
        bool fits = len == BB_TOKEN_MAX;
        expect(x, &in, "too large", BB_MALFORMED_EVIDENCE, fits ? "token" : "response");
        exchange_free(x);
    }
    x = exchange_new(w, &(struct plan){0});
    p = response_of(x);
    p.token = BB_SPAN_LIT("a.b.c");
    set_response(x, &p);
    const struct bb_client_appraisal local = local_appraisal(w->policy);
    expect(x, &local, "unasked", BB_MALFORMED_EVIDENCE, "token");
    exchange_free(x);
}

/* want 2: no certificates, and what stands in the report is not shown. */
static void test_the_report_alone(void **state) {
    struct world *w = *state;
    const struct bb_client_appraisal in = appraisal(&lenient, &passport);
    struct plan plan = {.others = 1, .policy = &lenient, .verifier = &passport, .token = maa};
    struct bb_result r;
    reset();
    struct exchange *x = exchange_new(w, &plan);
    assert_int_equal(client_bind(x, NULL), BB_OK);
    const struct bb_client_bound *b = bb_client_bound(x->client);
    assert_int_equal(b->cmw.report.len, BB_SNP_REPORT_SIZE);
    assert_int_equal(b->cmw.vek.len + b->cmw.ask.len + b->cmw.ark.len + b->cmw.crl.len, 0);
    assert_int_equal(bb_client_appraise(x->client, &in, &r), BB_OK);
    assert_int_equal(r.subject, BB_OF_TOKEN);
    assert_true(r.simulated);
    assert_int_equal(r.checks[BB_CHECK_CHAIN].outcome, BB_OUTCOME_NOT_APPLICABLE);
    assert_int_equal(r.checks[BB_CHECK_SIGNATURE].outcome, BB_OUTCOME_NOT_APPLICABLE);
    assert_int_equal(r.checks[BB_CHECK_TOKEN_SIGNATURE].outcome, BB_OUTCOME_PASSED);
    assert_int_equal(r.checks[BB_CHECK_LEAF].outcome, BB_OUTCOME_PASSED);
    assert_int_equal(r.checks[BB_CHECK_REPORT_DATA].outcome, BB_OUTCOME_PASSED);
    assert_false(bb_client_authentic(&r));
    assert_true(bb_client_token_authentic(&r));
    assert_true(bb_client_is_bound_by(&r));
    /* Whose simulator it was is nothing that the token states. */
    struct bb_policy rooted = lenient;
    rooted.simulated_roots.given = true;
    const struct bb_client_appraisal by_root = appraisal(&rooted, &passport);
    assert_int_equal(bb_client_appraise(x->client, &by_root, &r), BB_TOKEN_CLAIM_MISSING);
    assert_int_equal(r.first_failed, BB_CHECK_TOKEN_TYPE);
    rooted.allow_simulated = false;
    assert_int_equal(bb_client_appraise(x->client, &by_root, &r), BB_SIMULATED_TEE);
    exchange_free(x);
    /* The report beside the token is another one: its data is not this connection's. */
    x = exchange_new(w, &plan);
    struct bb_response p = response_of(x);
    struct bb_cmw cmw;
    static uint8_t report[BB_SNP_REPORT_SIZE], bytes[4096];
    assert_true(bb_cmw_parse(p.cmw, &cmw));
    memcpy(report, cmw.report.ptr, sizeof report);
    report[0x50] ^= 1;
    cmw.report = BB_SPAN_OF(report);
    struct bb_writer out = bb_writer(bytes, sizeof bytes);
    bb_cmw_build(&cmw, &out);
    p.cmw = bb_writer_span(&out);
    set_response(x, &p);
    expect(x, &in, "another report", BB_CHANNEL_BINDING_MISMATCH, "report-data");
    exchange_free(x);
}

/* Refused before any value of a token that nobody vouches for is shown. */
static void test_nothing_unverified_is_shown(void **state) {
    struct world *w = *state;
    const struct bb_policy *policies[] = {&lenient, w->policy};
    reset();
    foreign_key = true;
    for (size_t i = 0; i < 2; i++) {
        const struct bb_client_appraisal in = appraisal(policies[i], &passport);
        struct plan plan = {.policy = policies[i], .verifier = &passport, .token = maa};
        struct exchange *x = exchange_new(w, &plan);
        struct bb_result r;
        assert_int_equal(client_bind(x, NULL), BB_OK);
        assert_int_equal(bb_client_appraise(x->client, &in, &r), BB_TOKEN_SIGNATURE_INVALID);
        assert_false(bb_client_token_authentic(&r));
        assert_int_equal(r.checks[BB_CHECK_RUNTIME].outcome, BB_OUTCOME_NONE);
        for (int k = BB_CHECK_REPORT_DATA; policies[i] == &lenient && k < BB_CHECK_COUNT; k++)
            assert_string_equal(r.checks[k].found, "");
        exchange_free(x);
    }
    reset();
}

/* What was asked for and what is appraised must go together: no service is left out in silence. */
static void test_verifiers_that_do_not_go_with_the_request(void **state) {
    struct world *w = *state;
    static char other[] = "https://other.example";
    const struct bb_policy_verifier local = {.mode = BB_MODE_LOCAL};
    const struct bb_policy_verifier elsewhere = {
        .mode = BB_MODE_PASSPORT, .profile = BB_PROFILE_MAA, .issuer = other};
    const struct {
        const char *name;
        const struct bb_policy_verifier *asked, *appraised;
        bool jwks, nonce;
    } rows[] = {{"token asked, local", &passport, &local, true, false},
                {"token asked, background", &passport, &background, true, true},
                {"evidence asked, passport", &local, &passport, true, false},
                {"another issuer", &passport, &elsewhere, true, false},
                {"no keys", &passport, &passport, false, false},
                {"background without keys", &background, &background, false, true},
                {"background without nonce", &background, &background, true, false}};
    reset();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct plan plan = {.verifier = rows[i].asked, .token = maa};
        struct exchange *x = exchange_new(w, &plan);
        struct bb_client_appraisal in = appraisal(w->policy, rows[i].appraised);
        struct bb_result r;
        in.jwks = rows[i].jwks ? jwks : NULL;
        in.nonce = rows[i].nonce ? nonce : NULL;
        assert_int_equal(client_bind(x, NULL), BB_OK);
        char *token = maa(w, x->batch, x->report);
        in.token = bb_span_str(token);
        if (bb_client_appraise(x->client, &in, &r) != BB_INTERNAL ||
            r.verdict != BB_VERDICT_REFUSED)
            fail_msg("%s: not refused", rows[i].name);
        free(token);
        exchange_free(x);
    }
}

/* flags bit 0 holds in every mode. */
static void test_outside_upstream(void **state) {
    struct world *w = *state;
    const struct bb_policy *policies[] = {&lenient, w->policy, w->policy};
    const struct bb_policy_verifier *verifiers[] = {&passport, &passport, &background};
    reset();
    for (size_t i = 0; i < 3; i++) {
        struct bb_policy pinned = *policies[i];
        uint8_t digest[48];
        struct plan plan = {.flags = BB_FLAG_OUTSIDE_UPSTREAM,
                            .policy = policies[i],
                            .verifier = verifiers[i],
                            .token = maa};
        struct bb_client_appraisal in = appraisal(policies[i], verifiers[i]);
        in.nonce = nonce;
        struct exchange *x = exchange_new(w, &plan);
        expect(x, &in, "outside", BB_CONFIGURATION_REFUSED, "config");
        exchange_free(x);
        assert_true(bb_sha384(bb_span(w->config, w->config_len), digest));
        pinned.config_digests = (struct bb_policy_digests){
            .given = true, .size = sizeof digest, .count = 1, .data = digest};
        in.policy = &pinned;
        x = exchange_new(w, &plan);
        expect(x, &in, "outside, pinned", BB_OK, "");
        exchange_free(x);
        digest[0] ^= 1;
        x = exchange_new(w, &plan);
        expect(x, &in, "outside, another one pinned", BB_CONFIGURATION_REFUSED, "config");
        exchange_free(x);
    }
}

static void path_odd(struct bb_response *p) { p->path.len--; }
static void index_outside(struct bb_response *p) { p->index = 1U << p->depth; }

/* No root could be computed: no token is looked at, in any mode. */
static void test_paths_that_lead_nowhere(void **state) {
    struct world *w = *state;
    void (*const changes[])(struct bb_response *) = {path_odd, index_outside};
    const struct bb_policy *policies[] = {&lenient, w->policy, w->policy};
    const struct bb_policy_verifier *verifiers[] = {&passport, &passport, &background};
    reset();
    for (size_t i = 0; i < 6; i++) {
        struct plan plan = {
            .others = 2, .policy = policies[i / 2], .verifier = verifiers[i / 2], .token = maa};
        struct bb_client_appraisal in = appraisal(policies[i / 2], verifiers[i / 2]);
        char runtime[BB_RUNTIME_SIZE + 1];
        in.nonce = nonce;
        if (i % 2 == 0)
            in.jwks = NULL; /* nobody was asked */
        struct exchange *x = exchange_new(w, &plan);
        struct bb_response p = response_of(x);
        changes[i % 2](&p);
        set_response(x, &p);
        expect(x, &in, "path", BB_CHANNEL_BINDING_MISMATCH, "path");
        assert_false(bb_client_runtime(x->client, runtime));
        exchange_free(x);
    }
}

/* The gateway: an issuer of its list, or status 6; no answer without the token. */
static void test_issuers_of_the_gateway(void **state) {
    struct world *w = *state;
    static char unknown[] = "https://verifier.example.com";
    struct bb_policy_verifier v = passport;
    struct bb_error err = {0};
    reset();
    v.issuer = unknown;
    struct exchange *x = exchange_new(w, &(struct plan){.policy = &lenient, .verifier = &v});
    assert_int_equal(client_bind(x, &err), BB_ATTESTATION_REFUSED);
    assert_string_equal(err.found, "status 6: issuer not configured");
    exchange_free(x);
    x = exchange_new(w, &(struct plan){.policy = &lenient, .verifier = &passport, .token = maa});
    assert_int_equal(bb_gateway_conn_issuer(x->conn), 1);
    exchange_free(x);
    x = exchange_new(w, &(struct plan){0});
    assert_int_equal(bb_gateway_conn_issuer(x->conn), BB_NO_ISSUER);
    exchange_free(x);
}

static struct bb_gateway_conn *waiting(struct exchange *x, struct bb_client *client) {
    static const uint8_t salt[BB_SALT_SIZE] = {9};
    struct bb_gateway_conn *conn = NULL;
    size_t used = 0;
    assert_int_equal(
        bb_gateway_conn_new(&x->offer, salt, session_export, &x->gateway_session, 0, &conn, NULL),
        BB_OK);
    assert_int_equal(bb_gateway_conn_feed(conn, bb_client_request(client), 0, &used),
                     BB_GATEWAY_BATCH);
    return conn;
}

static void test_no_answer_without_the_token(void **state) {
    struct world *w = *state;
    static uint8_t large[BB_TOKEN_MAX + 1];
    reset();
    struct exchange *x =
        exchange_new(w, &(struct plan){.policy = &lenient, .verifier = &passport, .token = maa});
    const size_t lens[] = {0, BB_TOKEN_MAX + 1};
    memset(large, 'a', sizeof large);
    for (size_t i = 0; i < 2; i++) {
        struct bb_gateway_conn *conn = waiting(x, x->client);
        struct bb_gateway_evidence e = {.kind = BB_KIND_SIMULATED,
                                        .form = 1,
                                        .cmw = BB_SPAN_LIT("cmw"),
                                        .cmw_report = BB_SPAN_LIT("cmw"),
                                        .config = bb_span(w->config, w->config_len),
                                        .binding_spki = BB_SPAN_OF(w->binding),
                                        .token = bb_span(large, lens[i])};
        assert_int_equal(bb_gateway_conn_answer(conn, &e, NULL), BB_INTERNAL);
        assert_int_equal(bb_gateway_conn_state(conn), BB_GATEWAY_CLOSED);
        bb_gateway_conn_free(conn);
    }
    /* While it waits the deadline is the client's; status 5 with a time to try again. */
    struct bb_gateway_conn *conn = waiting(x, x->client);
    assert_int_equal(bb_gateway_conn_deadline(conn), BB_WAIT_MS_DEFAULT);
    bb_gateway_conn_refuse(conn, BB_CHANNEL_VERIFIER_UNAVAILABLE, 1500);
    struct bb_span out = bb_gateway_conn_output(conn);
    struct bb_client *client = client_with(w, &lenient, &passport, 0);
    struct bb_error err = {0};
    bool done = false;
    assert_int_equal(bb_client_feed(client, out, &done, NULL), BB_OK);
    assert_int_equal(bb_client_bind(client, session_export, &x->client_session, &err),
                     BB_VERIFIER_UNAVAILABLE);
    assert_int_equal(bb_client_retry_ms(client), 1500);
    bb_client_free(client);
    bb_gateway_conn_free(conn);
    conn = waiting(x, x->client);
    assert_int_equal(bb_gateway_conn_expire(conn, BB_WAIT_MS_DEFAULT), BB_GATEWAY_RESPONSE);
    assert_int_equal(bb_gateway_conn_refused(conn), BB_CHANNEL_DEADLINE);
    bb_gateway_conn_free(conn);
    exchange_free(x);
}

/* A client of evidence gets no token, whatever the batch has. */
static void test_no_token_unasked(void **state) {
    struct exchange *x = exchange_new(*state, &(struct plan){.token = maa});
    reset();
    assert_int_equal(response_of(x).token.len, 0);
    exchange_free(x);
}

static void test_config_names_the_issuers(void **state) {
    (void)state;
    static const char *const apps[] = {"raw"};
    uint8_t with[512], without[512], digest[48];
    char hex[BB_HEX_SIZE(48)];
    struct bb_config config = {.software = "s", .upstream = "u", .apps = apps, .n_apps = 1};
    struct bb_writer a = bb_writer(without, sizeof without), b = bb_writer(with, sizeof with);
    bb_config_build(&config, &a);
    config.issuers = world_issuers;
    config.n_issuers = 2;
    bb_config_build(&config, &b);
    assert_true(bb_config_is_valid(bb_writer_span(&a)) && bb_config_is_valid(bb_writer_span(&b)));
    static const char expected[] = "\xa4\x01\x61s\x02\x61u\x03\x82\x75https://other.example\x78\x18"
                                   "https://verifier.example\x04\x81\x63raw";
    assert_bytes(bb_writer_span(&b), BB_SPAN_LIT(expected));
    assert_true(bb_sha384(bb_writer_span(&b), digest));
    bb_hex_encode(BB_SPAN_OF(digest), hex, sizeof hex);
    assert_int_equal(strlen(hex), 96);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_asked_for),
        cmocka_unit_test(test_requests_out_of_form),
        cmocka_unit_test(test_honest_tokens_are_accepted),
        cmocka_unit_test(test_ears_are_accepted),
        cmocka_unit_test(test_tokens_that_are_refused),
        cmocka_unit_test(test_tokens_of_other_batches),
        cmocka_unit_test(test_token_missing_unasked_too_large),
        cmocka_unit_test(test_the_report_alone),
        cmocka_unit_test(test_nothing_unverified_is_shown),
        cmocka_unit_test(test_verifiers_that_do_not_go_with_the_request),
        cmocka_unit_test(test_outside_upstream),
        cmocka_unit_test(test_paths_that_lead_nowhere),
        cmocka_unit_test(test_issuers_of_the_gateway),
        cmocka_unit_test(test_no_answer_without_the_token),
        cmocka_unit_test(test_no_token_unasked),
        cmocka_unit_test(test_config_names_the_issuers),
    };
    return cmocka_run_group_tests_name("channel_token", tests, setup, teardown);
}
