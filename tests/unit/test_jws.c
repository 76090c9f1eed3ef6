/* Tokens taken apart and put together. */
#include "vectors.h"

#include "codec/jws.h"

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
    assert_null(bb_jws_finish(bb_jws_signing_input(BB_SPAN_LIT("a"), BB_SPAN_LIT("b")),
                              BB_SPAN_OF(large)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
