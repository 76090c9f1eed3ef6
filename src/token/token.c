#include "token/token.h"

enum bb_status bb_token_read_claims(struct bb_token *token, struct bb_error *err) {
    BB_TRY(bb_json_parse_evidence(token->jws.payload, BB_JWS_MAX, "claims", &token->claims, err));
    const json_t *iss = json_object_get(token->claims, "iss");
    if (iss != NULL && !json_is_string(iss))
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "iss", "a string", NULL,
                       "the token's issuer is no string");
    token->iss = json_string_value(iss);
    return BB_OK;
}

enum bb_status bb_token_parse(struct bb_span text, struct bb_token *out, struct bb_error *err) {
    struct bb_token token = {.iss = NULL};
    enum bb_status status = bb_jws_parse(text, &token.jws, err);
    if (status == BB_OK)
        status = bb_token_read_claims(&token, err);
    if (status == BB_OK)
        *out = token;
    else
        bb_token_done(&token);
    return status;
}

void bb_token_done(struct bb_token *token) {
    bb_jws_done(&token->jws);
    json_decref(token->claims);
    *token = (struct bb_token){.iss = NULL};
}
