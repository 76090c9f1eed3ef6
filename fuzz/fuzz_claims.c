/* Claims of any shape, the signature already out of the way: the appraisal is total, every row that it
 * leaves unmade refuses, and what it accepts is what it says. The first byte chooses what is expected. */
#include "token/appraise_token.h"

#include <stdlib.h>

#define NOW INT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

enum { EAR = 1, CONNECTION = 2, WITH_REPORT = 4, SIMULATED = 8, VALUES = 16 };

static const char values[] =
    "{\"schema\":\"blindbox.policy/1\",\"crl\":\"if-present\",\"provisional_firmware\":true,"
    "\"host_data\":[\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"],"
    "\"family_ids\":[\"0123456789abcdef0123456789abcdef\"],\"minimum_guest_svn\":1,"
    "\"guest_policy\":{\"smt\":true}}";

static struct bb_policy *policy_for(uint8_t flags) {
    struct bb_policy *policy = NULL;
    if ((flags & VALUES) != 0)
        must(bb_policy_parse(BB_SPAN_LIT(values), &policy, NULL) == BB_OK);
    else
        must(bb_policy_new(&policy, NULL) == BB_OK);
    policy->allow_simulated = policy->kind_simulated = (flags & SIMULATED) != 0;
    return policy;
}

static bool is_bool(const json_t *object, const char *name, bool value) {
    const json_t *v = json_object_get(object, name);
    return value ? json_is_true(v) : json_is_false(v);
}

/* What an accepted token says, read here a second time. */
static void check_accepted(const json_t *claims, uint8_t flags, const struct bb_result *r) {
    const json_t *exp = json_object_get(claims, "exp");
    must(json_is_integer(exp) && json_integer_value(exp) > NOW - BB_TOKEN_SKEW_S);
    must(strcmp(json_string_value(json_object_get(claims, "iss")), "i") == 0);
    must(!r->simulated || (flags & SIMULATED) != 0);
    if ((flags & EAR) != 0)
        return;
    const json_t *inner = json_object_get(claims, "x-ms-isolation-tee");
    const char *type = json_string_value(json_object_get(claims, "x-ms-attestation-type"));
    const json_t *snp = strcmp(type, "azurevm") == 0 ? inner : claims;
    must(is_bool(snp, "x-ms-sevsnpvm-is-debuggable", false));
    must((flags & (VALUES | WITH_REPORT)) != VALUES ||
         is_bool(snp, "x-ms-sevsnpvm-smt-allowed", true));
    must(json_is_string(json_object_get(snp, "x-ms-compliance-status")));
    must(r->simulated == is_bool(snp, "x-ms-blindbox-simulated", true) ||
         is_bool(claims, "x-ms-blindbox-simulated", true));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char issuer[] = "i";
    json_t *claims = NULL;
    uint8_t flags = size == 0 ? 0 : data[0];
    if (size == 0 || bb_json_parse_evidence(bb_span(data + 1, size - 1), BB_JWS_MAX, "claims",
                                            &claims, NULL) != BB_OK)
        return 0;
    struct bb_policy *policy = policy_for(flags);
    struct bb_policy_verifier verifier = {
        .issuer = issuer, .profile = (flags & EAR) != 0 ? BB_PROFILE_EAR : BB_PROFILE_MAA};
    bool connected = (flags & CONNECTION) != 0;
    struct bb_token_expectation expect = {.verifier = &verifier,
                                          .on_connection = connected,
                                          .has_report_data = connected,
                                          .has_d = connected,
                                          .has_config_digest = connected,
                                          .nonce = connected ? "n" : NULL,
                                          .kind = connected ? BB_KIND_SEV_SNP : 0,
                                          .report_is_checked = (flags & WITH_REPORT) != 0};
    struct bb_result r = {.subject = BB_OF_TOKEN};
    bb_check_pass(&r, BB_CHECK_TOKEN, NULL, NULL);
    bb_check_pass(&r, BB_CHECK_TOKEN_SIGNATURE, NULL, NULL);
    bb_token_appraise_claims(claims, &expect, policy, NOW, &r);
    bb_result_close(&r);
    must(r.verdict == (r.status == BB_OK ? BB_VERDICT_ACCEPTED : BB_VERDICT_REFUSED));
    must(r.status != BB_INTERNAL); /* every row was made, or an earlier one says why not */
    if (r.status == BB_OK)
        check_accepted(claims, flags, &r);
    json_decref(claims);
    bb_policy_free(policy);
    return 0;
}
