/* Public keys: which are taken, and that a signature counts under one key, one algorithm and one
 * message alone. */
#include "vectors.h"

#include "crypto/issue.h"

#include <openssl/err.h>

static struct bb_key *rsa_key, *p256_key, *p384_key;
static struct bb_key_rsa rsa;
static struct bb_key_ec p256, p384;

static int make_keys(void **state) {
    (void)state;
    return bb_key_generate(BB_KEY_RSA2048, &rsa_key, NULL) == BB_OK &&
                   bb_key_generate(BB_KEY_P256, &p256_key, NULL) == BB_OK &&
                   bb_key_generate(BB_KEY_P384, &p384_key, NULL) == BB_OK &&
                   bb_key_rsa_public(rsa_key, &rsa) && bb_key_ec_public(p256_key, &p256) &&
                   bb_key_ec_public(p384_key, &p384)
               ? 0
               : 1;
}

static int free_keys(void **state) {
    (void)state;
    bb_key_free(rsa_key);
    bb_key_free(p256_key);
    bb_key_free(p384_key);
    return 0;
}

static struct bb_pubkey *public_of(const struct bb_key *key) {
    struct bb_pubkey *out = NULL;
    assert_int_equal(bb_pubkey_from_spki(bb_key_spki(key), &out, NULL), BB_OK);
    return out;
}

static void test_one_key_one_algorithm_one_message(void **state) {
    (void)state;
    const struct bb_key *keys[] = {rsa_key, p256_key, p384_key};
    for (size_t i = 0; i < 3; i++)
        for (enum bb_sig_alg made = BB_SIG_NONE + 1; made < BB_SIG_COUNT; made++) {
            uint8_t raw[BB_SIGNATURE_MAX + 1] = {0};
            size_t len = 0;
            if (!bb_key_fits(keys[i], made))
                continue;
            assert_int_equal(
                bb_key_sign(keys[i], made, BB_SPAN_LIT("abc"), raw, BB_SIGNATURE_MAX, &len, NULL),
                BB_OK);
            for (size_t k = 0; k < 3; k++)
                for (int asked = BB_SIG_NONE; asked <= BB_SIG_COUNT; asked++) {
                    struct bb_pubkey *key = public_of(keys[k]);
                    bool want = i == k && asked == (int)made;
                    assert_int_equal(bb_pubkey_verify(key, (enum bb_sig_alg)asked,
                                                      BB_SPAN_LIT("abc"), bb_span(raw, len)),
                                     want);
                    assert_false(bb_pubkey_verify(key, (enum bb_sig_alg)asked, BB_SPAN_LIT("abd"),
                                                  bb_span(raw, len)));
                    bb_pubkey_free(key);
                }
            struct bb_pubkey *key = public_of(keys[i]);
            const struct bb_span others[] = {
                bb_span(raw, len - 1),     bb_span(raw, len + 1), bb_span(NULL, 0),
                bb_span(raw + 1, len - 1), bb_span(raw + 1, len),
            };
            for (size_t k = 0; k < sizeof others / sizeof others[0]; k++)
                assert_false(bb_pubkey_verify(key, made, BB_SPAN_LIT("abc"), others[k]));
            bb_pubkey_free(key);
            assert_int_equal(ERR_peek_error(), 0); /* TLS would take it for its own */
        }
}

/* r and s of zero, of n, of n + 1 and of all ones, beside a good other half. */
static void test_r_and_s_in_range(void **state) {
    (void)state;
    static const uint8_t n[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                  0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    uint8_t values[4][32] = {{0}};
    memcpy(values[1], n, 32);
    memcpy(values[2], n, 32);
    values[2][31]++;
    memset(values[3], 0xff, 32);
    uint8_t good[64], bad[64];
    size_t len = 0;
    struct bb_pubkey *key = public_of(p256_key);
    assert_int_equal(bb_key_sign(p256_key, BB_SIG_ES256, BB_SPAN_LIT("m"), good, 64, &len, NULL),
                     BB_OK);
    assert_true(bb_pubkey_verify(key, BB_SIG_ES256, BB_SPAN_LIT("m"), BB_SPAN_OF(good)));
    for (size_t i = 0; i < 4; i++)
        for (size_t half = 0; half < 2; half++) {
            memcpy(bad, good, 64);
            memcpy(bad + 32 * half, values[i], 32);
            assert_false(bb_pubkey_verify(key, BB_SIG_ES256, BB_SPAN_LIT("m"), BB_SPAN_OF(bad)));
        }
    bb_pubkey_free(key);
}

static void assert_rsa(struct bb_span n, struct bb_span e, enum bb_status want, const char *field) {
    struct bb_pubkey *key = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_pubkey_from_rsa(n, e, &key, &err), want);
    assert_string_equal(err.field, field);
    assert_int_equal(key != NULL, want == BB_OK);
    assert_int_equal(ERR_peek_error(), 0);
    bb_pubkey_free(key);
}

static void test_rsa_numbers(void **state) {
    (void)state;
    static uint8_t large[1025], zero_first[257];
    uint8_t even[256], small[255];
    struct bb_span n = bb_span(rsa.n, rsa.n_len), e = BB_SPAN_LIT("\x01\x00\x01");
    memset(large, 0xff, sizeof large);
    memcpy(zero_first + 1, rsa.n, 256);
    memcpy(even, rsa.n, 256);
    even[255] &= 0xfe;
    memcpy(small, rsa.n + 1, 255);
    small[0] |= 0x80;
    small[254] |= 1;
    const enum bb_status bad = BB_MALFORMED_EVIDENCE, not_taken = BB_UNSUPPORTED_EVIDENCE;
    assert_rsa(n, e, BB_OK, "");
    assert_rsa(n, BB_SPAN_LIT("\x03"), BB_OK, "");
    assert_rsa(n, BB_SPAN_LIT("\xff\xff\xff\xff"), BB_OK, "");
    assert_rsa(n, BB_SPAN_LIT("\x01"), not_taken, "e");
    assert_rsa(n, BB_SPAN_LIT("\x02"), not_taken, "e");
    assert_rsa(n, BB_SPAN_LIT("\x01\x00\x00"), not_taken, "e");
    assert_rsa(n, BB_SPAN_LIT("\x01\x00\x00\x00\x01"), not_taken, "e");
    assert_rsa(n, BB_SPAN_LIT("\x00\x01\x00\x01"), bad, "e");
    assert_rsa(n, bb_span(NULL, 0), bad, "e");
    assert_rsa(bb_span(NULL, 0), e, bad, "n");
    assert_rsa(BB_SPAN_OF(zero_first), e, bad, "n");
    assert_rsa(BB_SPAN_OF(even), e, not_taken, "n");
    assert_rsa(BB_SPAN_OF(small), e, not_taken, "n");
    assert_rsa(BB_SPAN_OF(large), e, not_taken, "n");
    assert_rsa(bb_span(large, 1024), e, BB_OK, "");
}

static void assert_ec(const char *crv, struct bb_span x, struct bb_span y, enum bb_status want,
                      const char *field) {
    struct bb_pubkey *key = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_pubkey_from_ec(bb_span_str(crv), x, y, &key, &err), want);
    assert_string_equal(err.field, field);
    assert_int_equal(key != NULL, want == BB_OK);
    assert_int_equal(ERR_peek_error(), 0);
    bb_pubkey_free(key);
}

static void test_ec_numbers(void **state) {
    (void)state;
    uint8_t off[32], zero[33] = {0}, ones[32];
    struct bb_span x = bb_span(p256.x, 32), y = bb_span(p256.y, 32);
    memcpy(off, p256.y, 32);
    off[31] ^= 1;
    memset(ones, 0xff, 32);
    memcpy(zero + 1, p256.x, 32);
    const enum bb_status bad = BB_MALFORMED_EVIDENCE, not_taken = BB_UNSUPPORTED_EVIDENCE;
    assert_ec("P-256", x, y, BB_OK, "");
    assert_ec("P-384", bb_span(p384.x, 48), bb_span(p384.y, 48), BB_OK, "");
    assert_ec("P-256", x, BB_SPAN_OF(off), not_taken, "x");
    assert_ec("P-256", BB_SPAN_OF(ones), y, not_taken, "x");
    assert_ec("P-256", bb_span(zero, 32), bb_span(zero, 32), not_taken, "x");
    assert_ec("P-256", bb_span(p256.x, 31), y, bad, "x");
    assert_ec("P-256", BB_SPAN_OF(zero), y, bad, "x");
    assert_ec("P-256", x, bb_span(NULL, 0), bad, "y");
    assert_ec("P-384", x, y, bad, "x");
    assert_ec("p-256", x, y, not_taken, "crv");
    assert_ec("secp256k1", x, y, not_taken, "crv");
    assert_ec("prime256v1", x, y, not_taken, "crv");
    assert_ec("", x, y, not_taken, "crv");
}

static void test_keys_in_der(void **state) {
    (void)state;
    uint8_t der[2048];
    size_t len = 0;
    struct bb_pubkey *key = NULL, *same = public_of(p256_key);
    assert_int_equal(bb_issue_self_signed(p256_key, "https://v", 0, 1, der, sizeof der, &len, NULL),
                     BB_OK);
    assert_int_equal(bb_pubkey_from_cert(bb_span(der, len), &key, NULL), BB_OK);
    assert_memory_equal(bb_pubkey_spki_sha256(key), bb_pubkey_spki_sha256(same), 32);
    bb_pubkey_free(key);
    bb_pubkey_free(same);
    key = NULL;
    struct bb_span spki = bb_key_spki(p256_key);
    const struct bb_span bad[] = {bb_span(der, len - 1), bb_span(der, len + 1), bb_span(NULL, 0),
                                  spki};
    der[len] = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bb_error err = {0};
        assert_int_equal(bb_pubkey_from_cert(bad[i], &key, &err), BB_MALFORMED_EVIDENCE);
        assert_string_equal(err.field, "certificate");
        assert_null(key);
    }
    struct bb_error err = {0};
    assert_int_equal(bb_pubkey_from_spki(bb_span(spki.ptr, spki.len - 1), &key, &err),
                     BB_MALFORMED_EVIDENCE);
    assert_string_equal(err.field, "key");
    static const uint8_t infinity[] = {0x30, 0x19, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x02, 0x00, 0x00};
    err = (struct bb_error){0};
    assert_int_equal(bb_pubkey_from_spki(BB_SPAN_OF(infinity), &key, &err),
                     BB_UNSUPPORTED_EVIDENCE);
    assert_string_equal(err.field, "x");
    assert_null(key);
    assert_int_equal(ERR_peek_error(), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_key_one_algorithm_one_message),
        cmocka_unit_test(test_r_and_s_in_range),
        cmocka_unit_test(test_rsa_numbers),
        cmocka_unit_test(test_ec_numbers),
        cmocka_unit_test(test_keys_in_der),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
