/* Claims of a token by name, type and encoding. Internal to the token layer. */
#ifndef BB_TOKEN_CLAIMS_H
#define BB_TOKEN_CLAIMS_H

#include "base/error.h"

#include <jansson.h>

/* WRONG: another type or encoding than the profile's. A claim is never converted: "false" is not
 * false, 1 is not true, 1.0 is no integer. */
enum bb_claim_state { BB_CLAIM_ABSENT = 0, BB_CLAIM_WRONG, BB_CLAIM_READ };

/* `object` may be NULL: then every claim is absent. Outputs are written only if READ. */
enum bb_claim_state bb_claim_text(const json_t *object, const char *name, const char **out);
enum bb_claim_state bb_claim_bool(const json_t *object, const char *name, bool *out);
/* From `min` to `max`; a JSON number with fraction or exponent is WRONG. */
enum bb_claim_state bb_claim_integer(const json_t *object, const char *name, int64_t min,
                                     int64_t max, int64_t *out);
/* Exactly 2 * `len` digits, lower case. */
enum bb_claim_state bb_claim_hex(const json_t *object, const char *name, uint8_t *out, size_t len);

/* A claim's value for the "found" of a row: printable, cut; "absent". */
void bb_claim_show(const json_t *object, const char *name, char *out, size_t cap);

#endif
