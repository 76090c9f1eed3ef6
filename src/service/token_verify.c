/* Offline appraisal of tokens of the public interface. */
#include "token/token_json.h"

#include <blindbox/token.h>

static enum bb_status take_profile(const char *profile, struct bb_policy_verifier *v,
                                   struct bb_error *err) {
    if (profile == NULL)
        return BB_OK;
    if (strcmp(profile, "maa") != 0 && strcmp(profile, "ear") != 0)
        return bb_fail(err, BB_USAGE, "profile", "maa or ear", profile, "no such profile");
    v->profile = strcmp(profile, "ear") == 0 ? BB_PROFILE_EAR : BB_PROFILE_MAA;
    return BB_OK;
}

/* The pinned service; borrows from both. */
static enum bb_status pin(const struct bb_token_input *in, const struct bb_policy *policy,
                          struct bb_policy_verifier *v, struct bb_error *err) {
    for (size_t i = 0; i < policy->n_verifiers && v->issuer == NULL; i++)
        if (policy->verifiers[i].mode != BB_MODE_LOCAL)
            *v = policy->verifiers[i];
    if (in->issuer != NULL)
        v->issuer = (char *)(uintptr_t)in->issuer; /* only read */
    if (v->issuer == NULL)
        return bb_fail(err, BB_USAGE, "issuer", "the service that must have made the token", "none",
                       "neither the policy nor the program names a verification service");
    return take_profile(in->profile, v, err);
}

static char *result_text(const struct bb_token_input *in, const struct bb_policy *policy,
                         const struct bb_policy_verifier *verifier, const struct bb_result *result,
                         const struct bb_error *err) {
    struct bb_result_view view = {.result = result,
                                  .schema = "blindbox.token-result/1",
                                  .policy_source = "given by the program",
                                  .policy = policy};
    json_t *o = bb_token_result_to_json(&view, in->token, verifier);
    if (o != NULL && err->status != BB_OK)
        bb_result_json_error(o, err);
    char *text = o == NULL ? NULL : json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    return text;
}

enum bb_status bb_token_verify(const struct bb_token_input *in, const struct bb_policy *policy,
                               char **json, struct bb_error *err) {
    struct bb_policy_verifier verifier = {.issuer = NULL};
    struct bb_jwks *jwks = NULL;
    struct bb_error why = {0};
    struct bb_result result = {.verdict = BB_VERDICT_REFUSED};
    enum bb_status status = pin(in, policy, &verifier, &why);
    if (status == BB_OK)
        status = bb_jwks_parse(in->jwks, &jwks, &why);
    result.status = status;
    if (status == BB_OK) {
        struct bb_token_expectation expect = {.verifier = &verifier,
                                              .jwks = jwks,
                                              .nonce = in->nonce,
                                              .has_report_data = in->report_data != NULL};
        if (in->report_data != NULL)
            memcpy(expect.report_data, in->report_data, sizeof expect.report_data);
        status = bb_token_appraise(in->token, &expect, policy, in->now, &result);
    }
    if (json != NULL)
        *json = result_text(in, policy, &verifier, &result, &why);
    if (why.status != BB_OK && err != NULL && err->status == BB_OK)
        *err = why;
    else if (why.status == BB_OK)
        bb_result_error(&result, err);
    bb_jwks_free(jwks);
    return status;
}
