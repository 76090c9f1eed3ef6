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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_of_answers),
        cmocka_unit_test(test_a_token_too_large),
    };
    return cmocka_run_group_tests_name("attest request", tests, NULL, NULL);
}
