/* Bytes, text forms, times, errors, and the table of failure classes. */
#include "vectors.h"

#include "base/error.h"
#include "base/hex.h"

static void test_spans(void **state) {
    (void)state;
    static const uint8_t bytes[] = {0, 1, 2, 3};
    struct bb_span s = BB_SPAN_OF(bytes);
    assert_true(bb_span_equal(bb_span_slice(s, 1, 2), bb_span(bytes + 1, 2)));
    assert_int_equal(bb_span_slice(s, 4, 0).len, 0);
    assert_non_null(bb_span_slice(s, 4, 0).ptr); /* the empty end is inside */
    static const struct {
        size_t offset, len;
    } outside[] = {{5, 0}, {0, 5}, {3, 2}, {4, 1}, {1, SIZE_MAX}, {SIZE_MAX, 1}};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        assert_null(bb_span_slice(s, outside[i].offset, outside[i].len).ptr);
    assert_true(bb_span_equal(bb_span(NULL, 0), bb_span(bytes, 0)));
    assert_false(bb_span_equal(s, bb_span(bytes, 3)));
    assert_true(bb_span_is_zero(bb_span(bytes, 1)));
    assert_false(bb_span_is_zero(s));
    assert_true(bb_span_is_zero(bb_span(NULL, 0)));
}

static void test_span_order(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } rows[] = {{"", "", 0},    {"a", "a", 0},    {"a", "b", -1},   {"b", "a", 1},
                {"", "a", -1},  {"a", "", 1},     {"ab", "b", -1},  {"a", "ab", -1},
                {"ab", "a", 1}, {"\xff", "a", 1}, {"a", "\xff", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int got = bb_span_compare(bb_span_str(rows[i].a), bb_span_str(rows[i].b));
        assert_int_equal((got > 0) - (got < 0), rows[i].order);
    }
}

static void test_reader_remembers_its_first_failure(void **state) {
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    struct bb_reader r = bb_reader(BB_SPAN_OF(bytes));
    assert_int_equal(bb_read_u8(&r), 1);
    assert_int_equal(bb_read_u16be(&r), 0x0203);
    assert_int_equal(bb_read_u32le(&r), 0x07060504);
    assert_int_equal(bb_reader_left(&r), 5);
    assert_false(bb_reader_done(&r));
    assert_int_equal(bb_read_u64be(&r), 0); /* three bytes short */
    assert_true(r.failed);
    assert_int_equal(bb_read_u8(&r), 0); /* would be there, but the reader has failed */
    assert_int_equal(bb_read_bytes(&r, 0).len, 0);
    assert_false(bb_reader_done(&r));
    r = bb_reader(BB_SPAN_OF(bytes));
    assert_true(bb_read_u64le(&r) == UINT64_C(0x0807060504030201));
    assert_int_equal(bb_read_u32be(&r), 0x090a0b0c);
    assert_true(bb_reader_done(&r));
    r = bb_reader(BB_SPAN_OF(bytes));
    assert_null(bb_read_bytes(&r, SIZE_MAX).ptr);
    assert_true(r.failed);
}

static void test_writer_never_writes_past_its_end(void **state) {
    (void)state;
    uint8_t buf[9] = {0};
    struct bb_writer w = bb_writer(buf, 8);
    bb_write_u16be(&w, 0x0102);
    bb_write_u32le(&w, 0x06050403);
    assert_int_equal(bb_writer_span(&w).len, 6);
    bb_write_u32be(&w, 0xffffffff);
    assert_true(w.failed);
    bb_write_u8(&w, 0xff); /* would fit, but the writer has failed */
    assert_int_equal(bb_writer_span(&w).len, 0);
    static const uint8_t want[9] = {1, 2, 3, 4, 5, 6, 0, 0, 0};
    assert_memory_equal(buf, want, sizeof want);
    w = bb_writer(buf, 8);
    bb_write_u64le(&w, UINT64_C(0x0807060504030201));
    assert_true(!w.failed && buf[0] == 1 && buf[7] == 8);
    w = bb_writer(buf, 8);
    bb_write_u64be(&w, UINT64_C(0x0807060504030201));
    assert_true(!w.failed && buf[0] == 8 && buf[7] == 1);
    bb_write_bytes(&w, bb_span(NULL, 0));
    assert_false(w.failed);
}

static void test_hex(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int len; /* -1: refused */
    } rows[] = {{"", 0},     {"00", 1},    {"aBCd", 2},  {"0", -1},     {"0g", -1},      {"0 ", -1},
                {" 00", -1}, {"0x00", -1}, {"00\n", -1}, {"000000", 3}, {"00000000", -1}};
    uint8_t out[3];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = 99;
        bool good = bb_hex_decode(bb_span_str(rows[i].text), out, sizeof out, &len);
        if (good != (rows[i].len >= 0) || (good && len != (size_t)rows[i].len))
            fail_msg("'%s'", rows[i].text);
    }
    assert_true(bb_hex_decode_exact("AbcD", out, 2));
    assert_int_equal(out[0], 0xab);
    assert_false(bb_hex_decode_exact("abcd", out, 1));
    assert_false(bb_hex_decode_exact("abcd", out, 3));
    char text[8];
    bb_hex_encode(BB_SPAN_LIT("\x01\xab\xff"), text, sizeof text);
    assert_string_equal(text, "01abff");
    bb_hex_encode(BB_SPAN_LIT("\x01\xab\xff"), text, 6); /* cut at whole bytes */
    assert_string_equal(text, "01ab");
}

static void test_short_hex(void **state) {
    (void)state;
    static const uint8_t bytes[17] = {0x95, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    char text[64];
    bb_hex_short(bb_span(bytes, 16), text, sizeof text);
    assert_string_equal(text, "950102030405060708090a0b0c0d0e0f");
    bb_hex_short(bb_span(bytes, 17), text, sizeof text);
    assert_string_equal(text, "950102030405..0d0e0f10");
    bb_hex_short(bb_span(bytes, 17), text, 8); /* no room for head and tail: cut */
    assert_string_equal(text, "950102");
}

static void test_base64(void **state) {
    (void)state;
    static const struct {
        const char *text, *bytes; /* NULL: refused */
    } rows[] = {{"", ""},           {"Zg==", "f"},         {"Zm8=", "fo"},
                {"Zm9v", "foo"},    {"Zm9vYmE=", "fooba"}, {" Zm\r\n9v\tYg== \n", "foob"},
                {"Zg", NULL},       {"Zg=", NULL},         {"Zh==", NULL}, /* spare bits */
                {"Zm9=", NULL},     {"Z===", NULL},        {"====", NULL},
                {"Zg==Zg==", NULL}, {"Zg==\n====", NULL},  {"Z=g=", NULL},
                {"Zm9-", NULL},     {"Zm9_", NULL},        {"Zm9v!", NULL},
                {"Zm9vYmFy", NULL}}; /* one byte too long for the room below */
    uint8_t out[5];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = 99;
        bool good = bb_b64_decode(bb_span_str(rows[i].text), out, sizeof out, &len);
        if (good != (rows[i].bytes != NULL) ||
            (good && !bb_span_equal(bb_span(out, len), bb_span_str(rows[i].bytes))))
            fail_msg("'%s'", rows[i].text);
    }
}

static void test_base64url(void **state) {
    (void)state;
    char text[BB_B64URL_SIZE(3)];
    assert_true(bb_b64url_encode(BB_SPAN_LIT("\xfb\xff\xbf"), text, sizeof text));
    assert_string_equal(text, "-_-_");
    assert_true(bb_b64url_encode(BB_SPAN_LIT("fo"), text, BB_B64URL_SIZE(2)));
    assert_string_equal(text, "Zm8");
    assert_true(bb_b64url_encode(bb_span(NULL, 0), text, 1));
    assert_string_equal(text, "");
    assert_false(bb_b64url_encode(BB_SPAN_LIT("foo"), text, sizeof text - 1));
}

static void test_times(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* -1: refused */
    } rows[] = {{"1970-01-01T00:00:00Z", 0},
                {"2025-02-27T16:52:45Z", 1740675165},
                {"2025-02-27t16:52:45z", 1740675165},
                {"2025-02-27 16:52:45Z", 1740675165},
                {"2025-02-27T16:52:45.999Z", 1740675165},
                {"2025-02-27T17:52:45+01:00", 1740675165},
                {"2025-02-27T11:22:45-05:30", 1740675165},
                {"2024-02-29T00:00:00Z", 1709164800},
                {"2025-02-29T00:00:00Z", -1},
                {"2025-02-30T00:00:00Z", -1},
                {"2025-13-01T00:00:00Z", -1},
                {"2025-00-01T00:00:00Z", -1},
                {"2025-01-00T00:00:00Z", -1},
                {"2025-01-01T24:00:00Z", -1},
                {"2025-01-01T00:60:00Z", -1},
                {"2025-01-01T00:00:60Z", -1},
                {"2025-01-01T00:00:00", -1},
                {"2025-01-01T00:00:00.Z", -1},
                {"2025-01-01T00:00:00+24:00", -1},
                {"2025-01-01T00:00:00+0100", -1},
                {"2025-01-01T00:00:00ZZ", -1},
                {"2025-1-1T00:00:00Z", -1},
                {"1969-12-31T23:59:59Z", -1},
                {"2025-01-01", -1},
                {"1740675165", -1},
                {"", -1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t seconds = -1;
        bool good = bb_rfc3339_parse(rows[i].text, &seconds);
        if (good != (rows[i].seconds >= 0) || seconds != rows[i].seconds)
            fail_msg("'%s': %lld", rows[i].text, (long long)seconds);
    }
}

static void test_escape_leaves_printable_ascii_only(void **state) {
    (void)state;
    char text[64];
    bb_escape(BB_SPAN_LIT("a b~\x1b[2J\n\"\\\x7f\xc3\x00z"), text, sizeof text);
    assert_string_equal(text, "a b~\\x1b[2J\\x0a\\x22\\x5c\\x7f\\xc3\\x00z");
    bb_escape(BB_SPAN_LIT("ab\ncd"), text, 6); /* an escape is never cut in half */
    assert_string_equal(text, "ab");
    bb_escape(BB_SPAN_LIT("abc"), text, 3);
    assert_string_equal(text, "ab");
    bb_copy_text(text, 3, "abc");
    assert_string_equal(text, "ab");
}

static void test_the_first_cause_wins(void **state) {
    (void)state;
    struct bb_error err = {0};
    assert_int_equal(bb_fail_at(&err, BB_DEBUG_MODE, 8, "POLICY", "0", "1", "bit %d is set", 19),
                     BB_DEBUG_MODE);
    assert_int_equal(bb_fail(&err, BB_USAGE, "other", NULL, NULL, "other"), BB_USAGE);
    assert_int_equal(err.status, BB_DEBUG_MODE);
    assert_int_equal(err.offset, 8);
    assert_string_equal(err.field, "POLICY");
    assert_string_equal(err.expected, "0");
    assert_string_equal(err.found, "1");
    assert_string_equal(err.text, "bit 19 is set");
    assert_int_equal(bb_fail(NULL, BB_USAGE, NULL, NULL, NULL, "nobody asks"), BB_USAGE);
    char long_text[BB_TEXT_MAX + 50];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    err = (struct bb_error){0};
    (void)bb_fail(&err, BB_USAGE, long_text, long_text, long_text, "%s", long_text);
    assert_int_equal(strlen(err.field), BB_FIELD_MAX - 1);
    assert_int_equal(strlen(err.found), BB_VALUE_MAX - 1);
    assert_int_equal(strlen(err.text), BB_TEXT_MAX - 1);
}

/* Other software compares these byte for byte. */
static void test_known_texts(void **state) {
    (void)state;
    static const struct {
        enum bb_status status;
        const char *text;
    } rows[] = {
        {BB_NOT_AN_ENCLAVE, "Attestation validation failed (not sev-snp report). Exiting."},
        {BB_NON_COMPLIANT_UVM, "Attestation validation failed (non-compliant uvm). Exiting."},
        {BB_INVALID_ENCLAVE_CODE, "Attestation validation failed (cce policy mismatch). Exiting."},
        {BB_FALSE_ATTESTATION_REPORT, "Attestation validation failed (nonce mismatch). Exiting."},
        {BB_DEBUG_MODE, "Attestation validation failed (enclave is in debug mode). Exiting."},
        {BB_WRONG_ATTESTER,
         "Attestation validation failed (token not generated by expected attester). Exiting."}};
    char text[128];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bb_status_message(rows[i].status, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
    bb_status_message(BB_DEBUG_MODE, text, 12);
    assert_string_equal(text, "Attestation");
}

/* Name, number and exit code of every class are interface. */
static const struct {
    const char *name;
    int number, exit;
} classes[] = {{"NotAnEnclaveError", 1, 7},
               {"NonCompliantUvm", 2, 5},
               {"InvalidEnclaveCode", 3, 5},
               {"FalseAttestationReport", 4, 6},
               {"DebugMode", 5, 5},
               {"WrongAttester", 6, 2},
               {"TokenNotFound", 7, 8},
               {"MeasurementMismatch", 8, 5},
               {"MissingReferenceValues", 9, 5},
               {"ReportSignatureInvalid", 10, 2},
               {"CertificateChainInvalid", 11, 2},
               {"CertificateRevoked", 12, 2},
               {"CollateralUnavailable", 13, 3},
               {"CrlUnavailable", 14, 4},
               {"TcbTooOld", 15, 5},
               {"ProvisionalFirmware", 16, 5},
               {"GuestPolicyRejected", 17, 5},
               {"ConfigurationRefused", 18, 5},
               {"ChannelBindingMismatch", 19, 6},
               {"StaleEvidence", 20, 6},
               {"TokenSignatureInvalid", 21, 2},
               {"TokenExpired", 22, 6},
               {"TokenNotYetValid", 23, 6},
               {"TokenClaimMissing", 24, 5},
               {"MalformedEvidence", 25, 7},
               {"UnsupportedEvidence", 26, 7},
               {"SimulatedTee", 27, 9},
               {"AttestationRefused", 28, 6},
               {"PeerUnreachable", 29, 8},
               {"VerifierUnavailable", 30, 8},
               {"TryAgain", 31, 75},
               {"UsageError", 32, 1},
               {"InternalError", 33, 1}};

static void test_failure_classes(void **state) {
    (void)state;
    enum { N = sizeof classes / sizeof classes[0] };
    assert_int_equal(N, BB_STATUS_END - 1);
    for (size_t i = 0; i < N; i++) {
        enum bb_status status = (enum bb_status)classes[i].number;
        assert_int_equal(classes[i].number, i + 1);
        assert_string_equal(bb_status_name(status), classes[i].name);
        assert_int_equal(bb_status_exit(status), classes[i].exit);
        assert_int_equal(bb_status_from_name(classes[i].name), status); /* so names are unique */
        assert_true(bb_status_reason(status)[0] != '\0');
        assert_true(bb_status_meaning(status)[0] != '\0');
        assert_true(bb_status_next_step(status)[0] != '\0');
    }
    assert_string_equal(bb_status_name(BB_OK), "Ok");
    assert_int_equal(bb_status_exit(BB_OK), 0);
    assert_int_equal(bb_status_from_name("Ok"), BB_OK);
    assert_int_equal(bb_status_from_name("debugmode"), BB_OK);
    assert_string_equal(bb_status_name((enum bb_status)BB_STATUS_END), "Unknown");
    assert_int_equal(bb_status_exit((enum bb_status) - 1),
                     1); /* never 0: that would be acceptance */
}

static void test_b64url_decode(void **state) {
    (void)state;
    static const struct {
        const char *text, *want; /* want NULL: refused */
    } rows[] = {
        {"", ""},
        {"Zg", "f"},
        {"Zm8", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg", "foob"},
        {"-_-_", "\xfb\xff\xbf"},
        {"Z", NULL},
        {"Zm9vY", NULL},
        {"Zg==", NULL},
        {"Zm8=", NULL},
        {"Zh", NULL},
        {"Zm9", NULL},
        {"+/+/", NULL},
        {"Zm 9v", NULL},
        {" Zm9v", NULL},
        {"Zm9v\n", NULL},
        {"Zm9v====", NULL},
        {"Zm.v", NULL},
        {"Zm\xc3\xa9v", NULL},
        {"Zm9vYmE", "fooba"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t out[8];
        size_t len = 777;
        bool good = bb_b64url_decode(bb_span_str(rows[i].text), out, sizeof out, &len);
        assert_int_equal(good, rows[i].want != NULL);
        assert_int_equal(len, good ? strlen(rows[i].want) : 777);
        if (good)
            assert_memory_equal(out, rows[i].want, len);
        if (good && len > 0)
            assert_false(bb_b64url_decode(bb_span_str(rows[i].text), out, len - 1, &len));
    }
}

/* Every text of two characters: exactly the 256 that some byte has. */
static void test_b64url_is_one_to_one(void **state) {
    (void)state;
    unsigned taken = 0;
    for (unsigned i = 0; i < 65536; i++) {
        uint8_t text[2] = {(uint8_t)(i >> 8), (uint8_t)i}, byte = 0;
        char again[4];
        size_t len = 0;
        if (!bb_b64url_decode(BB_SPAN_OF(text), &byte, 1, &len))
            continue;
        taken++;
        assert_true(bb_b64url_encode(bb_span(&byte, 1), again, sizeof again));
        assert_memory_equal(again, text, 2);
    }
    assert_int_equal(taken, 256);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_span_order),
        cmocka_unit_test(test_reader_remembers_its_first_failure),
        cmocka_unit_test(test_writer_never_writes_past_its_end),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_short_hex),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64url),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_escape_leaves_printable_ascii_only),
        cmocka_unit_test(test_the_first_cause_wins),
        cmocka_unit_test(test_known_texts),
        cmocka_unit_test(test_failure_classes),
        cmocka_unit_test(test_b64url_decode),
        cmocka_unit_test(test_b64url_is_one_to_one),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
