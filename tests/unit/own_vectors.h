/* The project's own channel vectors, made by tests/vectors/make_channel_vectors.py. */
#ifndef BB_TESTS_OWN_VECTORS_H
#define BB_TESTS_OWN_VECTORS_H

#include "vectors.h"

#include "base/hex.h"

/* Never missing: they are part of the source. */
static inline json_t *own_vectors(const char *name) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/channel/%s", BB_OWN_VECTORS, name);
    json_t *rows = json_load_file(path, 0, NULL);
    if (rows == NULL)
        fail_msg("%s cannot be read", path);
    return rows;
}

/* A hex value of a row, in memory that the caller frees with free((void *)span.ptr). */
static inline struct bb_span hex_member(const json_t *row, const char *key) {
    const char *text = json_string_value(json_object_get(row, key));
    if (text == NULL)
        fail_msg("a vector lacks %s", key);
    size_t len = 0, size = text == NULL ? 0 : strlen(text) / 2;
    uint8_t *data = malloc(size + 1);
    assert_non_null(data);
    if (size > 0)
        assert_true(bb_hex_decode(bb_span_str(text), data, size, &len));
    assert_int_equal(len, size);
    return bb_span(data, len);
}

static inline void free_span(struct bb_span s) { free((void *)(uintptr_t)s.ptr); }

static inline unsigned int_member(const json_t *row, const char *key) {
    return (unsigned)json_integer_value(json_object_get(row, key));
}

static inline void assert_bytes(struct bb_span got, struct bb_span want) {
    assert_int_equal(got.len, want.len);
    if (want.len > 0)
        assert_memory_equal(got.ptr, want.ptr, want.len);
}

#endif
