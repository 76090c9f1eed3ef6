#include "codec/cbor.h"

#include <cbor/callbacks.h>
#include <cbor/streaming.h>

struct head {
    struct bb_cbor_item item;
    bool taken; /* a callback of an allowed kind was called */
};

static void take(void *ctx, enum bb_cbor_type type, uint64_t value, struct bb_span bytes) {
    struct head *h = ctx;
    h->item = (struct bb_cbor_item){.type = type, .value = value, .bytes = bytes};
    h->taken = true;
}

static void on_uint8(void *c, uint8_t v) { take(c, BB_CBOR_UINT, v, bb_span(NULL, 0)); }
static void on_uint16(void *c, uint16_t v) { take(c, BB_CBOR_UINT, v, bb_span(NULL, 0)); }
static void on_uint32(void *c, uint32_t v) { take(c, BB_CBOR_UINT, v, bb_span(NULL, 0)); }
static void on_uint64(void *c, uint64_t v) { take(c, BB_CBOR_UINT, v, bb_span(NULL, 0)); }
static void on_nint8(void *c, uint8_t v) { take(c, BB_CBOR_NINT, v, bb_span(NULL, 0)); }
static void on_nint16(void *c, uint16_t v) { take(c, BB_CBOR_NINT, v, bb_span(NULL, 0)); }
static void on_nint32(void *c, uint32_t v) { take(c, BB_CBOR_NINT, v, bb_span(NULL, 0)); }
static void on_nint64(void *c, uint64_t v) { take(c, BB_CBOR_NINT, v, bb_span(NULL, 0)); }
static void on_bytes(void *c, cbor_data p, size_t n) { take(c, BB_CBOR_BYTES, n, bb_span(p, n)); }
static void on_text(void *c, cbor_data p, size_t n) { take(c, BB_CBOR_TEXT, n, bb_span(p, n)); }
static void on_array(void *c, size_t n) { take(c, BB_CBOR_ARRAY, n, bb_span(NULL, 0)); }
static void on_map(void *c, size_t n) { take(c, BB_CBOR_MAP, n, bb_span(NULL, 0)); }
static void refuse(void *c) { (void)c; }
static void refuse_tag(void *c, uint64_t v) { (void)c, (void)v; }
static void refuse_float(void *c, float v) { (void)c, (void)v; }
static void refuse_double(void *c, double v) { (void)c, (void)v; }
static void refuse_bool(void *c, bool v) { (void)c, (void)v; }

static const struct cbor_callbacks callbacks = {
    .uint8 = on_uint8,
    .uint16 = on_uint16,
    .uint32 = on_uint32,
    .uint64 = on_uint64,
    .negint64 = on_nint64,
    .negint32 = on_nint32,
    .negint16 = on_nint16,
    .negint8 = on_nint8,
    .byte_string_start = refuse,
    .byte_string = on_bytes,
    .string = on_text,
    .string_start = refuse,
    .indef_array_start = refuse,
    .array_start = on_array,
    .indef_map_start = refuse,
    .map_start = on_map,
    .tag = refuse_tag,
    .float2 = refuse_float,
    .float4 = refuse_float,
    .float8 = refuse_double,
    .undefined = refuse,
    .null = refuse,
    .boolean = refuse_bool,
    .indef_break = refuse,
};

static size_t head_size(uint64_t value) {
    if (value < 24)
        return 1;
    if (value <= UINT8_MAX)
        return 2;
    if (value <= UINT16_MAX)
        return 3;
    return value <= UINT32_MAX ? 5 : 9;
}

bool bb_cbor_next(struct bb_reader *r, struct bb_cbor_item *out) {
    struct head h = {0};
    size_t left = bb_reader_left(r);
    if (r->failed || left == 0) {
        r->failed = true;
        return false;
    }
    struct cbor_decoder_result got = cbor_stream_decode(r->in.ptr + r->pos, left, &callbacks, &h);
    /* The shortest head is the only one: what was read is that head and the content. */
    if (got.status != CBOR_DECODER_FINISHED || !h.taken ||
        got.read != head_size(h.item.value) + h.item.bytes.len) {
        r->failed = true;
        return false;
    }
    r->pos += got.read;
    *out = h.item;
    return true;
}

/* Well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates. */
static bool is_utf8(struct bb_span s) {
    for (size_t i = 0; i < s.len;) {
        uint8_t c = s.ptr[i];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : 3;
        if ((c >= 0x80 && c < 0xc2) || c > 0xf4 || more >= s.len - i)
            return false;
        uint32_t point = more == 0 ? c : (uint32_t)(c & (0x3f >> more));
        for (size_t k = 1; k <= more; k++) {
            if ((s.ptr[i + k] & 0xc0) != 0x80)
                return false;
            point = point << 6 | (s.ptr[i + k] & 0x3f);
        }
        if ((more == 2 && (point < 0x800 || (point >= 0xd800 && point < 0xe000))) ||
            (more == 3 && (point < 0x10000 || point > 0x10ffff)))
            return false;
        i += more + 1;
    }
    return true;
}

static bool check_item(struct bb_reader *r, unsigned depth);

static bool check_map(struct bb_reader *r, uint64_t pairs, unsigned depth) {
    struct bb_span previous = bb_span(NULL, 0);
    for (uint64_t i = 0; i < pairs; i++) {
        size_t start = r->pos;
        if (!check_item(r, depth))
            return false;
        struct bb_span key = bb_span(r->in.ptr + start, r->pos - start);
        if (i > 0 && bb_span_compare(previous, key) >= 0)
            return false;
        previous = key;
        if (!check_item(r, depth))
            return false;
    }
    return true;
}

static bool check_item(struct bb_reader *r, unsigned depth) {
    struct bb_cbor_item item;
    if (!bb_cbor_next(r, &item))
        return false;
    switch (item.type) {
    case BB_CBOR_UINT:
    case BB_CBOR_NINT:
    case BB_CBOR_BYTES:
        return true;
    case BB_CBOR_TEXT:
        return is_utf8(item.bytes);
    case BB_CBOR_ARRAY:
    case BB_CBOR_MAP:
        break;
    }
    /* Every item has at least one byte: a count above what is left is a lie, and is not looped
     * over. */
    if (depth == 0 || item.value > bb_reader_left(r))
        return false;
    if (item.type == BB_CBOR_MAP)
        return check_map(r, item.value, depth - 1);
    for (uint64_t i = 0; i < item.value; i++)
        if (!check_item(r, depth - 1))
            return false;
    return true;
}

bool bb_cbor_is_deterministic(struct bb_span in) {
    struct bb_reader r = bb_reader(in);
    return check_item(&r, BB_CBOR_DEPTH_MAX) && bb_reader_done(&r);
}

bool bb_cbor_skip(struct bb_reader *r) {
    bool good = check_item(r, BB_CBOR_DEPTH_MAX);
    r->failed |= !good;
    return good;
}

static bool next_of(struct bb_reader *r, enum bb_cbor_type type, uint64_t min, uint64_t max,
                    struct bb_cbor_item *item) {
    if (!bb_cbor_next(r, item) || item->type != type || item->value < min || item->value > max) {
        r->failed = true;
        return false;
    }
    return true;
}

bool bb_cbor_read_uint(struct bb_reader *r, uint64_t min, uint64_t max, uint64_t *out) {
    struct bb_cbor_item item;
    if (!next_of(r, BB_CBOR_UINT, min, max, &item))
        return false;
    *out = item.value;
    return true;
}

bool bb_cbor_read_bytes(struct bb_reader *r, size_t min, size_t max, struct bb_span *out) {
    struct bb_cbor_item item;
    if (!next_of(r, BB_CBOR_BYTES, min, max, &item))
        return false;
    *out = item.bytes;
    return true;
}

bool bb_cbor_read_text(struct bb_reader *r, size_t min, size_t max, struct bb_span *out) {
    struct bb_cbor_item item;
    if (!next_of(r, BB_CBOR_TEXT, min, max, &item))
        return false;
    *out = item.bytes;
    return true;
}

bool bb_cbor_read_array(struct bb_reader *r, size_t min, size_t max, size_t *count) {
    struct bb_cbor_item item;
    if (!next_of(r, BB_CBOR_ARRAY, min, max, &item))
        return false;
    *count = (size_t)item.value;
    return true;
}

bool bb_cbor_read_map(struct bb_reader *r, size_t *pairs) {
    struct bb_cbor_item item;
    if (!next_of(r, BB_CBOR_MAP, 0, SIZE_MAX / 2, &item))
        return false;
    *pairs = (size_t)item.value;
    return true;
}

static void write_head(struct bb_writer *w, unsigned major, uint64_t value) {
    uint8_t high = (uint8_t)(major << 5);
    switch (head_size(value)) {
    case 1:
        bb_write_u8(w, (uint8_t)(high | value));
        return;
    case 2:
        bb_write_u8(w, high | 24);
        bb_write_u8(w, (uint8_t)value);
        return;
    case 3:
        bb_write_u8(w, high | 25);
        bb_write_u16be(w, (uint16_t)value);
        return;
    case 5:
        bb_write_u8(w, high | 26);
        bb_write_u32be(w, (uint32_t)value);
        return;
    default:
        bb_write_u8(w, high | 27);
        bb_write_u64be(w, value);
        return;
    }
}

void bb_cbor_write_uint(struct bb_writer *w, uint64_t value) { write_head(w, 0, value); }

void bb_cbor_write_bytes(struct bb_writer *w, struct bb_span bytes) {
    write_head(w, 2, bytes.len);
    bb_write_bytes(w, bytes);
}

void bb_cbor_write_text(struct bb_writer *w, struct bb_span text) {
    write_head(w, 3, text.len);
    bb_write_bytes(w, text);
}

void bb_cbor_write_array(struct bb_writer *w, size_t count) { write_head(w, 4, count); }
void bb_cbor_write_map(struct bb_writer *w, size_t pairs) { write_head(w, 5, pairs); }
