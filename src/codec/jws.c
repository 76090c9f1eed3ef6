#include "codec/jws.h"

#include "base/hex.h"

#include <stdlib.h>

char *bb_jws_signing_input(struct bb_span header, struct bb_span payload) {
    if (header.len > BB_JWS_MAX || payload.len > BB_JWS_MAX)
        return NULL;
    size_t head = BB_B64URL_SIZE(header.len), body = BB_B64URL_SIZE(payload.len);
    char *text = malloc(head + body); /* the first terminator's place holds the dot */
    if (text == NULL)
        return NULL;
    if (!bb_b64url_encode(header, text, head) ||
        !bb_b64url_encode(payload, text + head, body)) {
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
