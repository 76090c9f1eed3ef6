#include "service/verifier/reference.h"

#include "base/hex.h"
#include "codec/json.h"

#include <stdlib.h>

#define SCHEMA "blindbox.reference-values/1"

static enum bb_status bad(struct bb_error *err, const char *key, const char *expected) {
    return bb_fail(err, BB_USAGE, key, expected, NULL, "'%s' has to be %s", key, expected);
}

/* A list of digests of `size` bytes, into `out`. */
static enum bb_status digests(const json_t *o, const char *key, size_t size, uint8_t *out,
                              size_t *n, struct bb_error *err) {
    const json_t *list = json_object_get(o, key);
    if (!json_is_array(list) || json_array_size(list) > BB_POLICY_LIST_MAX)
        return bad(err, key, "a list of at most 256 hex digests");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        uint8_t *to = out + i * size;
        if (text == NULL || !bb_hex_decode_exact(text, to, size))
            return bad(err, key,
                       size == 48 ? "a list of 48 bytes in hex" : "a list of 32 bytes in hex");
        if (bb_span_is_zero(bb_span(to, size)))
            return bad(err, key, "a list of digests, none of them zeros");
        if (size == 32 && bb_policy_allows_everything(bb_span(to, size)))
            return bad(err, key, "a list without the container policies that allow everything");
    }
    *n = json_array_size(list);
    return BB_OK;
}

static enum bb_status read_all(const json_t *o, struct bb_reference *r, struct bb_error *err) {
    static const char *const known[] = {"schema", "measurements", "host_data", NULL};
    const char *schema = json_string_value(json_object_get(o, "schema"));
    BB_TRY(bb_json_known_keys(o, known, "", err));
    if (schema == NULL || strcmp(schema, SCHEMA) != 0)
        return bad(err, "schema", "\"" SCHEMA "\"");
    BB_TRY(digests(o, "measurements", 48, r->measurement[0], &r->n_measurements, err));
    return digests(o, "host_data", 32, r->host_data[0], &r->n_host_data, err);
}

enum bb_status bb_reference_parse(struct bb_span json, struct bb_reference **out,
                                  struct bb_error *err) {
    json_t *o = NULL;
    BB_TRY(bb_json_parse_object(json, BB_REFERENCE_JSON_MAX, "reference values", &o, err));
    struct bb_reference *r = calloc(1, sizeof *r);
    enum bb_status status =
        r == NULL ? bb_fail_internal(err, "memory for reference values") : read_all(o, r, err);
    json_decref(o);
    if (status != BB_OK) {
        free(r);
        return status;
    }
    *out = r;
    return BB_OK;
}

bool bb_reference_measurement(const struct bb_reference *r, struct bb_span value) {
    for (size_t i = 0; r != NULL && i < r->n_measurements; i++)
        if (bb_span_equal(BB_SPAN_OF(r->measurement[i]), value))
            return true;
    return false;
}

bool bb_reference_host_data(const struct bb_reference *r, struct bb_span value) {
    for (size_t i = 0; r != NULL && i < r->n_host_data; i++)
        if (bb_span_equal(BB_SPAN_OF(r->host_data[i]), value))
            return true;
    return false;
}
