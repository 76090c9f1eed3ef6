/* blindbox.policy/1: every key's accepted shapes, each wrong shape refused with the key named, and
 * the defaults. */
#include "vectors.h"

#include "appraise/policy.h"
#include "base/hex.h"

#define H8 "0102030405060708"
#define H16 H8 H8
#define H32 H16 H16
#define H48 H32 H16
#define H64 H32 H32
#define Z16 "00000000000000000000000000000000"
#define Z48 Z16 Z16 Z16
/* Digests of container policies that allow everything. */
#define ALLOW_ALL_1 "cadd74f71ebb8fbf9782baab649612520f3c416bc5ce9ac768808ddc8d9b031c"
#define ALLOW_ALL_2 "4f4448c67f3c8dfc8de8a5e37125d807dadcc41f06cf23f615dbd52eec777d10"

static enum bb_status parse(const char *keys, struct bb_policy **out, struct bb_error *err) {
    char text[8192];
    int n = snprintf(text, sizeof text, "{\"schema\": \"blindbox.policy/1\"%s%s}",
                     keys[0] == '\0' ? "" : ", ", keys);
    assert_true(n > 0 && (size_t)n < sizeof text);
    return bb_policy_parse(bb_span(text, (size_t)n), out, err);
}

static struct bb_policy *good(const char *keys) {
    struct bb_policy *policy = NULL;
    struct bb_error err = {0};
    if (parse(keys, &policy, &err) != BB_OK)
        fail_msg("%s: %s %s", keys, err.field, err.text);
    return policy;
}

/* Refused as UsageError; `field` says which key is to blame. */
static const struct {
    const char *keys, *field;
} wrong[] = {
    {"\"unknown\": 1", "unknown"},
    {"\"measurement\": [\"" H48 "\"]", "measurement"},
    {"\"crl\": \"required\", \"crl\": \"required\"", "policy"},
    {"\"evidence\": \"sev-snp\"", "evidence"},
    {"\"evidence\": [\"tdx\"]", "evidence"},
    {"\"evidence\": [1]", "evidence"},
    {"\"evidence\": [null]", "evidence"},
    {"\"measurements\": \"" H48 "\"", "measurements"},
    {"\"measurements\": {}", "measurements"},
    {"\"measurements\": null", "measurements"},
    {"\"measurements\": [\"" H32 "\"]", "measurements"},
    {"\"measurements\": [\"" H48 "00\"]", "measurements"},
    {"\"measurements\": [\"0x" H48 "\"]", "measurements"},
    {"\"measurements\": [\" " H48 "\"]", "measurements"},
    {"\"measurements\": [7]", "measurements"},
    {"\"measurements\": [\"" Z48 "\"]", "measurements"},
    {"\"measurements\": [\"" H48 "\", \"" Z48 "\"]", "measurements"},
    {"\"id_key_digests\": [\"" Z48 "\"]", "id_key_digests"},
    {"\"id_key_digests\": [\"\"]", "id_key_digests"},
    {"\"author_key_digests\": [\"" Z48 "\"]", "author_key_digests"},
    {"\"author_key_digests\": true", "author_key_digests"},
    {"\"host_data\": [\"" H48 "\"]", "host_data"},
    {"\"host_data\": [\"" Z16 Z16 "\"]", "host_data"},
    {"\"host_data\": [\"" ALLOW_ALL_1 "\"]", "host_data"},
    {"\"host_data\": [\"" H32 "\", \"" ALLOW_ALL_2 "\"]", "host_data"},
    {"\"cce_policy_file\": 1", "cce_policy_file"},
    {"\"cce_policy_file\": \"\"", "cce_policy_file"},
    {"\"cce_policy_file\": [\"a\"]", "cce_policy_file"},
    {"\"config_digests\": [\"" H32 "\"]", "config_digests"},
    {"\"config_digests\": [\"" Z48 "\"]", "config_digests"},
    {"\"allow_simulated\": \"true\"", "allow_simulated"},
    {"\"allow_simulated\": 1", "allow_simulated"},
    {"\"simulated_roots\": [\"" H48 "\"]", "simulated_roots"},
    {"\"simulated_roots\": [\"" Z16 Z16 "\"]", "simulated_roots"},
    {"\"minimum_tcb\": []", "minimum_tcb"},
    {"\"minimum_tcb\": {\"Rome\": {}}", "minimum_tcb"},
    {"\"minimum_tcb\": {\"unknown\": {}}", "minimum_tcb"},
    {"\"minimum_tcb\": {\"Milan\": 4}", "minimum_tcb"},
    {"\"minimum_tcb\": {\"Milan\": {\"fmc\": 1}}", "minimum_tcb"},
    {"\"minimum_tcb\": {\"Milan\": {\"ucode\": 1}}", "minimum_tcb"},
    {"\"minimum_tcb\": {\"Milan\": {\"snp\": 256}}", "minimum_tcb"},
    {"\"minimum_tcb\": {\"Milan\": {\"snp\": -1}}", "minimum_tcb"},
    {"\"minimum_tcb\": {\"Milan\": {\"snp\": \"4\"}}", "minimum_tcb"},
    {"\"minimum_tcb\": {\"Milan\": {\"snp\": 4.0}}", "minimum_tcb"},
    {"\"minimum_launch_tcb\": {\"Genoa\": {\"fmc\": 1}}", "minimum_launch_tcb"},
    {"\"minimum_launch_tcb\": 1", "minimum_launch_tcb"},
    {"\"guest_policy\": []", "guest_policy"},
    {"\"guest_policy\": {\"Debug\": false}", "guest_policy.Debug"},
    {"\"guest_policy\": {\"debug\": \"any\"}", "guest_policy.debug"},
    {"\"guest_policy\": {\"debug\": 0}", "guest_policy.debug"},
    {"\"guest_policy\": {\"migration\": null}", "guest_policy.migration"},
    {"\"guest_policy\": {\"smt\": \"maybe\"}", "guest_policy.smt"},
    {"\"guest_policy\": {\"smt\": 1}", "guest_policy.smt"},
    {"\"guest_policy\": {\"single_socket\": \"true\"}", "guest_policy.single_socket"},
    {"\"guest_policy\": {\"cxl\": []}", "guest_policy.cxl"},
    {"\"guest_policy\": {\"mem_aes_256_xts\": \"\"}", "guest_policy.mem_aes_256_xts"},
    {"\"guest_policy\": {\"rapl_dis\": 0}", "guest_policy.rapl_dis"},
    {"\"guest_policy\": {\"ciphertext_hiding\": 0}", "guest_policy.ciphertext_hiding"},
    {"\"guest_policy\": {\"page_swap_disable\": 0}", "guest_policy.page_swap_disable"},
    {"\"guest_policy\": {\"abi_min\": 0.31}", "guest_policy.abi_min"},
    {"\"guest_policy\": {\"abi_min\": \"0\"}", "guest_policy.abi_min"},
    {"\"guest_policy\": {\"abi_min\": \"0.\"}", "guest_policy.abi_min"},
    {"\"guest_policy\": {\"abi_min\": \"0.256\"}", "guest_policy.abi_min"},
    {"\"guest_policy\": {\"abi_min\": \"0.31.1\"}", "guest_policy.abi_min"},
    {"\"guest_policy\": {\"abi_min\": \"-0.31\"}", "guest_policy.abi_min"},
    {"\"guest_policy\": {\"abi_min\": \" 0.31\"}", "guest_policy.abi_min"},
    {"\"guest_policy\": {\"abi_min\": \"0. 31\"}", "guest_policy.abi_min"},
    {"\"guest_policy\": {\"abi_min\": \"0.+31\"}", "guest_policy.abi_min"},
    {"\"platform_info\": [\"tsme\"]", "platform_info"},
    {"\"platform_info\": {\"wanted\": []}", "platform_info.wanted"},
    {"\"platform_info\": {\"required\": \"tsme\"}", "platform_info"},
    {"\"platform_info\": {\"required\": [\"sme\"]}", "platform_info"},
    {"\"platform_info\": {\"forbidden\": [1]}", "platform_info"},
    {"\"vmpl\": 0", "vmpl"},
    {"\"vmpl\": [4]", "vmpl"},
    {"\"vmpl\": [-1]", "vmpl"},
    {"\"vmpl\": [4294967295]", "vmpl"},
    {"\"vmpl\": [\"0\"]", "vmpl"},
    {"\"vmpl\": [0.0]", "vmpl"},
    {"\"vmpl\": [true]", "vmpl"},
    {"\"products\": [\"milan\"]", "products"},
    {"\"products\": [\"unknown\"]", "products"},
    {"\"products\": \"Milan\"", "products"},
    {"\"signers\": [\"VCEK\"]", "signers"},
    {"\"signers\": [0]", "signers"},
    {"\"report_versions\": [1]", "report_versions"},
    {"\"report_versions\": [6]", "report_versions"},
    {"\"report_versions\": [\"3\"]", "report_versions"},
    {"\"chip_ids\": [\"" H32 "\"]", "chip_ids"},
    {"\"chip_ids\": [\"" Z16 Z16 Z16 Z16 "\"]", "chip_ids"},
    {"\"chip_ids\": [\"0000000000000000\"]", "chip_ids"},
    {"\"family_ids\": [\"" H8 "\"]", "family_ids"},
    {"\"family_ids\": [\"" Z16 "\"]", "family_ids"},
    {"\"image_ids\": [\"" H32 "\"]", "image_ids"},
    {"\"image_ids\": \"" H16 "\"", "image_ids"},
    {"\"minimum_guest_svn\": -1", "minimum_guest_svn"},
    {"\"minimum_guest_svn\": 4294967296", "minimum_guest_svn"},
    {"\"minimum_guest_svn\": \"1\"", "minimum_guest_svn"},
    {"\"crl\": \"off\"", "crl"},
    {"\"crl\": false", "crl"},
    {"\"provisional_firmware\": \"yes\"", "provisional_firmware"},
    {"\"provisional_firmware\": 0", "provisional_firmware"},
    {"\"report_data_forms\": []", "report_data_forms"},
    {"\"report_data_forms\": [2]", "report_data_forms"},
    {"\"report_data_forms\": 1", "report_data_forms"},
    {"\"max_age\": -1", "max_age"},
    {"\"max_age\": 1.5", "max_age"},
    {"\"max_connection_age\": \"3600\"", "max_connection_age"},
    /* What this build cannot answer: refused by name, never ignored. */
    {"\"uvm\": {\"issuer\": \"x\"}", "uvm"},
    {"\"uvm\": null", "uvm"},
    {"\"pcrs\": {\"4\": [\"" H32 "\"]}", "pcrs"},
    {"\"verifiers\": []", "verifiers"},
    {"\"verifiers\": {\"mode\": \"local\"}", "verifiers"},
    {"\"verifiers\": [\"local\"]", "verifiers.mode"},
    {"\"verifiers\": [{}]", "verifiers.mode"},
    {"\"verifiers\": [{\"mode\": \"any\"}]", "verifiers.mode"},
    {"\"verifiers\": [{\"mode\": \"local\", \"url\": \"https://x\"}]", "verifiers.mode"},
    {"\"verifiers\": [{\"mode\": \"local\", \"check\": 0}]", "verifiers.check"},
    {"\"verifiers\": [{\"mode\": \"passport\"}]", "verifiers.issuer"},
    {"\"verifiers\": [{\"mode\": \"passport\", \"issuer\": \"x\"}]", "verifiers.jwks"},
    {"\"verifiers\": [{\"mode\": \"passport\", \"issuer\": \"\"}]", "verifiers.issuer"},
    {"\"verifiers\": [{\"mode\": \"passport\", \"issuer\": \"a b\"}]", "verifiers.issuer"},
    {"\"verifiers\": [{\"mode\": \"passport\", \"jwks\": \"k\", \"issuer\": \"" H48 H48 H32 "\"}]",
     "verifiers.issuer"}, /* 256 bytes: no request can name it */
    {"\"verifiers\": [{\"mode\": \"passport\", \"url\": \"https://x\"}]", "verifiers.url"},
    {"\"verifiers\": [{\"mode\": \"background\", \"issuer\": \"https://x\"}]", "verifiers.url"},
    {"\"verifiers\": [{\"mode\": \"background\", \"url\": \"ftp://x\"}]", "verifiers.url"},
    {"\"verifiers\": [{\"mode\": \"background\", \"url\": \"https://x\", "
     "\"profile\": \"jwt\"}]",
     "verifiers.profile"},
    {"\"verifiers\": [{\"mode\": \"background\", \"url\": \"https://x\", "
     "\"compliance\": []}]",
     "verifiers.compliance"},
    {"\"webpki\": \"required\"", "webpki"},
    {"\"webpki\": \"optional\"", "webpki"},
    {"\"webpki\": false", "webpki"},
};

static void test_wrong_shapes_are_refused_by_name(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bb_policy *policy = NULL;
        struct bb_error err = {0};
        enum bb_status status = parse(wrong[i].keys, &policy, &err);
        if (status != BB_USAGE || strcmp(err.field, wrong[i].field) != 0 || policy != NULL)
            fail_msg("%s: %s, field '%s'", wrong[i].keys, bb_status_name(status), err.field);
    }
}

static void test_schema(void **state) {
    (void)state;
    static const char *const texts[] = {"{}", "{\"schema\": \"blindbox.policy/2\"}",
                                        "{\"schema\": 1}", "{\"crl\": \"required\"}"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bb_policy *policy = NULL;
        struct bb_error err = {0};
        assert_int_equal(bb_policy_parse(bb_span_str(texts[i]), &policy, &err), BB_USAGE);
        assert_string_equal(err.field, "schema");
        assert_null(policy);
    }
}

static void test_defaults(void **state) {
    (void)state;
    struct bb_policy *p = good("");
    assert_true(p->kind_sev_snp && !p->kind_simulated && !p->evidence_given);
    assert_false(bb_policy_names_code(p));
    assert_false(p->allow_simulated || p->guest.debug_allowed || p->guest.migration_allowed);
    assert_false(p->measurements.given || p->host_data.given || p->config_digests.given);
    assert_false(p->minimum_tcb.given || p->minimum_launch_tcb.given || p->has_minimum_guest_svn);
    assert_false(p->provisional_allowed);
    assert_true(p->crl_required);
    assert_int_equal(p->vmpl, 1);
    assert_int_equal(p->products, 1U << 1 | 1U << 2 | 1U << 3);
    assert_int_equal(p->signers, 3);
    assert_int_equal(p->report_versions, 0x3c);
    assert_int_equal(p->report_data_forms, 2);
    assert_true(p->platform_required == 0 && p->platform_forbidden == 0);
    assert_int_equal(p->guest.smt, BB_ANY);
    assert_int_equal(p->max_age, 0);
    assert_int_equal(p->max_connection_age, 3600);
    bb_policy_free(p);
    p = good("\"allow_simulated\": true");
    assert_true(p->kind_simulated && p->kind_sev_snp);
    bb_policy_free(p);
    p = good("\"verifiers\": [{\"mode\": \"local\"}], \"webpki\": \"off\"");
    bb_policy_free(p);
}

static void test_verifiers(void **state) {
    (void)state;
    struct bb_policy *p = good("\"verifiers\": [{\"mode\": \"local\"}, {\"mode\": \"local\"}]");
    assert_int_equal(p->n_verifiers, 2);
    assert_false(bb_policy_services_name_code(p));
    bb_policy_free(p);
    p = good("\"verifiers\": [{\"mode\": \"background\", \"url\": \"https://v.example/\"}, "
             "{\"mode\": \"passport\", \"issuer\": \"me\", \"jwks\": \"keys.json\", \"profile\": "
             "\"ear\", \"compliance\": [\"a\", \"b\"]}]");
    assert_int_equal(p->n_verifiers, 2);
    assert_int_equal(p->verifiers[0].mode, BB_MODE_BACKGROUND);
    assert_string_equal(p->verifiers[0].url, "https://v.example");
    assert_string_equal(p->verifiers[0].issuer, "https://v.example");
    assert_string_equal(p->verifiers[0].jwks, "https://v.example/certs");
    assert_int_equal(p->verifiers[0].profile, BB_PROFILE_MAA);
    assert_false(p->verifiers[0].jwks_is_file);
    assert_int_equal(p->verifiers[1].mode, BB_MODE_PASSPORT);
    assert_int_equal(p->verifiers[1].profile, BB_PROFILE_EAR);
    assert_null(p->verifiers[1].url);
    assert_string_equal(p->verifiers[1].jwks, "keys.json");
    assert_true(p->verifiers[1].jwks_is_file);
    assert_int_equal(p->verifiers[1].n_compliance, 2);
    assert_true(bb_policy_services_name_code(p));
    bb_policy_free(p);
}

static void test_digest_lists(void **state) {
    (void)state;
    uint8_t value[64];
    struct bb_policy *p =
        good("\"measurements\": [\"" H48 "\", \"" H32 "ffffffffffffffffffffffffffffffff\"],"
             "\"id_key_digests\": [\"" H48 "\"], \"author_key_digests\": [\"" H48 "\"],"
             "\"host_data\": [\"" H32 "\"], \"config_digests\": [\"" H48 "\"],"
             "\"simulated_roots\": [\"" H32 "\"], \"chip_ids\": [\"" H64 "\", \"" H8 "\"],"
             "\"family_ids\": [\"" H16 "\"], \"image_ids\": []");
    assert_int_equal(p->measurements.count, 2);
    assert_true(bb_policy_names_code(p));
    assert_true(bb_hex_decode_exact(H64, value, 64));
    assert_true(bb_policy_digests_contain(&p->measurements, bb_span(value, 48)));
    assert_false(bb_policy_digests_contain(&p->measurements, bb_span(value, 47)));
    assert_true(bb_policy_digests_contain(&p->host_data, bb_span(value, 32)));
    assert_true(bb_policy_digests_contain(&p->chip_ids, bb_span(value, 64)));
    memset(value + 8, 0, 56); /* eight bytes stand for Turin's padded form */
    assert_true(bb_policy_digests_contain(&p->chip_ids, bb_span(value, 64)));
    value[63] = 1;
    assert_false(bb_policy_digests_contain(&p->chip_ids, bb_span(value, 64)));
    assert_true(p->image_ids.given && p->image_ids.count == 0); /* accepts nothing */
    bb_policy_free(p);
    p = good("\"measurements\": []");
    assert_true(p->measurements.given);
    assert_false(bb_policy_names_code(p));
    bb_policy_free(p);
    p = good("\"host_data\": [\"" H32 "\"], \"author_key_digests\": [\"" H48 "\"]");
    assert_false(bb_policy_names_code(p)); /* neither names code */
    bb_policy_free(p);
}

static void test_a_list_has_a_limit(void **state) {
    (void)state;
    for (size_t n = BB_POLICY_LIST_MAX; n <= BB_POLICY_LIST_MAX + 1; n++) {
        size_t cap = n * 128 + 128, at = 0;
        char *text = malloc(cap);
        struct bb_policy *policy = NULL;
        struct bb_error err = {0};
        assert_non_null(text);
        at += (size_t)snprintf(text, cap, "{\"schema\":\"blindbox.policy/1\",\"measurements\":[");
        for (size_t i = 0; i < n; i++)
            at += (size_t)snprintf(text + at, cap - at, "%s\"" H48 "\"", i == 0 ? "" : ",");
        at += (size_t)snprintf(text + at, cap - at, "]}");
        enum bb_status status = bb_policy_parse(bb_span(text, at), &policy, &err);
        assert_int_equal(status, n > BB_POLICY_LIST_MAX ? BB_USAGE : BB_OK);
        assert_string_equal(err.field, status == BB_OK ? "" : "measurements");
        bb_policy_free(policy);
        free(text);
    }
}

static void test_sets_and_numbers(void **state) {
    (void)state;
    struct bb_policy *p = good(
        "\"evidence\": [\"simulated\", \"azure-hcl\"], \"vmpl\": [3, 1], \"products\": [\"Turin\"],"
        "\"signers\": [\"vlek\"], \"report_versions\": [5, 2], \"report_data_forms\": [0, 1],"
        "\"platform_info\": {\"required\": [\"alias_check\", \"ecc\"], \"forbidden\": [\"tsme\"]},"
        "\"minimum_guest_svn\": 4294967295, \"crl\": \"if-present\","
        "\"provisional_firmware\": true, \"max_age\": 60, \"max_connection_age\": 0");
    assert_true(!p->kind_sev_snp && p->kind_azure_hcl && p->kind_simulated && p->evidence_given);
    assert_false(p->allow_simulated); /* naming the kind does not allow it */
    assert_int_equal(p->vmpl, 1U << 3 | 1U << 1);
    assert_int_equal(p->products, 1U << BB_SNP_PRODUCT_TURIN);
    assert_int_equal(p->signers, 1U << BB_SNP_SIGNER_VLEK);
    assert_int_equal(p->report_versions, 1U << 5 | 1U << 2);
    assert_int_equal(p->report_data_forms, 3);
    assert_true(p->platform_required == (1U << 5 | 1U << 2) && p->platform_forbidden == 1U << 1);
    assert_true(p->has_minimum_guest_svn && p->minimum_guest_svn == UINT32_MAX);
    assert_false(p->crl_required);
    assert_true(p->provisional_allowed);
    assert_int_equal(p->max_age, 60);
    assert_int_equal(p->max_connection_age, 0);
    bb_policy_free(p);
    p = good("\"vmpl\": [], \"evidence\": []");
    assert_true(p->vmpl == 0 && !p->kind_sev_snp && !p->kind_simulated);
    bb_policy_free(p);
}

static void test_tcb_and_guest_policy(void **state) {
    (void)state;
    struct bb_policy *p =
        good("\"minimum_tcb\": {\"Milan\": {\"bootloader\": 4, \"tee\": 0, \"snp\": 24,"
             " \"microcode\": 219}, \"Turin\": {\"fmc\": 1}}, \"minimum_launch_tcb\": {},"
             "\"guest_policy\": {\"debug\": true, \"migration\": false, \"smt\": false,"
             " \"single_socket\": true, \"cxl\": \"any\", \"abi_min\": \"1.255\"}");
    assert_true(p->minimum_tcb.has_product[BB_SNP_PRODUCT_MILAN]);
    assert_true(p->minimum_tcb.has_product[BB_SNP_PRODUCT_TURIN]);
    assert_false(p->minimum_tcb.has_product[BB_SNP_PRODUCT_GENOA]);
    assert_int_equal(p->minimum_tcb.part[BB_SNP_PRODUCT_MILAN][BB_SNP_TCB_MICROCODE], 219);
    assert_int_equal(p->minimum_tcb.part[BB_SNP_PRODUCT_TURIN][BB_SNP_TCB_FMC], 1);
    assert_int_equal(p->minimum_tcb.part[BB_SNP_PRODUCT_TURIN][BB_SNP_TCB_SNP], 0);
    assert_true(p->minimum_launch_tcb.given);
    assert_true(p->guest.debug_allowed && !p->guest.migration_allowed);
    assert_int_equal(p->guest.smt, BB_MUST_NOT);
    assert_int_equal(p->guest.single_socket, BB_MUST);
    assert_int_equal(p->guest.cxl, BB_ANY);
    assert_true(p->guest.has_abi_min && p->guest.abi_min_major == 1);
    assert_int_equal(p->guest.abi_min_minor, 255);
    bb_policy_free(p);
}

static void test_measurement_of_the_command_line(void **state) {
    (void)state;
    uint8_t digest[48] = {1};
    struct bb_policy *p = good("");
    struct bb_error err = {0};
    assert_int_equal(bb_policy_add_measurement(p, bb_span(digest, 47), &err), BB_USAGE);
    assert_string_equal(err.field, "measurements");
    assert_int_equal(bb_policy_add_measurement(p, BB_SPAN_OF(digest), NULL), BB_OK);
    assert_true(bb_policy_digests_contain(&p->measurements, BB_SPAN_OF(digest)));
    digest[0] = 0;
    assert_int_equal(bb_policy_add_measurement(p, BB_SPAN_OF(digest), NULL), BB_USAGE);
    assert_int_equal(p->measurements.count, 1);
    bb_policy_free(p);
}

/* SHA-256 of "abc" (FIPS 180). */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_container_policy_file(void **state) {
    (void)state;
    uint8_t digest[32];
    struct bb_error err = {0};
    assert_true(bb_hex_decode_exact(ABC, digest, 32));
    struct bb_policy *p = good("\"cce_policy_file\": \"policy.rego\"");
    assert_string_equal(p->cce_policy_file, "policy.rego");
    assert_int_equal(bb_policy_host_data_from(p, BB_SPAN_LIT("abc"), NULL), BB_OK);
    assert_true(bb_policy_digests_contain(&p->host_data, BB_SPAN_OF(digest)));
    bb_policy_free(p);
    p = good("\"cce_policy_file\": \"p\", \"host_data\": [\"" H32 "\", \"" ABC "\"]");
    assert_int_equal(bb_policy_host_data_from(p, BB_SPAN_LIT("abc"), NULL), BB_OK);
    assert_int_equal(bb_policy_host_data_from(p, BB_SPAN_LIT("abd"), &err), BB_USAGE);
    assert_string_equal(err.field, "cce_policy_file");
    assert_int_equal(p->host_data.count, 2);
    bb_policy_free(p);
}

/* The real sample policies: refused as files as their digests are refused in host_data. */
static void test_container_policy_that_allows_everything(void **state) {
    (void)state;
    json_decref(vectors_manifest());
    static const char *const names[] = {"azure/aci/sidecar-security-policy.b64",
                                        "azure/aci/sidecar2-security-policy.b64"};
    static struct vector_file file;
    uint8_t content[4096];
    for (size_t i = 0; i < 2; i++) {
        size_t len = 0;
        struct bb_error err = {0};
        assert_true(vector_read(names[i], &file));
        assert_true(bb_b64_decode(vector_span(&file), content, sizeof content, &len));
        struct bb_policy *p = good("\"cce_policy_file\": \"p\"");
        assert_int_equal(bb_policy_host_data_from(p, bb_span(content, len), &err), BB_USAGE);
        assert_string_equal(err.field, "cce_policy_file");
        assert_false(p->host_data.given);
        bb_policy_free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_shapes_are_refused_by_name),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_verifiers),
        cmocka_unit_test(test_digest_lists),
        cmocka_unit_test(test_a_list_has_a_limit),
        cmocka_unit_test(test_sets_and_numbers),
        cmocka_unit_test(test_tcb_and_guest_policy),
        cmocka_unit_test(test_measurement_of_the_command_line),
        cmocka_unit_test(test_container_policy_file),
        cmocka_unit_test(test_container_policy_that_allows_everything),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
