/* A token of any bytes: parsing is total; what is taken has one spelling, asks for no extension and
 * is signed by nobody. */
#include "base/hex.h"
#include "token/token.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

/* The key of RFC 7517 A.1, without a kid: every token is tried under it. */
static const char keys[] = "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","
                           "\"x\":\"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4\","
                           "\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM\"}]}";

static void check_verify(const struct bb_jws *jws) {
    static struct bb_jwks *set;
    struct bb_error err = {0};
    must(set != NULL || bb_jwks_parse(BB_SPAN_LIT(keys), &set, NULL) == BB_OK);
    must(bb_jwks_verify(set, jws->kid, jws->alg, jws->signing_input, jws->signature, &err) ==
         BB_TOKEN_SIGNATURE_INVALID);
    must(err.field[0] != '\0');
}

/* Decoded and encoded again, each part is what was sent. */
static void check_spelling(struct bb_span text, const struct bb_jws *jws) {
    static char again[BB_B64URL_SIZE(BB_JWS_MAX)];
    const uint8_t *end = text.ptr + text.len;
    const uint8_t *payload = memchr(text.ptr, '.', text.len);
    must(payload != NULL);
    const uint8_t *dot = memchr(payload + 1, '.', (size_t)(end - payload - 1));
    must(dot != NULL && memchr(dot + 1, '.', (size_t)(end - dot - 1)) == NULL);
    must(jws->signing_input.ptr == text.ptr && jws->signing_input.len == (size_t)(dot - text.ptr));
    must(jws->payload.len > 0 && jws->signature.len > 0);
    must(bb_b64url_encode(jws->payload, again, sizeof again));
    must(bb_span_equal(bb_span_str(again), bb_span(payload + 1, (size_t)(dot - payload - 1))));
    must(bb_b64url_encode(jws->signature, again, sizeof again));
    must(bb_span_equal(bb_span_str(again), bb_span(dot + 1, (size_t)(end - dot - 1))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bb_jws jws = {.alg = NULL};
    struct bb_token token = {.iss = NULL};
    struct bb_error err = {0}, whole = {0};
    struct bb_span text = bb_span(data, size);
    enum bb_status status = bb_jws_parse(text, &jws, &err);
    must(status == err.status && (status == BB_OK) == (jws.alg != NULL));
    must(bb_token_parse(text, &token, &whole) == whole.status);
    must(status == BB_OK || whole.status == status);
    must((whole.status == BB_OK) == (token.claims != NULL));
    if (status == BB_OK) {
        must(json_object_get(jws.header, "crit") == NULL);
        check_spelling(text, &jws);
        check_verify(&jws);
    } else {
        must(err.field[0] != '\0');
    }
    bb_jws_done(&jws);
    bb_token_done(&token);
    return 0;
}
