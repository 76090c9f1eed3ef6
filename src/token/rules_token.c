/* What both profiles say in the same words: the claims x-ms-sevsnpvm-*, against the policy. */
#include "token/appraise_token.h"

#include "appraise/rules_snp.h"
#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>

#define SNP(name) "x-ms-sevsnpvm-" name
static const char SIMULATED[] = "x-ms-blindbox-simulated";

void bb_token_refuse_claim(struct bb_token_case *c, enum bb_check_id id, enum bb_claim_state state,
                           const json_t *object, const char *name, const char *expected) {
    char found[BB_VALUE_MAX];
    bb_claim_show(object, name, found, sizeof found);
    if (state == BB_CLAIM_ABSENT)
        bb_check_fail(c->r, id, BB_TOKEN_CLAIM_MISSING, name, found, "the token has no claim %s",
                      name);
    else
        bb_check_fail(c->r, id, BB_MALFORMED_EVIDENCE, expected, found,
                      "the claim %s is of another type or encoding", name);
}

enum bb_status bb_token_binding_class(const struct bb_token_case *c) {
    return c->expect->on_connection ? BB_CHANNEL_BINDING_MISMATCH : BB_FALSE_ATTESTATION_REPORT;
}

bool bb_token_read_simulated(struct bb_token_case *c, const json_t *object, bool *simulated) {
    bool value = false;
    enum bb_claim_state state = bb_claim_bool(object, SIMULATED, &value);
    if (state == BB_CLAIM_WRONG) {
        bb_token_refuse_claim(c, BB_CHECK_TOKEN_TYPE, state, object, SIMULATED, "true or false");
        return false;
    }
    *simulated |= value;
    return true;
}

static const char *kind_name(enum bb_evidence_kind kind) {
    switch (kind) {
    case BB_KIND_SEV_SNP:
        return "sev-snp";
    case BB_KIND_AZURE_HCL:
        return "azure-hcl";
    case BB_KIND_SIMULATED:
        return "simulated";
    }
    return "unknown";
}

/* A simulator's report is never taken for hardware's: its kind comes before all others. Whose simulator
 * it was no token states: simulated_roots want the report too. */
static bool take_simulated(struct bb_token_case *c) {
    const struct bb_policy *p = c->policy;
    const struct bb_token_expectation *e = c->expect;
    c->r->simulated = true;
    c->kind = BB_KIND_SIMULATED;
    if (p->allow_simulated && p->kind_simulated && (e->kind == 0 || e->kind == BB_KIND_SIMULATED)) {
        bb_check_pass(c->r, BB_CHECK_TOKEN_TYPE, "an allowed simulated TEE", "simulated");
        return true;
    }
    bb_check_fail(c->r, BB_CHECK_TOKEN_TYPE, BB_SIMULATED_TEE, "a hardware TEE", "simulated",
                  "the service says that the TEE is simulated, which may not stand here");
    return true;
}

static bool policy_takes(const struct bb_policy *p, enum bb_evidence_kind kind) {
    if (kind == BB_KIND_AZURE_HCL)
        return p->kind_azure_hcl || !p->evidence_given;
    return kind == BB_KIND_SEV_SNP && p->kind_sev_snp;
}

bool bb_token_take_kind(struct bb_token_case *c, enum bb_evidence_kind kind, bool simulated) {
    const enum bb_evidence_kind want = c->expect->kind;
    if (simulated)
        return take_simulated(c);
    c->kind = kind;
    if (want == BB_KIND_SIMULATED)
        bb_token_refuse_claim(c, BB_CHECK_TOKEN_TYPE, BB_CLAIM_ABSENT, c->claims, SIMULATED,
                              "true");
    else if ((want != 0 && want != kind) || !policy_takes(c->policy, kind))
        bb_check_fail(c->r, BB_CHECK_TOKEN_TYPE, BB_NOT_AN_ENCLAVE,
                      want != 0 ? kind_name(want) : "a kind of the policy's evidence",
                      kind_name(kind), "the token is about another kind of evidence");
    else
        bb_check_pass(c->r, BB_CHECK_TOKEN_TYPE, kind_name(kind), kind_name(kind));
    return true;
}

void bb_token_report_data(struct bb_token_case *c, bool needed) {
    const struct bb_token_expectation *e = c->expect;
    const char *text = NULL;
    char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    enum bb_claim_state state = bb_claim_text(c->snp, SNP("reportdata"), &text);
    if (!needed && (!e->has_report_data || state == BB_CLAIM_ABSENT)) {
        bb_check_note(c->r, BB_CHECK_REPORT_DATA, BB_OUTCOME_NOT_APPLICABLE,
                      "this token is bound by its nonce");
        return;
    }
    if (!e->has_report_data) {
        if (!e->on_connection)
            bb_check_note(c->r, BB_CHECK_REPORT_DATA, BB_OUTCOME_NOT_REQUESTED,
                          "no expected report data was given");
        return;
    }
    bb_hex_encode(BB_SPAN_OF(e->report_data), expected, sizeof expected);
    bb_claim_show(c->snp, SNP("reportdata"), found, sizeof found);
    if (state == BB_CLAIM_READ && strcmp(text, expected) == 0)
        bb_check_pass(c->r, BB_CHECK_REPORT_DATA, expected, found);
    else
        bb_check_fail(c->r, BB_CHECK_REPORT_DATA, bb_token_binding_class(c), expected, found,
                      "the report data is not the expected one");
}

void bb_token_nonce_row(struct bb_token_case *c, bool holds, const char *found) {
    char expected[BB_VALUE_MAX];
    if (c->expect->nonce == NULL) {
        bb_check_note(c->r, BB_CHECK_NONCE, BB_OUTCOME_NOT_REQUESTED, "no nonce was sent");
        return;
    }
    bb_escape(bb_span_str(c->expect->nonce), expected, sizeof expected);
    if (holds)
        bb_check_pass(c->r, BB_CHECK_NONCE, expected, found);
    else
        bb_check_fail(c->r, BB_CHECK_NONCE, bb_token_binding_class(c), expected, found,
                      "the token does not answer this request");
}

/* Where an EAR states no fact, its vector may stand for the default: the service found the
 * configuration (debug, migration, VMPL) to be an approved one. */
static bool vector_stands(const struct bb_token_case *c) {
    return c->profile == BB_PROFILE_EAR && bb_ear_approved(c->ear.configuration);
}

/* What the token does not state: left to the report where the same policy is appraised on it, else a
 * refusal. True: left to the report. */
static bool left_to_report(struct bb_token_case *c, enum bb_check_id id, const char *claim) {
    if (c->expect->report_is_checked) {
        bb_check_note(c->r, id, BB_OUTCOME_NOT_REQUESTED, "left to the report");
        return true;
    }
    bb_token_refuse_claim(c, id, BB_CLAIM_ABSENT, c->snp, claim, NULL);
    return false;
}

/* MAA states it in every token about SNP: without it the token is no such token, and the report does
 * not replace it. */
static void debug(struct bb_token_case *c) {
    static const char name[] = SNP("is-debuggable");
    bool allowed = c->policy->guest.debug_allowed, on = false;
    enum bb_claim_state state = bb_claim_bool(c->snp, name, &on);
    if (state == BB_CLAIM_WRONG || (state == BB_CLAIM_ABSENT && c->profile == BB_PROFILE_MAA))
        bb_token_refuse_claim(c, BB_CHECK_DEBUG, state, c->snp, name, "true or false");
    else if (state == BB_CLAIM_ABSENT && !allowed && vector_stands(c))
        bb_check_pass(c->r, BB_CHECK_DEBUG, "false", "an approved configuration");
    else if (state == BB_CLAIM_ABSENT)
        (void)left_to_report(c, BB_CHECK_DEBUG, name);
    else if (on && !allowed)
        bb_check_fail(c->r, BB_CHECK_DEBUG, BB_DEBUG_MODE, "false", "true",
                      "the host can read and write the VM's memory");
    else
        bb_check_pass(c->r, BB_CHECK_DEBUG, allowed ? "any" : "false", on ? "true" : "false");
}

/* One bit of the guest policy. False: the row is settled. */
static bool guest_bit(struct bb_token_case *c, const char *name, enum bb_tri want, bool by_vector) {
    bool value = false;
    enum bb_claim_state state = bb_claim_bool(c->snp, name, &value);
    if (state == BB_CLAIM_WRONG) {
        bb_token_refuse_claim(c, BB_CHECK_GUEST_POLICY, state, c->snp, name, "true or false");
        return false;
    }
    if (want == BB_ANY || (state == BB_CLAIM_ABSENT && by_vector))
        return true;
    if (state == BB_CLAIM_ABSENT) {
        (void)left_to_report(c, BB_CHECK_GUEST_POLICY, name);
        return false;
    }
    if (value == (want == BB_MUST))
        return true;
    bb_check_fail(c->r, BB_CHECK_GUEST_POLICY, BB_GUEST_POLICY_REJECTED,
                  want == BB_MUST ? "true" : "false", value ? "true" : "false",
                  "%s is not as the policy wants it", name);
    return false;
}

static void guest_policy(struct bb_token_case *c) {
    const struct bb_policy_guest *want = &c->policy->guest;
    if (guest_bit(c, SNP("migration-allowed"), want->migration_allowed ? BB_ANY : BB_MUST_NOT,
                  vector_stands(c)) &&
        guest_bit(c, SNP("smt-allowed"), want->smt, false))
        bb_check_pass(c->r, BB_CHECK_GUEST_POLICY, NULL, NULL);
}

static void vmpl(struct bb_token_case *c) {
    enum { VMPL_MAX = 3 };
    static const char name[] = SNP("vmpl");
    int64_t level = 0;
    char found[24];
    enum bb_claim_state state = bb_claim_integer(c->snp, name, 0, UINT32_MAX, &level);
    (void)snprintf(found, sizeof found, "%" PRId64, level);
    if (state == BB_CLAIM_WRONG)
        bb_token_refuse_claim(c, BB_CHECK_VMPL, state, c->snp, name, "an integer");
    else if (state == BB_CLAIM_ABSENT && c->policy->vmpl == 1 && vector_stands(c))
        bb_check_pass(c->r, BB_CHECK_VMPL, "0", "an approved configuration");
    else if (state == BB_CLAIM_ABSENT)
        (void)left_to_report(c, BB_CHECK_VMPL, name);
    else if (level <= VMPL_MAX && (c->policy->vmpl >> level & 1) != 0)
        bb_check_pass(c->r, BB_CHECK_VMPL, NULL, found);
    else
        bb_check_fail(c->r, BB_CHECK_VMPL, BB_GUEST_POLICY_REJECTED, "a level of the policy", found,
                      "the report was asked for at another privilege level");
}

/* One list of digests against one claim. True: the row is settled. */
static bool list_rule(struct bb_token_case *c, enum bb_check_id id, enum bb_status status,
                      const struct bb_policy_digests *list, const char *name, size_t size) {
    uint8_t value[64];
    char expected[32];
    enum bb_claim_state state = bb_claim_hex(c->snp, name, value, size);
    (void)snprintf(expected, sizeof expected, "%zu hex digits", 2 * size);
    if (state == BB_CLAIM_WRONG) {
        bb_token_refuse_claim(c, id, state, c->snp, name, expected);
        return true;
    }
    if (!list->given)
        return false;
    if (state == BB_CLAIM_READ)
        return bb_rule_list(c->r, id, status, list, bb_span(value, size), name);
    (void)left_to_report(c, id, name);
    return true;
}

static void digests(struct bb_token_case *c) {
    const struct bb_policy *p = c->policy;
    bb_check_note(c->r, BB_CHECK_MEASUREMENT, BB_OUTCOME_NOT_REQUESTED,
                  "the policy names no measurements");
    (void)list_rule(c, BB_CHECK_MEASUREMENT, BB_MEASUREMENT_MISMATCH, &p->measurements,
                    SNP("launchmeasurement"), 48);
    bb_check_note(c->r, BB_CHECK_HOST_DATA, BB_OUTCOME_NOT_REQUESTED,
                  "the policy names no host_data");
    if (p->cce_policy_file != NULL && !p->host_data.given)
        bb_check_fail(c->r, BB_CHECK_HOST_DATA, BB_INTERNAL, "cce_policy_file read", "not read",
                      "the container policy file was not read");
    (void)list_rule(c, BB_CHECK_HOST_DATA, BB_INVALID_ENCLAVE_CODE, &p->host_data, SNP("hostdata"),
                    32);
    bb_check_note(c->r, BB_CHECK_ID_KEYS, BB_OUTCOME_NOT_REQUESTED,
                  "the policy names no id or author keys");
    if (!list_rule(c, BB_CHECK_ID_KEYS, BB_MEASUREMENT_MISMATCH, &p->id_key_digests,
                   SNP("idkeydigest"), 48))
        (void)list_rule(c, BB_CHECK_ID_KEYS, BB_MEASUREMENT_MISMATCH, &p->author_key_digests,
                        SNP("authorkeydigest"), 48);
}

static void image(struct bb_token_case *c) {
    static const char name[] = SNP("guestsvn");
    const enum bb_check_id id = BB_CHECK_CHIP_IDS;
    const struct bb_policy *p = c->policy;
    int64_t svn = 0;
    char expected[32], found[24];
    bb_check_note(c->r, id, BB_OUTCOME_NOT_REQUESTED, "the policy names no families or images");
    if (list_rule(c, id, BB_GUEST_POLICY_REJECTED, &p->family_ids, SNP("familyId"), 16) ||
        list_rule(c, id, BB_GUEST_POLICY_REJECTED, &p->image_ids, SNP("imageId"), 16))
        return;
    enum bb_claim_state state = bb_claim_integer(c->snp, name, 0, UINT32_MAX, &svn);
    (void)snprintf(expected, sizeof expected, "guest SVN >= %u", p->minimum_guest_svn);
    (void)snprintf(found, sizeof found, "%" PRId64, svn);
    if (state == BB_CLAIM_WRONG)
        bb_token_refuse_claim(c, id, state, c->snp, name, "an integer");
    else if (!p->has_minimum_guest_svn)
        return;
    else if (state == BB_CLAIM_ABSENT)
        (void)left_to_report(c, id, name);
    else if (svn >= p->minimum_guest_svn)
        bb_check_pass(c->r, id, expected, found);
    else
        bb_check_fail(c->r, id, BB_GUEST_POLICY_REJECTED, expected, found, "the image is too old");
}

/* D covers the configuration, so that it is known where the token is bound to a connection. */
static void config(struct bb_token_case *c) {
    const struct bb_token_expectation *e = c->expect;
    const struct bb_policy_digests *list = &c->policy->config_digests;
    if (!e->on_connection && !list->given)
        bb_check_note(c->r, BB_CHECK_CONFIG, BB_OUTCOME_NOT_APPLICABLE,
                      "a token on its own has no gateway");
    else if (!e->on_connection)
        bb_check_fail(c->r, BB_CHECK_CONFIG, BB_TOKEN_CLAIM_MISSING, "config_digests",
                      "no statement",
                      "a token on its own does not carry the gateway's configuration");
    else if (!e->has_config_digest && e->report_is_checked)
        bb_check_note(c->r, BB_CHECK_CONFIG, BB_OUTCOME_NOT_REQUESTED, "left to the report");
    else if (!e->has_config_digest)
        return; /* not made: refused */
    else if (e->outside_upstream && !list->given)
        bb_check_fail(c->r, BB_CHECK_CONFIG, BB_CONFIGURATION_REFUSED, "upstream inside the TEE",
                      "upstream outside", "the gateway sends the data on to another machine");
    else if (!list->given)
        bb_check_pass(c->r, BB_CHECK_CONFIG, "upstream inside the TEE", "inside");
    else
        (void)bb_rule_list(c->r, BB_CHECK_CONFIG, BB_CONFIGURATION_REFUSED, list,
                           BB_SPAN_OF(e->config_digest), "the gateway's configuration");
}

/* The firmware's versions: their types are judged, their values cannot be: no token names the product,
 * and the same number means other things on another. */
static void svns(struct bb_token_case *c) {
    static const char *const names[] = {SNP("bootloader-svn"), SNP("tee-svn"), SNP("snpfw-svn"),
                                        SNP("microcode-svn")};
    int64_t value = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (bb_claim_integer(c->snp, names[i], 0, UINT8_MAX, &value) == BB_CLAIM_WRONG)
            bb_token_refuse_claim(c, BB_CHECK_MINIMUM_TCB, BB_CLAIM_WRONG, c->snp, names[i],
                                  "an integer 0..255");
}

/* Something that a policy can ask for and no token states. */
struct unstated {
    const char *key;
    enum bb_check_id row;
    bool asked;
};

enum { N_UNSTATED = 17 };

/* `defaults`: what the policy asks for without saying so counts too. */
static void list_unstated(const struct bb_policy *p, bool defaults,
                          struct unstated out[N_UNSTATED]) {
    const struct bb_policy_guest *g = &p->guest;
    const struct unstated all[N_UNSTATED] = {
        {"single_socket", BB_CHECK_GUEST_POLICY, g->single_socket != BB_ANY},
        {"cxl", BB_CHECK_GUEST_POLICY, g->cxl != BB_ANY},
        {"mem_aes_256_xts", BB_CHECK_GUEST_POLICY, g->mem_aes_256_xts != BB_ANY},
        {"rapl_dis", BB_CHECK_GUEST_POLICY, g->rapl_dis != BB_ANY},
        {"ciphertext_hiding", BB_CHECK_GUEST_POLICY, g->ciphertext_hiding != BB_ANY},
        {"page_swap_disable", BB_CHECK_GUEST_POLICY, g->page_swap_disable != BB_ANY},
        {"abi_min", BB_CHECK_GUEST_POLICY, g->has_abi_min},
        {"products", BB_CHECK_PLATFORM, p->products_given},
        {"signers", BB_CHECK_PLATFORM, p->signers_given},
        {"report_versions", BB_CHECK_PLATFORM, p->report_versions_given},
        {"platform_info", BB_CHECK_PLATFORM, (p->platform_required | p->platform_forbidden) != 0},
        {"provisional_firmware", BB_CHECK_PROVISIONAL,
         !p->provisional_allowed && (defaults || p->provisional_given)},
        {"minimum_tcb", BB_CHECK_MINIMUM_TCB, p->minimum_tcb.given},
        {"minimum_launch_tcb", BB_CHECK_MINIMUM_TCB, p->minimum_launch_tcb.given},
        {"chip_ids", BB_CHECK_CHIP_IDS, p->chip_ids.given},
        /* Of a file the service's word is all there is; a connection has its report. */
        {"simulated_roots", BB_CHECK_TOKEN_TYPE,
         defaults && p->allow_simulated && p->simulated_roots.given},
        {"crl", BB_CHECK_REST, p->crl_required && (defaults || p->crl_given)}};
    memcpy(out, all, sizeof all);
}

bool bb_policy_needs_report(const struct bb_policy *policy,
                            const struct bb_policy_verifier *verifier) {
    struct unstated all[N_UNSTATED];
    (void)verifier; /* neither profile states any of it */
    list_unstated(policy, true, all);
    for (size_t i = 0; i < N_UNSTATED; i++)
        if (all[i].asked)
            return true;
    return false;
}

/* Of a file, defaults do not count: who wants them on a token says so in the policy. On a connection
 * they are the user's protection, and want the report beside the token. */
static void unstated(struct bb_token_case *c) {
    struct unstated all[N_UNSTATED];
    list_unstated(c->policy, c->expect->on_connection, all);
    for (size_t i = 0; i < N_UNSTATED; i++) {
        if (!all[i].asked || (all[i].row == BB_CHECK_TOKEN_TYPE && c->kind != BB_KIND_SIMULATED))
            continue; /* a simulator's root is asked of simulators */
        if (c->expect->report_is_checked) {
            if (c->r->checks[all[i].row].outcome == BB_OUTCOME_NOT_APPLICABLE)
                bb_check_note(c->r, all[i].row, BB_OUTCOME_NOT_REQUESTED, "left to the report");
            continue;
        }
        bb_check_fail(c->r, all[i].row, BB_TOKEN_CLAIM_MISSING, all[i].key, "absent",
                      "the policy asks for %s, which the token does not state", all[i].key);
    }
}

void bb_token_rules(struct bb_token_case *c) {
    uint8_t report_id[32];
    static const enum bb_check_id never[] = {BB_CHECK_PLATFORM, BB_CHECK_PROVISIONAL,
                                             BB_CHECK_MINIMUM_TCB, BB_CHECK_PCRS, BB_CHECK_REST};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++)
        bb_check_note(c->r, never[i], BB_OUTCOME_NOT_APPLICABLE, "a token does not state it");
    debug(c);
    guest_policy(c);
    vmpl(c);
    svns(c);
    digests(c);
    image(c);
    config(c);
    if (bb_claim_hex(c->snp, SNP("reportid"), report_id, sizeof report_id) == BB_CLAIM_WRONG)
        bb_token_refuse_claim(c, BB_CHECK_REST, BB_CLAIM_WRONG, c->snp, SNP("reportid"),
                              "64 hex digits");
    unstated(c);
}
