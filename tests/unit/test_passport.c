/* What the gateway's way to tokens is made of: the circuit breaker, the words that name services. */
#include "service/breaker.h"
#include "service/gateway/verifiers.h"

#include "vectors.h"

static bool open_at(const struct bb_breaker *b, int64_t now) {
    uint64_t left = 0;
    bool open = bb_breaker_is_open(b, now, &left);
    assert_int_equal(open, left > 0);
    return open;
}

static void test_opens_after_failures_in_a_row(void **state) {
    (void)state;
    struct bb_breaker b = {0};
    for (int i = 0; i < BB_BREAKER_FAILURES - 1; i++) {
        bb_breaker_failed(&b, 1000, 0);
        assert_false(open_at(&b, 1000));
        assert_false(bb_breaker_is_on_trial(&b));
    }
    bb_breaker_worked(&b); /* not in a row */
    for (int i = 0; i < BB_BREAKER_FAILURES - 1; i++)
        bb_breaker_failed(&b, 1000, 0);
    assert_false(open_at(&b, 1000));
    bb_breaker_failed(&b, 1000, 0);
    assert_true(open_at(&b, 1000));
    assert_true(open_at(&b, 1000 + BB_BREAKER_MIN_MS / 2 - 1));
    assert_false(open_at(&b, 1000 + BB_BREAKER_MIN_MS / 2));
    assert_true(bb_breaker_is_on_trial(&b)); /* one at a time */
    bb_breaker_worked(&b);
    assert_false(bb_breaker_is_on_trial(&b));
}

static void test_pauses_grow_to_a_limit(void **state) {
    (void)state;
    struct bb_breaker b = {0};
    int64_t now = 0, longest = 0;
    for (int i = 0; i < BB_BREAKER_FAILURES - 1; i++)
        bb_breaker_failed(&b, now, 255);
    for (int64_t pause = BB_BREAKER_MIN_MS; longest < 3; pause *= 2) {
        if (pause >= BB_BREAKER_MAX_MS) {
            pause = BB_BREAKER_MAX_MS;
            longest++;
        }
        bb_breaker_failed(&b, now, 255);
        assert_int_equal(b.until_ms - now, pause);
        now = b.until_ms;
    }
}

/* Requests that were under way when it opened. */
static void test_failures_in_a_pause_do_not_prolong_it(void **state) {
    (void)state;
    struct bb_breaker b = {0};
    for (int i = 0; i < BB_BREAKER_FAILURES; i++)
        bb_breaker_failed(&b, 0, 0);
    int64_t until = b.until_ms;
    for (int i = 0; i < 10; i++)
        bb_breaker_failed(&b, until - 1, 255);
    assert_int_equal(b.until_ms, until);
}

static void test_chance_moves_the_end(void **state) {
    (void)state;
    int64_t ends[2];
    for (int i = 0; i < 2; i++) {
        struct bb_breaker b = {0};
        for (int k = 0; k < BB_BREAKER_FAILURES; k++)
            bb_breaker_failed(&b, 0, i == 0 ? 0 : 255);
        ends[i] = b.until_ms;
    }
    assert_int_equal(ends[0], BB_BREAKER_MIN_MS / 2);
    assert_int_equal(ends[1], BB_BREAKER_MIN_MS);
}

static void test_services_by_option(void **state) {
    (void)state;
    struct bb_gateway_verifiers all = {.n = 0};
    struct bb_error err = {0};
    assert_int_equal(bb_gateway_verifiers_add(&all, "https://a.example/x/", &err), BB_OK);
    assert_string_equal(all.list[0].url, "https://a.example/x");
    assert_string_equal(all.list[0].issuer, "https://a.example/x");
    assert_int_equal(all.list[0].profile, BB_PROFILE_MAA);
    assert_string_equal(all.list[0].ca, "");
    assert_int_equal(
        bb_gateway_verifiers_add(
            &all, "unix:/run/v.sock,profile=ear,issuer=https://b.example,ca=/etc/ca.pem", &err),
        BB_OK);
    assert_string_equal(all.list[1].url, "unix:/run/v.sock");
    assert_string_equal(all.list[1].issuer, "https://b.example");
    assert_string_equal(all.list[1].ca, "/etc/ca.pem");
    assert_int_equal(all.list[1].profile, BB_PROFILE_EAR);
    assert_int_equal(bb_gateway_verifiers_add(&all, "http://127.0.0.1:1,issuer=c", &err), BB_OK);
    assert_int_equal(bb_gateway_verifiers_add(&all, "http://127.0.0.1:1,issuer=d", &err), BB_OK);
    assert_int_equal(bb_gateway_verifiers_add(&all, "http://127.0.0.1:1,issuer=e", &err), BB_USAGE);
    assert_int_equal(all.n, BB_GATEWAY_VERIFIERS_MAX);
}

static void test_wrong_services(void **state) {
    (void)state;
    char long_issuer[300] = "https://a,issuer=", long_socket[120] = "unix:/";
    memset(long_socket + strlen(long_socket), 'a', 108);
    memset(long_issuer + strlen(long_issuer), 'a', BB_GATEWAY_ISSUER_MAX + 1);
    const char *const wrong[] = {
        "", "a.example", "ftp://a", "unix:run/v", "https://a b", "https://a\n", "https://a\xc3\xa4",
        "https://a,", "https://a,issuer", "https://a,issuer=", "https://a,issuer=b,issuer=c",
        "https://a,url=https://b", "https://a,profile=jwt", "https://a,key=v",
        "https://a,ca=", "https://a,profile=ear,profile=maa",
        /* Never asked: what that leads to is not for each client to find. */
        "http://10.0.0.1", "http://a.example", "https://user:password@a", "https://", "https:///a",
        "https://a?b=c", "https://a#b", "https://a:99999", long_socket, long_issuer};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bb_gateway_verifiers all = {.n = 0};
        struct bb_error err = {0};
        if (bb_gateway_verifiers_add(&all, wrong[i], &err) != BB_USAGE || all.n != 0)
            fail_msg("%s: taken", wrong[i]);
        assert_string_equal(err.field, "verifier");
    }
    struct bb_gateway_verifiers all = {.n = 0};
    assert_int_equal(bb_gateway_verifiers_add(&all, "https://a", NULL), BB_OK);
    assert_int_equal(bb_gateway_verifiers_add(&all, "https://b,issuer=https://a", NULL), BB_USAGE);
    assert_int_equal(all.n, 1);
}

static void test_services_by_file(void **state) {
    (void)state;
    struct bb_gateway_verifiers all = {.n = 0};
    json_t *good = json_pack("{s:s, s:s, s:s, s:s}", "url", "https://a", "issuer", "i", "profile",
                             "ear", "ca", "/c");
    assert_int_equal(bb_gateway_verifiers_add_json(&all, good, NULL), BB_OK);
    assert_string_equal(all.list[0].issuer, "i");
    assert_int_equal(all.list[0].profile, BB_PROFILE_EAR);
    json_decref(good);
    json_t *wrong[] = {json_pack("{s:s}", "issuer", "i"), json_pack("{s:i}", "url", 1),
                       json_pack("{s:s, s:s}", "url", "https://b", "jwks", "x"),
                       json_pack("{s:s%}", "url", "https://b\0c", (size_t)11),
                       json_string("https://b")};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(bb_gateway_verifiers_add_json(&all, wrong[i], NULL), BB_USAGE);
        json_decref(wrong[i]);
    }
    assert_int_equal(all.n, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens_after_failures_in_a_row),
        cmocka_unit_test(test_pauses_grow_to_a_limit),
        cmocka_unit_test(test_failures_in_a_pause_do_not_prolong_it),
        cmocka_unit_test(test_chance_moves_the_end),
        cmocka_unit_test(test_services_by_option),
        cmocka_unit_test(test_wrong_services),
        cmocka_unit_test(test_services_by_file),
    };
    return cmocka_run_group_tests_name("passport", tests, NULL, NULL);
}
