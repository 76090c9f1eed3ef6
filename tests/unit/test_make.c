/* Making tokens: names, types and values of every claim, and what an EAR thinks of what. */
#include "vectors.h"

#include "base/hex.h"
#include "token/make.h"
#include "token/report_data.h"

#include <string.h>

struct facts {
    uint8_t bytes[64];
    struct bb_snp_report report;
    struct bb_result result;
    struct bb_attest_request request;
    struct bb_make_input in;
};

static void facts_new(struct facts *f) {
    *f = (struct facts){.bytes = {0xab}};
    const struct bb_span b = BB_SPAN_OF(f->bytes);
    f->report = (struct bb_snp_report){.guest_svn = 7,
                                       .policy = BB_SNP_POLICY_SMT,
                                       .family_id = bb_span_slice(b, 0, 16),
                                       .image_id = bb_span_slice(b, 0, 16),
                                       .report_data = b,
                                       .measurement = bb_span_slice(b, 0, 48),
                                       .host_data = bb_span_slice(b, 0, 32),
                                       .id_key_digest = bb_span_slice(b, 0, 48),
                                       .author_key_digest = bb_span_slice(b, 0, 48),
                                       .report_id = bb_span_slice(b, 0, 32),
                                       .reported_tcb = {.raw = {1, 2, 3, 4, 5, 6, 7, 8}},
                                       .current_tcb = {.raw = {9, 9, 9, 9, 9, 9, 9, 9}},
                                       .product = BB_SNP_PRODUCT_MILAN};
    f->result.verdict = BB_VERDICT_ACCEPTED;
    f->in = (struct bb_make_input){.report = &f->report,
                                   .product = BB_SNP_PRODUCT_MILAN,
                                   .result = &f->result,
                                   .request = &f->request,
                                   .issuer = "https://verifier.example",
                                   .policy_hash = "hash",
                                   .now = 1700000000};
    memset(f->in.jti, 0x11, sizeof f->in.jti);
}

struct golden {
    const char *name;
    json_type type;
};

/* facts/maa: 4.5, every name and type. */
static const struct golden snp_claims[] = {{"x-ms-sevsnpvm-authorkeydigest", JSON_STRING},
                                           {"x-ms-sevsnpvm-bootloader-svn", JSON_INTEGER},
                                           {"x-ms-sevsnpvm-familyId", JSON_STRING},
                                           {"x-ms-sevsnpvm-guestsvn", JSON_INTEGER},
                                           {"x-ms-sevsnpvm-hostdata", JSON_STRING},
                                           {"x-ms-sevsnpvm-idkeydigest", JSON_STRING},
                                           {"x-ms-sevsnpvm-imageId", JSON_STRING},
                                           {"x-ms-sevsnpvm-is-debuggable", JSON_FALSE},
                                           {"x-ms-sevsnpvm-launchmeasurement", JSON_STRING},
                                           {"x-ms-sevsnpvm-microcode-svn", JSON_INTEGER},
                                           {"x-ms-sevsnpvm-migration-allowed", JSON_FALSE},
                                           {"x-ms-sevsnpvm-reportdata", JSON_STRING},
                                           {"x-ms-sevsnpvm-reportid", JSON_STRING},
                                           {"x-ms-sevsnpvm-smt-allowed", JSON_TRUE},
                                           {"x-ms-sevsnpvm-snpfw-svn", JSON_INTEGER},
                                           {"x-ms-sevsnpvm-tee-svn", JSON_INTEGER},
                                           {"x-ms-sevsnpvm-vmpl", JSON_INTEGER}};
static const struct golden maa_claims[] = {{"exp", JSON_INTEGER},
                                           {"iat", JSON_INTEGER},
                                           {"iss", JSON_STRING},
                                           {"jti", JSON_STRING},
                                           {"nbf", JSON_INTEGER},
                                           {"x-ms-attestation-type", JSON_STRING},
                                           {"x-ms-policy-hash", JSON_STRING},
                                           {"x-ms-ver", JSON_STRING}};
static const struct golden ear_claims[] = {
    {"ear_status", JSON_STRING},  {"ear_verifier_id", JSON_OBJECT},
    {"eat_profile", JSON_STRING}, {"exp", JSON_INTEGER},
    {"iat", JSON_INTEGER},        {"iss", JSON_STRING},
    {"submods", JSON_OBJECT}};
static const struct golden submod_claims[] = {{"ear_appraisal_policy_ids", JSON_ARRAY},
                                              {"ear_attester_claims", JSON_OBJECT},
                                              {"ear_status", JSON_STRING},
                                              {"ear_trustworthiness_vector", JSON_OBJECT},
                                              {"eat_nonce", JSON_STRING}};
enum { N_SNP = sizeof snp_claims / sizeof snp_claims[0] };

static void has_all(const json_t *o, const struct golden *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_object_get(o, list[i].name);
        if (value == NULL || json_typeof(value) != list[i].type)
            fail_msg("%s is missing or of another type", list[i].name);
    }
}
#define HAS_ALL(o, list) has_all(o, list, sizeof(list) / sizeof(list)[0])
#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static const char *text_of(const json_t *o, const char *name) {
    const char *text = json_string_value(json_object_get(o, name));
    return text == NULL ? "(none)" : text;
}

static int64_t int_of(const json_t *o, const char *name) {
    return json_integer_value(json_object_get(o, name));
}

static json_t *maa(struct facts *f) {
    json_t *claims = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_make_maa(&f->in, &claims, &err), BB_OK);
    return claims;
}

static json_t *ear(struct facts *f) {
    json_t *claims = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_make_ear(&f->in, &claims, &err), BB_OK);
    return claims;
}

static void test_maa_golden(void **state) {
    (void)state;
    struct facts f;
    facts_new(&f);
    json_t *c = maa(&f);
    HAS_ALL(c, maa_claims);
    HAS_ALL(c, snp_claims);
    assert_int_equal(json_object_size(c), COUNT(maa_claims) + N_SNP);
    assert_int_equal(int_of(c, "exp") - int_of(c, "iat"), 28800);
    assert_int_equal(int_of(c, "nbf"), int_of(c, "iat"));
    assert_string_equal(text_of(c, "iss"), "https://verifier.example");
    assert_int_equal(strlen(text_of(c, "jti")), 64);
    assert_string_equal(text_of(c, "x-ms-ver"), "1.0");
    assert_string_equal(text_of(c, "x-ms-attestation-type"), "sevsnpvm");
    assert_int_equal(strlen(text_of(c, "x-ms-sevsnpvm-reportdata")), 128);
    assert_int_equal(strlen(text_of(c, "x-ms-sevsnpvm-launchmeasurement")), 96);
    assert_int_equal(strlen(text_of(c, "x-ms-sevsnpvm-idkeydigest")), 96);
    assert_int_equal(strlen(text_of(c, "x-ms-sevsnpvm-authorkeydigest")), 96);
    assert_int_equal(strlen(text_of(c, "x-ms-sevsnpvm-hostdata")), 64);
    assert_int_equal(strlen(text_of(c, "x-ms-sevsnpvm-reportid")), 64);
    assert_int_equal(strlen(text_of(c, "x-ms-sevsnpvm-familyId")), 32);
    assert_int_equal(strlen(text_of(c, "x-ms-sevsnpvm-imageId")), 32);
    assert_int_equal(strncmp(text_of(c, "x-ms-sevsnpvm-hostdata"), "ab00", 4), 0);
    assert_int_equal(int_of(c, "x-ms-sevsnpvm-guestsvn"), 7);
    json_decref(c);
}

/* The reported TCB, by component: bytes 0, 1, 6, 7; on Turin 1, 2, 3, 7. */
static void test_svns_by_product(void **state) {
    (void)state;
    static const struct {
        enum bb_snp_product product;
        int bootloader, tee, snp, microcode;
    } rows[] = {{BB_SNP_PRODUCT_MILAN, 1, 2, 7, 8},
                {BB_SNP_PRODUCT_GENOA, 1, 2, 7, 8},
                {BB_SNP_PRODUCT_TURIN, 2, 3, 4, 8}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct facts f;
        facts_new(&f);
        f.in.product = rows[i].product;
        json_t *c = maa(&f);
        assert_int_equal(int_of(c, "x-ms-sevsnpvm-bootloader-svn"), rows[i].bootloader);
        assert_int_equal(int_of(c, "x-ms-sevsnpvm-tee-svn"), rows[i].tee);
        assert_int_equal(int_of(c, "x-ms-sevsnpvm-snpfw-svn"), rows[i].snp);
        assert_int_equal(int_of(c, "x-ms-sevsnpvm-microcode-svn"), rows[i].microcode);
        json_decref(c);
    }
}

static void test_an_unknown_product_has_no_claims(void **state) {
    (void)state;
    struct facts f;
    json_t *claims = NULL;
    facts_new(&f);
    f.in.product = BB_SNP_PRODUCT_UNKNOWN;
    assert_int_equal(bb_make_maa(&f.in, &claims, NULL), BB_INTERNAL);
    assert_int_equal(bb_make_ear(&f.in, &claims, NULL), BB_INTERNAL);
    assert_null(claims);
}

static void test_no_token_without_acceptance(void **state) {
    (void)state;
    static const enum bb_verdict verdicts[] = {BB_VERDICT_NONE, BB_VERDICT_REFUSED};
    for (size_t i = 0; i < COUNT(verdicts); i++) {
        struct facts f;
        json_t *claims = NULL;
        facts_new(&f);
        f.result.verdict = verdicts[i];
        assert_int_equal(bb_make_maa(&f.in, &claims, NULL), BB_INTERNAL);
        assert_int_equal(bb_make_ear(&f.in, &claims, NULL), BB_INTERNAL);
        assert_null(claims);
    }
}

static void test_optional_maa_claims(void **state) {
    (void)state;
    struct facts f;
    char nonce[] = "18446744073709551615";
    facts_new(&f);
    f.request.nonce = nonce;
    f.request.runtime = (struct bb_attest_data){
        .type = BB_ATTEST_JSON,
        .json = json_loads("{\"b\": [2, {\"d\": 1, \"c\": 0}], \"a\": 1}", 0, NULL)};
    f.request.init =
        (struct bb_attest_data){.type = BB_ATTEST_BINARY, .bytes = BB_SPAN_LIT("policy")};
    f.in.compliant = true;
    f.result.simulated = true;
    json_t *c = maa(&f);
    assert_string_equal(text_of(c, "nonce"), nonce);
    assert_string_equal(text_of(c, "x-ms-compliance-status"), "azure-compliant-uvm");
    assert_true(json_is_true(json_object_get(c, "x-ms-blindbox-simulated")));
    assert_true(json_equal(json_object_get(c, "x-ms-runtime"), f.request.runtime.json));
    assert_null(json_object_get(c, "x-ms-inittime")); /* Binary */
    assert_int_equal(json_object_size(c), COUNT(maa_claims) + N_SNP + 4);
    json_decref(c);
    json_decref(f.request.runtime.json);
}

static const json_t *submod(const json_t *c) {
    return json_object_get(json_object_get(c, "submods"), "sev-snp");
}

static void test_ear_golden(void **state) {
    (void)state;
    struct facts f;
    facts_new(&f);
    json_t *c = ear(&f);
    HAS_ALL(c, ear_claims);
    assert_int_equal(json_object_size(c), COUNT(ear_claims));
    assert_string_equal(text_of(c, "eat_profile"), "tag:ietf.org,2026:rats/ear#04");
    assert_int_equal(int_of(c, "exp") - int_of(c, "iat"), 28800);
    const json_t *id = json_object_get(c, "ear_verifier_id");
    assert_int_equal(json_object_size(id), 2);
    assert_true(json_is_string(json_object_get(id, "developer")));
    assert_true(json_is_string(json_object_get(id, "build")));
    assert_int_equal(json_object_size(json_object_get(c, "submods")), 1);
    const json_t *s = submod(c);
    HAS_ALL(s, submod_claims);
    assert_int_equal(json_object_size(s), COUNT(submod_claims));
    HAS_ALL(json_object_get(s, "ear_attester_claims"), snp_claims);
    assert_int_equal(json_object_size(json_object_get(s, "ear_attester_claims")), N_SNP);
    assert_int_equal(strlen(text_of(s, "eat_nonce")), 86);
    json_decref(c);
}

static void test_ear_statuses(void **state) {
    (void)state;
    enum { DEBUG = 1, MIGRATION = 2, VMPL = 4, SIMULATED = 8, CODE = 16, OWN = 32, CHIP = 64 };
    static const struct {
        unsigned what;
        const char *status;
        int hardware, executables, configuration, runtime_opaque, identity; /* 0: absent */
    } rows[] = {
        {0, "warning", 2, 33, 2, 2, 0},
        {CODE, "affirming", 2, 3, 2, 2, 0},
        {CODE | CHIP, "affirming", 2, 3, 2, 2, 2},
        {CODE | DEBUG, "contraindicated", 2, 3, 96, 96, 0},
        {CODE | DEBUG | OWN, "contraindicated", 2, 3, 96, 96, 0},
        {CODE | MIGRATION, "warning", 2, 3, 32, 2, 0},
        {CODE | VMPL, "warning", 2, 3, 32, 2, 0},
        {CODE | VMPL | MIGRATION | OWN, "affirming", 2, 3, 2, 2, 0},
        {CODE | SIMULATED, "contraindicated", -97, 3, 2, 0, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct facts f;
        unsigned what = rows[i].what;
        facts_new(&f);
        f.report.policy |= (what & DEBUG) ? BB_SNP_POLICY_DEBUG : 0;
        f.report.policy |= (what & MIGRATION) ? BB_SNP_POLICY_MIGRATE_MA : 0;
        f.report.vmpl = (what & VMPL) ? 2 : 0;
        f.result.simulated = (what & SIMULATED) != 0;
        f.in.known_code = (what & CODE) != 0;
        f.in.own_policy = (what & OWN) != 0;
        f.in.known_chip = (what & CHIP) != 0;
        json_t *c = ear(&f);
        const json_t *v = json_object_get(submod(c), "ear_trustworthiness_vector");
        assert_string_equal(text_of(c, "ear_status"), rows[i].status);
        assert_string_equal(text_of(submod(c), "ear_status"), rows[i].status);
        assert_int_equal(int_of(v, "hardware"), rows[i].hardware);
        assert_int_equal(int_of(v, "executables"), rows[i].executables);
        assert_int_equal(int_of(v, "configuration"), rows[i].configuration);
        assert_int_equal(int_of(v, "runtime-opaque"), rows[i].runtime_opaque);
        assert_int_equal(int_of(v, "instance-identity"), rows[i].identity);
        assert_int_equal(json_object_size(v),
                         3 + (rows[i].runtime_opaque != 0) + (rows[i].identity != 0));
        json_decref(c);
    }
}

static void test_ear_nonces(void **state) {
    (void)state;
    static const struct {
        const char *runtime, *nonce, *first, *second; /* second NULL: a string, both: none */
    } rows[] = {
        {NULL, NULL, NULL, NULL},
        {"{\"blindbox-1\": \"01234567\"}", NULL, "01234567", NULL},
        {"{\"blindbox-1\": \"01234567\"}", "abcdefgh", "01234567", "abcdefgh"},
        {NULL, "abcdefgh", "abcdefgh", NULL},
        {"{\"blindbox-1\": \"0123456\"}", "abcdefgh", "abcdefgh", NULL},
        {"{\"blindbox-1\": 12345678}", NULL, NULL, NULL},
        {"{\"blindbox-1\": \"01234567\", \"x\": 1}", NULL, NULL, NULL},
        {"{\"keys\": []}", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct facts f;
        char nonce[32] = "";
        facts_new(&f);
        if (rows[i].runtime != NULL)
            f.request.runtime = (struct bb_attest_data){
                .type = BB_ATTEST_JSON, .json = json_loads(rows[i].runtime, 0, NULL)};
        if (rows[i].nonce != NULL) {
            bb_copy_text(nonce, sizeof nonce, rows[i].nonce);
            f.request.nonce = nonce;
        }
        json_t *c = ear(&f);
        const json_t *got = json_object_get(c, "eat_nonce");
        if (rows[i].first == NULL) {
            assert_null(got);
        } else if (rows[i].second == NULL) {
            assert_string_equal(json_string_value(got), rows[i].first);
        } else {
            assert_int_equal(json_array_size(got), 2);
            assert_string_equal(json_string_value(json_array_get(got, 0)), rows[i].first);
            assert_string_equal(json_string_value(json_array_get(got, 1)), rows[i].second);
        }
        json_decref(c);
        json_decref(f.request.runtime.json);
    }
}

static void test_ear_refuses_nonces(void **state) {
    (void)state;
    static const size_t lengths[] = {1, 7, 89, 1024};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct facts f;
        char nonce[1025] = "";
        json_t *c = NULL;
        struct bb_error err = {0};
        facts_new(&f);
        memset(nonce, 'n', lengths[i]);
        f.request.nonce = nonce;
        assert_int_equal(bb_make_ear(&f.in, &c, &err), BB_MALFORMED_EVIDENCE);
        assert_string_equal(err.field, "nonce");
        assert_null(c);
    }
}

static void part_is(const char *from, const char *to, const char *text) {
    uint8_t bytes[512];
    size_t len = 0;
    assert_true(bb_b64url_decode(bb_span(from, (size_t)(to - from)), bytes, sizeof bytes, &len));
    assert_true(bb_span_equal(bb_span(bytes, len), bb_span_str(text)));
}

/* Header and payload in the order of the alphabet, runtime included; a signature of each type. */
static void test_signed(void **state) {
    (void)state;
    static const struct {
        enum bb_key_type type;
        enum bb_sig_alg alg;
        const char *header;
        size_t len;
    } rows[] = {
        {BB_KEY_P256, BB_SIG_ES256,
         "{\"alg\":\"ES256\",\"jku\":\"https://v/certs\",\"kid\":\"k\",\"typ\":\"JWT\"}", 64},
        {BB_KEY_P384, BB_SIG_ES384,
         "{\"alg\":\"ES384\",\"jku\":\"https://v/certs\",\"kid\":\"k\",\"typ\":\"JWT\"}", 96},
        {BB_KEY_RSA2048, BB_SIG_RS256,
         "{\"alg\":\"RS256\",\"jku\":\"https://v/certs\",\"kid\":\"k\",\"typ\":\"JWT\"}", 256}};
    json_t *claims = json_loads(
        "{\"z\": 1, \"x-ms-runtime\": {\"b\": {\"d\": 1, \"c\": 2}, \"a\": 0}}", 0, NULL);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bb_key *key = NULL;
        char *token = NULL;
        const struct bb_make_header h = {
            .alg = rows[i].alg, .kid = "k", .typ = "JWT", .issuer = "https://v"};
        assert_int_equal(bb_key_generate(rows[i].type, &key, NULL), BB_OK);
        assert_int_equal(bb_make_token(claims, &h, key, &token, NULL), BB_OK);
        const char *dot = strchr(token, '.'), *last = strrchr(token, '.');
        part_is(token, dot, rows[i].header);
        part_is(dot + 1, last, "{\"x-ms-runtime\":{\"a\":0,\"b\":{\"c\":2,\"d\":1}},\"z\":1}");
        assert_int_equal(strlen(last + 1), (rows[i].len * 4 + 2) / 3);
        free(token);
        bb_key_free(key);
    }
    json_decref(claims);
}

/* A key of another type signs nothing. */
static void test_wrong_key(void **state) {
    (void)state;
    struct bb_key *key = NULL;
    char *token = NULL;
    json_t *claims = json_object();
    const struct bb_make_header h = {.alg = BB_SIG_RS256, .kid = "k", .typ = "JWT"};
    assert_int_equal(bb_key_generate(BB_KEY_P256, &key, NULL), BB_OK);
    assert_int_equal(bb_make_token(claims, &h, key, &token, NULL), BB_INTERNAL);
    assert_null(token);
    bb_key_free(key);
    json_decref(claims);
}

/* A token that our own reader would refuse is not signed. */
static void test_unreadable(void **state) {
    (void)state;
    static char large[50000];
    struct bb_key *key = NULL;
    const struct bb_make_header h = {.alg = BB_SIG_ES256, .kid = "k", .typ = "JWT"};
    assert_int_equal(bb_key_generate(BB_KEY_P256, &key, NULL), BB_OK);
    memset(large, 'x', sizeof large - 1);
    json_t *rows[] = {json_pack("{s:s}", "a", large), json_object()};
    for (int depth = 0; depth < 16; depth++)
        rows[1] = json_pack("{s:o}", "a", rows[1]);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char *token = NULL;
        struct bb_error err = {0};
        assert_int_equal(bb_make_token(rows[i], &h, key, &token, &err), BB_MALFORMED_EVIDENCE);
        assert_string_equal(err.field, "runtimeData");
        assert_null(token);
        json_decref(rows[i]);
    }
    bb_key_free(key);
}

static void test_tails(void **state) {
    (void)state;
    uint8_t tail[32];
    assert_true(bb_report_data_tail(0, tail));
    assert_true(bb_span_is_zero(BB_SPAN_OF(tail)));
    assert_true(bb_report_data_tail(1, tail));
    assert_int_equal(tail[0], 0x31);
    assert_int_equal(tail[31], 0x39);
    assert_false(bb_report_data_tail(2, tail));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maa_golden),
        cmocka_unit_test(test_svns_by_product),
        cmocka_unit_test(test_an_unknown_product_has_no_claims),
        cmocka_unit_test(test_no_token_without_acceptance),
        cmocka_unit_test(test_optional_maa_claims),
        cmocka_unit_test(test_ear_golden),
        cmocka_unit_test(test_ear_statuses),
        cmocka_unit_test(test_ear_nonces),
        cmocka_unit_test(test_ear_refuses_nonces),
        cmocka_unit_test(test_signed),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_tails),
    };
    return cmocka_run_group_tests_name("make", tests, NULL, NULL);
}
