/* Deterministic CBOR: what is taken, what is refused, and that reading and writing agree. */
#include "vectors.h"

#include "base/hex.h"
#include "codec/cbor.h"

static const struct {
    const char *hex, *why;
    bool good;
} rows[] = {
    {"00", "zero", true},
    {"17", "23 in one byte", true},
    {"1818", "24 in two bytes", true},
    {"18ff", "255", true},
    {"190100", "256", true},
    {"1a00010000", "2^16", true},
    {"1b0000000100000000", "2^32", true},
    {"1bffffffffffffffff", "2^64-1", true},
    {"20", "-1", true},
    {"3bffffffffffffffff", "-2^64", true},
    {"1817", "23 in two bytes", false},
    {"1900ff", "255 in three bytes", false},
    {"1a0000ffff", "65535 in five bytes", false},
    {"1b00000000ffffffff", "2^32-1 in nine bytes", false},
    {"3817", "-24 in two bytes", false},
    {"5801aa", "long head of a byte string", false},
    {"7801"
     "61",
     "long head of a text", false},
    {"9800", "long head of an array", false},
    {"b800", "long head of a map", false},
    {"40", "empty bytes", true},
    {"42aabb", "two bytes", true},
    {"42aa", "bytes cut", false},
    {"60", "empty text", true},
    {"62c3a9", "UTF-8", true},
    {"61ff", "not UTF-8", false},
    {"62c080", "overlong UTF-8", false},
    {"63eda080", "surrogate", false},
    {"64f4908080", "above U+10FFFF", false},
    {"61c3", "UTF-8 cut", false},
    {"80", "empty array", true},
    {"820102", "array of two", true},
    {"8201", "array cut", false},
    {"a0", "empty map", true},
    {"a201020304", "two keys", true},
    {"a203040102", "keys out of order", false},
    {"a201020103", "key twice", false},
    {"a2010220"
     "03",
     "negative after positive", true},
    {"a220030102", "positive after negative", false},
    {"a2616100"
     "626161"
     "00",
     "short text first", true},
    {"a26261610061"
     "6100",
     "long text first", false},
    {"a10102"
     "00",
     "trailing byte", false},
    {"a1", "map without its pair", false},
    {"a101", "map without a value", false},
    {"c000", "tag", false},
    {"f4", "false", false},
    {"f6", "null", false},
    {"f7", "undefined", false},
    {"e0", "simple value", false},
    {"f818", "simple value of two bytes", false},
    {"f93c00", "half float", false},
    {"fa3f800000", "float", false},
    {"fb3ff0000000000000", "double", false},
    {"5f41aaff", "indefinite bytes", false},
    {"7f6161ff", "indefinite text", false},
    {"9f00ff", "indefinite array", false},
    {"bf0000ff", "indefinite map", false},
    {"ff", "break alone", false},
    {"1c", "reserved additional information", false},
    {"8181818100", "four deep", true},
    {"818181818100", "five deep", false},
    {"a100a100a100a10000", "maps four deep", true},
    {"a100a100a100a100a10000", "maps five deep", false},
    {"9a20000000", "half a billion items", false},
    {"bb7fffffffffffffff", "2^63 pairs", false},
    {"5bffffffffffffffff", "2^64 bytes", false},
    {"9bffffffffffffffff00", "2^64 items", false},
    {"", "nothing", false},
};

static void test_table(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t body[64];
        size_t len = 0;
        assert_true(bb_hex_decode(bb_span_str(rows[i].hex), body, sizeof body, &len));
        /* An exact allocation lets the sanitizer see a read past the end. */
        uint8_t *copy = malloc(len + (len == 0));
        assert_non_null(copy);
        memcpy(copy, body, len);
        if (bb_cbor_is_deterministic(bb_span(copy, len)) != rows[i].good)
            fail_msg("'%s' was %s", rows[i].why, rows[i].good ? "refused" : "taken");
        free(copy);
    }
}

static void test_typed_reads_refuse_other_types_and_bounds(void **state) {
    (void)state;
    static const uint8_t five[] = {0x05}, text[] = {0x62, 'h', '2'}, bytes[] = {0x42, 1, 2};
    uint64_t number = 0;
    size_t count = 0;
    struct bb_span s;
    struct bb_reader r = bb_reader(BB_SPAN_OF(five));
    assert_true(bb_cbor_read_uint(&r, 5, 5, &number));
    r = bb_reader(BB_SPAN_OF(five));
    assert_false(bb_cbor_read_uint(&r, 6, 9, &number));
    r = bb_reader(BB_SPAN_OF(five));
    assert_false(bb_cbor_read_uint(&r, 0, 4, &number));
    assert_true(r.failed);
    r = bb_reader(BB_SPAN_OF(text));
    assert_false(bb_cbor_read_bytes(&r, 0, 9, &s));
    r = bb_reader(BB_SPAN_OF(text));
    assert_false(bb_cbor_read_text(&r, 3, 9, &s));
    r = bb_reader(BB_SPAN_OF(text));
    assert_false(bb_cbor_read_text(&r, 0, 1, &s));
    r = bb_reader(BB_SPAN_OF(bytes));
    assert_false(bb_cbor_read_text(&r, 0, 9, &s));
    r = bb_reader(BB_SPAN_OF(bytes));
    assert_false(bb_cbor_read_array(&r, 0, 9, &count));
    r = bb_reader(BB_SPAN_OF(bytes));
    assert_false(bb_cbor_read_map(&r, &count));
    assert_false(bb_cbor_read_bytes(&r, 0, 9, &s)); /* a failed reader stays failed */
}

static void test_writer_makes_the_shortest_heads(void **state) {
    (void)state;
    static const uint64_t values[] = {
        0, 23, 24, 255, 256, 65535, 65536, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint8_t buf[16];
        uint64_t back = 1;
        struct bb_writer w = bb_writer(buf, sizeof buf);
        bb_cbor_write_uint(&w, values[i]);
        assert_true(bb_cbor_is_deterministic(bb_writer_span(&w)));
        struct bb_reader r = bb_reader(bb_writer_span(&w));
        assert_true(bb_cbor_read_uint(&r, 0, UINT64_MAX, &back) && bb_reader_done(&r));
        assert_true(back == values[i]);
    }
    uint8_t small[3];
    struct bb_writer w = bb_writer(small, sizeof small);
    bb_cbor_write_bytes(&w, BB_SPAN_LIT("four"));
    assert_true(w.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_typed_reads_refuse_other_types_and_bounds),
        cmocka_unit_test(test_writer_makes_the_shortest_heads),
    };
    return cmocka_run_group_tests_name("cbor", tests, NULL, NULL);
}
