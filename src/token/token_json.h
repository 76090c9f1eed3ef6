/* A token's result as JSON: blindbox.token-result/1. */
#ifndef BB_TOKEN_TOKEN_JSON_H
#define BB_TOKEN_TOKEN_JSON_H

#include "appraise/result_json.h"
#include "token/token.h"

/* The object of `view` (its kind is found out here), with issuer, profile, and the token's own claims
 * where a pinned key and the issuer stand behind them. The caller must json_decref it. */
json_t *bb_token_result_to_json(const struct bb_result_view *view, struct bb_span token,
                                const struct bb_policy_verifier *verifier);

#endif
