/* JWS in compact serialisation (RFC 7515 7.1): taken apart, nothing verified. */
#ifndef BB_CODEC_JWS_H
#define BB_CODEC_JWS_H

#include "codec/json.h"

#define BB_JWS_MAX 65536       /* a whole token: memory */
#define BB_JWS_HEADER_MAX 8192 /* its header, decoded (x5c chains are long): memory */

/* A token's parts. The spans of decoded bytes belong to it; `signing_input` and the text lie in the
 * caller's text and live as long as that. */
struct bb_jws {
    struct bb_span signing_input; /* ASCII: header "." payload, as sent */
    struct bb_span payload;       /* decoded */
    struct bb_span signature;     /* decoded; never empty */
    json_t *header;               /* object */
    const char *alg;              /* of the header; never NULL */
    const char *kid;              /* NULL if absent */
    uint8_t *memory;
};

/* TokenSignatureInvalid: an empty signature, as unsecured tokens have it. MalformedEvidence: not
 * exactly three parts, another empty part, base64url with padding, white space,
 * foreign characters or set spare bits, a header that is no JSON object, has a member twice, or an
 * `alg`, `kid`, `typ` or `cty` that is no string. UnsupportedEvidence: `crit` (no extension is
 * understood here) or `b64`. White space around the token is not taken. `out` is written only on
 * success; free it with bb_jws_done(). */
BB_MUST_USE enum bb_status bb_jws_parse(struct bb_span text, struct bb_jws *out,
                                        struct bb_error *err);
void bb_jws_done(struct bb_jws *jws); /* zeroed memory is fine */

/* Header and payload as a compact JWS without its signature: b64url(header) "." b64url(payload).
 * Malloced; NULL without memory and for parts above BB_JWS_MAX. The signature is appended by
 * bb_jws_finish(), which takes `input` (also on failure) and gives the whole token (malloced, or
 * NULL). */
char *bb_jws_signing_input(struct bb_span header, struct bb_span payload);
char *bb_jws_finish(char *input, struct bb_span signature);

#endif
