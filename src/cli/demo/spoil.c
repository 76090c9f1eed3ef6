#include "cli/demo/spoil.h"

#include "base/hex.h"
#include "codec/jws.h"
#include "token/make.h"
#include "token/token.h"

#include <stdlib.h>

enum { HOUR = 3600, DAY = 86400 };
#define ELSEWHERE "https://another-verifier.example"

/* The claims as they are now, in the token's place; `tail` is the text behind them. */
static char *put_together(struct bb_span header, const json_t *claims, const char *tail) {
    char *payload = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS), *whole = NULL;
    char *input = payload == NULL ? NULL : bb_jws_signing_input(header, bb_span_str(payload));
    if (input != NULL && asprintf(&whole, "%s.%s", input, tail) < 0)
        whole = NULL;
    free(input);
    free(payload);
    return whole;
}

static char *tampered(const char *text, struct bb_token *token) {
    char *header = json_dumps(token->jws.header, JSON_COMPACT | JSON_SORT_KEYS), *whole = NULL;
    json_t *exp = json_object_get(token->claims, "exp");
    (void)json_integer_set(exp, json_integer_value(exp) + DAY);
    if (header != NULL)
        whole = put_together(bb_span_str(header), token->claims, strrchr(text, '.') + 1);
    free(header);
    return whole;
}

static char *signed_by(const struct bb_key *key, const char *kid, const json_t *claims) {
    const struct bb_make_header header = {.alg = BB_SIG_ES256, .kid = kid, .typ = "JWT"};
    char *whole = NULL;
    return bb_make_token(claims, &header, key, &whole, NULL) == BB_OK ? whole : NULL;
}

static char *expired(json_t *claims, const struct bb_key *key, int64_t now) {
    int64_t over = now - HOUR;
    (void)json_object_set_new(claims, "exp", json_integer(over));
    (void)json_object_set_new(claims, "iat", json_integer(over - BB_TOKEN_LIFETIME_S));
    (void)json_object_set_new(claims, "nbf", json_integer(over - BB_TOKEN_LIFETIME_S));
    return signed_by(key, BB_DEMO_OWN_KID, claims);
}

static char *spoil(const char *text, struct bb_token *token, enum bb_demo_trick trick,
                   const struct bb_key *key, int64_t now) {
    switch (trick) {
    case BB_DEMO_HONEST:
    case BB_DEMO_REPLAYED:
        return strdup(text);
    case BB_DEMO_TAMPERED:
        return tampered(text, token);
    case BB_DEMO_OTHER_KEY:
        return signed_by(key, token->jws.kid, token->claims);
    case BB_DEMO_UNSIGNED:
        return put_together(BB_SPAN_LIT("{\"alg\":\"none\"}"), token->claims, "");
    case BB_DEMO_OTHER_NAME:
        (void)json_object_set_new(token->claims, "iss", json_string(ELSEWHERE));
        return signed_by(key, BB_DEMO_OWN_KID, token->claims);
    case BB_DEMO_RESIGNED:
        return signed_by(key, BB_DEMO_OWN_KID, token->claims);
    case BB_DEMO_EXPIRED:
        return expired(token->claims, key, now);
    case BB_DEMO_LAUNDERED:
        (void)json_object_del(token->claims, "x-ms-blindbox-simulated");
        return signed_by(key, BB_DEMO_OWN_KID, token->claims);
    }
    return NULL;
}

char *bb_demo_spoil(const char *text, enum bb_demo_trick trick, const struct bb_key *key,
                    int64_t now) {
    struct bb_token token = {0};
    if (bb_token_parse(bb_span_str(text), &token, NULL) != BB_OK)
        return NULL;
    char *whole = spoil(text, &token, trick, key, now);
    bb_token_done(&token);
    return whole;
}

char *bb_demo_own_key_set(const struct bb_key *key) {
    struct bb_key_ec ec;
    char x[BB_B64URL_SIZE(48)], y[BB_B64URL_SIZE(48)], *text = NULL;
    if (!bb_key_ec_public(key, &ec) || !bb_b64url_encode(bb_span(ec.x, ec.len), x, sizeof x) ||
        !bb_b64url_encode(bb_span(ec.y, ec.len), y, sizeof y) ||
        asprintf(&text,
                 "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"%s\",\"alg\":\"ES256\",\"kid\":\"%s\","
                 "\"x\":\"%s\",\"y\":\"%s\"}]}\n",
                 ec.crv, BB_DEMO_OWN_KID, x, y) < 0)
        return NULL;
    return text;
}
