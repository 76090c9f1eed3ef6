#include "token/token_json.h"

static bool is_authentic(const struct bb_result *r) {
    return r->checks[BB_CHECK_TOKEN_SIGNATURE].outcome == BB_OUTCOME_PASSED &&
           r->checks[BB_CHECK_ISSUER].outcome == BB_OUTCOME_PASSED;
}

json_t *bb_token_result_to_json(const struct bb_result_view *given, struct bb_span text,
                                const struct bb_policy_verifier *verifier) {
    struct bb_token token = {0};
    struct bb_result_view view = *given;
    const char *issuer = verifier->issuer;
    view.kind = "unknown";
    if (is_authentic(view.result) && bb_token_parse(text, &token, NULL) == BB_OK)
        view.kind = view.result->simulated ? "simulated"
                                           : bb_token_kind_name(token.claims, verifier->profile);
    json_t *o = bb_result_to_json(&view);
    if (token.claims != NULL)
        (void)json_object_set(o, "claims", token.claims);
    (void)json_object_set_new(o, "issuer", issuer == NULL ? json_null() : bb_json_text(issuer));
    (void)json_object_set_new(o, "profile",
                              json_string(verifier->profile == BB_PROFILE_EAR ? "ear" : "maa"));
    bb_token_done(&token);
    return o;
}
