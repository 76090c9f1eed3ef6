#include "base/span.h"

bool bb_span_equal(struct bb_span a, struct bb_span b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool bb_span_is_zero(struct bb_span s) {
    uint8_t any = 0;
    for (size_t i = 0; i < s.len; i++)
        any |= s.ptr[i];
    return any == 0;
}

struct bb_span bb_span_slice(struct bb_span s, size_t offset, size_t len) {
    if (offset > s.len || len > s.len - offset)
        return bb_span(NULL, 0);
    return bb_span(s.ptr + offset, len);
}

int bb_span_compare(struct bb_span a, struct bb_span b) {
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

struct bb_span bb_read_bytes(struct bb_reader *r, size_t len) {
    if (r->failed || len > r->in.len - r->pos) {
        r->failed = true;
        return bb_span(NULL, 0);
    }
    struct bb_span out = bb_span(r->in.ptr + r->pos, len);
    r->pos += len;
    return out;
}

static uint64_t read_be(struct bb_reader *r, size_t len) {
    struct bb_span s = bb_read_bytes(r, len);
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++)
        v = v << 8 | s.ptr[i];
    return v;
}

static uint64_t read_le(struct bb_reader *r, size_t len) {
    struct bb_span s = bb_read_bytes(r, len);
    uint64_t v = 0;
    for (size_t i = s.len; i > 0; i--)
        v = v << 8 | s.ptr[i - 1];
    return v;
}

uint8_t bb_read_u8(struct bb_reader *r) { return (uint8_t)read_be(r, 1); }
uint16_t bb_read_u16be(struct bb_reader *r) { return (uint16_t)read_be(r, 2); }
uint32_t bb_read_u32be(struct bb_reader *r) { return (uint32_t)read_be(r, 4); }
uint64_t bb_read_u64be(struct bb_reader *r) { return read_be(r, 8); }
uint32_t bb_read_u32le(struct bb_reader *r) { return (uint32_t)read_le(r, 4); }
uint64_t bb_read_u64le(struct bb_reader *r) { return read_le(r, 8); }

void bb_write_bytes(struct bb_writer *w, struct bb_span s) {
    if (w->failed || s.len > w->cap - w->len) {
        w->failed = true;
        return;
    }
    if (s.len > 0)
        memcpy(w->buf + w->len, s.ptr, s.len);
    w->len += s.len;
}

static void write_be(struct bb_writer *w, uint64_t v, size_t len) {
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
    bb_write_bytes(w, bb_span(bytes, len));
}

static void write_le(struct bb_writer *w, uint64_t v, size_t len) {
    uint8_t bytes[8];
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(v >> (8 * i));
    bb_write_bytes(w, bb_span(bytes, len));
}

void bb_write_u8(struct bb_writer *w, uint8_t v) { write_be(w, v, 1); }
void bb_write_u16be(struct bb_writer *w, uint16_t v) { write_be(w, v, 2); }
void bb_write_u32be(struct bb_writer *w, uint32_t v) { write_be(w, v, 4); }
void bb_write_u64be(struct bb_writer *w, uint64_t v) { write_be(w, v, 8); }
void bb_write_u32le(struct bb_writer *w, uint32_t v) { write_le(w, v, 4); }
void bb_write_u64le(struct bb_writer *w, uint64_t v) { write_le(w, v, 8); }

size_t bb_fill(uint8_t *to, size_t size, size_t *len, struct bb_span in) {
    size_t n = size - *len < in.len ? size - *len : in.len;
    if (n > 0)
        memcpy(to + *len, in.ptr, n);
    *len += n;
    return n;
}
