/* Reports of real hardware and the table of their flips; tables, products, results. */
#include "vectors.h"

#include "appraise/appraise.h"
#include "evidence/snp/certtable.h"
#include "evidence/snp/chain.h"

#define LENIENT                                                                                    \
    "{\"schema\":\"blindbox.policy/1\",\"id_key_digests\":[],\"crl\":\"if-present\","              \
    "\"vmpl\":[0,1,2,3],\"provisional_firmware\":true}"

struct certs_of_row {
    struct vector_file file[4];
    struct bb_span span[4];
    size_t n;
};

static void read_related(const json_t *row, struct certs_of_row *out) {
    size_t i = 0;
    json_t *name = NULL;
    out->n = 0;
    json_array_foreach(json_object_get(row, "related"), i, name) {
        if (out->n == 4)
            break;
        assert_true(vector_read(json_string_value(name), &out->file[out->n]));
        out->span[out->n] = vector_span(&out->file[out->n]);
        out->n++;
    }
}

enum rule {
    SIGNED,
    RESERVED,
    UNSUPPORTED,
    FIT,
    VERSION,
    POLICY,
    FLAGS,
    CPUID,
    CPUID_STEP,
    CHIP,
    MITIGATION
};

static const struct {
    size_t offset, size;
    const char *name;
    enum rule rule;
} flips[] = {
#define FLIP(offset, size, name, rule) {offset, size, name, rule},
#include "../vectors/flips.def"
#undef FLIP
};

static bool zero(const uint8_t *raw, size_t offset, size_t size) {
    return bb_span_is_zero(bb_span(raw + offset, size));
}

/* Class of the rule for a report whose bit `bit` (0 = lowest of the field) is already flipped. */
static enum bb_status version_rule(const uint8_t *raw, uint8_t old) {
    uint32_t v =
        (uint32_t)raw[0] | (uint32_t)raw[1] << 8 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
    if (v < 2 || v > 5)
        return BB_UNSUPPORTED_EVIDENCE;
    if ((v == 2 && !zero(raw, 0x188, 3)) || (v < 5 && !zero(raw, 0x1f8, 16)))
        return BB_MALFORMED_EVIDENCE;
    return old == 2 ? BB_CERTIFICATE_CHAIN_INVALID : BB_REPORT_SIGNATURE_INVALID;
}

static enum bb_status cpuid_rule(const uint8_t *raw, uint8_t version, enum bb_snp_product before) {
    if (version == 2)
        return BB_MALFORMED_EVIDENCE;
    return bb_snp_product_from_cpuid(raw[0x188], raw[0x189]) == before
               ? BB_REPORT_SIGNATURE_INVALID
               : BB_CERTIFICATE_CHAIN_INVALID;
}

static enum bb_status expected_class(enum rule rule, const uint8_t *raw, const uint8_t *original,
                                     size_t bit) {
    uint8_t version = original[0];
    bool vlek = (original[0x48] & 4) != 0;
    switch (rule) {
    case SIGNED:
        return BB_REPORT_SIGNATURE_INVALID;
    case RESERVED:
        return BB_MALFORMED_EVIDENCE;
    case UNSUPPORTED:
        return BB_UNSUPPORTED_EVIDENCE;
    case FIT:
        return BB_CERTIFICATE_CHAIN_INVALID;
    case VERSION:
        return version_rule(raw, version);
    case POLICY:
        return bit == 17 || bit >= 26 ? BB_MALFORMED_EVIDENCE : BB_REPORT_SIGNATURE_INVALID;
    case FLAGS:
        if (bit == 2)
            return BB_COLLATERAL_UNAVAILABLE;
        return bit == 0 ? BB_REPORT_SIGNATURE_INVALID : BB_MALFORMED_EVIDENCE;
    case CPUID:
        return cpuid_rule(raw, version,
                          bb_snp_product_from_cpuid(original[0x188], original[0x189]));
    case CPUID_STEP:
        return version == 2 ? BB_MALFORMED_EVIDENCE : BB_REPORT_SIGNATURE_INVALID;
    case CHIP:
        return vlek ? BB_REPORT_SIGNATURE_INVALID : BB_CERTIFICATE_CHAIN_INVALID;
    case MITIGATION:
        return version == 5 ? BB_REPORT_SIGNATURE_INVALID : BB_MALFORMED_EVIDENCE;
    }
    return BB_INTERNAL;
}

static bool full_run(void) {
    const char *full = getenv("BLINDBOX_FULL");
    return full != NULL && full[0] == '1';
}

/* Every bit in a full run; else every 8th, and every bit of the structural fields. */
static bool bit_wanted(enum rule rule, size_t bit) {
    bool structural = rule == VERSION || rule == POLICY || rule == FLAGS || rule == CPUID;
    return full_run() || structural || bit % 8 == 0;
}

static struct bb_policy *lenient(void) {
    struct bb_policy *policy = NULL;
    assert_int_equal(bb_policy_parse(BB_SPAN_LIT(LENIENT), &policy, NULL), BB_OK);
    return policy;
}

static enum bb_status judge(const uint8_t *raw, size_t len, struct bb_snp_certs *set,
                            const struct bb_policy *policy, int64_t at) {
    struct bb_result result;
    struct bb_expectation none = {0};
    /* What the policy says of code and debug is not the matter here. */
    uint64_t skip = UINT64_C(1) << BB_CHECK_EXPECTED_CODE | UINT64_C(1) << BB_CHECK_ID_KEYS |
                    UINT64_C(1) << BB_CHECK_DEBUG;
    return bb_appraise_snp_with(bb_span(raw, len), set, policy, at, &none, skip, &result);
}

static void flip_report(const json_t *row, const struct bb_policy *policy) {
    struct vector_file report;
    static struct certs_of_row certs;
    struct bb_snp_certs *set = NULL;
    read_related(row, &certs);
    assert_true(vector_read(row_text(row, "file"), &report));
    assert_int_equal(report.len, BB_SNP_REPORT_SIZE);
    assert_int_equal(bb_snp_certs_new(certs.span, certs.n, NULL, 0, &set, NULL), BB_OK);
    int64_t at = row_time(row);
    assert_int_equal(judge(report.data, report.len, set, policy, at), BB_OK);
    /* What the set remembers of signatures does not outlive the certificates. */
    const int64_t year_2100 = INT64_C(4102444800);
    assert_int_equal(judge(report.data, report.len, set, policy, year_2100),
                     BB_COLLATERAL_UNAVAILABLE);
    assert_int_equal(judge(report.data, report.len, set, policy, at), BB_OK);
    uint8_t original[BB_SNP_REPORT_SIZE];
    memcpy(original, report.data, sizeof original);
    for (size_t f = 0; f < sizeof flips / sizeof flips[0]; f++) {
        for (size_t bit = 0; bit < flips[f].size * 8; bit++) {
            if (!bit_wanted(flips[f].rule, bit))
                continue;
            uint8_t *byte = &report.data[flips[f].offset + bit / 8];
            *byte ^= (uint8_t)(1U << bit % 8);
            enum bb_status want = expected_class(flips[f].rule, report.data, original, bit);
            enum bb_status got = judge(report.data, report.len, set, policy, at);
            *byte ^= (uint8_t)(1U << bit % 8);
            if (got != want)
                fail_msg("%s: %s bit %zu: %s, want %s", row_text(row, "file"), flips[f].name, bit,
                         bb_status_name(got), bb_status_name(want));
        }
    }
    for (size_t len = full_run() ? 0 : BB_SNP_REPORT_SIZE - 1; len < BB_SNP_REPORT_SIZE; len++)
        assert_int_equal(judge(original, len, set, policy, at), BB_MALFORMED_EVIDENCE);
    bb_snp_certs_free(set);
}

static void test_flips_give_their_class(void **state) {
    (void)state;
    json_t *rows = vectors_manifest();
    struct bb_policy *policy = lenient();
    size_t i = 0, done = 0;
    json_t *row = NULL;
    json_array_foreach(rows, i, row) {
        if (strcmp(row_text(row, "kind"), "snp-report") != 0 || row_time(row) < 0)
            continue;
        flip_report(row, policy);
        done++;
    }
    assert_true(done > 0);
    bb_policy_free(policy);
    json_decref(rows);
}

/* Reports of which no certificate is known: no change of theirs leads anywhere either. */
static void test_reports_without_certificates(void **state) {
    (void)state;
    json_t *rows = vectors_manifest();
    struct bb_policy *policy = lenient();
    static struct vector_file report;
    struct bb_snp_certs *none = NULL;
    size_t i = 0, done = 0;
    json_t *row = NULL;
    assert_int_equal(bb_snp_certs_new(NULL, 0, NULL, 0, &none, NULL), BB_OK);
    json_array_foreach(rows, i, row) {
        if (strcmp(row_text(row, "kind"), "snp-report") != 0 || row_time(row) >= 0)
            continue;
        assert_true(vector_read(row_text(row, "file"), &report));
        assert_int_equal(judge(report.data, report.len, none, policy, 0),
                         bb_status_from_name(row_text(row, "class")));
        for (size_t bit = 0; bit < report.len * 8; bit++) {
            report.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            enum bb_status got = judge(report.data, report.len, none, policy, 0);
            report.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            if (got != BB_COLLATERAL_UNAVAILABLE && got != BB_MALFORMED_EVIDENCE &&
                got != BB_UNSUPPORTED_EVIDENCE)
                fail_msg("%s: bit %zu: %s", row_text(row, "file"), bit, bb_status_name(got));
        }
        for (size_t len = 0; len < report.len; len++)
            assert_int_equal(judge(report.data, len, none, policy, 0), BB_MALFORMED_EVIDENCE);
        done++;
    }
    assert_true(done > 0);
    bb_snp_certs_free(none);
    bb_policy_free(policy);
    json_decref(rows);
}

static const json_t *row_of(const json_t *rows, const char *file) {
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (strcmp(row_text(json_array_get(rows, i), "file"), file) == 0)
            return json_array_get(rows, i);
    fail_msg("%s is not in the manifest", file);
    return NULL;
}

/* r and s outside 0 < r, s < n, in the report's little-endian form. */
static void test_signatures_out_of_range(void **state) {
    (void)state;
    static const uint8_t order[48] = {0x73, 0x29, 0xc5, 0xcc, 0x6a, 0x19, 0xec, 0xec, 0x7a, 0xa7,
                                      0xb0, 0x48, 0xb2, 0x0d, 0x1a, 0x58, 0xdf, 0x2d, 0x37, 0xf4,
                                      0x81, 0x4d, 0x63, 0xc7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const char name[] = "snp/report/v5-turin-vcek-gcp-3f44a09b.bin";
    static struct vector_file report;
    static struct certs_of_row certs;
    json_t *rows = vectors_manifest();
    const json_t *row = row_of(rows, name);
    struct bb_policy *policy = lenient();
    struct bb_snp_certs *set = NULL;
    read_related(row, &certs);
    assert_int_equal(bb_snp_certs_new(certs.span, certs.n, NULL, 0, &set, NULL), BB_OK);
    for (unsigned which = 1; which < 4; which++) { /* r, s, both */
        for (int zeroed = 0; zeroed < 2; zeroed++) {
            assert_true(vector_read(name, &report));
            for (unsigned part = 0; part < 2; part++) {
                uint8_t *at = report.data + 0x2a0 + (size_t)part * 72;
                for (size_t k = 0; (which >> part & 1) != 0 && k < sizeof order; k++)
                    at[k] = zeroed != 0 ? 0 : order[k];
            }
            assert_int_equal(judge(report.data, report.len, set, policy, row_time(row)),
                             BB_REPORT_SIGNATURE_INVALID);
        }
    }
    bb_snp_certs_free(set);
    bb_policy_free(policy);
    json_decref(rows);
}

/* Evidence is of the kind that its root says. A peer that states another one over a vendor's root
 * is refused at the root, as is a vendor's report where the policy takes none. */
static void test_a_stated_kind_has_to_be_the_roots(void **state) {
    (void)state;
    static const struct {
        enum bb_evidence_kind stated; /* 0: a file */
        bool taken;                   /* by the policy */
        enum bb_status status;
        enum bb_check_id failed;
        enum bb_outcome root;
    } cases[] = {
        {0, true, BB_OK, BB_CHECK_COUNT, BB_OUTCOME_PASSED},
        {BB_KIND_SEV_SNP, true, BB_OK, BB_CHECK_COUNT, BB_OUTCOME_PASSED},
        {BB_KIND_SIMULATED, true, BB_CERTIFICATE_CHAIN_INVALID, BB_CHECK_ROOT, BB_OUTCOME_FAILED},
        {BB_KIND_AZURE_HCL, true, BB_CERTIFICATE_CHAIN_INVALID, BB_CHECK_ROOT, BB_OUTCOME_FAILED},
        {0, false, BB_NOT_AN_ENCLAVE, BB_CHECK_FORMAT, BB_OUTCOME_FAILED},
        {BB_KIND_SEV_SNP, false, BB_NOT_AN_ENCLAVE, BB_CHECK_FORMAT, BB_OUTCOME_FAILED},
    };
    static const char name[] = "snp/report/v5-turin-vcek-gcp-3f44a09b.bin";
    static struct vector_file report;
    static struct certs_of_row certs;
    json_t *rows = vectors_manifest();
    const json_t *row = row_of(rows, name);
    struct bb_policy *policy = lenient();
    struct bb_snp_certs *set = NULL;
    read_related(row, &certs);
    assert_true(vector_read(name, &report));
    assert_int_equal(bb_snp_certs_new(certs.span, certs.n, NULL, 0, &set, NULL), BB_OK);
    const uint64_t skip = UINT64_C(1) << BB_CHECK_EXPECTED_CODE | UINT64_C(1) << BB_CHECK_ID_KEYS |
                          UINT64_C(1) << BB_CHECK_DEBUG;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bb_expectation expect = {.kind = cases[i].stated};
        struct bb_result result;
        policy->kind_sev_snp = cases[i].taken;
        assert_int_equal(bb_appraise_snp_with(vector_span(&report), set, policy, row_time(row),
                                              &expect, skip, &result),
                         cases[i].status);
        if (cases[i].status != BB_OK)
            assert_int_equal(result.first_failed, cases[i].failed);
        assert_int_equal(result.checks[BB_CHECK_ROOT].outcome, cases[i].root);
    }
    bb_snp_certs_free(set);
    bb_policy_free(policy);
    json_decref(rows);
}

static void test_flip_table_covers_every_byte(void **state) {
    (void)state;
    size_t at = 0;
    for (size_t f = 0; f < sizeof flips / sizeof flips[0]; f++) {
        assert_int_equal(flips[f].offset, at);
        at += flips[f].size;
    }
    assert_int_equal(at, BB_SNP_REPORT_SIZE);
}

static void test_certificate_table(void **state) {
    (void)state;
    struct bb_snp_certtable table;
    uint8_t raw[24 * 2 + 4] = {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4,
                               0xb9, 0x3b, 0xe8, 0xac, 0xcd, 48,   0,    0,    0,    4};
    assert_int_equal(bb_snp_certtable_parse(bb_span(NULL, 0), &table, NULL), BB_OK);
    assert_int_equal(table.count, 0);
    assert_int_equal(bb_snp_certtable_parse(BB_SPAN_OF(raw), &table, NULL), BB_OK);
    assert_int_equal(table.count, 1);
    assert_int_equal(table.entry[0].kind, BB_SNP_CERTTABLE_VCEK);
    assert_int_equal(table.entry[0].data.len, 4);
    raw[20] = 5; /* one byte past the end */
    assert_int_equal(bb_snp_certtable_parse(BB_SPAN_OF(raw), &table, NULL), BB_MALFORMED_EVIDENCE);
    raw[20] = 4;
    raw[16] = 24; /* inside the header */
    assert_int_equal(bb_snp_certtable_parse(BB_SPAN_OF(raw), &table, NULL), BB_MALFORMED_EVIDENCE);
    raw[16] = 0xff;
    raw[17] = raw[18] = raw[19] = 0xff; /* offset + length overflows 32 bits */
    assert_int_equal(bb_snp_certtable_parse(BB_SPAN_OF(raw), &table, NULL), BB_MALFORMED_EVIDENCE);
    assert_int_equal(bb_snp_certtable_parse(bb_span(raw, 24), &table, NULL), BB_MALFORMED_EVIDENCE);
}

static void test_products(void **state) {
    (void)state;
    static const struct {
        uint8_t family, model;
        enum bb_snp_product product;
    } rows[] = {{0x19, 0x00, BB_SNP_PRODUCT_MILAN},   {0x19, 0x01, BB_SNP_PRODUCT_MILAN},
                {0x19, 0x0f, BB_SNP_PRODUCT_MILAN},   {0x19, 0x10, BB_SNP_PRODUCT_GENOA},
                {0x19, 0x11, BB_SNP_PRODUCT_GENOA},   {0x19, 0x1f, BB_SNP_PRODUCT_GENOA},
                {0x19, 0x20, BB_SNP_PRODUCT_UNKNOWN}, {0x19, 0x9f, BB_SNP_PRODUCT_UNKNOWN},
                {0x19, 0xa0, BB_SNP_PRODUCT_GENOA},   {0x19, 0xaf, BB_SNP_PRODUCT_GENOA},
                {0x19, 0xb0, BB_SNP_PRODUCT_UNKNOWN}, {0x1a, 0x00, BB_SNP_PRODUCT_TURIN},
                {0x1a, 0x02, BB_SNP_PRODUCT_TURIN},   {0x1a, 0x11, BB_SNP_PRODUCT_TURIN},
                {0x1a, 0x12, BB_SNP_PRODUCT_UNKNOWN}, {0x1a, 0x50, BB_SNP_PRODUCT_UNKNOWN},
                {0x18, 0x01, BB_SNP_PRODUCT_UNKNOWN}, {0x1b, 0x02, BB_SNP_PRODUCT_UNKNOWN},
                {0, 0, BB_SNP_PRODUCT_UNKNOWN}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(bb_snp_product_from_cpuid(rows[i].family, rows[i].model), rows[i].product);
    assert_int_equal(bb_snp_tcb_index(BB_SNP_PRODUCT_MILAN, BB_SNP_TCB_SNP), 6);
    assert_int_equal(bb_snp_tcb_index(BB_SNP_PRODUCT_TURIN, BB_SNP_TCB_SNP), 3);
    assert_int_equal(bb_snp_tcb_index(BB_SNP_PRODUCT_GENOA, BB_SNP_TCB_FMC), -1);
}

static void test_a_result_without_every_check_refuses(void **state) {
    (void)state;
    struct bb_result r = {0};
    bb_result_close(&r);
    assert_int_equal(r.verdict, BB_VERDICT_REFUSED);
    assert_int_equal(r.status, BB_INTERNAL);
    r = (struct bb_result){0};
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        bb_check_pass(&r, (enum bb_check_id)i, NULL, NULL);
    bb_result_close(&r);
    assert_int_equal(r.verdict, BB_VERDICT_ACCEPTED);
    bb_check_fail(&r, BB_CHECK_DEBUG, BB_DEBUG_MODE, NULL, NULL, "x");
    bb_check_pass(&r, BB_CHECK_DEBUG, NULL, NULL); /* a failure is not undone */
    bb_result_close(&r);
    assert_int_equal(r.status, BB_DEBUG_MODE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flip_table_covers_every_byte),
        cmocka_unit_test(test_flips_give_their_class),
        cmocka_unit_test(test_reports_without_certificates),
        cmocka_unit_test(test_signatures_out_of_range),
        cmocka_unit_test(test_a_stated_kind_has_to_be_the_roots),
        cmocka_unit_test(test_certificate_table),
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_a_result_without_every_check_refuses),
    };
    return cmocka_run_group_tests_name("snp", tests, NULL, NULL);
}
