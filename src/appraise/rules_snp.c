#include "appraise/rules_snp.h"

#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>

void bb_tcb_text(struct bb_snp_tcb tcb, enum bb_snp_product product, char *out, size_t cap) {
    size_t at = 0;
    if (cap > 0)
        out[0] = '\0';
    if (product == BB_SNP_PRODUCT_UNKNOWN) {
        bb_hex_encode(BB_SPAN_OF(tcb.raw), out, cap);
        return;
    }
    for (int p = 0; p < BB_SNP_TCB_PARTS && at < cap; p++) {
        uint8_t value = 0;
        if (!bb_snp_tcb_part(tcb, product, (enum bb_snp_tcb_part)p, &value))
            continue;
        int n = snprintf(out + at, cap - at, "%s%s %u", at == 0 ? "" : " ",
                         bb_snp_tcb_part_name((enum bb_snp_tcb_part)p), value);
        at += n > 0 ? (size_t)n : 0;
    }
}

static void expected_code(const struct bb_rules_input *in, struct bb_result *r) {
    if (bb_policy_names_code(in->policy))
        bb_check_pass(r, BB_CHECK_EXPECTED_CODE, NULL, NULL);
    else if (in->expect->code_by_token)
        bb_check_note(r, BB_CHECK_EXPECTED_CODE, BB_OUTCOME_NOT_REQUESTED,
                      "left to the service's token");
    else
        bb_check_fail(r, BB_CHECK_EXPECTED_CODE, BB_MISSING_REFERENCE_VALUES,
                      "measurements, or id_key_digests", "none",
                      "the policy does not say which code is expected");
}

static void debug(const struct bb_rules_input *in, struct bb_result *r) {
    bool on = (in->report->policy & BB_SNP_POLICY_DEBUG) != 0;
    if (on && !in->policy->guest.debug_allowed)
        bb_check_fail(r, BB_CHECK_DEBUG, BB_DEBUG_MODE, "0", "1",
                      "POLICY.DEBUG is set: the host can read and write the VM's memory");
    else
        bb_check_pass(r, BB_CHECK_DEBUG, in->policy->guest.debug_allowed ? "any" : "0",
                      on ? "1" : "0");
}

struct bit_rule {
    const char *name;
    uint64_t bit;
    enum bb_tri want;
};

static bool bit_agrees(const struct bit_rule *rule, uint64_t policy) {
    bool set = (policy & rule->bit) != 0;
    return rule->want == BB_ANY || set == (rule->want == BB_MUST);
}

static bool abi_too_old(const struct bb_policy_guest *want, uint64_t policy) {
    unsigned major = (unsigned)(policy >> 8 & 0xff), minor = (unsigned)(policy & 0xff);
    if (!want->has_abi_min)
        return false;
    return major < want->abi_min_major ||
           (major == want->abi_min_major && minor < want->abi_min_minor);
}

static void guest_policy(const struct bb_rules_input *in, struct bb_result *r) {
    const struct bb_policy_guest *want = &in->policy->guest;
    uint64_t policy = in->report->policy;
    const struct bit_rule rules[] = {
        {"migration", BB_SNP_POLICY_MIGRATE_MA, want->migration_allowed ? BB_ANY : BB_MUST_NOT},
        {"smt", BB_SNP_POLICY_SMT, want->smt},
        {"single_socket", BB_SNP_POLICY_SINGLE_SOCKET, want->single_socket},
        {"cxl", BB_SNP_POLICY_CXL_ALLOW, want->cxl},
        {"mem_aes_256_xts", BB_SNP_POLICY_MEM_AES_256_XTS, want->mem_aes_256_xts},
        {"rapl_dis", BB_SNP_POLICY_RAPL_DIS, want->rapl_dis},
        {"ciphertext_hiding", BB_SNP_POLICY_CIPHERTEXT_HIDING, want->ciphertext_hiding},
        {"page_swap_disable", BB_SNP_POLICY_PAGE_SWAP_DISABLE, want->page_swap_disable},
    };
    char found[32];
    (void)snprintf(found, sizeof found, "0x%" PRIx64, policy);
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (bit_agrees(&rules[i], policy))
            continue;
        char expected[64];
        (void)snprintf(expected, sizeof expected, "%s %s", rules[i].name,
                       rules[i].want == BB_MUST ? "1" : "0");
        bb_check_fail(r, BB_CHECK_GUEST_POLICY, BB_GUEST_POLICY_REJECTED, expected, found,
                      "the guest policy's %s bit is not as the policy wants it", rules[i].name);
        return;
    }
    if (abi_too_old(want, policy)) {
        char expected[32];
        (void)snprintf(expected, sizeof expected, "ABI >= %u.%u", want->abi_min_major,
                       want->abi_min_minor);
        bb_check_fail(r, BB_CHECK_GUEST_POLICY, BB_GUEST_POLICY_REJECTED, expected, found,
                      "the guest policy asks for an older ABI");
        return;
    }
    bb_check_pass(r, BB_CHECK_GUEST_POLICY, NULL, found);
}

/* A report that the host asked for carries VMPL 0xFFFFFFFF: it is no level and never allowed. */
static void vmpl(const struct bb_rules_input *in, struct bb_result *r) {
    enum { VMPL_MAX = 3 };
    uint32_t level = in->report->vmpl;
    char found[16], expected[32] = "";
    (void)snprintf(found, sizeof found, level > VMPL_MAX ? "0x%x" : "%u", level);
    for (unsigned i = 0, at = 0; i <= VMPL_MAX; i++)
        if ((in->policy->vmpl >> i & 1) != 0)
            at += (unsigned)snprintf(expected + at, sizeof expected - at, "%s%u",
                                     at == 0 ? "" : " or ", i);
    if (level <= VMPL_MAX && (in->policy->vmpl >> level & 1) != 0)
        bb_check_pass(r, BB_CHECK_VMPL, expected, found);
    else
        bb_check_fail(r, BB_CHECK_VMPL, BB_GUEST_POLICY_REJECTED, expected, found,
                      level == UINT32_MAX ? "the host asked for this report, not the guest"
                                          : "the report was asked for at another privilege level");
}

static void refuse_platform(struct bb_result *r, const char *expected, const char *found,
                            const char *text) {
    bb_check_fail(r, BB_CHECK_PLATFORM, BB_GUEST_POLICY_REJECTED, expected, found, "%s", text);
}

static void platform(const struct bb_rules_input *in, struct bb_result *r) {
    const struct bb_policy *p = in->policy;
    uint64_t info = in->report->platform_info;
    char found[32], expected[48];
    (void)snprintf(found, sizeof found, "0x%" PRIx64, info);
    if ((p->report_versions >> in->report->version & 1) == 0) {
        (void)snprintf(found, sizeof found, "%u", in->report->version);
        refuse_platform(r, "report_versions", found, "report version outside the policy");
    } else if ((p->signers >> in->report->signer & 1) == 0) {
        refuse_platform(r, "signers", in->report->signer == BB_SNP_SIGNER_VLEK ? "vlek" : "vcek",
                        "the signing key's kind is outside the policy");
    } else if ((p->products >> in->product & 1) == 0) {
        refuse_platform(r, "products", bb_snp_product_name(in->product),
                        "processor line outside the policy");
    } else if ((info & p->platform_required) != p->platform_required) {
        (void)snprintf(expected, sizeof expected, "bits 0x%" PRIx64 " set", p->platform_required);
        refuse_platform(r, expected, found, "a required platform bit is not set");
    } else if ((info & p->platform_forbidden) != 0) {
        (void)snprintf(expected, sizeof expected, "bits 0x%" PRIx64 " clear",
                       p->platform_forbidden);
        refuse_platform(r, expected, found, "a forbidden platform bit is set");
    } else {
        bb_check_pass(r, BB_CHECK_PLATFORM, NULL, found);
    }
}

static bool same_version(struct bb_snp_fw_version a, struct bb_snp_fw_version b) {
    return a.build == b.build && a.minor == b.minor && a.major == b.major;
}

static void provisional(const struct bb_rules_input *in, struct bb_result *r) {
    const struct bb_snp_report *rep = in->report;
    char current[BB_VALUE_MAX], committed[BB_VALUE_MAX];
    bool tcb_differs = memcmp(rep->current_tcb.raw, rep->committed_tcb.raw, 8) != 0;
    if (tcb_differs) {
        bb_tcb_text(rep->current_tcb, in->product, current, sizeof current);
        bb_tcb_text(rep->committed_tcb, in->product, committed, sizeof committed);
    } else {
        (void)snprintf(current, sizeof current, "%u.%u.%u", rep->current.major, rep->current.minor,
                       rep->current.build);
        (void)snprintf(committed, sizeof committed, "%u.%u.%u", rep->committed.major,
                       rep->committed.minor, rep->committed.build);
    }
    if (in->policy->provisional_allowed)
        bb_check_note(r, BB_CHECK_PROVISIONAL, BB_OUTCOME_NOT_REQUESTED,
                      "the policy allows provisional firmware");
    else if (tcb_differs || !same_version(rep->current, rep->committed))
        bb_check_fail(r, BB_CHECK_PROVISIONAL, BB_PROVISIONAL_FIRMWARE, current, committed,
                      "the committed %s differs from the current one",
                      tcb_differs ? "TCB" : "firmware version");
    else
        bb_check_pass(r, BB_CHECK_PROVISIONAL, current, committed);
}

/* Component by component: a TCB_VERSION is never compared as one number. False with the first
 * component that is too low. */
static bool tcb_at_least(struct bb_snp_tcb tcb, enum bb_snp_product product,
                         const uint8_t minimum[BB_SNP_TCB_PARTS], enum bb_snp_tcb_part *low) {
    for (int p = 0; p < BB_SNP_TCB_PARTS; p++) {
        uint8_t value = 0;
        if (!bb_snp_tcb_part(tcb, product, (enum bb_snp_tcb_part)p, &value) || value >= minimum[p])
            continue;
        *low = (enum bb_snp_tcb_part)p;
        return false;
    }
    return true;
}

static bool refuse_low_tcb(const struct bb_rules_input *in,
                           const struct bb_policy_minimum_tcb *want, struct bb_snp_tcb tcb,
                           const char *which, struct bb_result *r) {
    enum bb_snp_tcb_part low = BB_SNP_TCB_FMC;
    char expected[64], found[BB_VALUE_MAX];
    if (!want->given)
        return false;
    bb_tcb_text(tcb, in->product, found, sizeof found);
    if (in->product == BB_SNP_PRODUCT_UNKNOWN || !want->has_product[in->product]) {
        bb_check_fail(r, BB_CHECK_MINIMUM_TCB, BB_TCB_TOO_OLD, "a minimum for this product",
                      bb_snp_product_name(in->product),
                      "the policy names minimums, but none for this product");
        return true;
    }
    if (tcb_at_least(tcb, in->product, want->part[in->product], &low))
        return false;
    (void)snprintf(expected, sizeof expected, "%s >= %u", bb_snp_tcb_part_name(low),
                   want->part[in->product][low]);
    bb_check_fail(r, BB_CHECK_MINIMUM_TCB, BB_TCB_TOO_OLD, expected, found, "%s too old: %s", which,
                  bb_snp_tcb_part_name(low));
    return true;
}

static void minimum_tcb(const struct bb_rules_input *in, struct bb_result *r) {
    const struct bb_policy *p = in->policy;
    const struct bb_snp_report *rep = in->report;
    uint8_t reported[BB_SNP_TCB_PARTS] = {0};
    for (int i = 0; i < BB_SNP_TCB_PARTS; i++)
        (void)bb_snp_tcb_part(rep->reported_tcb, in->product, (enum bb_snp_tcb_part)i,
                              &reported[i]);
    enum bb_snp_tcb_part low = BB_SNP_TCB_FMC;
    /* A host may report less than it runs, never more. */
    if (!tcb_at_least(rep->current_tcb, in->product, reported, &low)) {
        char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
        bb_tcb_text(rep->reported_tcb, in->product, expected, sizeof expected);
        bb_tcb_text(rep->current_tcb, in->product, found, sizeof found);
        bb_check_fail(r, BB_CHECK_MINIMUM_TCB, BB_TCB_TOO_OLD, expected, found,
                      "the firmware that runs is older than the TCB that it reports");
        return;
    }
    if (refuse_low_tcb(in, &p->minimum_tcb, rep->reported_tcb, "the reported TCB is", r) ||
        refuse_low_tcb(in, &p->minimum_launch_tcb, rep->launch_tcb, "the TCB at launch was", r))
        return;
    char found[BB_VALUE_MAX];
    bb_tcb_text(rep->reported_tcb, in->product, found, sizeof found);
    if (p->minimum_tcb.given || p->minimum_launch_tcb.given)
        bb_check_pass(r, BB_CHECK_MINIMUM_TCB, NULL, found);
    else
        bb_check_note(r, BB_CHECK_MINIMUM_TCB, BB_OUTCOME_NOT_REQUESTED,
                      "the policy names no minimum_tcb");
}

bool bb_rule_list(struct bb_result *r, enum bb_check_id id, enum bb_status status,
                  const struct bb_policy_digests *list, struct bb_span value, const char *what) {
    char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    if (!list->given)
        return false;
    bb_hex_encode(value, found, sizeof found);
    if (bb_policy_digests_contain(list, value)) {
        bb_check_pass(r, id, found, found);
        return false;
    }
    if (list->count == 1)
        bb_hex_encode(bb_span(list->data, list->size), expected, sizeof expected);
    else
        (void)snprintf(expected, sizeof expected, "one of %zu values", list->count);
    bb_check_fail(r, id, status, expected, found, "%s is not one that the policy lists", what);
    return true;
}

static void measurement(const struct bb_rules_input *in, struct bb_result *r) {
    bb_check_note(r, BB_CHECK_MEASUREMENT, BB_OUTCOME_NOT_REQUESTED,
                  "the policy names no measurements");
    (void)bb_rule_list(r, BB_CHECK_MEASUREMENT, BB_MEASUREMENT_MISMATCH, &in->policy->measurements,
                       in->report->measurement, "the launch measurement");
}

static void host_data(const struct bb_rules_input *in, struct bb_result *r) {
    bb_check_note(r, BB_CHECK_HOST_DATA, BB_OUTCOME_NOT_REQUESTED, "the policy names no host_data");
    if (in->policy->cce_policy_file != NULL && !in->policy->host_data.given)
        bb_check_fail(r, BB_CHECK_HOST_DATA, BB_INTERNAL, "cce_policy_file read", "not read",
                      "the container policy file was not read");
    (void)bb_rule_list(r, BB_CHECK_HOST_DATA, BB_INVALID_ENCLAVE_CODE, &in->policy->host_data,
                       in->report->host_data, "the host data");
}

static void id_keys(const struct bb_rules_input *in, struct bb_result *r) {
    bb_check_note(r, BB_CHECK_ID_KEYS, BB_OUTCOME_NOT_REQUESTED,
                  "the policy names no id or author keys");
    if (bb_rule_list(r, BB_CHECK_ID_KEYS, BB_MEASUREMENT_MISMATCH, &in->policy->id_key_digests,
                     in->report->id_key_digest, "the id key"))
        return;
    if (in->policy->author_key_digests.given && !in->report->author_key_en) {
        bb_check_fail(r, BB_CHECK_ID_KEYS, BB_MEASUREMENT_MISMATCH, "an author key",
                      "AUTHOR_KEY_EN 0", "the VM was started without an author key");
        return;
    }
    (void)bb_rule_list(r, BB_CHECK_ID_KEYS, BB_MEASUREMENT_MISMATCH,
                       &in->policy->author_key_digests, in->report->author_key_digest,
                       "the author key");
}

static void config(const struct bb_rules_input *in, struct bb_result *r) {
    const struct bb_expectation *e = in->expect;
    const struct bb_policy_digests *list = &in->policy->config_digests;
    if (!e->has_config_digest && list->given)
        bb_check_fail(r, BB_CHECK_CONFIG, BB_UNSUPPORTED_EVIDENCE, "config_digests", "no statement",
                      "a report on its own does not carry the gateway's configuration");
    else if (!e->has_config_digest)
        bb_check_note(r, BB_CHECK_CONFIG, BB_OUTCOME_NOT_APPLICABLE,
                      "a report on its own has no gateway");
    else if (e->outside_upstream && !list->given)
        bb_check_fail(r, BB_CHECK_CONFIG, BB_CONFIGURATION_REFUSED, "upstream inside the TEE",
                      "upstream outside", "the gateway sends the data on to another machine");
    else if (!list->given)
        bb_check_pass(r, BB_CHECK_CONFIG, "upstream inside the TEE", "inside");
    else
        (void)bb_rule_list(r, BB_CHECK_CONFIG, BB_CONFIGURATION_REFUSED, list,
                           BB_SPAN_OF(e->config_digest), "the gateway's configuration");
}

static void chip_ids(const struct bb_rules_input *in, struct bb_result *r) {
    const struct bb_policy *p = in->policy;
    const struct bb_snp_report *rep = in->report;
    const enum bb_check_id id = BB_CHECK_CHIP_IDS;
    bb_check_note(r, id, BB_OUTCOME_NOT_REQUESTED, "the policy names no chips, families or images");
    if (bb_rule_list(r, id, BB_GUEST_POLICY_REJECTED, &p->chip_ids, rep->chip_id, "the chip id") ||
        bb_rule_list(r, id, BB_GUEST_POLICY_REJECTED, &p->family_ids, rep->family_id,
                     "the family id") ||
        bb_rule_list(r, id, BB_GUEST_POLICY_REJECTED, &p->image_ids, rep->image_id, "the image id"))
        return;
    if (!p->has_minimum_guest_svn)
        return;
    char expected[32], found[16];
    (void)snprintf(expected, sizeof expected, "guest SVN >= %u", p->minimum_guest_svn);
    (void)snprintf(found, sizeof found, "%u", rep->guest_svn);
    if (rep->guest_svn >= p->minimum_guest_svn)
        bb_check_pass(r, id, expected, found);
    else
        bb_check_fail(r, id, BB_GUEST_POLICY_REJECTED, expected, found, "the image is too old");
}

void bb_rules_snp(const struct bb_rules_input *in, struct bb_result *r) {
    expected_code(in, r);
    debug(in, r);
    guest_policy(in, r);
    vmpl(in, r);
    platform(in, r);
    provisional(in, r);
    minimum_tcb(in, r);
    measurement(in, r);
    host_data(in, r);
    id_keys(in, r);
    bb_check_note(r, BB_CHECK_UVM, BB_OUTCOME_NOT_REQUESTED, "the policy names no uvm");
    bb_check_note(r, BB_CHECK_PCRS, BB_OUTCOME_NOT_APPLICABLE, "a report has no PCRs");
    config(in, r);
    chip_ids(in, r);
    bb_check_note(r, BB_CHECK_REST, BB_OUTCOME_NOT_REQUESTED, "the policy asks for nothing else");
}
