/* Every rule of the policy on a report: what passes, what fails, with its check, class and texts.
 */
#include "vectors.h"

#include "appraise/rules_snp.h"
#include "attester/sim/config.h"

#define H16 "0102030405060708090a0b0c0d0e0f10"
#define H32 H16 H16
#define H48 H32 H16

static void set_hex(uint8_t *out, size_t len) {
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i % 16 + 1);
}

static void plain(struct bb_sim_config *c) { (void)c; }
static void debug(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_DEBUG; }
static void migration(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_MIGRATE_MA; }
static void no_smt(struct bb_sim_config *c) { c->policy &= ~BB_SNP_POLICY_SMT; }
static void socket(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_SINGLE_SOCKET; }
static void cxl(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_CXL_ALLOW; }
static void xts(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_MEM_AES_256_XTS; }
static void rapl(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_RAPL_DIS; }
static void hiding(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_CIPHERTEXT_HIDING; }
static void no_swap(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_PAGE_SWAP_DISABLE; }
static void abi_1_0(struct bb_sim_config *c) { c->policy = (c->policy & ~0xffffULL) | 0x0100; }
static void vmpl_3(struct bb_sim_config *c) { c->vmpl = 3; }
static void vmpl_4(struct bb_sim_config *c) { c->vmpl = 4; }
static void vmpl_32(struct bb_sim_config *c) { c->vmpl = 32; }
static void vmpl_host(struct bb_sim_config *c) { c->vmpl = UINT32_MAX; }
static void is_vlek(struct bb_sim_config *c) { c->signer = BB_SNP_SIGNER_VLEK; }
static void version_4(struct bb_sim_config *c) { c->version = 4; }
static void genoa(struct bb_sim_config *c) { bb_sim_config_default(c, BB_SNP_PRODUCT_GENOA); }
static void turin(struct bb_sim_config *c) { bb_sim_config_default(c, BB_SNP_PRODUCT_TURIN); }
static void bit_6(struct bb_sim_config *c) { c->platform_info |= 1U << 6 | 1U << 7; }
static void committed_tcb(struct bb_sim_config *c) { c->committed_tcb.raw[7]--; }
static void newer_committed(struct bb_sim_config *c) { c->committed_tcb.raw[7]++; }
static void build(struct bb_sim_config *c) { c->committed.build--; }
static void minor(struct bb_sim_config *c) { c->committed.minor--; }
static void major(struct bb_sim_config *c) { c->committed.major--; }
static void over_reported(struct bb_sim_config *c) { c->reported_tcb.raw[6]++; }
static void under_reported(struct bb_sim_config *c) { c->reported_tcb.raw[6]--; }
static void old_launch(struct bb_sim_config *c) { c->launch_tcb.raw[0]--; }
/* One component lower, one higher: never one number. */
static void mixed(struct bb_sim_config *c) {
    c->reported_tcb.raw[0]--;
    c->current_tcb.raw[7] = c->reported_tcb.raw[7] = c->committed_tcb.raw[7] = 255;
}
static void known(struct bb_sim_config *c) {
    set_hex(c->measurement, 48);
    set_hex(c->host_data, 32);
    set_hex(c->id_key_digest, 48);
    set_hex(c->author_key_digest, 48);
    set_hex(c->family_id, 16);
    set_hex(c->image_id, 16);
    c->author_key_en = true;
    c->guest_svn = 7;
}
static void no_author(struct bb_sim_config *c) {
    known(c);
    c->author_key_en = false;
}

#define GUEST(text) "\"guest_policy\": {" text "}"
#define MINIMUM(product, text) "\"minimum_tcb\": {\"" product "\": {" text "}}"
#define LAUNCH(text) "\"minimum_launch_tcb\": {\"Milan\": {" text "}}"
#define FAIL(check, class) BB_CHECK_##check, BB_##class
#define PASS(check) BB_CHECK_##check, BB_OK

/* `keys` beside a measurement that is the report's own where `keys` names none. */
static const struct {
    void (*report)(struct bb_sim_config *c);
    const char *keys;
    enum bb_check_id check;
    enum bb_status status;
    const char *found; /* of the row; NULL: not looked at */
} rows[] = {
    {plain, "", PASS(DEBUG), "0"},
    {debug, "", FAIL(DEBUG, DEBUG_MODE), "1"},
    {debug, GUEST("\"debug\": false"), FAIL(DEBUG, DEBUG_MODE), "1"},
    {debug, GUEST("\"debug\": true"), PASS(DEBUG), "1"},
    {debug, GUEST("\"debug\": true"), PASS(GUEST_POLICY), NULL},
    {migration, "", FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), "0x7001f"},
    {migration, GUEST("\"migration\": true"), PASS(GUEST_POLICY), NULL},
    {plain, GUEST("\"migration\": true"), PASS(GUEST_POLICY), NULL}, /* allowed, not required */
    {plain, GUEST("\"smt\": true"), PASS(GUEST_POLICY), NULL},
    {plain, GUEST("\"smt\": \"any\""), PASS(GUEST_POLICY), NULL},
    {plain, GUEST("\"smt\": false"), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), "0x3001f"},
    {no_smt, GUEST("\"smt\": true"), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), "0x2001f"},
    {no_smt, GUEST("\"smt\": false"), PASS(GUEST_POLICY), NULL},
    {socket, GUEST("\"single_socket\": true"), PASS(GUEST_POLICY), NULL},
    {socket, GUEST("\"single_socket\": false"), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), NULL},
    {cxl, GUEST("\"cxl\": true"), PASS(GUEST_POLICY), NULL},
    {cxl, GUEST("\"cxl\": false"), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), NULL},
    {xts, GUEST("\"mem_aes_256_xts\": true"), PASS(GUEST_POLICY), NULL},
    {plain, GUEST("\"mem_aes_256_xts\": true"), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), NULL},
    {rapl, GUEST("\"rapl_dis\": true"), PASS(GUEST_POLICY), NULL},
    {plain, GUEST("\"rapl_dis\": true"), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), NULL},
    {hiding, GUEST("\"ciphertext_hiding\": true"), PASS(GUEST_POLICY), NULL},
    {plain, GUEST("\"ciphertext_hiding\": true"), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), NULL},
    {no_swap, GUEST("\"page_swap_disable\": true"), PASS(GUEST_POLICY), NULL},
    {plain, GUEST("\"page_swap_disable\": true"), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), NULL},
    {plain, GUEST("\"abi_min\": \"0.31\""), PASS(GUEST_POLICY), NULL},
    {plain, GUEST("\"abi_min\": \"0.32\""), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), NULL},
    {plain, GUEST("\"abi_min\": \"1.0\""), FAIL(GUEST_POLICY, GUEST_POLICY_REJECTED), NULL},
    {abi_1_0, GUEST("\"abi_min\": \"0.31\""), PASS(GUEST_POLICY), NULL},
    {plain, "", PASS(VMPL), "0"},
    {vmpl_3, "", FAIL(VMPL, GUEST_POLICY_REJECTED), "3"},
    {vmpl_3, "\"vmpl\": [0, 3]", PASS(VMPL), "3"},
    {plain, "\"vmpl\": [1, 2, 3]", FAIL(VMPL, GUEST_POLICY_REJECTED), "0"},
    {plain, "\"vmpl\": []", FAIL(VMPL, GUEST_POLICY_REJECTED), "0"},
    {vmpl_4, "\"vmpl\": [0, 1, 2, 3]", FAIL(VMPL, GUEST_POLICY_REJECTED), "0x4"},
    {vmpl_32, "\"vmpl\": [0, 1, 2, 3]", FAIL(VMPL, GUEST_POLICY_REJECTED), "0x20"},
    {vmpl_host, "\"vmpl\": [0, 1, 2, 3]", FAIL(VMPL, GUEST_POLICY_REJECTED), "0xffffffff"},
    {plain, "\"products\": [\"Milan\"]", PASS(PLATFORM), NULL},
    {plain, "\"products\": [\"Genoa\", \"Turin\"]", FAIL(PLATFORM, GUEST_POLICY_REJECTED), "Milan"},
    {turin, "\"products\": [\"Milan\"]", FAIL(PLATFORM, GUEST_POLICY_REJECTED), "Turin"},
    {plain, "\"signers\": [\"vlek\"]", FAIL(PLATFORM, GUEST_POLICY_REJECTED), "vcek"},
    {is_vlek, "\"signers\": [\"vcek\"]", FAIL(PLATFORM, GUEST_POLICY_REJECTED), "vlek"},
    {is_vlek, "\"signers\": [\"vlek\"]", PASS(PLATFORM), NULL},
    {version_4, "\"report_versions\": [3, 5]", FAIL(PLATFORM, GUEST_POLICY_REJECTED), "4"},
    {version_4, "\"report_versions\": [4]", PASS(PLATFORM), NULL},
    {plain, "\"platform_info\": {\"required\": [\"alias_check\", \"ecc\"]}", PASS(PLATFORM),
     "0x25"},
    {plain, "\"platform_info\": {\"required\": [\"ecc\", \"tsme\"]}",
     FAIL(PLATFORM, GUEST_POLICY_REJECTED), "0x25"},
    {plain, "\"platform_info\": {\"forbidden\": [\"smt\"]}", FAIL(PLATFORM, GUEST_POLICY_REJECTED),
     "0x25"},
    {plain, "\"platform_info\": {\"forbidden\": [\"tsme\"]}", PASS(PLATFORM), "0x25"},
    {bit_6, "\"platform_info\": {\"required\": [\"tio\"]}", PASS(PLATFORM), "0xe5"},
    {plain, "", PASS(PROVISIONAL), NULL},
    {committed_tcb, "", FAIL(PROVISIONAL, PROVISIONAL_FIRMWARE), NULL},
    {newer_committed, "", FAIL(PROVISIONAL, PROVISIONAL_FIRMWARE), NULL},
    {build, "", FAIL(PROVISIONAL, PROVISIONAL_FIRMWARE), "1.55.28"},
    {minor, "", FAIL(PROVISIONAL, PROVISIONAL_FIRMWARE), "1.54.29"},
    {major, "", FAIL(PROVISIONAL, PROVISIONAL_FIRMWARE), "0.55.29"},
    {plain, MINIMUM("Milan", "\"snp\": 24, \"microcode\": 219"), PASS(MINIMUM_TCB),
     "bootloader 4 tee 0 snp 24 microcode 219"},
    {plain, MINIMUM("Milan", "\"snp\": 25"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {plain, MINIMUM("Milan", "\"bootloader\": 5"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {plain, MINIMUM("Milan", "\"tee\": 1"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {plain, MINIMUM("Milan", "\"microcode\": 220"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {mixed, MINIMUM("Milan", "\"bootloader\": 4"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {plain, MINIMUM("Turin", "\"fmc\": 1"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), "Milan"},
    {plain, "\"minimum_tcb\": {}", FAIL(MINIMUM_TCB, TCB_TOO_OLD), "Milan"},
    {turin, MINIMUM("Turin", "\"fmc\": 2"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {turin, MINIMUM("Turin", "\"fmc\": 1, \"snp\": 4"), PASS(MINIMUM_TCB), NULL},
    {genoa, MINIMUM("Genoa", "\"microcode\": 85"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {over_reported, "", FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {under_reported, MINIMUM("Milan", "\"snp\": 24"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {under_reported, MINIMUM("Milan", "\"snp\": 23"), PASS(MINIMUM_TCB), NULL},
    {old_launch, MINIMUM("Milan", "\"bootloader\": 4"), PASS(MINIMUM_TCB), NULL},
    {old_launch, LAUNCH("\"bootloader\": 4"), FAIL(MINIMUM_TCB, TCB_TOO_OLD), NULL},
    {plain, LAUNCH("\"bootloader\": 4"), PASS(MINIMUM_TCB), NULL},
    {known, "\"measurements\": [\"" H48 "\"]", PASS(MEASUREMENT), H48},
    {plain, "\"measurements\": [\"" H48 "\"]", FAIL(MEASUREMENT, MEASUREMENT_MISMATCH), NULL},
    {plain, "\"measurements\": []", FAIL(EXPECTED_CODE, MISSING_REFERENCE_VALUES), "none"},
    {plain, "\"measurements\": []", FAIL(MEASUREMENT, MEASUREMENT_MISMATCH), NULL},
    {known, "\"host_data\": [\"" H32 "\"]", PASS(HOST_DATA), H32},
    {plain, "\"host_data\": [\"" H32 "\"]", FAIL(HOST_DATA, INVALID_ENCLAVE_CODE), NULL},
    {plain, "\"host_data\": []", FAIL(HOST_DATA, INVALID_ENCLAVE_CODE), NULL},
    {plain, "\"cce_policy_file\": \"unread\"", FAIL(HOST_DATA, INTERNAL), "not read"},
    {known, "\"id_key_digests\": [\"" H48 "\"]", PASS(ID_KEYS), H48},
    {plain, "\"id_key_digests\": [\"" H48 "\"]", FAIL(ID_KEYS, MEASUREMENT_MISMATCH), NULL},
    {known, "\"author_key_digests\": [\"" H48 "\"]", PASS(ID_KEYS), H48},
    {no_author, "\"author_key_digests\": [\"" H48 "\"]", FAIL(ID_KEYS, MEASUREMENT_MISMATCH),
     "AUTHOR_KEY_EN 0"},
    {known, "\"id_key_digests\": [\"" H48 "\"], \"author_key_digests\": []",
     FAIL(ID_KEYS, MEASUREMENT_MISMATCH), NULL},
    {known, "\"config_digests\": [\"" H48 "\"]", FAIL(CONFIG, UNSUPPORTED_EVIDENCE), NULL},
    {plain, "\"chip_ids\": [\"" H32 H32 "\"]", FAIL(CHIP_IDS, GUEST_POLICY_REJECTED), NULL},
    {known, "\"family_ids\": [\"" H16 "\"], \"image_ids\": [\"" H16 "\"]", PASS(CHIP_IDS), H16},
    {plain, "\"family_ids\": [\"" H16 "\"]", FAIL(CHIP_IDS, GUEST_POLICY_REJECTED), NULL},
    {known, "\"family_ids\": [\"" H16 "\"], \"image_ids\": []",
     FAIL(CHIP_IDS, GUEST_POLICY_REJECTED), NULL},
    {known, "\"minimum_guest_svn\": 7", PASS(CHIP_IDS), "7"},
    {known, "\"minimum_guest_svn\": 8", FAIL(CHIP_IDS, GUEST_POLICY_REJECTED), "7"},
};

static void apply(void (*change)(struct bb_sim_config *), const char *keys,
                  const struct bb_expectation *expect, struct bb_result *result) {
    struct bb_sim_config config;
    uint8_t raw[BB_SNP_REPORT_SIZE], data[64] = {0};
    struct bb_snp_report report;
    struct bb_policy *policy = NULL;
    char text[1024];
    bb_sim_config_default(&config, BB_SNP_PRODUCT_MILAN);
    change(&config);
    bb_sim_report_build(&config, data, raw);
    assert_int_equal(bb_snp_report_parse(BB_SPAN_OF(raw), &report, NULL), BB_OK);
    (void)snprintf(text, sizeof text, "{\"schema\": \"blindbox.policy/1\"%s%s}",
                   keys[0] == '\0' ? "" : ", ", keys);
    assert_int_equal(bb_policy_parse(bb_span_str(text), &policy, NULL), BB_OK);
    if (!policy->measurements.given)
        assert_int_equal(bb_policy_add_measurement(policy, report.measurement, NULL), BB_OK);
    struct bb_rules_input in = {
        .report = &report, .product = report.product, .policy = policy, .expect = expect};
    *result = (struct bb_result){0};
    bb_rules_snp(&in, result);
    bb_policy_free(policy);
}

static void test_each_rule(void **state) {
    (void)state;
    struct bb_expectation none = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_result r;
        apply(rows[i].report, rows[i].keys, &none, &r);
        const struct bb_check *c = &r.checks[rows[i].check];
        enum bb_outcome want = rows[i].status == BB_OK ? BB_OUTCOME_PASSED : BB_OUTCOME_FAILED;
        if (c->outcome != want || c->status != rows[i].status ||
            (rows[i].found != NULL && strcmp(c->found, rows[i].found) != 0))
            fail_msg("row %zu (%s): %s %s, found '%s'", i, rows[i].keys,
                     bb_outcome_name(c->outcome), bb_status_name(c->status), c->found);
        for (int id = BB_CHECK_EXPECTED_CODE; id < BB_CHECK_COUNT; id++)
            assert_int_not_equal(r.checks[id].outcome, BB_OUTCOME_NONE); /* every row is made */
    }
}

/* What the policy does not ask for is never shown as passed. */
static void test_not_requested(void **state) {
    (void)state;
    static const enum bb_check_id ids[] = {BB_CHECK_MINIMUM_TCB, BB_CHECK_HOST_DATA,
                                           BB_CHECK_ID_KEYS,     BB_CHECK_UVM,
                                           BB_CHECK_CHIP_IDS,    BB_CHECK_REST};
    struct bb_expectation none = {0};
    struct bb_result r;
    apply(plain, "", &none, &r);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        assert_int_equal(r.checks[ids[i]].outcome, BB_OUTCOME_NOT_REQUESTED);
    assert_int_equal(r.checks[BB_CHECK_PCRS].outcome, BB_OUTCOME_NOT_APPLICABLE);
    assert_int_equal(r.checks[BB_CHECK_CONFIG].outcome, BB_OUTCOME_NOT_APPLICABLE);
    apply(build, "\"provisional_firmware\": true", &none, &r);
    assert_int_equal(r.checks[BB_CHECK_PROVISIONAL].outcome, BB_OUTCOME_NOT_REQUESTED);
}

static void test_configuration_of_a_gateway(void **state) {
    (void)state;
    static const struct {
        const char *keys;
        bool outside, known_digest;
        enum bb_status status;
    } cases[] = {{"", false, false, BB_OK},
                 {"", true, false, BB_CONFIGURATION_REFUSED},
                 {"\"config_digests\": [\"" H48 "\"]", true, true, BB_OK},
                 {"\"config_digests\": [\"" H48 "\"]", false, false, BB_CONFIGURATION_REFUSED},
                 {"\"config_digests\": []", false, true, BB_CONFIGURATION_REFUSED}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bb_result r;
        struct bb_expectation e = {.has_config_digest = true, .outside_upstream = cases[i].outside};
        if (cases[i].known_digest)
            set_hex(e.config_digest, sizeof e.config_digest);
        apply(plain, cases[i].keys, &e, &r);
        if (r.checks[BB_CHECK_CONFIG].status != cases[i].status)
            fail_msg("case %zu: %s", i, bb_status_name(r.checks[BB_CHECK_CONFIG].status));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_rule),
        cmocka_unit_test(test_not_requested),
        cmocka_unit_test(test_configuration_of_a_gateway),
    };
    return cmocka_run_group_tests_name("rules", tests, NULL, NULL);
}
