/* JSON behind limits: size, depth, no duplicate keys, nothing after the value. jansson parses. */
#ifndef BB_CODEC_JSON_H
#define BB_CODEC_JSON_H

#include "base/error.h"

#include <jansson.h>

#define BB_JSON_DEPTH_MAX 16 /* deeper nesting is refused before parsing: stack */

/* Parses one object. Fails with UsageError naming `what`. Free with json_decref(). */
BB_MUST_USE enum bb_status bb_json_parse_object(struct bb_span text, size_t max, const char *what,
                                                json_t **out, struct bb_error *err);

/* The same for what a peer or a service sent: MalformedEvidence naming `what`. */
BB_MUST_USE enum bb_status bb_json_parse_evidence(struct bb_span text, size_t max, const char *what,
                                                  json_t **out, struct bb_error *err);

/* Fails with UsageError if `object` has a key that is not in the NULL-terminated list. */
BB_MUST_USE enum bb_status bb_json_known_keys(const json_t *object, const char *const *known,
                                              const char *path, struct bb_error *err);

#endif
