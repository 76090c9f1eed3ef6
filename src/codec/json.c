#include "codec/json.h"

#include <stdio.h>

/* Depth of brackets outside strings, before the parser recurses. */
static bool too_deep(struct bb_span text) {
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == '"')
            in_string = true;
        else if ((c == '{' || c == '[') && ++depth > BB_JSON_DEPTH_MAX)
            return true;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
    }
    return false;
}

enum bb_status bb_json_parse_object(struct bb_span text, size_t max, const char *what, json_t **out,
                                    struct bb_error *err) {
    json_error_t why;
    char found[BB_VALUE_MAX];
    if (text.len > max)
        return bb_fail(err, BB_USAGE, what, NULL, NULL, "the %s is larger than %zu bytes", what,
                       max);
    if (too_deep(text))
        return bb_fail(err, BB_USAGE, what, "at most 16 levels", NULL, "the %s is nested too deep",
                       what);
    json_t *value = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &why);
    if (value == NULL) {
        bb_escape(bb_span_str(why.text), found, sizeof found);
        return bb_fail(err, BB_USAGE, what, "one JSON object", found,
                       "the %s is not JSON: line %d, column %d", what, why.line, why.column);
    }
    if (!json_is_object(value)) {
        json_decref(value);
        return bb_fail(err, BB_USAGE, what, "a JSON object", NULL, "the %s is no JSON object",
                       what);
    }
    *out = value;
    return BB_OK;
}

enum bb_status bb_json_parse_evidence(struct bb_span text, size_t max, const char *what,
                                      json_t **out, struct bb_error *err) {
    struct bb_error why = {0};
    if (bb_json_parse_object(text, max, what, out, &why) == BB_OK)
        return BB_OK;
    return bb_fail(err, BB_MALFORMED_EVIDENCE, what, why.expected, why.found, "%s", why.text);
}

enum bb_status bb_json_known_keys(const json_t *object, const char *const *known, const char *path,
                                  struct bb_error *err) {
    for (void *it = json_object_iter((json_t *)(uintptr_t)object); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)object, it)) {
        const char *key = json_object_iter_key(it);
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], key) != 0)
            i++;
        if (known[i] != NULL)
            continue;
        char field[2 * BB_FIELD_MAX + 2], shown[BB_FIELD_MAX];
        bb_escape(bb_span_str(key[0] == '\0' ? "''" : key), shown, sizeof shown);
        (void)snprintf(field, sizeof field, "%s%s%s", path, path[0] == '\0' ? "" : ".", shown);
        return bb_fail(err, BB_USAGE, field, "a known key", shown, "unknown key '%s'", shown);
    }
    return BB_OK;
}
