#include "codec/jws.h"

#include "base/hex.h"

#include <stdlib.h>

static enum bb_status malformed(struct bb_error *err, const char *field, const char *text) {
    return bb_fail(err, BB_MALFORMED_EVIDENCE, field, NULL, NULL, "%s", text);
}

enum { HEADER, PAYLOAD, SIGNATURE, N_PARTS };
static const char *const part_names[N_PARTS] = {"header", "payload", "signature"};

/* The next dot, or the end. */
static size_t dot_from(struct bb_span text, size_t start) {
    const uint8_t *dot = start == text.len ? NULL : memchr(text.ptr + start, '.', text.len - start);
    return dot == NULL ? text.len : (size_t)(dot - text.ptr);
}

/* Exactly three parts, none of them empty: an unsecured token (RFC 7519 6) ends in a dot, and is
 * whole but for what makes it anybody's word. */
static enum bb_status split(struct bb_span text, struct bb_span parts[N_PARTS],
                            struct bb_error *err) {
    size_t part = 0, start = 0;
    if (text.len > BB_JWS_MAX)
        return malformed(err, "token", "the token is too large");
    for (size_t end = 0; start <= text.len; start = end + 1) {
        if (part == N_PARTS)
            return malformed(err, "token", "the token has more than three parts");
        end = dot_from(text, start);
        parts[part++] = bb_span(text.ptr + start, end - start);
    }
    if (part < N_PARTS)
        return malformed(err, "token", "the token has less than three parts");
    for (part = 0; part < SIGNATURE; part++)
        if (parts[part].len == 0)
            return malformed(err, part_names[part], "a part of the token is empty");
    if (parts[SIGNATURE].len == 0)
        return bb_fail(err, BB_TOKEN_SIGNATURE_INVALID, part_names[SIGNATURE], "a signature",
                       "none", "the token is not signed");
    return BB_OK;
}

/* Each part into its place in `memory`, which has room for the text. */
static enum bb_status decode(struct bb_span parts[N_PARTS], uint8_t *memory, struct bb_error *err) {
    size_t at = 0, len = 0;
    for (size_t i = 0; i < N_PARTS; i++) {
        if (!bb_b64url_decode(parts[i], memory + at, parts[i].len, &len))
            return malformed(err, part_names[i], "a part of the token is not base64url");
        parts[i] = bb_span(memory + at, len);
        at += len;
    }
    return BB_OK;
}

static enum bb_status text_member(const json_t *header, const char *name, const char **out,
                                  struct bb_error *err) {
    const json_t *value = json_object_get(header, name);
    if (value != NULL && !json_is_string(value))
        return malformed(err, name, "a member of the token's header is no string");
    *out = json_string_value(value);
    return BB_OK;
}

/* RFC 7515 4.1.11: who does not understand an extension that is marked critical must refuse. "b64"
 * (RFC 7797) would change what was signed. */
static enum bb_status no_extension(const json_t *header, struct bb_error *err) {
    static const char *const names[] = {"crit", "b64"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (json_object_get(header, names[i]) != NULL)
            return bb_fail(err, BB_UNSUPPORTED_EVIDENCE, names[i], "absent", NULL,
                           "the token's header asks for an extension");
    return BB_OK;
}

static enum bb_status read_header(struct bb_jws *jws, struct bb_error *err) {
    const char *ignored = NULL;
    BB_TRY(no_extension(jws->header, err));
    BB_TRY(text_member(jws->header, "alg", &jws->alg, err));
    BB_TRY(text_member(jws->header, "kid", &jws->kid, err));
    BB_TRY(text_member(jws->header, "typ", &ignored, err));
    BB_TRY(text_member(jws->header, "cty", &ignored, err));
    return jws->alg != NULL ? BB_OK
                            : malformed(err, "alg", "the token's header names no algorithm");
}

static enum bb_status fill(struct bb_span text, struct bb_jws *jws, struct bb_error *err) {
    struct bb_span parts[N_PARTS] = {{NULL, 0}};
    BB_TRY(split(text, parts, err));
    jws->memory = malloc(text.len);
    if (jws->memory == NULL)
        return bb_fail_internal(err, "memory for a token");
    jws->signing_input = bb_span(text.ptr, parts[HEADER].len + 1 + parts[PAYLOAD].len);
    BB_TRY(decode(parts, jws->memory, err));
    jws->payload = parts[PAYLOAD];
    jws->signature = parts[SIGNATURE];
    BB_TRY(bb_json_parse_evidence(parts[HEADER], BB_JWS_HEADER_MAX, "header", &jws->header, err));
    return read_header(jws, err);
}

enum bb_status bb_jws_parse(struct bb_span text, struct bb_jws *out, struct bb_error *err) {
    struct bb_jws jws = {.alg = NULL};
    enum bb_status status = fill(text, &jws, err);
    if (status == BB_OK)
        *out = jws;
    else
        bb_jws_done(&jws);
    return status;
}

void bb_jws_done(struct bb_jws *jws) {
    json_decref(jws->header);
    free(jws->memory);
    *jws = (struct bb_jws){.alg = NULL};
}

char *bb_jws_signing_input(struct bb_span header, struct bb_span payload) {
    if (header.len > BB_JWS_MAX || payload.len > BB_JWS_MAX)
        return NULL;
    size_t head = BB_B64URL_SIZE(header.len), body = BB_B64URL_SIZE(payload.len);
    char *text = malloc(head + body); /* the first terminator's place holds the dot */
    if (text == NULL)
        return NULL;
    if (!bb_b64url_encode(header, text, head) || !bb_b64url_encode(payload, text + head, body)) {
        free(text);
        return NULL;
    }
    text[head - 1] = '.';
    return text;
}

char *bb_jws_finish(char *input, struct bb_span signature) {
    if (input == NULL || signature.len > BB_JWS_MAX) {
        free(input);
        return NULL;
    }
    size_t len = strlen(input), tail = BB_B64URL_SIZE(signature.len);
    char *text = realloc(input, len + 1 + tail);
    if (text == NULL) {
        free(input);
        return NULL;
    }
    text[len] = '.';
    if (bb_b64url_encode(signature, text + len + 1, tail))
        return text;
    free(text);
    return NULL;
}
