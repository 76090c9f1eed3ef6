/* The appraisal of tokens: each refusal with its class and row, and what passes beside it. */
#include "token_world.h"

#include "token/make.h"

struct world {
    struct bb_key *key, *other;
    struct bb_jwks *jwks;
};

static int setup(void **state) {
    static struct world w;
    if (bb_key_generate(BB_KEY_P256, &w.key, NULL) != BB_OK ||
        bb_key_generate(BB_KEY_P256, &w.other, NULL) != BB_OK)
        return 1;
    w.jwks = key_set(w.key, "k1");
    *state = &w;
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    bb_jwks_free(w->jwks);
    bb_key_free(w->key);
    bb_key_free(w->other);
    return 0;
}

static char katacc[] = "azure-signed-katacc-uvm", cvm[] = "azure-compliant-cvm";
static char issuer[] = ISS;

/* What the caller of a row expects. */
static void nothing(struct bb_token_expectation *e) { (void)e; }
static void data(struct bb_token_expectation *e) {
    e->has_report_data = bb_hex_decode_exact(H64, e->report_data, 64);
}
static void other_data(struct bb_token_expectation *e) {
    data(e);
    e->report_data[63] ^= 1;
}
static void d(struct bb_token_expectation *e) {
    e->has_d = true;
    memset(e->d, 0x5a, sizeof e->d);
}
static void other_d(struct bb_token_expectation *e) {
    d(e);
    e->d[0] ^= 1;
}
static void nonce(struct bb_token_expectation *e) { e->nonce = "n-1"; }
static void other_nonce(struct bb_token_expectation *e) { e->nonce = "n-2"; }
static void connection(struct bb_token_expectation *e) {
    data(e);
    d(e);
    e->on_connection = e->has_config_digest = true;
    e->kind = BB_KIND_SEV_SNP;
    memset(e->config_digest, 0x77, sizeof e->config_digest);
}
static void on_other_data(struct bb_token_expectation *e) {
    connection(e);
    e->report_data[0] ^= 1;
}
static void on_other_d(struct bb_token_expectation *e) {
    connection(e);
    e->d[47] ^= 1;
}
static void on_other_nonce(struct bb_token_expectation *e) {
    connection(e);
    e->nonce = "n-2";
}
static void unbound(struct bb_token_expectation *e) {
    connection(e);
    e->has_report_data = false;
}
static void no_d(struct bb_token_expectation *e) {
    connection(e);
    e->has_d = false;
}
static void outside(struct bb_token_expectation *e) {
    connection(e);
    e->outside_upstream = true;
}
static void no_config(struct bb_token_expectation *e) {
    connection(e);
    e->has_config_digest = false;
}
static void with_report(struct bb_token_expectation *e) {
    no_config(e);
    e->report_is_checked = true;
}
static void beside_report(struct bb_token_expectation *e) { e->report_is_checked = true; }
static void hcl(struct bb_token_expectation *e) { e->kind = BB_KIND_AZURE_HCL; }
static void simulated(struct bb_token_expectation *e) { e->kind = BB_KIND_SIMULATED; }
static void hardware(struct bb_token_expectation *e) { e->kind = BB_KIND_SEV_SNP; }

#define BAD BB_MALFORMED_EVIDENCE
#define GONE BB_TOKEN_CLAIM_MISSING
#define ENDS BB_TOKEN_EXPIRED
#define EARLY BB_TOKEN_NOT_YET_VALID
#define GUEST BB_GUEST_POLICY_REJECTED
#define OTHER BB_MEASUREMENT_MISMATCH
#define FALSE_ BB_FALSE_ATTESTATION_REPORT
#define UNBOUND BB_CHANNEL_BINDING_MISMATCH
#define LENIENT "'crl':'if-present','provisional_firmware':true"
#define ZEROS16 "00000000000000000000000000000000"

struct row {
    const char *claims; /* patch of the base */
    const char *policy; /* patch of the empty policy */
    void (*expect)(struct bb_token_expectation *e);
    enum bb_status status;
    enum bb_check_id id; /* of the first failure */
};

static void appraise(const struct world *w, const char *base, enum bb_token_profile profile,
                     const struct row *row, struct bb_result *result) {
    struct bb_policy_verifier verifier = {.profile = profile, .issuer = issuer};
    struct bb_token_expectation expect = {.verifier = &verifier, .jwks = w->jwks};
    struct bb_policy *policy = policy_of(row->policy);
    char *token =
        token_of(w->key, BB_SIG_ES256, "{'alg':'ES256','kid':'k1'}", patched(base, row->claims));
    row->expect(&expect);
    enum bb_status status = bb_token_appraise(bb_span_str(token), &expect, policy, NOW, result);
    assert_int_equal(status, result->status);
    free(token);
    bb_policy_free(policy);
}

static void check_rows(const struct world *w, const char *base, enum bb_token_profile profile,
                       const struct row *rows, size_t n) {
    struct bb_result result;
    for (size_t i = 0; i < n; i++) {
        appraise(w, base, profile, &rows[i], &result);
        if (result.status == rows[i].status &&
            (result.status == BB_OK || result.first_failed == rows[i].id))
            continue;
        fail_msg("row %zu: %s %s: %s in %s (%s), not %s in %s", i,
                 rows[i].claims == NULL ? "" : rows[i].claims,
                 rows[i].policy == NULL ? "" : rows[i].policy, bb_status_name(result.status),
                 bb_check_name(result.first_failed), result.checks[result.first_failed].reason,
                 bb_status_name(rows[i].status), bb_check_name(rows[i].id));
    }
}

#define CHECK_ROWS(state, base, profile, rows)                                                     \
    check_rows(*(state), base, profile, rows, sizeof(rows) / sizeof((rows)[0]))

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
        cmocka_unit_test(test_ear),
        cmocka_unit_test(test_ear_binding),
        cmocka_unit_test(test_ear_simulated),
        cmocka_unit_test(test_ear_reason),
        cmocka_unit_test(test_ear_without_facts),
        cmocka_unit_test(test_ear_dialects),
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
