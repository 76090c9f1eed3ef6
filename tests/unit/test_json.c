/* JSON behind limits: what is refused before and by the parser, with the field named. */
#include "vectors.h"

#include "codec/json.h"

enum { MAX = 256, DEPTH_ROOM = 512 };

static const struct {
    const char *text, *why;
    bool good;
} rows[] = {
    {"{}", "empty object", true},
    {" {\"a\": [1, {\"b\": null}]} \n", "white space around", true},
    {"", "nothing", false},
    {"null", "no object", false},
    {"[]", "an array", false},
    {"\"a\"", "a string", false},
    {"{\"a\": 1, \"a\": 2}", "a key twice", false},
    {"{\"x\": {\"a\": 1, \"a\": 1}}", "a key twice below, with the same value", false},
    {"{\"a\": 1, \"\\u0061\": 2}", "a key twice, once escaped", false},
    {"{} {}", "another value after it", false},
    {"{}x", "bytes after it", false},
    {"{},", "a comma after it", false},
    {"{\"a\": 1,}", "a comma too many", false},
    {"{'a': 1}", "other quotes", false},
    {"{\"a\": 01}", "a leading zero", false},
    {"{\"a\": NaN}", "no number of JSON", false},
    {"{\"a\": 99999999999999999999}", "an integer past 64 bits", false},
    {"{\"a\\u0000b\": 1}", "NUL in a key", false},
    {"{\"a\": \"\\u0000\"}", "NUL in a string", false},
    {"{\"a\": \"\xff\"}", "not UTF-8", false},
    {"{\"a\": \"\n\"}", "a line end in a string", false},
    {"{\"a\": // comment\n 1}", "a comment", false},
};

static void test_what_is_json(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_error err = {0};
        json_t *out = NULL;
        enum bb_status want = rows[i].good ? BB_OK : BB_USAGE;
        if (bb_json_parse_object(bb_span_str(rows[i].text), MAX, "policy", &out, &err) != want ||
            err.status != want || (out != NULL) != rows[i].good)
            fail_msg("%s", rows[i].why);
        if (!rows[i].good)
            assert_string_equal(err.field, "policy");
        json_decref(out);
    }
}

static void test_bytes_after_a_nul_are_seen(void **state) {
    (void)state;
    json_t *out = NULL;
    assert_int_equal(bb_json_parse_object(BB_SPAN_LIT("{}\0{}"), MAX, "policy", &out, NULL),
                     BB_USAGE);
    assert_null(out);
}

/* {"a":{"a":...}}, `depth` brackets in all. */
static size_t nested(char *text, unsigned depth) {
    static const char open[] = "{\"a\":";
    struct bb_writer w = bb_writer(text, DEPTH_ROOM);
    for (unsigned i = 1; i < depth; i++)
        bb_write_bytes(&w, BB_SPAN_LIT(open));
    bb_write_u8(&w, '{');
    for (unsigned i = 0; i < depth; i++)
        bb_write_u8(&w, '}');
    assert_false(w.failed);
    return w.len;
}

static void test_depth(void **state) {
    (void)state;
    char text[DEPTH_ROOM];
    for (unsigned depth = BB_JSON_DEPTH_MAX - 1; depth <= BB_JSON_DEPTH_MAX + 1; depth++) {
        struct bb_error err = {0};
        json_t *out = NULL;
        struct bb_span in = bb_span(text, nested(text, depth));
        bool good = bb_json_parse_object(in, sizeof text, "policy", &out, &err) == BB_OK;
        assert_int_equal(good, depth <= BB_JSON_DEPTH_MAX);
        if (!good)
            assert_string_equal(err.expected, "at most 16 levels");
        json_decref(out);
    }
    json_t *out = NULL; /* arrays count as objects do */
    assert_int_equal(bb_json_parse_object(BB_SPAN_LIT("{\"a\":[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]}"),
                                          MAX, "policy", &out, NULL),
                     BB_USAGE);
    assert_int_equal(bb_json_parse_object(BB_SPAN_LIT("{\"a\":[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]}"),
                                          MAX, "policy", &out, NULL),
                     BB_OK);
    json_decref(out);
}

/* Brackets in strings, and behind an escaped quote, are no levels. */
static void test_depth_counts_no_strings(void **state) {
    (void)state;
    static const char text[] =
        "{\"a\": \"\\\"[[[[[[[[[[[[[[[[[[[[\", \"b\": \"{{{{{{{{{{{{{{{{{{{\"}";
    json_t *out = NULL;
    assert_int_equal(bb_json_parse_object(BB_SPAN_LIT(text), MAX, "policy", &out, NULL), BB_OK);
    json_decref(out);
}

static void test_size(void **state) {
    (void)state;
    char text[MAX + 1];
    memset(text, ' ', sizeof text);
    memcpy(text, "{}", 2);
    json_t *out = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_json_parse_object(bb_span(text, MAX), MAX, "policy", &out, &err), BB_OK);
    json_decref(out);
    out = NULL;
    assert_int_equal(bb_json_parse_object(bb_span(text, MAX + 1), MAX, "policy", &out, &err),
                     BB_USAGE);
    assert_string_equal(err.text, "the policy is larger than 256 bytes");
    assert_null(out);
}

static void test_known_keys(void **state) {
    (void)state;
    static const char *const known[] = {"alpha", "beta", NULL};
    static const struct {
        const char *text, *path, *field; /* NULL: taken */
    } keys[] = {{"{}", "", NULL},
                {"{\"alpha\": 1, \"beta\": 2}", "", NULL},
                {"{\"alpha\": 1, \"gamma\": 2}", "", "gamma"},
                {"{\"Alpha\": 1}", "", "Alpha"},
                {"{\"alph\": 1}", "", "alph"},
                {"{\"\": 1}", "top", "top.''"},
                {"{\"\": 1}", "", "''"}, /* never a failure without a field */
                {"{\"gamma\": 2}", "top", "top.gamma"},
                {"{\"\\u001b[2J\": 2}", "", "\\x1b[2J"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct bb_error err = {0};
        json_t *o = NULL;
        assert_int_equal(bb_json_parse_object(bb_span_str(keys[i].text), MAX, "x", &o, NULL),
                         BB_OK);
        enum bb_status want = keys[i].field == NULL ? BB_OK : BB_USAGE;
        assert_int_equal(bb_json_known_keys(o, known, keys[i].path, &err), want);
        assert_string_equal(err.field, keys[i].field == NULL ? "" : keys[i].field);
        json_decref(o);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_json), cmocka_unit_test(test_bytes_after_a_nul_are_seen),
        cmocka_unit_test(test_depth),        cmocka_unit_test(test_depth_counts_no_strings),
        cmocka_unit_test(test_size),         cmocka_unit_test(test_known_keys),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
