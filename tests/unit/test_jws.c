/* Tokens taken apart and put together: every way in which a token can be spelled wrong, with the
 * class and the field that say so. */
#include "vectors.h"

#include "base/hex.h"
#include "codec/jws.h"
#include "token/token.h"

struct row {
    const char *header;    /* JSON; NULL: the token is in `token` as it stands */
    const char *token;     /* the other parts, or the whole token */
    enum bb_status status; /* and where */
    const char *field;
};

static const char ES256[] = "{\"alg\":\"ES256\"}";

static const struct row rows[] = {
    /* the parts */
    {NULL, "", BB_MALFORMED_EVIDENCE, "token"},
    {NULL, "e30", BB_MALFORMED_EVIDENCE, "token"},
    {ES256, ".e30", BB_MALFORMED_EVIDENCE, "token"},
    {ES256, ".e30.AA.", BB_MALFORMED_EVIDENCE, "token"},
    {ES256, ".e30.AA.AA", BB_MALFORMED_EVIDENCE, "token"},
    {ES256, ".e30.AA.AA.AA", BB_MALFORMED_EVIDENCE, "token"}, /* five: an encrypted token */
    {NULL, ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {ES256, "..AA", BB_MALFORMED_EVIDENCE, "payload"},
    {ES256, ".e30.", BB_TOKEN_SIGNATURE_INVALID, "signature"},
    {"{\"alg\":\"none\"}", ".e30.", BB_TOKEN_SIGNATURE_INVALID, "signature"},
    {"{\"alg\":\"none\"}", "..", BB_MALFORMED_EVIDENCE, "payload"},
    {NULL, "{\"payload\":\"e30\",\"signatures\":[]}", BB_MALFORMED_EVIDENCE, "token"},
    /* base64 */
    {ES256, ".e30=.AA", BB_MALFORMED_EVIDENCE, "payload"},
    {ES256, ".e30.AA==", BB_MALFORMED_EVIDENCE, "signature"},
    {ES256, ".e30.A", BB_MALFORMED_EVIDENCE, "signature"},
    {ES256, ".e30.AB", BB_MALFORMED_EVIDENCE, "signature"}, /* spare bits */
    {ES256, ".e31.AA", BB_MALFORMED_EVIDENCE, "payload"},
    {ES256, ".e30.+_AA", BB_MALFORMED_EVIDENCE, "signature"},
    {ES256, ".e30.-/AA", BB_MALFORMED_EVIDENCE, "signature"},
    {ES256, ".e30.A A", BB_MALFORMED_EVIDENCE, "signature"},
    {ES256, ".e30.AA\n", BB_MALFORMED_EVIDENCE, "signature"},
    {ES256, ".e30.AA ", BB_MALFORMED_EVIDENCE, "signature"},
    {ES256, ".e\r\n30.AA", BB_MALFORMED_EVIDENCE, "payload"},
    {ES256, " .e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {NULL, " eyJhbGciOiJFUzI1NiJ9.e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {NULL, "eyJhbGciOiJFUzI1NiJ9.e30.AA%", BB_MALFORMED_EVIDENCE, "signature"},
    /* the header */
    {"", "AA.e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"[]", ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"\"ES256\"", ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"{\"alg\":\"ES256\"} x", ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"{\"alg\":\"ES256\",}", ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"{\"alg\":\"ES256\",\"alg\":\"ES256\"}", ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"{\"alg\":\"none\",\"\\u0061lg\":\"ES256\"}", ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"{\"kid\":\"a\",\"alg\":\"ES256\",\"kid\":\"b\"}", ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"{\"alg\":\"ES256\",\"jwk\":{\"kty\":\"EC\",\"kty\":\"EC\"}}", ".e30.AA",
     BB_MALFORMED_EVIDENCE, "header"},
    {"{\"alg\":\"ES256\\u0000\"}", ".e30.AA", BB_MALFORMED_EVIDENCE, "header"},
    {"{}", ".e30.AA", BB_MALFORMED_EVIDENCE, "alg"},
    {"{\"alg\":null}", ".e30.AA", BB_MALFORMED_EVIDENCE, "alg"},
    {"{\"alg\":[\"ES256\"]}", ".e30.AA", BB_MALFORMED_EVIDENCE, "alg"},
    {"{\"alg\":7}", ".e30.AA", BB_MALFORMED_EVIDENCE, "alg"},
    {"{\"alg\":\"ES256\",\"kid\":7}", ".e30.AA", BB_MALFORMED_EVIDENCE, "kid"},
    {"{\"alg\":\"ES256\",\"kid\":null}", ".e30.AA", BB_MALFORMED_EVIDENCE, "kid"},
    {"{\"alg\":\"ES256\",\"typ\":{}}", ".e30.AA", BB_MALFORMED_EVIDENCE, "typ"},
    {"{\"alg\":\"ES256\",\"cty\":true}", ".e30.AA", BB_MALFORMED_EVIDENCE, "cty"},
    {"{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}", ".e30.AA", BB_UNSUPPORTED_EVIDENCE,
     "crit"},
    {"{\"alg\":\"ES256\",\"crit\":[]}", ".e30.AA", BB_UNSUPPORTED_EVIDENCE, "crit"},
    {"{\"alg\":\"ES256\",\"crit\":null}", ".e30.AA", BB_UNSUPPORTED_EVIDENCE, "crit"},
    {"{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false}", ".e30.AA", BB_UNSUPPORTED_EVIDENCE,
     "crit"},
    {"{\"alg\":\"ES256\",\"b64\":false}", ".e30.AA", BB_UNSUPPORTED_EVIDENCE, "b64"},
    {"{\"alg\":\"ES256\",\"b64\":true}", ".e30.AA", BB_UNSUPPORTED_EVIDENCE, "b64"},
    /* read, though nobody may have signed so: the key set decides */
    {ES256, ".e30.AA", BB_OK, ""},
    {"{\"alg\":\"none\"}", ".e30.AA", BB_OK, ""},
    {"{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}", ".e30.AA", BB_OK, ""},
    {"{\"alg\":\"\",\"jku\":\"https://evil/\",\"x5c\":[1],\"x5u\":2,\"jwk\":3}", ".e30.AA", BB_OK,
     ""},
};

static void text_of(const struct row *row, char *out, size_t cap) {
    out[0] = '\0';
    if (row->header != NULL)
        assert_true(bb_b64url_encode(bb_span_str(row->header), out, cap));
    assert_true(strlen(out) + strlen(row->token) < cap);
    strcat(out, row->token);
}

static void test_each_spelling(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        struct bb_jws jws = {.kid = "untouched"};
        struct bb_error err = {0};
        text_of(&rows[i], text, sizeof text);
        enum bb_status status = bb_jws_parse(bb_span_str(text), &jws, &err);
        if (status != rows[i].status || strcmp(err.field, rows[i].field) != 0)
            fail_msg("row %zu, %s: %s, %s", i, text, bb_status_name(status), err.field);
        if (status == BB_OK)
            bb_jws_done(&jws);
        else
            assert_string_equal(jws.kid, "untouched");
    }
}

static void test_what_is_read(void **state) {
    (void)state;
    static const char text[] = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImEvYis9In0.AAH_.-_8";
    struct bb_jws jws;
    assert_int_equal(bb_jws_parse(BB_SPAN_LIT(text), &jws, NULL), BB_OK);
    assert_string_equal(jws.alg, "ES256");
    assert_string_equal(jws.kid, "a/b+=");
    assert_true(bb_span_equal(jws.payload, BB_SPAN_LIT("\x00\x01\xff")));
    assert_true(bb_span_equal(jws.signature, BB_SPAN_LIT("\xfb\xff")));
    assert_ptr_equal(jws.signing_input.ptr, text);
    assert_int_equal(jws.signing_input.len, strlen(text) - 4);
    bb_jws_done(&jws);
    bb_jws_done(&jws); /* zeroed now */
}

/* A header, and a token, at its limit and one byte above. */
static void test_sizes(void **state) {
    (void)state;
    static char header[BB_JWS_HEADER_MAX + 2];
    for (size_t extra = 0; extra < 2; extra++) {
        struct bb_error err = {0};
        struct bb_jws jws;
        memset(header, ' ', BB_JWS_HEADER_MAX + extra);
        memcpy(header, "{\"alg\":\"ES256\"}", 15);
        char *text = bb_jws_finish(
            bb_jws_signing_input(bb_span(header, BB_JWS_HEADER_MAX + extra), BB_SPAN_LIT("{}")),
            BB_SPAN_LIT("s"));
        assert_int_equal(bb_jws_parse(bb_span_str(text), &jws, &err),
                         extra == 0 ? BB_OK : BB_MALFORMED_EVIDENCE);
        assert_string_equal(err.field, extra == 0 ? "" : "header");
        if (extra == 0)
            bb_jws_done(&jws);
        free(text);
    }
    static char token[BB_JWS_MAX + 1];
    for (size_t extra = 0; extra < 2; extra++) {
        struct bb_error err = {0};
        struct bb_jws jws;
        memset(token, 'A', sizeof token);
        memcpy(token, "eyJhbGciOiJFUzI1NiJ9.", 21);
        memcpy(token + BB_JWS_MAX + extra - 4, ".AAA", 4);
        enum bb_status status = bb_jws_parse(bb_span(token, BB_JWS_MAX + extra), &jws, &err);
        assert_int_equal(status, extra == 0 ? BB_OK : BB_MALFORMED_EVIDENCE);
        assert_string_equal(err.field, extra == 0 ? "" : "token");
        if (extra == 0)
            bb_jws_done(&jws);
    }
}

static void test_made(void **state) {
    (void)state;
    char *text = bb_jws_signing_input(BB_SPAN_LIT("{\"alg\":\"ES256\"}"), BB_SPAN_LIT("Payload"));
    assert_string_equal(text, "eyJhbGciOiJFUzI1NiJ9.UGF5bG9hZA");
    text = bb_jws_finish(text, BB_SPAN_LIT("\xfb\xff"));
    assert_string_equal(text, "eyJhbGciOiJFUzI1NiJ9.UGF5bG9hZA.-_8");
    free(text);
    assert_null(bb_jws_finish(NULL, BB_SPAN_LIT("x")));
    static uint8_t large[BB_JWS_MAX + 1];
    assert_null(bb_jws_signing_input(BB_SPAN_OF(large), BB_SPAN_LIT("")));
    assert_null(bb_jws_signing_input(BB_SPAN_LIT(""), BB_SPAN_OF(large)));
    assert_null(
        bb_jws_finish(bb_jws_signing_input(BB_SPAN_LIT("a"), BB_SPAN_LIT("b")), BB_SPAN_OF(large)));
}

static void test_claims(void **state) {
    (void)state;
    static const struct {
        const char *claims;
        enum bb_status status;
        const char *field, *iss;
    } claims[] = {
        {"{}", BB_OK, "", NULL},
        {"{\"iss\":\"https://v\"}", BB_OK, "", "https://v"},
        {"{\"exp\":9223372036854775807}", BB_OK, "", NULL},
        {"{\"exp\":9223372036854775808}", BB_MALFORMED_EVIDENCE, "claims", NULL},
        {"{\"exp\":1e999}", BB_MALFORMED_EVIDENCE, "claims", NULL},
        {"{\"iss\":null}", BB_MALFORMED_EVIDENCE, "iss", NULL},
        {"{\"iss\":[\"https://v\"]}", BB_MALFORMED_EVIDENCE, "iss", NULL},
        {"{\"iss\":\"a\",\"iss\":\"b\"}", BB_MALFORMED_EVIDENCE, "claims", NULL},
        {"{\"a\":{\"b\":1,\"b\":1}}", BB_MALFORMED_EVIDENCE, "claims", NULL},
        {"[]", BB_MALFORMED_EVIDENCE, "claims", NULL},
        {"{} {}", BB_MALFORMED_EVIDENCE, "claims", NULL},
        {"\xff", BB_MALFORMED_EVIDENCE, "claims", NULL},
        {"{\"a\":\"\xff\"}", BB_MALFORMED_EVIDENCE, "claims", NULL},
        {"{\"a\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", BB_MALFORMED_EVIDENCE, "claims", NULL},
    };
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
        struct bb_token token = {.iss = NULL};
        struct bb_error err = {0};
        char *text = bb_jws_finish(
            bb_jws_signing_input(BB_SPAN_LIT("{\"alg\":\"x\"}"), bb_span_str(claims[i].claims)),
            BB_SPAN_LIT("s"));
        assert_int_equal(bb_token_parse(bb_span_str(text), &token, &err), claims[i].status);
        assert_string_equal(err.field, claims[i].field);
        assert_int_equal(token.iss != NULL, claims[i].iss != NULL);
        if (token.iss != NULL)
            assert_string_equal(token.iss, claims[i].iss);
        bb_token_done(&token);
        free(text);
    }
    struct bb_token token = {.iss = NULL};
    struct bb_error err = {0};
    assert_int_equal(bb_token_parse(BB_SPAN_LIT("e30.e30.AA"), &token, &err),
                     BB_MALFORMED_EVIDENCE);
    assert_string_equal(err.field, "alg");
    assert_null(token.claims);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_spelling), cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_sizes),         cmocka_unit_test(test_made),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
