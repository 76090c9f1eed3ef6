/* Deterministic CBOR (RFC 8949 section 4.2.1) without allocation: libcbor's streaming decoder reads
 * heads, this file adds what it does not check. No floats, tags, simple values or indefinite
 * lengths. */
#ifndef BB_CODEC_CBOR_H
#define BB_CODEC_CBOR_H

#include "base/span.h"

#define BB_CBOR_DEPTH_MAX 4 /* nesting: stack */

enum bb_cbor_type {
    BB_CBOR_UINT,
    BB_CBOR_NINT, /* -1 - value */
    BB_CBOR_BYTES,
    BB_CBOR_TEXT,
    BB_CBOR_ARRAY, /* value = items that follow */
    BB_CBOR_MAP,   /* value = pairs that follow */
};

struct bb_cbor_item {
    enum bb_cbor_type type;
    uint64_t value;
    struct bb_span bytes; /* content of BYTES and TEXT */
};

/* True if `in` is exactly one well-formed item in its deterministic encoding: shortest heads, keys
 * in bytewise order of their encoding (so none twice), UTF-8 texts, depth <= 4, nothing after it.
 */
bool bb_cbor_is_deterministic(struct bb_span in);

/* Reads the next head, and the content of strings. Sets failed at the end or on what is refused. */
bool bb_cbor_next(struct bb_reader *r, struct bb_cbor_item *out);
/* Skips one whole item that was checked before. */
bool bb_cbor_skip(struct bb_reader *r);

/* Typed reads; false (and failed) for another type or outside the bounds. */
bool bb_cbor_read_uint(struct bb_reader *r, uint64_t min, uint64_t max, uint64_t *out);
bool bb_cbor_read_bytes(struct bb_reader *r, size_t min, size_t max, struct bb_span *out);
bool bb_cbor_read_text(struct bb_reader *r, size_t min, size_t max, struct bb_span *out);
bool bb_cbor_read_array(struct bb_reader *r, size_t min, size_t max, size_t *count);
bool bb_cbor_read_map(struct bb_reader *r, size_t *pairs);

void bb_cbor_write_uint(struct bb_writer *w, uint64_t value);
void bb_cbor_write_bytes(struct bb_writer *w, struct bb_span bytes);
void bb_cbor_write_text(struct bb_writer *w, struct bb_span text);
void bb_cbor_write_array(struct bb_writer *w, size_t count);
void bb_cbor_write_map(struct bb_writer *w, size_t pairs);

#endif
