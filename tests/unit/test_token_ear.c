/* EARs: status, vector, binding, dialects. */
#include "token_cases.h"

static void test_ear(void **state) {
#define SUB(members) "{'submods':{'sev-snp':{" members "}}}"
#define VECTOR(members) SUB("'ear_trustworthiness_vector':{" members "}")
    static const struct row rows[] = {
        {NULL, NULL, nothing, BB_OK, 0},
        {"{'iat':null}", NULL, nothing, GONE, BB_CHECK_TOKEN_TIME},
        {"{'eat_profile':null}", NULL, nothing, GONE, BB_CHECK_TOKEN_TYPE},
        {"{'eat_profile':4}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'eat_profile':'tag:ietf.org,2026:rats/ear#05'}", NULL, nothing, BB_UNSUPPORTED_EVIDENCE,
         BB_CHECK_TOKEN_TYPE},
        {"{'ear_verifier_id':null}", NULL, nothing, GONE, BB_CHECK_TOKEN_TYPE},
        {"{'ear_verifier_id':{'build':null}}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'submods':null}", NULL, nothing, GONE, BB_CHECK_TOKEN_TYPE},
        {"{'submods':[]}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'submods':{'sev-snp':null}}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'submods':{'sev-snp':3}}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'submods':{'sev-snp':null,'tdx':{'ear_status':'affirming'}}}", NULL, nothing,
         BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE},
        {SUB("'ear_status':null"), NULL, nothing, GONE, BB_CHECK_TOKEN_TYPE},
        {SUB("'ear_status':2"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {SUB("'ear_status':'good'"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'ear_status':null}", NULL, nothing, BB_OK, 0},
        {"{'ear_status':2}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        /* a status is never better than what it is made of */
        {SUB("'ear_status':'warning'"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'ear_status':'none'}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {VECTOR("'hardware':32"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {VECTOR("'sourced-data':96"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {VECTOR("'a category to come':99"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {VECTOR("'hardware':-33"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {VECTOR("'hardware':-32"), NULL, nothing, BB_OK, 0},
        {VECTOR("'hardware':128"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {VECTOR("'hardware':'2'"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {SUB("'ear_trustworthiness_vector':[]"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        /* only affirming passes */
        {"{'ear_status':'warning'}", NULL, nothing, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'ear_status':'none','submods':{'sev-snp':{'ear_status':'none',"
         "'ear_trustworthiness_vector':null}}}",
         "{'measurements':['" H48 "']}", nothing, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'ear_status':'contraindicated','submods':{'sev-snp':{'ear_status':'contraindicated',"
         "'ear_trustworthiness_vector':{'configuration':96}}}}",
         NULL, nothing, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'ear_status':'contraindicated','submods':{'sev-snp':{'ear_status':'contraindicated',"
         "'ear_trustworthiness_vector':{'configuration':96},'ear_attester_claims':"
         "{'x-ms-sevsnpvm-is-debuggable':true}}}}",
         NULL, nothing, BB_DEBUG_MODE, BB_CHECK_DEBUG},
        {"{'submods':{'gpu':{'ear_status':'none'}}}", NULL, nothing, BB_NON_COMPLIANT_UVM,
         BB_CHECK_UVM},
        {"{'ear_status':null,'submods':{'gpu':{'ear_status':'warning'}}}", NULL, nothing,
         BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'submods':{'gpu':{'ear_status':'affirming'}}}", NULL, nothing, BB_OK, 0},
        /* the code is named by the service or the policy */
        {VECTOR("'executables':null"), NULL, nothing, BB_MISSING_REFERENCE_VALUES,
         BB_CHECK_EXPECTED_CODE},
        {VECTOR("'executables':0"), NULL, nothing, BB_MISSING_REFERENCE_VALUES,
         BB_CHECK_EXPECTED_CODE},
        {VECTOR("'executables':4"), NULL, nothing, BB_MISSING_REFERENCE_VALUES,
         BB_CHECK_EXPECTED_CODE},
        {VECTOR("'executables':2"), NULL, nothing, BB_OK, 0},
        {VECTOR("'executables':null"), "{'measurements':['" H48 "']}", nothing, BB_OK, 0},
        {NULL, "{'measurements':['" H32 ZEROS16 "']}", nothing, OTHER, BB_CHECK_MEASUREMENT}};
    CHECK_ROWS(state, EAR04, BB_PROFILE_EAR, rows);
}

static void test_ear_binding(void **state) {
    static const struct row rows[] = {
        {NULL, NULL, d, BB_OK, 0},
        {"{'eat_nonce':'" D_TEXT "'}", NULL, d, BB_OK, 0},
        {NULL, NULL, other_d, FALSE_, BB_CHECK_RUNTIME},
        {"{'eat_nonce':null}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {"{'eat_nonce':7}", NULL, d, BAD, BB_CHECK_RUNTIME},
        {"{'eat_nonce':[7,'" D_TEXT "']}", NULL, d, BAD, BB_CHECK_RUNTIME},
        {"{'eat_nonce':[]}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {NULL, NULL, nonce, BB_OK, 0},
        {NULL, NULL, other_nonce, FALSE_, BB_CHECK_NONCE},
        {"{'eat_nonce':null}", NULL, nonce, FALSE_, BB_CHECK_NONCE},
        {NULL, NULL, data, BB_OK, 0},
        {NULL, NULL, other_data, FALSE_, BB_CHECK_REPORT_DATA},
        {"{'submods':{'sev-snp':{'ear_attester_claims':null}}}", NULL, data, FALSE_,
         BB_CHECK_REPORT_DATA},
        {NULL, "{" LENIENT "}", connection, BB_OK, 0},
        {NULL, "{" LENIENT "}", unbound, BB_OK, 0}, /* eat_nonce binds it */
        {NULL, "{" LENIENT "}", no_d, BB_INTERNAL, BB_CHECK_RUNTIME},
        {NULL, "{" LENIENT "}", on_other_d, UNBOUND, BB_CHECK_RUNTIME},
        {NULL, "{" LENIENT "}", on_other_data, UNBOUND, BB_CHECK_REPORT_DATA},
        {NULL, "{" LENIENT "}", on_other_nonce, UNBOUND, BB_CHECK_NONCE}};
    CHECK_ROWS(state, EAR04, BB_PROFILE_EAR, rows);
}

#define SIMULATED_EAR                                                                              \
    "'ear_status':'contraindicated','submods':{'sev-snp':{'ear_status':'contraindicated',"         \
    "'ear_trustworthiness_vector':{'hardware':-97"

static void test_ear_simulated(void **state) {
    static const struct row rows[] = {
        {"{" SIMULATED_EAR "}}}}", NULL, nothing, BB_SIMULATED_TEE, BB_CHECK_TOKEN_TYPE},
        {"{" SIMULATED_EAR "}}}}", "{'allow_simulated':true}", nothing, BB_OK, 0},
        {"{" SIMULATED_EAR "}}}}", "{'allow_simulated':true}", simulated, BB_OK, 0},
        {"{" SIMULATED_EAR "}}}}", "{'allow_simulated':true}", hardware, BB_SIMULATED_TEE,
         BB_CHECK_TOKEN_TYPE},
        {NULL, "{'allow_simulated':true}", simulated, GONE, BB_CHECK_TOKEN_TYPE},
        {NULL, NULL, hcl, BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE},
        /* the rest of the vector still counts */
        {"{" SIMULATED_EAR ",'configuration':96}}}}", "{'allow_simulated':true}", nothing,
         BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{" SIMULATED_EAR ",'configuration':null,'executables':null}}}}",
         "{'allow_simulated':true,'measurements':['" H48 "']}", nothing, BB_NON_COMPLIANT_UVM,
         BB_CHECK_UVM},
        {"{'submods':{'sev-snp':{'ear_trustworthiness_vector':{'hardware':-97}}}}",
         "{'allow_simulated':true}", nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'submods':{'sev-snp':{'ear_attester_claims':{'x-ms-blindbox-simulated':true}}}}", NULL,
         nothing, BB_SIMULATED_TEE, BB_CHECK_TOKEN_TYPE},
        {"{'submods':{'sev-snp':{'ear_attester_claims':{'x-ms-blindbox-simulated':'no'}}}}", NULL,
         nothing, BAD, BB_CHECK_TOKEN_TYPE}};
    CHECK_ROWS(state, EAR04, BB_PROFILE_EAR, rows);
}

/* The reason names the entry that decided, or none: an allowed simulator's hardware decides nothing, and
 * a status may be worse than its vector. */
static void test_ear_reason(void **state) {
    const struct world *w = *state;
    static const struct {
        const char *patch, *reason;
    } rows[] = {{"{" SIMULATED_EAR ",'executables':33}}}}", ": executables 33"},
                {"{'ear_status':'warning'}", ""},
                {"{'ear_status':'warning','submods':{'sev-snp':{'ear_status':'warning'}}}", ""},
                {"{'submods':{'gpu':{'ear_status':'none'}}}", ""},
                {"{'ear_status':'contraindicated','submods':{'sev-snp':{'ear_status':"
                 "'contraindicated','ear_trustworthiness_vector':{'hardware':97}}}}",
                 ": hardware 97"}};
    struct bb_policy_verifier v = {.issuer = issuer, .profile = BB_PROFILE_EAR};
    struct bb_token_expectation e = {.verifier = &v, .jwks = w->jwks};
    struct bb_policy *policy = policy_of("{'allow_simulated':true}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_result r;
        char reason[128];
        char *token =
            token_of(w->key, BB_SIG_ES256, "{'alg':'ES256'}", patched(EAR04, rows[i].patch));
        assert_int_equal(bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r),
                         BB_NON_COMPLIANT_UVM);
        (void)snprintf(reason, sizeof reason, "the service does not affirm it%s", rows[i].reason);
        assert_string_equal(r.checks[BB_CHECK_UVM].reason, reason);
        free(token);
    }
    bb_policy_free(policy);
}

/* Without ear_attester_claims the vector answers the policy's defaults, and nothing else. */
static void test_ear_without_facts(void **state) {
#define BARE "'ear_attester_claims':null"
    static const struct row rows[] = {
        {SUB(BARE), NULL, nothing, BB_OK, 0},
        {SUB(BARE ",'ear_trustworthiness_vector':{'configuration':null}"), NULL, nothing, GONE,
         BB_CHECK_DEBUG},
        {SUB(BARE ",'ear_trustworthiness_vector':{'configuration':null}"),
         "{'guest_policy':{'debug':true,'migration':true}}", nothing, GONE, BB_CHECK_DEBUG},
        {SUB(BARE ",'ear_trustworthiness_vector':{'configuration':null}"), NULL, beside_report,
         BB_OK, 0},
        {SUB(BARE), "{'guest_policy':{'smt':false}}", nothing, GONE, BB_CHECK_GUEST_POLICY},
        {SUB(BARE), "{'vmpl':[0,1]}", nothing, GONE, BB_CHECK_VMPL},
        {SUB(BARE), "{'measurements':['" H48 "']}", nothing, GONE, BB_CHECK_MEASUREMENT},
        {SUB(BARE), "{'host_data':['" H32 "']}", nothing, GONE, BB_CHECK_HOST_DATA},
        {SUB("'ear_attester_claims':[]"), NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {SUB("'ear_attester_claims':{'x-ms-sevsnpvm-is-debuggable':'false'}"), NULL, nothing, BAD,
         BB_CHECK_DEBUG}};
    CHECK_ROWS(state, EAR04, BB_PROFILE_EAR, rows);
}

static void test_ear_dialects(void **state) {
    static const char draft3[] = "{'eat_profile':'tag:ietf.org,2026:rats/ear#03'}";
    static const struct row draft[] = {
        {draft3, NULL, d, BB_OK, 0},
        {"{'eat_profile':'tag:ietf.org,2026:rats/ear#03','submods':{'gpu':{'ear_status':"
         "'affirming'}}}",
         NULL, nothing, BB_UNSUPPORTED_EVIDENCE, BB_CHECK_TOKEN_TYPE},
        {"{'eat_profile':'tag:github.com,2023:veraison/ear'}", NULL, nothing, GONE,
         BB_CHECK_TOKEN_TYPE}};
    static const struct row veraison[] = {
        {NULL, NULL, nothing, BB_OK, 0},
        {"{'submods':{'any':{'ear.status':'warning'}}}", NULL, nothing, BB_NON_COMPLIANT_UVM,
         BB_CHECK_UVM},
        {"{'submods':{'any':{'ear.status':null,'ear_status':'affirming'}}}", NULL, nothing, GONE,
         BB_CHECK_TOKEN_TYPE},
        {"{'ear.status':'none'}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE}};
    static const struct row trustee[] = {
        {NULL, NULL, nothing, BB_OK, 0},
        {"{'submods':{'gpu0':{'ear.status':'affirming'}}}", NULL, nothing, BB_OK, 0},
        {"{'submods':{'cpu0':null,'cpu1':{'ear.status':'affirming'}}}", NULL, nothing,
         BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE}};
    CHECK_ROWS(state, EAR04, BB_PROFILE_EAR, draft);
    CHECK_ROWS(state, DOTTED("tag:github.com,2023:veraison/ear", "any"), BB_PROFILE_EAR, veraison);
    CHECK_ROWS(state, DOTTED("tag:github.com,2024:confidential-containers/Trustee", "cpu0"),
               BB_PROFILE_EAR, trustee);
    static const struct row other_profile[] = {{NULL, NULL, nothing, GONE, BB_CHECK_TOKEN_TYPE}};
    CHECK_ROWS(state, MAA, BB_PROFILE_EAR, other_profile);
    CHECK_ROWS(state, EAR04, BB_PROFILE_MAA, other_profile);
}

/* One token by one key under another's set, and the other way round. */
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ear),
        cmocka_unit_test(test_ear_binding),
        cmocka_unit_test(test_ear_simulated),
        cmocka_unit_test(test_ear_reason),
        cmocka_unit_test(test_ear_without_facts),
        cmocka_unit_test(test_ear_dialects),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
