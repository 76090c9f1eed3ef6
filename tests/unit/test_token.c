/* The appraisal of tokens: each refusal with its class and row, and what passes beside it. */
#include "token_cases.h"

#include "token/make.h"

static char katacc[] = "azure-signed-katacc-uvm", cvm[] = "azure-compliant-cvm";

static void test_times(void **state) {
    static const struct row rows[] = {
        {"{'exp':1799999941}", NULL, nothing, BB_OK, 0}, /* within the skew */
        {"{'exp':1799999940}", NULL, nothing, ENDS, BB_CHECK_TOKEN_TIME},
        {"{'exp':0}", NULL, nothing, ENDS, BB_CHECK_TOKEN_TIME},
        {"{'exp':9223372036854775807}", NULL, nothing, BB_OK, 0},
        {"{'exp':-1}", NULL, nothing, BAD, BB_CHECK_TOKEN_TIME},
        {"{'exp':1800000100.0}", NULL, nothing, BAD, BB_CHECK_TOKEN_TIME},
        {"{'exp':'1800000100'}", NULL, nothing, BAD, BB_CHECK_TOKEN_TIME},
        {"{'exp':true}", NULL, nothing, BAD, BB_CHECK_TOKEN_TIME},
        {"{'exp':null}", NULL, nothing, GONE, BB_CHECK_TOKEN_TIME},
        {"{'nbf':1800000060}", NULL, nothing, BB_OK, 0},
        {"{'nbf':1800000061}", NULL, nothing, EARLY, BB_CHECK_TOKEN_TIME},
        {"{'nbf':'x'}", NULL, nothing, BAD, BB_CHECK_TOKEN_TIME},
        {"{'nbf':null,'iat':null}", NULL, nothing, BB_OK, 0},
        {"{'iat':1800000060}", NULL, nothing, BB_OK, 0},
        {"{'iat':1800000061}", NULL, nothing, EARLY, BB_CHECK_TOKEN_TIME},
        {"{'iat':1.5}", NULL, nothing, BAD, BB_CHECK_TOKEN_TIME},
        /* the first failure names the class, and what comes after is judged all the same */
        {"{'exp':1,'x-ms-sevsnpvm-is-debuggable':true}", NULL, nothing, ENDS, BB_CHECK_TOKEN_TIME}};
    CHECK_ROWS(state, MAA, BB_PROFILE_MAA, rows);
}

static void test_what_the_token_is_about(void **state) {
    static const struct row rows[] = {
        {NULL, NULL, nothing, BB_OK, 0},
        {"{'x-ms-attestation-type':null}", NULL, nothing, GONE, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-attestation-type':1}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-attestation-type':'sgx'}", NULL, nothing, BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-attestation-type':'tdxvm'}", NULL, nothing, BB_NOT_AN_ENCLAVE,
         BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-attestation-type':'SevSnpVm'}", NULL, nothing, BB_NOT_AN_ENCLAVE,
         BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-attestation-type':'azurevm'}", NULL, nothing, BB_NOT_AN_ENCLAVE,
         BB_CHECK_TOKEN_TYPE},
        {NULL, "{'evidence':['azure-hcl']}", nothing, BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE},
        {NULL, "{'evidence':[]}", nothing, BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE},
        {NULL, "{'evidence':['sev-snp']}", nothing, BB_OK, 0},
        {NULL, NULL, hardware, BB_OK, 0},
        {NULL, NULL, simulated, GONE, BB_CHECK_TOKEN_TYPE},
        {NULL, NULL, hcl, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'x-ms-compliance-status':'azure-compliant-cvm'}", NULL, hcl, BB_OK, 0},
        {"{'x-ms-blindbox-simulated':false}", NULL, nothing, BB_OK, 0},
        {"{'x-ms-blindbox-simulated':'true'}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-blindbox-simulated':'false'}", "{'allow_simulated':true}", nothing, BAD,
         BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-blindbox-simulated':1}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-blindbox-simulated':true}", NULL, nothing, BB_SIMULATED_TEE, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-blindbox-simulated':true}", "{'allow_simulated':true}", nothing, BB_OK, 0},
        {"{'x-ms-blindbox-simulated':true}", "{'allow_simulated':true}", simulated, BB_OK, 0},
        {"{'x-ms-blindbox-simulated':true}", "{'allow_simulated':true}", hardware, BB_SIMULATED_TEE,
         BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-blindbox-simulated':true}", "{'allow_simulated':true,'evidence':['sev-snp']}",
         nothing, BB_SIMULATED_TEE, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-blindbox-simulated':false}", "{'allow_simulated':true}", simulated, GONE,
         BB_CHECK_TOKEN_TYPE}};
    CHECK_ROWS(state, MAA, BB_PROFILE_MAA, rows);
}

static void test_nested(void **state) {
    static const struct row rows[] = {
        {NULL, NULL, nothing, BB_OK, 0},
        {NULL, "{'evidence':['sev-snp']}", nothing, BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE},
        {NULL, "{'evidence':['azure-hcl']}", nothing, BB_OK, 0},
        {NULL, NULL, connection, BB_UNSUPPORTED_EVIDENCE, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-isolation-tee':null}", NULL, nothing, BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-isolation-tee':'sevsnpvm'}", NULL, nothing, BAD, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-isolation-tee':{'x-ms-attestation-type':'tdxvm'}}", NULL, nothing,
         BB_NOT_AN_ENCLAVE, BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-isolation-tee':{'x-ms-attestation-type':null}}", NULL, nothing, GONE,
         BB_CHECK_TOKEN_TYPE},
        {"{'x-ms-isolation-tee':{'x-ms-compliance-status':'azure-compliant-uvm'}}", NULL, nothing,
         BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'x-ms-isolation-tee':{'x-ms-compliance-status':null},"
         "'x-ms-compliance-status':'azure-compliant-cvm'}",
         NULL, nothing, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'x-ms-isolation-tee':{'x-ms-sevsnpvm-is-debuggable':true},"
         "'x-ms-sevsnpvm-is-debuggable':false}",
         NULL, nothing, BB_DEBUG_MODE, BB_CHECK_DEBUG},
        {"{'x-ms-isolation-tee':{'x-ms-blindbox-simulated':true}}", NULL, nothing, BB_SIMULATED_TEE,
         BB_CHECK_TOKEN_TYPE},
        {NULL, "{'measurements':['" H48 "']}", data, BB_OK, 0}};
    CHECK_ROWS(state, AZUREVM, BB_PROFILE_MAA, rows);
}

static void test_binding(void **state) {
    static const struct row rows[] = {
        {NULL, NULL, data, BB_OK, 0},
        {NULL, NULL, other_data, FALSE_, BB_CHECK_REPORT_DATA},
        {"{'x-ms-sevsnpvm-reportdata':null}", NULL, data, FALSE_, BB_CHECK_REPORT_DATA},
        {"{'x-ms-sevsnpvm-reportdata':'" H48 "0102030405060708090A0B0C0D0E0F10'}", NULL, data,
         FALSE_, BB_CHECK_REPORT_DATA},
        {"{'x-ms-sevsnpvm-reportdata':'" H32 "'}", NULL, data, FALSE_, BB_CHECK_REPORT_DATA},
        {NULL, NULL, d, BB_OK, 0},
        {NULL, NULL, other_d, FALSE_, BB_CHECK_RUNTIME},
        {"{'x-ms-runtime':null}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {"{'x-ms-runtime':{'blindbox-1':null}}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {"{'x-ms-runtime':{'keys':[]}}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {"{'x-ms-runtime':'" D_TEXT "'}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {"{'x-ms-runtime':{'more':1}}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {"{'x-ms-runtime':{'blindbox-1':['" D_TEXT "']}}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {"{'x-ms-runtime':{'blindbox-1':'" D_TEXT "='}}", NULL, d, FALSE_, BB_CHECK_RUNTIME},
        {NULL, NULL, nonce, BB_OK, 0},
        {NULL, NULL, other_nonce, FALSE_, BB_CHECK_NONCE},
        {"{'nonce':null}", NULL, nonce, FALSE_, BB_CHECK_NONCE},
        {"{'nonce':['n-1']}", NULL, nonce, FALSE_, BB_CHECK_NONCE},
        {NULL, "{" LENIENT "}", connection, BB_OK, 0},
        {NULL, "{" LENIENT "}", on_other_data, UNBOUND, BB_CHECK_REPORT_DATA},
        {NULL, "{" LENIENT "}", on_other_d, UNBOUND, BB_CHECK_RUNTIME},
        {NULL, "{" LENIENT "}", on_other_nonce, UNBOUND, BB_CHECK_NONCE},
        {NULL, "{" LENIENT "}", unbound, BB_INTERNAL, BB_CHECK_REPORT_DATA},
        {NULL, "{" LENIENT "}", no_d, BB_INTERNAL, BB_CHECK_RUNTIME}};
    CHECK_ROWS(state, MAA, BB_PROFILE_MAA, rows);
}

static void test_debug_and_guest_policy(void **state) {
    static const struct row rows[] = {
        {"{'x-ms-sevsnpvm-is-debuggable':true}", NULL, nothing, BB_DEBUG_MODE, BB_CHECK_DEBUG},
        {"{'x-ms-sevsnpvm-is-debuggable':true}", "{'guest_policy':{'debug':true}}", nothing, BB_OK,
         0},
        {"{'x-ms-sevsnpvm-is-debuggable':'false'}", NULL, nothing, BAD, BB_CHECK_DEBUG},
        {"{'x-ms-sevsnpvm-is-debuggable':'true'}", "{'guest_policy':{'debug':true}}", nothing, BAD,
         BB_CHECK_DEBUG},
        {"{'x-ms-sevsnpvm-is-debuggable':0}", NULL, nothing, BAD, BB_CHECK_DEBUG},
        {"{'x-ms-sevsnpvm-is-debuggable':null}", NULL, nothing, GONE, BB_CHECK_DEBUG},
        {"{'x-ms-sevsnpvm-is-debuggable':null}", NULL, beside_report, GONE, BB_CHECK_DEBUG},
        {"{'x-ms-sevsnpvm-migration-allowed':true}", NULL, nothing, GUEST, BB_CHECK_GUEST_POLICY},
        {"{'x-ms-sevsnpvm-migration-allowed':true}", "{'guest_policy':{'migration':true}}", nothing,
         BB_OK, 0},
        {"{'x-ms-sevsnpvm-migration-allowed':'false'}", "{'guest_policy':{'migration':true}}",
         nothing, BAD, BB_CHECK_GUEST_POLICY},
        {"{'x-ms-sevsnpvm-migration-allowed':null}", NULL, nothing, GONE, BB_CHECK_GUEST_POLICY},
        {"{'x-ms-sevsnpvm-migration-allowed':null}", NULL, beside_report, BB_OK, 0},
        {NULL, "{'guest_policy':{'smt':true}}", nothing, BB_OK, 0},
        {NULL, "{'guest_policy':{'smt':false}}", nothing, GUEST, BB_CHECK_GUEST_POLICY},
        {"{'x-ms-sevsnpvm-smt-allowed':1}", NULL, nothing, BAD, BB_CHECK_GUEST_POLICY},
        {"{'x-ms-sevsnpvm-smt-allowed':null}", NULL, nothing, BB_OK, 0},
        {"{'x-ms-sevsnpvm-smt-allowed':null}", "{'guest_policy':{'smt':true}}", nothing, GONE,
         BB_CHECK_GUEST_POLICY},
        {"{'x-ms-sevsnpvm-vmpl':1}", NULL, nothing, GUEST, BB_CHECK_VMPL},
        {"{'x-ms-sevsnpvm-vmpl':1}", "{'vmpl':[0,1]}", nothing, BB_OK, 0},
        {"{'x-ms-sevsnpvm-vmpl':32}", "{'vmpl':[0,1,2,3]}", nothing, GUEST, BB_CHECK_VMPL},
        {"{'x-ms-sevsnpvm-vmpl':4294967295}", "{'vmpl':[0,1,2,3]}", nothing, GUEST, BB_CHECK_VMPL},
        {"{'x-ms-sevsnpvm-vmpl':-1}", NULL, nothing, BAD, BB_CHECK_VMPL},
        {"{'x-ms-sevsnpvm-vmpl':'0'}", NULL, nothing, BAD, BB_CHECK_VMPL},
        {"{'x-ms-sevsnpvm-vmpl':0.0}", NULL, nothing, BAD, BB_CHECK_VMPL},
        {"{'x-ms-sevsnpvm-vmpl':null}", NULL, nothing, GONE, BB_CHECK_VMPL}};
    CHECK_ROWS(state, MAA, BB_PROFILE_MAA, rows);
}

static void test_values(void **state) {
    static const struct row rows[] = {
        {NULL, "{'measurements':['" H48 "']}", nothing, BB_OK, 0},
        {NULL, "{'measurements':['" H32 H16 "','" H32 ZEROS16 "']}", nothing, BB_OK, 0},
        {NULL, "{'measurements':['" H32 ZEROS16 "']}", nothing, OTHER, BB_CHECK_MEASUREMENT},
        {NULL, "{'measurements':[]}", nothing, OTHER, BB_CHECK_MEASUREMENT},
        {"{'x-ms-sevsnpvm-launchmeasurement':'" H32 "'}", NULL, nothing, BAD, BB_CHECK_MEASUREMENT},
        {"{'x-ms-sevsnpvm-launchmeasurement':'" H32 "0102030405060708090A0B0C0D0E0F10'}",
         "{'measurements':['" H48 "']}", nothing, BAD, BB_CHECK_MEASUREMENT},
        {"{'x-ms-sevsnpvm-launchmeasurement':null}", NULL, nothing, BB_OK, 0},
        {"{'x-ms-sevsnpvm-launchmeasurement':null}", "{'measurements':['" H48 "']}", nothing, GONE,
         BB_CHECK_MEASUREMENT},
        {"{'x-ms-sevsnpvm-launchmeasurement':null}", "{'measurements':['" H48 "']}", beside_report,
         BB_OK, 0},
        {NULL, "{'host_data':['" H32 "']}", nothing, BB_OK, 0},
        {NULL, "{'host_data':['" H16 ZEROS16 "']}", nothing, BB_INVALID_ENCLAVE_CODE,
         BB_CHECK_HOST_DATA},
        {NULL, "{'cce_policy_file':'policy.rego'}", nothing, BB_INTERNAL, BB_CHECK_HOST_DATA},
        {"{'x-ms-sevsnpvm-hostdata':7}", NULL, nothing, BAD, BB_CHECK_HOST_DATA},
        {"{'x-ms-sevsnpvm-hostdata':null}", "{'host_data':['" H32 "']}", nothing, GONE,
         BB_CHECK_HOST_DATA},
        {NULL, "{'id_key_digests':['" H48 "'],'author_key_digests':['" H48 "']}", nothing, BB_OK,
         0},
        {NULL, "{'id_key_digests':['" H32 ZEROS16 "']}", nothing, OTHER, BB_CHECK_ID_KEYS},
        {NULL, "{'id_key_digests':['" H48 "'],'author_key_digests':['" H32 ZEROS16 "']}", nothing,
         OTHER, BB_CHECK_ID_KEYS},
        {"{'x-ms-sevsnpvm-authorkeydigest':null}", "{'author_key_digests':['" H48 "']}", nothing,
         GONE, BB_CHECK_ID_KEYS},
        {"{'x-ms-sevsnpvm-idkeydigest':null}", "{'id_key_digests':['" H48 "']}", nothing, GONE,
         BB_CHECK_ID_KEYS},
        {"{'x-ms-sevsnpvm-idkeydigest':''}", NULL, nothing, BAD, BB_CHECK_ID_KEYS},
        {NULL, "{'family_ids':['" H16 "'],'image_ids':['" H16 "'],'minimum_guest_svn':2}", nothing,
         BB_OK, 0},
        {NULL,
         "{'family_ids':['ff"
         "ffffffffffffffffffffffffffffff']}",
         nothing, GUEST, BB_CHECK_CHIP_IDS},
        {NULL, "{'image_ids':['ffffffffffffffffffffffffffffffff']}", nothing, GUEST,
         BB_CHECK_CHIP_IDS},
        {NULL, "{'minimum_guest_svn':3}", nothing, GUEST, BB_CHECK_CHIP_IDS},
        {"{'x-ms-sevsnpvm-guestsvn':'2'}", NULL, nothing, BAD, BB_CHECK_CHIP_IDS},
        {"{'x-ms-sevsnpvm-guestsvn':4294967296}", NULL, nothing, BAD, BB_CHECK_CHIP_IDS},
        {"{'x-ms-sevsnpvm-guestsvn':null}", "{'minimum_guest_svn':1}", nothing, GONE,
         BB_CHECK_CHIP_IDS},
        {"{'x-ms-sevsnpvm-familyId':null}", "{'family_ids':['" H16 "']}", nothing, GONE,
         BB_CHECK_CHIP_IDS},
        {"{'x-ms-sevsnpvm-imageId':'" H32 "'}", NULL, nothing, BAD, BB_CHECK_CHIP_IDS},
        {"{'x-ms-sevsnpvm-snpfw-svn':256}", NULL, nothing, BAD, BB_CHECK_MINIMUM_TCB},
        {"{'x-ms-sevsnpvm-microcode-svn':'115'}", NULL, nothing, BAD, BB_CHECK_MINIMUM_TCB},
        {"{'x-ms-sevsnpvm-bootloader-svn':null}", NULL, nothing, BB_OK, 0},
        {"{'x-ms-sevsnpvm-reportid':'x'}", NULL, nothing, BAD, BB_CHECK_REST}};
    CHECK_ROWS(state, MAA, BB_PROFILE_MAA, rows);
}

static void test_compliance(void **state) {
    static const struct row rows[] = {
        {"{'x-ms-compliance-status':null}", NULL, nothing, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'x-ms-compliance-status':null}", "{'measurements':['" H48 "']}", nothing,
         BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'x-ms-compliance-status':''}", NULL, nothing, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'x-ms-compliance-status':'azure-compliant-cvm'}", NULL, nothing, BB_NON_COMPLIANT_UVM,
         BB_CHECK_UVM},
        {"{'x-ms-compliance-status':'azure-compliant-cvm'}", "{" LENIENT "}", connection,
         BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {"{'x-ms-compliance-status':true}", NULL, nothing, BAD, BB_CHECK_UVM}};
    CHECK_ROWS(state, MAA, BB_PROFILE_MAA, rows);
}

/* A list in the policy replaces the default. */
static void test_listed_compliance(void **state) {
    const struct world *w = *state;
    struct bb_policy_verifier v = {
        .issuer = issuer, .n_compliance = 2, .compliance = {katacc, cvm}};
    struct bb_token_expectation e = {.verifier = &v, .jwks = w->jwks};
    struct bb_policy *policy = policy_of(NULL);
    static const struct {
        const char *patch;
        enum bb_status status;
    } cases[] = {{"{}", BB_NON_COMPLIANT_UVM},
                 {"{'x-ms-compliance-status':'azure-compliant-cvm'}", BB_OK},
                 {"{'x-ms-compliance-status':'azure-signed-katacc-uvm'}", BB_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bb_result r;
        char *token = token_of(w->key, BB_SIG_ES256, "{'alg':'ES256','kid':'k1'}",
                               patched(MAA, cases[i].patch));
        assert_int_equal(bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r),
                         cases[i].status);
        free(token);
    }
    bb_policy_free(policy);
}

/* What a policy asks for and no token states, with the row that says so. */
static const struct {
    const char *policy;
    enum bb_check_id id;
} unstated[] = {{"{'chip_ids':['8888888888888888']}", BB_CHECK_CHIP_IDS},
                {"{'minimum_tcb':{'Milan':{'snp':1}}}", BB_CHECK_MINIMUM_TCB},
                {"{'minimum_launch_tcb':{'Milan':{}}}", BB_CHECK_MINIMUM_TCB},
                {"{'products':['Milan','Genoa','Turin']}", BB_CHECK_PLATFORM},
                {"{'signers':['vcek','vlek']}", BB_CHECK_PLATFORM},
                {"{'report_versions':[2,3,4,5]}", BB_CHECK_PLATFORM},
                {"{'platform_info':{'required':['ecc']}}", BB_CHECK_PLATFORM},
                {"{'platform_info':{'forbidden':['smt']}}", BB_CHECK_PLATFORM},
                {"{'guest_policy':{'single_socket':false}}", BB_CHECK_GUEST_POLICY},
                {"{'guest_policy':{'cxl':false}}", BB_CHECK_GUEST_POLICY},
                {"{'guest_policy':{'mem_aes_256_xts':true}}", BB_CHECK_GUEST_POLICY},
                {"{'guest_policy':{'rapl_dis':true}}", BB_CHECK_GUEST_POLICY},
                {"{'guest_policy':{'ciphertext_hiding':true}}", BB_CHECK_GUEST_POLICY},
                {"{'guest_policy':{'page_swap_disable':true}}", BB_CHECK_GUEST_POLICY},
                {"{'guest_policy':{'abi_min':'0.1'}}", BB_CHECK_GUEST_POLICY},
                {"{'provisional_firmware':false}", BB_CHECK_PROVISIONAL},
                {"{'crl':'required'}", BB_CHECK_REST}};

static void test_what_no_token_states(void **state) {
    struct bb_result r;
    for (size_t i = 0; i < sizeof unstated / sizeof unstated[0]; i++) {
        const struct row row = {NULL, unstated[i].policy, nothing, 0, 0};
        const struct row left = {NULL, unstated[i].policy, beside_report, 0, 0};
        for (int ear = 0; ear <= 1; ear++) {
            appraise(*state, ear ? EAR04 : MAA, (enum bb_token_profile)ear, &row, &r);
            assert_int_equal(r.status, BB_TOKEN_CLAIM_MISSING);
            assert_int_equal(r.first_failed, unstated[i].id);
            appraise(*state, ear ? EAR04 : MAA, (enum bb_token_profile)ear, &left, &r);
            assert_int_equal(r.status, BB_OK);
        }
        struct bb_policy *policy = policy_of(unstated[i].policy);
        policy->provisional_allowed |= !policy->provisional_given;
        policy->crl_required = policy->crl_required && policy->crl_given;
        assert_true(bb_policy_needs_report(policy, NULL));
        bb_policy_free(policy);
    }
}

static void test_who_needs_the_report(void **state) {
    (void)state;
    static const struct {
        const char *policy;
        bool needs;
    } cases[] = {
        {"{}", true},
        {"{'crl':'if-present'}", true},
        {"{'provisional_firmware':true}", true},
        {"{" LENIENT "}", false},
        {"{" LENIENT ",'measurements':['" H48 "'],'vmpl':[1],'image_ids':['" H16 "']}", false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bb_policy *policy = policy_of(cases[i].policy);
        assert_int_equal(bb_policy_needs_report(policy, NULL), cases[i].needs);
        bb_policy_free(policy);
    }
}

static void test_on_a_connection(void **state) {
    static const struct row rows[] = {
        /* the defaults of crl and provisional_firmware protect users: the report must come too */
        {NULL, NULL, connection, GONE, BB_CHECK_PROVISIONAL},
        {NULL, "{'provisional_firmware':true}", connection, GONE, BB_CHECK_REST},
        {NULL, NULL, with_report, BB_OK, 0},
        {NULL, "{" LENIENT "}", no_config, BB_INTERNAL, BB_CHECK_CONFIG},
        {NULL, "{" LENIENT "}", outside, BB_CONFIGURATION_REFUSED, BB_CHECK_CONFIG},
        {NULL, "{" LENIENT ",'config_digests':['" H48 "']}", connection, BB_CONFIGURATION_REFUSED,
         BB_CHECK_CONFIG},
        {NULL,
         "{" LENIENT ",'config_digests':['777777777777777777777777777777777777777777777777"
         "777777777777777777777777777777777777777777777777']}",
         outside, BB_OK, 0},
        {NULL, "{'config_digests':['" H48 "']}", nothing, GONE, BB_CHECK_CONFIG}};
    CHECK_ROWS(state, MAA, BB_PROFILE_MAA, rows);
}

struct signer {
    bool by_other;
    const char *header, *patch;
    enum bb_status status;
    enum bb_check_id id;
};

static void test_signature_and_issuer(void **state) {
    const struct world *w = *state;
#define ELSEWHERE "{'iss':'https://elsewhere.example'}"
    static const struct signer cases[] = {
        {false, "{'alg':'ES256','kid':'k1'}", "{}", BB_OK, 0},
        {false, "{'alg':'ES256'}", "{}", BB_OK, 0},
        {true, "{'alg':'ES256','kid':'k1'}", "{}", BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE},
        {true, "{'alg':'ES256','kid':'k1'}", ELSEWHERE, BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE},
        {true, "{'alg':'ES256'}", ELSEWHERE, BB_TOKEN_SIGNATURE_INVALID, BB_CHECK_TOKEN_SIGNATURE},
        {true, "{'alg':'ES256','kid':'k2'}", "{}", BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE},
        {true, "{'alg':'ES256','kid':'k2'}", "{'iss':null}", BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE},
        {true, "{'alg':'ES256','kid':'k2'}", ELSEWHERE, BB_WRONG_ATTESTER, BB_CHECK_ISSUER},
        {false, "{'alg':'ES256','kid':'k2'}", "{}", BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE},
        {false, "{'alg':'ES256','kid':'k1'}", ELSEWHERE, BB_WRONG_ATTESTER, BB_CHECK_ISSUER},
        {false, "{'alg':'ES256','kid':'k1'}", "{'iss':'" ISS "/'}", BB_WRONG_ATTESTER,
         BB_CHECK_ISSUER},
        {false, "{'alg':'ES256','kid':'k1'}", "{'iss':null}", BB_TOKEN_CLAIM_MISSING,
         BB_CHECK_ISSUER},
        {false, "{'alg':'RS256','kid':'k1'}", "{}", BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE},
        {false, "{'alg':'none','kid':'k1'}", "{}", BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE},
        {false, "{'alg':'ES256','kid':'k1','crit':['x'],'x':1}", "{}", BB_UNSUPPORTED_EVIDENCE,
         BB_CHECK_TOKEN},
        {false, "{'kid':'k1'}", "{}", BB_MALFORMED_EVIDENCE, BB_CHECK_TOKEN},
        {false, "{'alg':'ES256','typ':'EAT+jwt'}", "{}", BB_OK, 0},
        {false, "{'alg':'ES256','typ':'application/jwt'}", "{}", BB_OK, 0},
        {false, "{'alg':'ES256','typ':'at+jwt'}", "{}", BB_UNSUPPORTED_EVIDENCE, BB_CHECK_TOKEN},
        {true, "{'alg':'ES256','typ':''}", "{}", BB_UNSUPPORTED_EVIDENCE, BB_CHECK_TOKEN},
        {false, "{'alg':'ES256'}", "{'aud':'https://elsewhere.example'}", BB_UNSUPPORTED_EVIDENCE,
         BB_CHECK_TOKEN_TYPE},
        {false, "{'alg':'ES256'}", "{'aud':[]}", BB_UNSUPPORTED_EVIDENCE, BB_CHECK_TOKEN_TYPE},
        {false, "{'alg':'ES256'}", "{'iss':['" ISS "']}", BB_MALFORMED_EVIDENCE, BB_CHECK_TOKEN},
        {true, "{'alg':'ES256'}", "{'iss':['" ISS "']}", BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE},
        {true, "{'alg':'ES256','kid':'k2'}", "{'iss':['x']}", BB_TOKEN_SIGNATURE_INVALID,
         BB_CHECK_TOKEN_SIGNATURE}};
    struct bb_policy_verifier v = {.issuer = issuer};
    struct bb_token_expectation e = {.verifier = &v, .jwks = w->jwks};
    struct bb_policy *policy = policy_of(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct signer *c = &cases[i];
        struct bb_result r;
        char *token = token_of(c->by_other ? w->other : w->key, BB_SIG_ES256, c->header,
                               patched(MAA, c->patch));
        (void)!bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r);
        if (r.status != c->status || (r.status != BB_OK && r.first_failed != c->id))
            fail_msg("%s %s: %s in %s", c->header, c->patch, bb_status_name(r.status),
                     bb_check_name(r.first_failed));
        /* Unverified claims are not looked at: no row of stage 7 was made. */
        if (r.status != BB_OK && c->id != BB_CHECK_TOKEN_TYPE)
            assert_int_equal(r.checks[BB_CHECK_DEBUG].outcome, BB_OUTCOME_NONE);
        free(token);
    }
    bb_policy_free(policy);
}

/* Claims that nobody stands behind are not read, so that they have no fault of their own. */
static void test_claims_are_read_after_the_signature(void **state) {
    const struct world *w = *state;
    static const char head[] = "{\"alg\":\"ES256\",\"kid\":\"k1\"}";
    static const char *const bodies[] = {"no JSON", "[]", "{\"a\":1,\"a\":2}", "{\"exp\":1e999}"};
    struct bb_policy_verifier v = {.issuer = issuer};
    struct bb_token_expectation e = {.verifier = &v, .jwks = w->jwks};
    struct bb_policy *policy = policy_of(NULL);
    for (size_t i = 0; i < 2 * sizeof bodies / sizeof bodies[0]; i++) {
        bool own = i % 2 == 0;
        struct bb_result r;
        char *token = token_of_text(own ? w->key : w->other, BB_SIG_ES256, head, bodies[i / 2]);
        assert_int_equal(bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r),
                         own ? BB_MALFORMED_EVIDENCE : BB_TOKEN_SIGNATURE_INVALID);
        assert_int_equal(r.first_failed, own ? BB_CHECK_TOKEN : BB_CHECK_TOKEN_SIGNATURE);
        free(token);
    }
    bb_policy_free(policy);
}

/* The good token without its signature: nobody's word, in the class of every other bad signature. */
static void test_a_token_without_a_signature(void **state) {
    const struct world *w = *state;
    static const char *const headers[] = {"{'alg':'ES256','kid':'k1'}", "{'alg':'none'}"};
    struct bb_policy_verifier v = {.issuer = issuer};
    struct bb_token_expectation e = {.verifier = &v, .jwks = w->jwks};
    struct bb_policy *policy = policy_of(NULL);
    for (size_t i = 0; i < 2; i++) {
        struct bb_result r;
        char *token = token_of(w->key, BB_SIG_ES256, headers[i], patched(MAA, "{}"));
        strrchr(token, '.')[1] = '\0';
        assert_int_equal(bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r),
                         BB_TOKEN_SIGNATURE_INVALID);
        assert_int_equal(r.first_failed, BB_CHECK_TOKEN_SIGNATURE);
        assert_string_equal(r.checks[BB_CHECK_TOKEN_SIGNATURE].found, "none");
        assert_int_equal(r.checks[BB_CHECK_DEBUG].outcome, BB_OUTCOME_NONE);
        free(token);
    }
    bb_policy_free(policy);
}

/* A key that the token brings along is no key: whatever the header says of keys, the answer is the
 * same as without. */
static void test_keys_in_the_token(void **state) {
    const struct world *w = *state;
    struct bb_key_ec ec;
    char x[BB_B64URL_SIZE(48)], y[BB_B64URL_SIZE(48)], header[1024];
    assert_true(bb_key_ec_public(w->other, &ec));
    assert_true(bb_b64url_encode(bb_span(ec.x, ec.len), x, sizeof x));
    assert_true(bb_b64url_encode(bb_span(ec.y, ec.len), y, sizeof y));
    (void)snprintf(header, sizeof header,
                   "{'alg':'ES256','kid':'k2','jku':'file:///nowhere','x5u':'http://127.0.0.1:1/',"
                   "'x5c':['AAAA'],'jwk':{'kty':'EC','crv':'P-256','x':'%s','y':'%s'}}",
                   x, y);
    struct bb_policy_verifier v = {.issuer = issuer};
    struct bb_token_expectation e = {.verifier = &v, .jwks = w->jwks};
    struct bb_policy *policy = policy_of(NULL);
    struct bb_result r;
    char *token = token_of(w->other, BB_SIG_ES256, header, patched(MAA, NULL));
    assert_int_equal(bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r),
                     BB_TOKEN_SIGNATURE_INVALID);
    free(token);
    bb_policy_free(policy);
}

/* Without a pinned service there is nothing that a token could be worth. */
static void test_nothing_pinned(void **state) {
    const struct world *w = *state;
    struct bb_policy_verifier nobody = {0}, v = {.issuer = issuer};
    const struct bb_token_expectation expects[] = {
        {0}, {.jwks = w->jwks}, {.verifier = &v}, {.verifier = &nobody, .jwks = w->jwks}};
    struct bb_policy *policy = policy_of(NULL);
    char *token = token_of(w->key, BB_SIG_ES256, "{'alg':'ES256','kid':'k1'}", patched(MAA, NULL));
    for (size_t i = 0; i < sizeof expects / sizeof expects[0]; i++) {
        struct bb_result r;
        assert_int_equal(bb_token_appraise(bb_span_str(token), &expects[i], policy, NOW, &r),
                         BB_TOKEN_SIGNATURE_INVALID);
        assert_int_equal(r.verdict, BB_VERDICT_REFUSED);
    }
    free(token);
    bb_policy_free(policy);
}

#define BIT(id) (UINT64_C(1) << BB_CHECK_##id)

/* A check that is left out is shown so; token, token-signature and issuer cannot be. */
static void test_skip(void **state) {
    const struct world *w = *state;
    static const struct {
        const char *patch;
        uint64_t skip;
        enum bb_status status;
        enum bb_check_id id;
    } cases[] = {
        {"{'exp':1}", BIT(TOKEN_TIME), BB_OK, BB_CHECK_TOKEN_TIME},
        {"{'x-ms-sevsnpvm-is-debuggable':true}", BIT(DEBUG), BB_OK, BB_CHECK_DEBUG},
        {"{'exp':1}", BIT(DEBUG), BB_TOKEN_EXPIRED, BB_CHECK_TOKEN_TIME},
        {"{'iss':'x'}", ~UINT64_C(0), BB_WRONG_ATTESTER, BB_CHECK_ISSUER},
        /* nothing names the code then */
        {"{'x-ms-compliance-status':null}", BIT(UVM), BB_NON_COMPLIANT_UVM, BB_CHECK_EXPECTED_CODE},
        {"{'x-ms-attestation-type':'sgx'}", BIT(TOKEN_TYPE), BB_NOT_AN_ENCLAVE,
         BB_CHECK_REPORT_DATA}};
    struct bb_policy_verifier v = {.issuer = issuer};
    struct bb_policy *policy = policy_of(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bb_token_expectation e = {.verifier = &v, .jwks = w->jwks, .skip = cases[i].skip};
        struct bb_result r;
        char *token = token_of(w->key, BB_SIG_ES256, "{'alg':'ES256','kid':'k1'}",
                               patched(MAA, cases[i].patch));
        assert_int_equal(bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r),
                         cases[i].status);
        if (r.status == BB_OK)
            assert_int_equal(r.checks[cases[i].id].outcome, BB_OUTCOME_SKIPPED);
        else
            assert_int_equal(r.first_failed, cases[i].id);
        free(token);
    }
    bb_policy_free(policy);
}

/* Which of two members of one name would count is nobody's to choose. */
static void test_a_member_twice(void **state) {
    const struct world *w = *state;
    static const char head[] = "{\"alg\":\"ES256\",\"kid\":\"k1\"}";
    static const char *const bodies[] = {
        "{\"iss\":\"" ISS "\",\"x-ms-sevsnpvm-is-debuggable\":true,"
        "\"x-ms-sevsnpvm-is-debuggable\":false}",
        "{\"iss\":\"" ISS "\",\"x-ms-runtime\":{\"blindbox-1\":\"a\",\"blindbox-1\":\"b\"}}"};
    struct bb_policy_verifier v = {.issuer = issuer};
    struct bb_token_expectation e = {.verifier = &v, .jwks = w->jwks};
    struct bb_policy *policy = policy_of(NULL);
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct bb_result r;
        char *token = token_of_text(w->key, BB_SIG_ES256, head, bodies[i]);
        assert_int_equal(bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r),
                         BB_MALFORMED_EVIDENCE);
        assert_int_equal(r.first_failed, BB_CHECK_TOKEN);
        free(token);
    }
    bb_policy_free(policy);
}

/* What this tree's own verifier makes of accepted evidence. */
struct made {
    bool ear, simulated, compliant, known_code;
    uint64_t guest_policy;
    const char *policy;
    enum bb_status status;
    enum bb_check_id id;
};

static char *make(const struct world *w, const struct made *m, const json_t *runtime) {
    static const uint8_t bytes[64] = {1, 2, 3};
    const struct bb_span b = BB_SPAN_OF(bytes);
    const struct bb_snp_report report = {.policy = m->guest_policy,
                                         .family_id = bb_span_slice(b, 0, 16),
                                         .image_id = bb_span_slice(b, 0, 16),
                                         .report_data = b,
                                         .measurement = bb_span_slice(b, 0, 48),
                                         .host_data = bb_span_slice(b, 0, 32),
                                         .id_key_digest = bb_span_slice(b, 0, 48),
                                         .author_key_digest = bb_span_slice(b, 0, 48),
                                         .report_id = bb_span_slice(b, 0, 32),
                                         .product = BB_SNP_PRODUCT_MILAN};
    const struct bb_result accepted = {.verdict = BB_VERDICT_ACCEPTED, .simulated = m->simulated};
    struct bb_attest_request request = {.nonce = NULL};
    request.runtime.type = BB_ATTEST_JSON;
    request.runtime.json = (json_t *)(uintptr_t)runtime;
    const struct bb_make_input in = {.report = &report,
                                     .product = BB_SNP_PRODUCT_MILAN,
                                     .result = &accepted,
                                     .request = &request,
                                     .issuer = ISS,
                                     .policy_hash = "hash",
                                     .known_code = m->known_code,
                                     .compliant = m->compliant,
                                     .now = NOW};
    const struct bb_make_header header = {.alg = BB_SIG_ES256, .kid = "k1", .typ = "JWT"};
    json_t *claims = NULL;
    char *token = NULL;
    assert_int_equal(m->ear ? bb_make_ear(&in, &claims, NULL) : bb_make_maa(&in, &claims, NULL),
                     BB_OK);
    assert_int_equal(bb_make_token(claims, &header, w->key, &token, NULL), BB_OK);
    json_decref(claims);
    return token;
}

static void test_tokens_of_our_own_service(void **state) {
    static const char sim[] = "{'allow_simulated':true}";
    static const struct made rows[] = {
        {false, false, true, true, 0, NULL, BB_OK, 0},
        {false, false, false, true, 0, NULL, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {false, false, true, true, BB_SNP_POLICY_DEBUG, NULL, BB_DEBUG_MODE, BB_CHECK_DEBUG},
        {false, true, true, true, 0, NULL, BB_SIMULATED_TEE, BB_CHECK_TOKEN_TYPE},
        {false, true, true, true, 0, sim, BB_OK, 0},
        {true, false, false, true, 0, NULL, BB_OK, 0},
        {true, false, false, false, 0, NULL, BB_NON_COMPLIANT_UVM, BB_CHECK_UVM},
        {true, false, false, true, BB_SNP_POLICY_DEBUG, NULL, BB_DEBUG_MODE, BB_CHECK_DEBUG},
        {true, true, false, true, 0, NULL, BB_SIMULATED_TEE, BB_CHECK_TOKEN_TYPE},
        {true, true, false, true, 0, sim, BB_OK, 0},
        {true, true, false, true, BB_SNP_POLICY_DEBUG, sim, BB_DEBUG_MODE, BB_CHECK_DEBUG}};
    json_t *runtime = quoted("{'blindbox-1':'" D_TEXT "'}");
    const struct world *w = *state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_policy_verifier v = {.issuer = issuer,
                                       .profile = rows[i].ear ? BB_PROFILE_EAR : BB_PROFILE_MAA};
        struct bb_token_expectation e = {
            .verifier = &v, .jwks = w->jwks, .has_report_data = true, .report_data = {1, 2, 3}};
        struct bb_policy *policy = policy_of(rows[i].policy);
        struct bb_result r;
        d(&e);
        char *token = make(w, &rows[i], runtime);
        (void)!bb_token_appraise(bb_span_str(token), &e, policy, NOW, &r);
        if (r.status != rows[i].status || (r.status != BB_OK && r.first_failed != rows[i].id))
            fail_msg("row %zu: %s in %s", i, bb_status_name(r.status),
                     bb_check_name(r.first_failed));
        assert_int_equal(r.simulated, rows[i].simulated);
        free(token);
        bb_policy_free(policy);
    }
    json_decref(runtime);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_what_the_token_is_about),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_binding),
        cmocka_unit_test(test_debug_and_guest_policy),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_compliance),
        cmocka_unit_test(test_listed_compliance),
        cmocka_unit_test(test_what_no_token_states),
        cmocka_unit_test(test_who_needs_the_report),
        cmocka_unit_test(test_on_a_connection),
        cmocka_unit_test(test_signature_and_issuer),
        cmocka_unit_test(test_claims_are_read_after_the_signature),
        cmocka_unit_test(test_a_token_without_a_signature),
        cmocka_unit_test(test_keys_in_the_token),
        cmocka_unit_test(test_nothing_pinned),
        cmocka_unit_test(test_skip),
        cmocka_unit_test(test_a_member_twice),
        cmocka_unit_test(test_tokens_of_our_own_service),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
