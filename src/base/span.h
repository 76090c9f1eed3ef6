/* Bytes: views, a reader that remembers its first failure, a writer with a maximum. */
#ifndef BB_BASE_SPAN_H
#define BB_BASE_SPAN_H

#include <blindbox/bytes.h>
#include <stdbool.h>
#include <string.h>

static inline struct bb_span bb_span(const void *ptr, size_t len) {
    return (struct bb_span){.ptr = ptr, .len = len};
}

#define BB_SPAN_OF(array) bb_span((array), sizeof(array))
/* A string literal without its terminator. */
#define BB_SPAN_LIT(literal) bb_span((literal), sizeof(literal) - 1)

static inline struct bb_span bb_span_str(const char *text) { return bb_span(text, strlen(text)); }

/* Not constant-time: for public values (digests, evidence). */
bool bb_span_equal(struct bb_span a, struct bb_span b);
bool bb_span_is_zero(struct bb_span s);
/* The bytes [offset, offset + len) of `s`; an empty span with NULL if they are not all there. */
struct bb_span bb_span_slice(struct bb_span s, size_t offset, size_t len);
/* Bytewise, then shorter first: the order of memcmp on strings of unequal length. */
int bb_span_compare(struct bb_span a, struct bb_span b);

/* Reads forward. The first read past the end sets `failed`; that and all later reads give zeros, so
 * a parser may check once, at its end, with bb_reader_done(). */
struct bb_reader {
    struct bb_span in;
    size_t pos;
    bool failed;
};

static inline struct bb_reader bb_reader(struct bb_span in) {
    return (struct bb_reader){.in = in, .pos = 0, .failed = false};
}

uint8_t bb_read_u8(struct bb_reader *r);
uint16_t bb_read_u16be(struct bb_reader *r);
uint32_t bb_read_u32be(struct bb_reader *r);
uint64_t bb_read_u64be(struct bb_reader *r);
uint32_t bb_read_u32le(struct bb_reader *r);
uint64_t bb_read_u64le(struct bb_reader *r);
struct bb_span bb_read_bytes(struct bb_reader *r, size_t len);
static inline size_t bb_reader_left(const struct bb_reader *r) { return r->in.len - r->pos; }
/* True if nothing failed and nothing is left. */
static inline bool bb_reader_done(const struct bb_reader *r) {
    return !r->failed && r->pos == r->in.len;
}

/* Appends to caller's memory. The first write that does not fit sets `failed` and writes nothing.
 */
struct bb_writer {
    uint8_t *buf;
    size_t cap;
    size_t len;
    bool failed;
};

static inline struct bb_writer bb_writer(void *buf, size_t cap) {
    return (struct bb_writer){.buf = buf, .cap = cap, .len = 0, .failed = false};
}

void bb_write_u8(struct bb_writer *w, uint8_t v);
void bb_write_u16be(struct bb_writer *w, uint16_t v);
void bb_write_u32be(struct bb_writer *w, uint32_t v);
void bb_write_u64be(struct bb_writer *w, uint64_t v);
void bb_write_u32le(struct bb_writer *w, uint32_t v);
void bb_write_u64le(struct bb_writer *w, uint64_t v);
void bb_write_bytes(struct bb_writer *w, struct bb_span s);
static inline struct bb_span bb_writer_span(const struct bb_writer *w) {
    return bb_span(w->buf, w->failed ? 0 : w->len);
}

/* Takes from `in` what `to` still has room for: `len` of `size` bytes are filled. Returns how many. */
size_t bb_fill(uint8_t *to, size_t size, size_t *len, struct bb_span in);

#endif
