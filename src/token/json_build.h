/* Building JSON objects member by member: the first that fails is remembered. */
#ifndef BB_TOKEN_JSON_BUILD_H
#define BB_TOKEN_JSON_BUILD_H

#include "base/hex.h"

#include <jansson.h>

struct bb_build {
    json_t *o;
    bool failed;
};

/* Takes `value`. */
static inline void bb_build_value(struct bb_build *b, const char *name, json_t *value) {
    b->failed = json_object_set_new(b->o, name, value) != 0 || b->failed;
}

static inline void bb_build_text(struct bb_build *b, const char *name, const char *text) {
    bb_build_value(b, name, json_string(text));
}

static inline void bb_build_int(struct bb_build *b, const char *name, int64_t value) {
    bb_build_value(b, name, json_integer(value));
}

static inline void bb_build_bool(struct bb_build *b, const char *name, bool value) {
    bb_build_value(b, name, json_boolean(value));
}

/* Lower-case hex; of at most 64 bytes. */
static inline void bb_build_hex(struct bb_build *b, const char *name, struct bb_span bytes) {
    char text[BB_HEX_SIZE(64)];
    b->failed = bytes.len > 64 || b->failed;
    bb_hex_encode(bytes, text, sizeof text);
    bb_build_text(b, name, text);
}

#endif
