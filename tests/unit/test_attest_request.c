/* The body of an attestation request, built and read; the token in an answer. */
#include "vectors.h"

#include "token/attest_request.h"

#include "base/hex.h"
#include "codec/json.h"

#include <string.h>

static const struct {
    const char *body;
    bool ear;
    const char *token; /* NULL: TokenNotFound */
} answers[] = {
    {"{\"token\": \"aa.bb.cc\"}", false, "aa.bb.cc"},
    {"{\"token\": \"aa.bb.cc\", \"more\": 1}\n", false, "aa.bb.cc"},
    {"{\"token\": \"aa.bb.cc\"}", true, "aa.bb.cc"},
    {"aa.bb.cc\r\n", true, "aa.bb.cc"},
    {"aa.bb.cc", false, NULL},
    {"", true, NULL},
    {"", false, NULL},
    {" \n", true, NULL},
    {"{}", false, NULL},
    {"{}", true, NULL},
    {"{\"token\": 5}", false, NULL},
    {"{\"token\": \"\"}", false, NULL},
    {"{\"token\": \"a b\"}", false, NULL},
    {"{\"token\": \"a\", \"token\": \"b\"}", false, NULL},
    {"{\"token\": null}", true, NULL},
    {"{\"error\": {\"code\": \"InvalidParameter\", \"message\": \"no\"}}", false, NULL},
    {"<html>", true, NULL},
    {"aa.bb.cc dd", true, NULL},
};

static void test_tokens_of_answers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        char *token = NULL;
        struct bb_error err = {0};
        enum bb_status status =
            bb_attest_answer_token(bb_span_str(answers[i].body), answers[i].ear, &token, &err);
        if (answers[i].token == NULL) {
            assert_int_equal(status, BB_TOKEN_NOT_FOUND);
            assert_string_equal(err.field, "token");
            assert_null(token);
            continue;
        }
        assert_int_equal(status, BB_OK);
        assert_string_equal(token, answers[i].token);
        free(token);
    }
}

static void test_a_token_too_large(void **state) {
    (void)state;
    static char body[70000];
    char *token = NULL;
    memset(body, 'a', sizeof body - 1);
    assert_int_equal(bb_attest_answer_token(bb_span(body, 65537), true, &token, NULL),
                     BB_TOKEN_NOT_FOUND);
    assert_int_equal(bb_attest_answer_token(bb_span(body, 65536), true, &token, NULL), BB_OK);
    free(token);
}

static enum bb_status parse(const char *body, struct bb_attest_request *out, struct bb_error *err) {
    return bb_attest_request_parse(bb_span_str(body), out, err);
}

/* {"SnpReport":"AAAA"} */
#define INNER "eyJTbnBSZXBvcnQiOiJBQUFBIn0"
#define REPORT "\"report\":\"" INNER "\""

static const struct {
    const char *body, *field; /* NULL: taken */
    enum bb_status status;
} bodies[] = {
    {"{" REPORT "}", NULL, BB_OK},
    {"{\"report\":\"" INNER "=\"}", NULL, BB_OK},
    {"{" REPORT ",\"unknown\":[1]}", NULL, BB_OK},
    {"{" REPORT ",\"runtimeData\":null,\"initTimeData\":{\"data\":\"\",\"dataType\":\"\"},"
     "\"nonce\":null,\"draftPolicyForAttestation\":null}",
     NULL, BB_OK},
    {"{" REPORT ",\"runtimeData\":{\"data\":\"e30\",\"dataType\":\"JSON\"}}", NULL, BB_OK},
    {"{" REPORT ",\"runtimeData\":{\"data\":\"e30=\",\"dataType\":\"JSON\"}}", NULL, BB_OK},
    {"{" REPORT ",\"runtimeData\":{\"data\":\"AA==\",\"dataType\":\"Binary\"}}", NULL, BB_OK},
    {"", "request", BB_MALFORMED_EVIDENCE},
    {"[]", "request", BB_MALFORMED_EVIDENCE},
    {"{" REPORT "} x", "request", BB_MALFORMED_EVIDENCE},
    {"{" REPORT "," REPORT "}", "request", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"nonce\":18446744073709551615,\"nonce\":1}", "request", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"nonce\":01}", "request", BB_MALFORMED_EVIDENCE},
    {"{}", "report", BB_MALFORMED_EVIDENCE},
    {"{\"report\":5}", "report", BB_MALFORMED_EVIDENCE},
    {"{\"report\":\"\"}", "report", BB_MALFORMED_EVIDENCE},
    {"{\"report\":\"" INNER "==\"}", "report", BB_MALFORMED_EVIDENCE},
    {"{\"report\":\"" INNER "\\n\"}", "report", BB_MALFORMED_EVIDENCE},
    {"{\"report\":\"a+/b\"}", "report", BB_MALFORMED_EVIDENCE},
    {"{\"report\":\"e30\"}", "SnpReport", BB_MALFORMED_EVIDENCE}, /* {} */
    /* {"SnpReport":"AAAA","SnpReport":"AAAA"} */
    {"{\"report\":\"eyJTbnBSZXBvcnQiOiJBQUFBIiwiU25wUmVwb3J0IjoiQUFBQSJ9\"}", "report",
     BB_MALFORMED_EVIDENCE},
    /* {"SnpReport":"AAAA","VcekCertChain":"AAAA"}, and 5 in its place */
    {"{\"report\":\"eyJTbnBSZXBvcnQiOiJBQUFBIiwiVmNla0NlcnRDaGFpbiI6IkFBQUEifQ\"}", "VcekCertChain",
     BB_MALFORMED_EVIDENCE},
    {"{\"report\":\"eyJTbnBSZXBvcnQiOiJBQUFBIiwiVmNla0NlcnRDaGFpbiI6NX0\"}", "VcekCertChain",
     BB_MALFORMED_EVIDENCE},
    /* {"SnpReport":"AAAA","Endorsements":""}, then 5 and "+/" in its place */
    {"{\"report\":\"eyJTbnBSZXBvcnQiOiJBQUFBIiwiRW5kb3JzZW1lbnRzIjoiIn0\"}", NULL, BB_OK},
    {"{\"report\":\"eyJTbnBSZXBvcnQiOiJBQUFBIiwiRW5kb3JzZW1lbnRzIjo1fQ\"}", "Endorsements",
     BB_MALFORMED_EVIDENCE},
    {"{\"report\":\"eyJTbnBSZXBvcnQiOiJBQUFBIiwiRW5kb3JzZW1lbnRzIjoiKy8ifQ\"}", "Endorsements",
     BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"runtimeData\":\"e30\"}", "runtimeData", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"runtimeData\":{\"data\":5,\"dataType\":\"JSON\"}}", "runtimeData.data",
     BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"runtimeData\":{\"data\":\"e30\"}}", "runtimeData.dataType",
     BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"runtimeData\":{\"data\":\"e30\",\"dataType\":\"json\"}}",
     "runtimeData.dataType", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"runtimeData\":{\"data\":\"W10\",\"dataType\":\"JSON\"}}", /* [] */
     "runtimeData.data", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"initTimeData\":{\"data\":\"AA\",\"dataType\":\"JSON\"}}", "initTimeData.data",
     BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"initTimeData\":{\"data\":\"AB\",\"dataType\":\"Binary\"}}", "initTimeData.data",
     BB_MALFORMED_EVIDENCE}, /* a spare bit */
    {"{" REPORT ",\"draftPolicyForAttestation\":\"x\"}", "draftPolicyForAttestation",
     BB_UNSUPPORTED_EVIDENCE},
    {"{" REPORT ",\"draftPolicyForAttestation\":{}}", "draftPolicyForAttestation",
     BB_UNSUPPORTED_EVIDENCE},
    {"{" REPORT ",\"nonce\":18446744073709551616}", "nonce", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"nonce\":99999999999999999999999}", "nonce", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"nonce\":-1}", "nonce", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"nonce\":1.5}", "nonce", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"nonce\":1e3}", "nonce", BB_MALFORMED_EVIDENCE},
    {"{" REPORT ",\"nonce\":[1]}", "nonce", BB_MALFORMED_EVIDENCE},
};

static void test_what_is_a_request(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct bb_attest_request q = {0};
        struct bb_error err = {0};
        enum bb_status status = parse(bodies[i].body, &q, &err);
        if (status != bodies[i].status || strcmp(err.field, bodies[i].field ? bodies[i].field : ""))
            fail_msg("%s: %s at %s: %s", bodies[i].body, bb_status_name(status), err.field,
                     err.text);
        if (status == BB_OK)
            assert_int_equal(q.report.len, 3);
        else
            assert_null(q.memory);
        bb_attest_request_done(&q);
    }
}

static void test_endorsements_are_kept(void **state) {
    (void)state;
    struct bb_attest_request q = {0};
    /* {"SnpReport":"AAAA","Endorsements":"e30="} */
    assert_int_equal(
        parse("{\"report\":\"eyJTbnBSZXBvcnQiOiJBQUFBIiwiRW5kb3JzZW1lbnRzIjoiZTMwPSJ9\"}", &q,
              NULL),
        BB_OK);
    assert_true(bb_span_equal(q.endorsements, BB_SPAN_LIT("{}")));
    assert_int_equal(q.report.len, 3);
    bb_attest_request_done(&q);
}

static const struct {
    const char *sent, *read; /* NULL: none */
} nonces[] = {
    {"\"a nonce\"", "a nonce"},
    {"\"\"", NULL},
    {"null", NULL},
    {"0", "0"},
    {"9223372036854775807", "9223372036854775807"},
    {"9223372036854775808", "9223372036854775808"},
    {"18446744073709551615", "18446744073709551615"},
    {"\"18446744073709551616\"", "18446744073709551616"},
};

static void test_nonces(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof nonces / sizeof nonces[0]; i++) {
        static const char *const before[] = {
            "{" REPORT ",\"nonce\" :\t", "{\"nonce\":",
            "{\"x\":{\"nonce\":7,\"y\":\"\\\"nonce\\\":8\"}," REPORT ",\"nonce\":\n"};
        static const char *const after[] = {" }", "," REPORT "}", "\n}"};
        for (size_t f = 0; f < 3; f++) {
            char body[256];
            struct bb_attest_request q = {0};
            struct bb_error err = {0};
            (void)snprintf(body, sizeof body, "%s%s%s", before[f], nonces[i].sent, after[f]);
            if (parse(body, &q, &err) != BB_OK)
                fail_msg("%s: %s", body, err.text);
            assert_true((q.nonce == NULL) == (nonces[i].read == NULL));
            if (q.nonce != NULL)
                assert_string_equal(q.nonce, nonces[i].read);
            bb_attest_request_done(&q);
        }
    }
}

static void test_a_long_nonce(void **state) {
    (void)state;
    for (size_t n = BB_ATTEST_NONCE_MAX; n <= BB_ATTEST_NONCE_MAX + 1; n++) {
        char nonce[BB_ATTEST_NONCE_MAX + 2] = "", body[2048];
        struct bb_attest_request q = {0};
        struct bb_error err = {0};
        memset(nonce, 'n', n);
        (void)snprintf(body, sizeof body, "{" REPORT ",\"nonce\":\"%s\"}", nonce);
        assert_int_equal(parse(body, &q, &err),
                         n > BB_ATTEST_NONCE_MAX ? BB_MALFORMED_EVIDENCE : BB_OK);
        assert_string_equal(err.field, n > BB_ATTEST_NONCE_MAX ? "nonce" : "");
        bb_attest_request_done(&q);
    }
}

/* What is built is what is read. */
static void test_round_trip(void **state) {
    (void)state;
    uint8_t report[1184], der[3][1500];
    struct bb_attest_request q = {0};
    memset(report, 0x5a, sizeof report);
    memset(der, 0x30, sizeof der);
    const struct bb_attest_evidence evidence = {
        .report = BB_SPAN_OF(report),
        .certs = {bb_span(der[0], 1499), bb_span(NULL, 0), BB_SPAN_OF(der[1]), bb_span(der[2], 48)},
        .n_certs = 4,
        .runtime = BB_SPAN_LIT("{\"blindbox-1\":\"x\"}"),
        .nonce = "n"};
    char *body = bb_attest_request_build(&evidence);
    struct bb_error err = {0};
    if (parse(body, &q, &err) != BB_OK)
        fail_msg("%s", err.text);
    assert_true(bb_span_equal(q.report, evidence.report));
    assert_true(bb_span_equal(q.runtime.bytes, evidence.runtime));
    assert_int_equal(q.runtime.type, BB_ATTEST_JSON);
    assert_string_equal(q.nonce, "n");
    assert_int_equal(q.n_certs,
                     3); /* the empty one was left out; what they are is not asked here */
    assert_true(bb_span_equal(q.certs[0], evidence.certs[0]));
    assert_true(bb_span_equal(q.certs[1], evidence.certs[2]));
    assert_true(bb_span_equal(q.certs[2], evidence.certs[3]));
    bb_attest_request_done(&q);
    free(body);
}

static void test_real_request(void **state) {
    (void)state;
    static struct vector_file file;
    json_decref(vectors_manifest());
    assert_true(vector_read("azure/aci/cleanroom-maa-request.json", &file));
    struct bb_attest_request q = {0}, again = {0};
    struct bb_error err = {0};
    if (bb_attest_request_parse(vector_span(&file), &q, &err) != BB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(q.report.len, 1184);
    assert_int_equal(q.n_certs, 3);
    assert_string_equal(q.nonce, "13202930541250959283");
    assert_int_equal(q.runtime.type, BB_ATTEST_JSON);
    assert_int_equal(q.init.type, BB_ATTEST_NO_DATA);
    const struct bb_attest_evidence evidence = {.report = q.report,
                                                .certs = {q.certs[0], q.certs[1], q.certs[2]},
                                                .n_certs = 3,
                                                .runtime = q.runtime.bytes,
                                                .nonce = q.nonce};
    char *body = bb_attest_request_build(&evidence);
    assert_int_equal(parse(body, &again, &err), BB_OK);
    assert_true(bb_span_equal(q.report, again.report));
    assert_true(bb_span_equal(q.runtime.bytes, again.runtime.bytes));
    for (size_t i = 0; i < 3; i++)
        assert_true(bb_span_equal(q.certs[i], again.certs[i]));
    assert_string_equal(q.nonce, again.nonce);
    free(body);
    bb_attest_request_done(&q);
    bb_attest_request_done(&again);
}

static void test_chains(void **state) {
    (void)state;
    static struct vector_file file;
    json_decref(vectors_manifest());
    assert_true(vector_read("azure/aci/cleanroom-aci-sign-platform.pem", &file));
    struct bb_span pem = vector_span(&file);
    static const struct {
        const char *after;
        enum bb_status status;
    } rows[] = {
        {"", BB_OK},
        {"\n\n", BB_OK},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", BB_OK},
        {"-----BEGIN CERTIFICATE-----\nAAAA\n", BB_MALFORMED_EVIDENCE},
        {"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", BB_MALFORMED_EVIDENCE}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static char chain[16384], b64[32768], inner[40000], body[60000];
        struct bb_attest_request q = {0};
        struct bb_error err = {0};
        (void)snprintf(chain, sizeof chain, "%.*s%s", (int)pem.len, (const char *)pem.ptr,
                       rows[i].after);
        assert_true(bb_b64url_encode(bb_span_str(chain), b64, sizeof b64));
        (void)snprintf(inner, sizeof inner, "{\"SnpReport\":\"AAAA\",\"VcekCertChain\":\"%s\"}",
                       b64);
        static char outer[55000];
        assert_true(bb_b64url_encode(bb_span_str(inner), outer, sizeof outer));
        (void)snprintf(body, sizeof body, "{\"report\":\"%s\"}", outer);
        assert_int_equal(parse(body, &q, &err), rows[i].status);
        assert_string_equal(err.field, rows[i].status == BB_OK ? "" : "VcekCertChain");
        bb_attest_request_done(&q);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_a_request),
        cmocka_unit_test(test_endorsements_are_kept),
        cmocka_unit_test(test_nonces),
        cmocka_unit_test(test_a_long_nonce),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_real_request),
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_tokens_of_answers),
        cmocka_unit_test(test_a_token_too_large),
    };
    return cmocka_run_group_tests_name("attest request", tests, NULL, NULL);
}
