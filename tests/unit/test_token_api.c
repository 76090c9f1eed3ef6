/* bb_token_verify(), as a program outside the tree calls it. */
#include "token_world.h"

#include <blindbox/blindbox.h>

struct world {
    struct bb_key *key;
    struct bb_policy *policy;
    char jwks[512];
    char *maa, *ear;
};

static int make_world(void **state) {
    static struct world w;
    assert_int_equal(bb_key_generate(BB_KEY_P256, &w.key, NULL), BB_OK);
    w.policy = policy_of(NULL);
    key_set_text(w.key, "k", w.jwks, sizeof w.jwks);
    w.maa = token_of(w.key, BB_SIG_ES256, "{'alg':'ES256','kid':'k'}", patched(MAA, NULL));
    w.ear = token_of(w.key, BB_SIG_ES256, "{'alg':'ES256','kid':'k'}", patched(EAR04, NULL));
    *state = &w;
    return 0;
}

static int end_world(void **state) {
    struct world *w = *state;
    bb_key_free(w->key);
    bb_policy_free(w->policy);
    free(w->maa);
    free(w->ear);
    return 0;
}

static struct bb_token_input input(const struct world *w, const char *token) {
    return (struct bb_token_input){.token = bb_span_str(token),
                                   .jwks = bb_span_str(w->jwks),
                                   .issuer = ISS,
                                   .nonce = "n-1",
                                   .now = NOW};
}

/* The class, and the JSON's class, which must be the same. */
static enum bb_status verify(const struct bb_token_input *in, const struct bb_policy *policy,
                             struct bb_error *err) {
    char *text = NULL;
    *err = (struct bb_error){0};
    enum bb_status status = bb_token_verify(in, policy, &text, err);
    assert_int_equal(status, err->status);
    json_t *o = text == NULL ? NULL : json_loads(text, 0, NULL);
    assert_non_null(o);
    const char *class = json_string_value(json_object_get(o, "class"));
    assert_string_equal(json_string_value(json_object_get(o, "schema")), "blindbox.token-result/1");
    assert_true(status == BB_OK ? class == NULL : strcmp(class, bb_status_name(status)) == 0);
    assert_string_equal(json_string_value(json_object_get(o, "verdict")),
                        status == BB_OK ? "accepted" : "refused");
    /* Claims of a token that nobody stands behind are not told. */
    assert_true((json_object_size(json_object_get(o, "claims")) > 0) ==
                (status != BB_TOKEN_SIGNATURE_INVALID && status != BB_WRONG_ATTESTER &&
                 status != BB_USAGE && strcmp(err->field, "keys") != 0));
    json_decref(o);
    bb_free(text);
    return status;
}

static void test_accepted(void **state) {
    const struct world *w = *state;
    struct bb_error err;
    struct bb_token_input maa = input(w, w->maa), ear = input(w, w->ear);
    uint8_t report_data[64];
    ear.profile = "ear";
    assert_int_equal(verify(&maa, w->policy, &err), BB_OK);
    assert_int_equal(verify(&ear, w->policy, &err), BB_OK);
    assert_true(bb_hex_decode_exact(H64, report_data, sizeof report_data));
    maa.report_data = report_data;
    assert_int_equal(verify(&maa, w->policy, &err), BB_OK);
    assert_int_equal(bb_token_verify(&maa, w->policy, NULL, NULL), BB_OK);
}

static void test_refused(void **state) {
    const struct world *w = *state;
    const uint8_t zero[64] = {0};
    char other[512];
    struct bb_key *key = NULL;
    struct bb_error err;
    assert_int_equal(bb_key_generate(BB_KEY_P256, &key, NULL), BB_OK);
    key_set_text(key, "k", other, sizeof other);
    bb_key_free(key);
    const struct {
        struct bb_token_input change;
        enum bb_status status;
        const char *field;
    } rows[] = {
        {{.issuer = "https://another.example"}, BB_WRONG_ATTESTER, "issuer"},
        {{.jwks = bb_span_str(other)}, BB_TOKEN_SIGNATURE_INVALID, "token-signature"},
        {{.jwks = BB_SPAN_LIT("[]")}, BB_MALFORMED_EVIDENCE, "keys"},
        {{.profile = "jwt"}, BB_USAGE, "profile"},
        {{.profile = "ear"}, BB_TOKEN_CLAIM_MISSING, "token-type"},
        {{.report_data = zero}, BB_FALSE_ATTESTATION_REPORT, "report-data"},
        {{.nonce = "n-2"}, BB_FALSE_ATTESTATION_REPORT, "nonce"},
        {{.now = NOW + 1000}, BB_TOKEN_EXPIRED, "token-time"},
        {{.now = NOW - 1000}, BB_TOKEN_NOT_YET_VALID, "token-time"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_token_input in = input(w, w->maa);
        const struct bb_token_input *c = &rows[i].change;
        in.issuer = c->issuer != NULL ? c->issuer : in.issuer;
        in.jwks = c->jwks.len > 0 ? c->jwks : in.jwks;
        in.profile = c->profile;
        in.report_data = c->report_data;
        in.nonce = c->nonce != NULL ? c->nonce : in.nonce;
        in.now = c->now != 0 ? c->now : in.now;
        enum bb_status status = verify(&in, w->policy, &err);
        if (status != rows[i].status || strcmp(err.field, rows[i].field) != 0)
            fail_msg("row %zu: %s, field '%s'", i, bb_status_name(status), err.field);
    }
}

/* Without an issuer of the caller's the policy's service is meant; without one there is none. */
static void test_the_policys_service(void **state) {
    const struct world *w = *state;
    struct bb_error err;
    struct bb_token_input in = input(w, w->ear);
    struct bb_policy *policy =
        policy_of("{'verifiers':[{'mode':'local'},{'mode':'passport','issuer':'" ISS
                  "','jwks':'unused.json','profile':'ear'}]}");
    in.issuer = NULL;
    assert_int_equal(verify(&in, policy, &err), BB_OK);
    assert_int_equal(verify(&in, w->policy, &err), BB_USAGE);
    assert_string_equal(err.field, "issuer");
    bb_policy_free(policy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_the_policys_service),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
