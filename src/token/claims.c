#include "token/claims.h"

#include "base/hex.h"

#include <stdlib.h>

enum bb_claim_state bb_claim_text(const json_t *object, const char *name, const char **out) {
    const json_t *v = json_object_get(object, name);
    if (v == NULL)
        return BB_CLAIM_ABSENT;
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
        return BB_CLAIM_WRONG;
    *out = json_string_value(v);
    return BB_CLAIM_READ;
}

enum bb_claim_state bb_claim_bool(const json_t *object, const char *name, bool *out) {
    const json_t *v = json_object_get(object, name);
    if (v == NULL)
        return BB_CLAIM_ABSENT;
    if (!json_is_boolean(v))
        return BB_CLAIM_WRONG;
    *out = json_is_true(v);
    return BB_CLAIM_READ;
}

enum bb_claim_state bb_claim_integer(const json_t *object, const char *name, int64_t min,
                                     int64_t max, int64_t *out) {
    const json_t *v = json_object_get(object, name);
    if (v == NULL)
        return BB_CLAIM_ABSENT;
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return BB_CLAIM_WRONG;
    *out = json_integer_value(v);
    return BB_CLAIM_READ;
}

enum bb_claim_state bb_claim_hex(const json_t *object, const char *name, uint8_t *out, size_t len) {
    const char *text = NULL;
    enum bb_claim_state state = bb_claim_text(object, name, &text);
    if (state != BB_CLAIM_READ)
        return state;
    if (strlen(text) != 2 * len || strspn(text, "0123456789abcdef") != 2 * len ||
        !bb_hex_decode_exact(text, out, len))
        return BB_CLAIM_WRONG;
    return BB_CLAIM_READ;
}

void bb_claim_show(const json_t *object, const char *name, char *out, size_t cap) {
    const json_t *v = json_object_get(object, name);
    if (v == NULL) {
        bb_copy_text(out, cap, "absent");
        return;
    }
    if (json_is_string(v)) {
        bb_escape(bb_span(json_string_value(v), json_string_length(v)), out, cap);
        return;
    }
    char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
    bb_escape(bb_span_str(text == NULL ? "" : text), out, cap);
    free(text);
}
