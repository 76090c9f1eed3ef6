/* The simulated TEE: its folder, configuration, signer and defects. */
#include "vectors.h"

#include "appraise/appraise.h"
#include "attester/attester.h"
#include "attester/sim/sim.h"
#include "attester/sim/store.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Removes the folder of a test and the files in it. */
static void remove_folder(const char *dir) {
    static const char *const files[] = {"sim.json", "signer", "keys.lock", "vek.key"};
    char path[4096];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(dir), 0); /* nothing else may be left in it */
}

static void new_folder(char *dir, size_t cap) {
    (void)snprintf(dir, cap, "/tmp/blindbox-test-sim-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void write_text(const char *dir, const char *name, const char *text) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    (void)fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static unsigned mode_of(const char *dir, const char *name) {
    char path[4096];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void test_defect_table(void **state) {
    (void)state;
    bool seen[BB_SIM_DEFECT_COUNT] = {false};
    size_t n = 0;
    const struct bb_sim_defect *d = NULL;
    for (; (d = bb_sim_defect_at(n)) != NULL; n++) {
        enum bb_check_id id;
        assert_true(d->id > BB_SIM_DEFECT_NONE && d->id < BB_SIM_DEFECT_COUNT && !seen[d->id]);
        seen[d->id] = true;
        assert_ptr_equal(bb_sim_defect_find(d->name), d); /* so names are unique */
        assert_true(d->explanation[0] != '\0');
        assert_true(d->file != BB_OK && d->connection != BB_OK);
        assert_true(bb_check_from_name(d->check, &id));
    }
    assert_int_equal(n, BB_SIM_DEFECT_COUNT - 1);
    assert_null(bb_sim_defect_at(SIZE_MAX));
    static const char *const none[] = {"", "none", "Debug", "debug "};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_null(bb_sim_defect_find(none[i]));
}

static const struct {
    const char *json, *field;
} wrong[] = {
    {"[]", "sim.json"},
    {"{\"vmpl\": 0} {}", "sim.json"},
    {"{\"vmpl\": 0, \"vmpl\": 0}", "sim.json"},
    {"{\"colour\": 1}", "colour"},
    {"{\"product\": \"Rome\"}", "product"},
    {"{\"product\": \"unknown\"}", "product"},
    {"{\"product\": 1}", "product"},
    {"{\"product\": null}", "product"},
    {"{\"signer\": \"VCEK\"}", "signer"},
    {"{\"signer\": 0}", "signer"},
    {"{\"policy\": -1}", "policy"},
    {"{\"policy\": \"0x30000\"}", "policy"},
    {"{\"policy\": 1.0}", "policy"},
    {"{\"platform_info\": true}", "platform_info"},
    {"{\"platform_info\": -1}", "platform_info"},
    {"{\"version\": 4294967296}", "version"},
    {"{\"vmpl\": -1}", "vmpl"},
    {"{\"guest_svn\": \"1\"}", "guest_svn"},
    {"{\"latency_ms\": 60001}", "latency_ms"},
    {"{\"throttle_burst\": 1000001}", "throttle_burst"},
    {"{\"throttle_per_second\": 1000001}", "throttle_per_second"},
    {"{\"throttle_stall_ms\": 60001}", "throttle_stall_ms"},
    {"{\"measurement\": \"b1\"}", "measurement"},
    {"{\"host_data\": 5}", "host_data"},
    {"{\"reported_tcb\": \"04000000000018\"}", "reported_tcb"},
    {"{\"current_tcb\": \"04000000000018dg\"}", "current_tcb"},
    {"{\"family_id\": []}", "family_id"},
    {"{\"report_id_ma\": \"ff\"}", "report_id_ma"},
    {"{\"cpuid_family\": 256}", "cpuid_family"},
    {"{\"cpuid_model\": \"0xa0\"}", "cpuid_model"},
    {"{\"cpuid_stepping\": -1}", "cpuid_stepping"},
    {"{\"current_build\": 256}", "current_build"},
    {"{\"current_minor\": 1.0}", "current_minor"},
    {"{\"current_major\": null}", "current_major"},
    {"{\"committed_build\": -1}", "committed_build"},
    {"{\"committed_minor\": 256}", "committed_minor"},
    {"{\"committed_major\": true}", "committed_major"},
    {"{\"author_key_en\": 1}", "author_key_en"},
    {"{\"author_key_en\": \"true\"}", "author_key_en"},
    {"{\"author_key_en\": null}", "author_key_en"},
    {"{\"launch_mit_vector\": -1}", "launch_mit_vector"},
    {"{\"current_mit_vector\": \"0x3f\"}", "current_mit_vector"},
    {"{\"current_mit_vector\": 9223372036854775808}", "sim.json"},
    {"{\"chip_id\": false}", "chip_id"},
    {"{\"chip_id\": \"00\"}", "chip_id"},
};

static void test_configurations_are_read_strictly(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bb_sim_config c;
        struct bb_error err = {0};
        enum bb_status status = bb_sim_config_parse(bb_span_str(wrong[i].json), &c, &err);
        if (status != BB_USAGE || strcmp(err.field, wrong[i].field) != 0)
            fail_msg("%s: %s, field '%s'", wrong[i].json, bb_status_name(status), err.field);
    }
}

static void test_a_configuration_survives_its_text(void **state) {
    (void)state;
    for (int p = BB_SNP_PRODUCT_MILAN; p < BB_SNP_PRODUCT_COUNT; p++) {
        struct bb_sim_config c, again;
        uint8_t first[BB_SNP_REPORT_SIZE], second[BB_SNP_REPORT_SIZE], data[64] = {7};
        bb_sim_config_default(&c, (enum bb_snp_product)p);
        c.signer = BB_SNP_SIGNER_VLEK;
        c.policy ^= BB_SNP_POLICY_DEBUG;
        c.vmpl = UINT32_MAX;
        c.guest_svn = 9;
        c.id_key_digest[47] = 1;
        c.launch_tcb.raw[7]--;
        c.throttle = (struct bb_sim_throttle){1, 2, 3};
        c.latency_ms = 4;
        c.version = 5;
        c.author_key_en = true;
        c.cpuid_family = UINT8_MAX;
        c.cpuid_model = 0xa0;
        c.cpuid_stepping = 3;
        c.current = (struct bb_snp_fw_version){1, 2, UINT8_MAX};
        c.committed = (struct bb_snp_fw_version){4, 5, 6};
        c.launch_mit_vector = INT64_MAX;
        c.current_mit_vector = (uint64_t)UINT32_MAX + 1;
        memset(c.report_id_ma, 0x77, sizeof c.report_id_ma);
        char *text = bb_sim_config_json(&c);
        assert_non_null(text);
        assert_int_equal(bb_sim_config_parse(bb_span_str(text), &again, NULL), BB_OK);
        free(text);
        bb_sim_report_build(&c, data, first);
        bb_sim_report_build(&again, data, second);
        assert_memory_equal(first, second, sizeof first);
        assert_int_equal(again.product, p);
        assert_memory_equal(&again.throttle, &c.throttle, sizeof c.throttle);
        assert_int_equal(again.latency_ms, 4);
        assert_false(again.has_chip_id);
    }
}

static void test_the_folder_is_private(void **state) {
    (void)state;
    char dir[64];
    struct bb_sim *sim = NULL;
    struct bb_error err = {0};
    new_folder(dir, sizeof dir);
    static const mode_t modes[] = {0755, 0750, 0701, 0770};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        err = (struct bb_error){0};
        assert_int_equal(chmod(dir, modes[i]), 0);
        assert_int_equal(bb_sim_open(dir, &sim, &err), BB_USAGE);
        assert_string_equal(err.expected, "mode 0700, yours");
    }
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(bb_sim_open(dir, &sim, NULL), BB_OK); /* makes it */
    assert_int_equal(mode_of(dir, "."), 0700);
    uint8_t data[64] = {0}, report[BB_SNP_REPORT_SIZE];
    assert_int_equal(bb_sim_save(sim, NULL), BB_OK);
    assert_int_equal(bb_sim_sign(sim, data, NULL, report, NULL), BB_OK);
    static const char *const files[] = {"sim.json", "signer", "keys.lock", "vek.key"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_int_equal(mode_of(dir, files[i]), 0600);
    bb_sim_free(sim);
    remove_folder(dir);
}

/* A configuration that cannot be used is never replaced by the defaults. */
static void test_a_broken_configuration_refuses(void **state) {
    (void)state;
    char dir[64], *large = malloc(BB_SIM_CONFIG_JSON_MAX + 2);
    struct bb_sim *sim = NULL;
    assert_non_null(large);
    memset(large, ' ', BB_SIM_CONFIG_JSON_MAX + 1);
    memcpy(large, "{}", 2);
    large[BB_SIM_CONFIG_JSON_MAX + 1] = '\0';
    new_folder(dir, sizeof dir);
    const char *const texts[] = {"", "{", "{\"vmpl\": 9", large};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bb_error err = {0};
        write_text(dir, "sim.json", texts[i]);
        if (bb_sim_open(dir, &sim, &err) != BB_USAGE)
            fail_msg("text %zu", i);
        assert_string_equal(err.field, "sim.json");
    }
    write_text(dir, "sim.json", "{\"vmpl\": 3}");
    assert_int_equal(bb_sim_open(dir, &sim, NULL), BB_OK);
    assert_int_equal(bb_sim_config(sim)->vmpl, 3);
    bb_sim_free(sim);
    free(large);
    remove_folder(dir);
}

/* Tokens of the signer's bucket, in thousandths, as the folder keeps them. */
static long long tokens(const char *dir) {
    char path[4096];
    unsigned long long count = 0;
    long long left = -1;
    (void)snprintf(path, sizeof path, "%s/signer", dir);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fscanf(in, "%llu %lld", &count, &left), 2);
    (void)fclose(in);
    return left;
}

static int64_t monotonic_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Waits are only ever measured from below: a loaded machine makes them longer, never shorter. */
static void test_throttle_and_latency(void **state) {
    (void)state;
    enum { STALL_MS = 30, LATENCY_MS = 20 };
    struct bb_sim_store store = {{0}};
    const struct bb_sim_throttle off = {0, 0, 0}, dry = {2, 0, STALL_MS},
                                 quick = {2, 1000000, STALL_MS};
    char dir[64];
    new_folder(dir, sizeof dir);
    assert_int_equal(bb_sim_store_open(&store, dir, NULL), BB_OK);
    int64_t start = monotonic_ms();
    assert_int_equal(bb_sim_store_take_turn(&store, LATENCY_MS, &off, NULL), BB_OK);
    assert_true(monotonic_ms() - start >= LATENCY_MS - 1);
    remove_folder(dir); /* a new folder's bucket is full */
    assert_int_equal(bb_sim_store_open(&store, dir, NULL), BB_OK);
    static const long long want[] = {1000, 0, 0, 0};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        start = monotonic_ms();
        assert_int_equal(bb_sim_store_take_turn(&store, 0, &dry, NULL), BB_OK);
        assert_int_equal(tokens(dir), want[i]);
        assert_true(i < 2 || monotonic_ms() - start >= STALL_MS - 1);
    }
    (void)usleep(2000); /* 2 ms at a million a second fill it */
    assert_int_equal(bb_sim_store_take_turn(&store, 0, &quick, NULL), BB_OK);
    assert_int_equal(tokens(dir), 1000);
    uint64_t count = 0;
    assert_int_equal(bb_sim_store_count(&store, &count, NULL), BB_OK);
    assert_int_equal(count, 5);
    remove_folder(dir);
}

/* Two processes, one signer: every signature is counted, and none overlaps another. */
static void test_processes_share_one_signer(void **state) {
    (void)state;
    enum { EACH = 6, LATENCY_MS = 10 };
    struct bb_sim_store store = {{0}};
    const struct bb_sim_throttle off = {0, 0, 0};
    char dir[64];
    new_folder(dir, sizeof dir);
    assert_int_equal(bb_sim_store_open(&store, dir, NULL), BB_OK);
    int64_t start = monotonic_ms();
    for (int child = 0; child < 2; child++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid != 0)
            continue;
        bool good = true;
        for (int i = 0; i < EACH; i++)
            good = bb_sim_store_take_turn(&store, LATENCY_MS, &off, NULL) == BB_OK && good;
        _exit(good ? 0 : 1);
    }
    for (int child = 0; child < 2; child++) {
        int status = -1;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_true(monotonic_ms() - start >= 2 * EACH * LATENCY_MS - 1);
    uint64_t count = 0;
    assert_int_equal(bb_sim_store_count(&store, &count, NULL), BB_OK);
    assert_int_equal(count, 2 * EACH);
    remove_folder(dir);
}

/* Class and first failed check of honest or defective evidence. */
static enum bb_status judge(const char *defect, const struct bb_policy *policy,
                            const struct bb_expectation *expect, struct bb_result *result) {
    static const uint8_t data[64] = {0x5a};
    struct bb_attester *attester = NULL;
    struct bb_attestation made;
    struct bb_error err = {0};
    if (bb_attester_sim_new(kept_keys(), defect, &attester, &err) != BB_OK ||
        bb_attester_get(attester, data, &made, &err) != BB_OK)
        fail_msg("%s", err.text);
    struct bb_span certs[] = {made.vek, made.ask, made.ark};
    struct bb_collateral collateral = {certs, 3, &made.crl, made.crl.len > 0 ? 1 : 0};
    enum bb_status status = bb_appraise_snp(bb_span(made.report, made.report_len), &collateral,
                                            policy, (int64_t)time(NULL), expect, 0, result);
    bb_attester_free(attester);
    return status;
}

static struct bb_policy *own_policy(void) {
    struct bb_sim *sim = NULL;
    struct bb_policy *policy = NULL;
    struct bb_error err = {0};
    char *json = NULL;
    if (bb_sim_open(kept_keys(), &sim, &err) != BB_OK || bb_sim_policy(sim, &json, &err) != BB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(bb_policy_parse(bb_span_str(json), &policy, NULL), BB_OK);
    bb_sim_free(sim);
    free(json);
    return policy;
}

/* Each defect fails the very check that the table names, in a file and on a connection. */
static void test_defects_fail_their_check(void **state) {
    (void)state;
    struct bb_policy *policy = own_policy();
    for (int connection = 0; connection < 2; connection++) {
        struct bb_expectation expect = {.on_connection = connection != 0,
                                        .has_report_data = true,
                                        .report_data = {0x5a},
                                        .kind = connection != 0 ? BB_KIND_SIMULATED : 0};
        struct bb_result result;
        assert_int_equal(judge(NULL, policy, &expect, &result), BB_OK);
        const struct bb_sim_defect *d = NULL;
        for (size_t i = 0; (d = bb_sim_defect_at(i)) != NULL; i++) {
            enum bb_status status = judge(d->name, policy, &expect, &result);
            if (status != (connection != 0 ? d->connection : d->file) ||
                strcmp(bb_check_name(result.first_failed), d->check) != 0)
                fail_msg("%s: %s at %s", d->name, bb_status_name(status),
                         bb_check_name(result.first_failed));
        }
    }
    bb_policy_free(policy);
}

/* On a connection a binding that was not made, or another kind than the peer stated, refuses. */
static void test_a_connection_asks_for_more(void **state) {
    (void)state;
    struct bb_policy *policy = own_policy();
    struct bb_result result;
    struct bb_expectation expect = {.on_connection = true, .kind = BB_KIND_SIMULATED};
    assert_int_equal(judge(NULL, policy, &expect, &result), BB_INTERNAL);
    assert_int_equal(result.first_failed, BB_CHECK_REPORT_DATA);
    static const struct {
        enum bb_evidence_kind stated;
        bool allowed, taken; /* by the policy */
        enum bb_status status;
        enum bb_check_id failed;
    } cases[] = {
        {BB_KIND_SIMULATED, true, true, BB_OK, BB_CHECK_COUNT},
        {BB_KIND_SEV_SNP, true, true, BB_SIMULATED_TEE, BB_CHECK_ROOT},
        {BB_KIND_AZURE_HCL, true, true, BB_SIMULATED_TEE, BB_CHECK_ROOT},
        {BB_KIND_SIMULATED, false, true, BB_SIMULATED_TEE, BB_CHECK_ROOT},
        {BB_KIND_SIMULATED, true, false, BB_NOT_AN_ENCLAVE, BB_CHECK_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect = (struct bb_expectation){.on_connection = true,
                                         .has_report_data = true,
                                         .report_data = {0x5a},
                                         .kind = cases[i].stated};
        policy->allow_simulated = cases[i].allowed;
        policy->kind_simulated = cases[i].taken;
        assert_int_equal(judge(NULL, policy, &expect, &result), cases[i].status);
        bool good = cases[i].status == BB_OK;
        if (!good)
            assert_int_equal(result.first_failed, cases[i].failed);
        assert_int_equal(result.checks[BB_CHECK_ROOT].outcome,
                         good ? BB_OUTCOME_PASSED : BB_OUTCOME_FAILED);
    }
    bb_policy_free(policy);
}

/* A chip id of zeros (the host masked it) is no wildcard, not even where the certificate has zeros
 * too and everything is signed. */
static void test_a_masked_chip_id_matches_nothing(void **state) {
    (void)state;
    uint8_t report[BB_SNP_REPORT_SIZE], data[64] = {0};
    struct bb_sim *sim = NULL;
    struct bb_policy *policy = own_policy();
    struct bb_sim_certs made;
    struct bb_expectation none = {0};
    assert_int_equal(bb_sim_open(kept_keys(), &sim, NULL), BB_OK);
    for (int masked = 0; masked < 2; masked++) {
        struct bb_result result;
        bb_sim_config(sim)->has_chip_id = true;
        memset(bb_sim_config(sim)->chip_id, masked != 0 ? 0 : 7, 64);
        assert_int_equal(bb_sim_sign(sim, data, NULL, report, NULL), BB_OK);
        assert_int_equal(bb_sim_certs(sim, NULL, &made, NULL), BB_OK);
        struct bb_span certs[] = {made.vek, made.ask, made.ark};
        struct bb_collateral collateral = {certs, 3, &made.crl, 1};
        enum bb_status status = bb_appraise_snp(BB_SPAN_OF(report), &collateral, policy,
                                                (int64_t)time(NULL), &none, 0, &result);
        assert_int_equal(status, masked != 0 ? BB_CERTIFICATE_CHAIN_INVALID : BB_OK);
        if (masked != 0)
            assert_string_equal(result.checks[BB_CHECK_COLLATERAL].found, "another chip");
        assert_int_equal(result.checks[BB_CHECK_SIGNATURE].outcome, BB_OUTCOME_PASSED);
    }
    bb_policy_free(policy);
    bb_sim_free(sim);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defect_table),
        cmocka_unit_test(test_configurations_are_read_strictly),
        cmocka_unit_test(test_a_configuration_survives_its_text),
        cmocka_unit_test(test_the_folder_is_private),
        cmocka_unit_test(test_a_broken_configuration_refuses),
        cmocka_unit_test(test_throttle_and_latency),
        cmocka_unit_test(test_processes_share_one_signer),
        cmocka_unit_test(test_defects_fail_their_check),
        cmocka_unit_test(test_a_connection_asks_for_more),
        cmocka_unit_test(test_a_masked_chip_id_matches_nothing),
    };
    return cmocka_run_group_tests_name("sim", tests, NULL, NULL);
}
