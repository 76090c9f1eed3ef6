/* The real evidence that stands outside the project: found by BLINDBOX_VECTORS, listed by its
 * MANIFEST.json. Where it is missing, tests skip, loudly; with BLINDBOX_REQUIRE_VECTORS=1 they
 * fail. */
#ifndef BB_TESTS_VECTORS_H
#define BB_TESTS_VECTORS_H

#include "base/rfc3339.h"
#include "base/span.h"

#include <jansson.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct vector_file {
    uint8_t data[65536];
    size_t len;
};

/* The simulator's folder whose RSA keys, which take seconds to make, are shared by all tests. */
static inline const char *kept_keys(void) {
    const char *dir = getenv("BLINDBOX_TEST_KEYS");
    return dir == NULL ? "build/test-sim" : dir;
}

static inline const char *vectors_dir(void) {
    const char *dir = getenv("BLINDBOX_VECTORS");
    return dir == NULL ? BB_DEFAULT_VECTORS : dir;
}

static inline bool vector_read(const char *name, struct vector_file *out) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", vectors_dir(), name);
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return false;
    out->len = fread(out->data, 1, sizeof out->data, in);
    bool whole = feof(in) != 0 && ferror(in) == 0;
    (void)fclose(in);
    return whole;
}

static inline struct bb_span vector_span(const struct vector_file *f) {
    return bb_span(f->data, f->len);
}

/* The manifest, or skip() of the running test. */
static inline json_t *vectors_manifest(void) {
    char path[4096];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/MANIFEST.json", vectors_dir());
    json_t *rows = json_load_file(path, 0, &error);
    if (rows != NULL)
        return rows;
    const char *must = getenv("BLINDBOX_REQUIRE_VECTORS");
    if (must != NULL && must[0] == '1')
        fail_msg("the vectors are required and not at %s", vectors_dir());
    print_message("SKIPPED: no vectors at %s (set BLINDBOX_VECTORS)\n", vectors_dir());
    skip();
    return NULL;
}

static inline const char *row_text(const json_t *row, const char *key) {
    const char *text = json_string_value(json_object_get(row, key));
    return text == NULL ? "" : text;
}

static inline int64_t row_time(const json_t *row) {
    int64_t at = 0;
    return bb_rfc3339_parse(row_text(row, "verify_time"), &at) ? at : -1;
}

#endif
