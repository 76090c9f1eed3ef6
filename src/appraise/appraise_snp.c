#include "appraise/appraise.h"

#include "appraise/rules_snp.h"
#include "base/hex.h"
#include "base/rfc3339.h"
#include "evidence/kinds.h"
#include "evidence/snp/chain.h"

#include <stdio.h>

struct appraisal {
    const struct bb_policy *policy;
    const struct bb_expectation *expect;
    struct bb_snp_certs *certs;
    struct bb_snp_path path;
    struct bb_snp_report report;
    int64_t now;
    struct bb_result *r;
};

/* Evidence of a kind that this build can tell apart but not verify is refused by its name. */
static bool is_other_kind(struct appraisal *a, struct bb_span raw) {
    const struct bb_evidence_form *form = bb_evidence_form(raw);
    if (form == NULL || form->verified_here)
        return false;
    /* A policy that names its kinds did not name this one (none of these has a name there but
     * azure-hcl); without such a list the kind is merely unknown to this build. */
    bool unnamed = a->policy->evidence_given &&
                   !(strcmp(form->name, "azure-hcl") == 0 && a->policy->kind_azure_hcl);
    bb_check_fail(a->r, unnamed ? BB_CHECK_FORMAT : BB_CHECK_VERSION,
                  unnamed ? BB_NOT_AN_ENCLAVE : BB_UNSUPPORTED_EVIDENCE, "an SEV-SNP report",
                  form->text, "the evidence looks like %s", form->text);
    return true;
}

/* Stage 1. False if there is no report to go on with. */
static bool structure(struct appraisal *a, struct bb_span raw) {
    if (is_other_kind(a, raw))
        return false;
    struct bb_error err = {0};
    enum bb_status status = bb_snp_report_parse(raw, &a->report, &err);
    char found[16];
    if (status == BB_OK) {
        (void)snprintf(found, sizeof found, "%u", a->report.version);
        bb_check_pass(a->r, BB_CHECK_FORMAT, NULL, NULL);
        bb_check_pass(a->r, BB_CHECK_VERSION, "2 to 5", found);
        return true;
    }
    enum bb_check_id id = status == BB_UNSUPPORTED_EVIDENCE ? BB_CHECK_VERSION : BB_CHECK_FORMAT;
    bb_check_fail(a->r, id, status, err.expected, err.found, "%s at offset 0x%zx: %s", err.field,
                  err.offset, err.text);
    return false;
}

/* Which respect of the certificate does not fit, for the texts. */
static const char *misfit(const struct bb_snp_fit *fit) {
    if (!fit->readable)
        return "its extensions";
    if (!fit->product)
        return "another product";
    if (!fit->chip_id)
        return "another chip";
    return fit->tcb ? NULL : "another TCB";
}

/* A kind of certificate of which none can be used: missing, unless one at hand is damaged. */
static void none_at_hand(struct appraisal *a, const char *kind) {
    if (a->path.n_unreadable == 0)
        bb_check_fail(a->r, BB_CHECK_COLLATERAL, BB_COLLATERAL_UNAVAILABLE, kind, "none",
                      "no %s certificate at hand", kind);
    else
        bb_check_fail(a->r, BB_CHECK_COLLATERAL, BB_CERTIFICATE_CHAIN_INVALID, kind,
                      "a damaged certificate",
                      "no %s certificate at hand but one that cannot be read", kind);
}

static void collateral(struct appraisal *a) {
    const struct bb_snp_path *p = &a->path;
    const char *kind = bb_snp_signer_name(a->report.signer);
    const char *authority = a->report.signer == BB_SNP_SIGNER_VLEK ? "ASVK" : "ASK";
    const char *why = misfit(&p->fit);
    if (p->n_veks == 0)
        none_at_hand(a, kind);
    else if (p->n_asks == 0)
        none_at_hand(a, authority);
    else if (p->root == BB_SNP_ROOT_ABSENT)
        none_at_hand(a, "ARK");
    else if (why != NULL)
        bb_check_fail(a->r, BB_CHECK_COLLATERAL, BB_CERTIFICATE_CHAIN_INVALID,
                      "a certificate that fits the report", why,
                      "no %s certificate at hand fits the report: %s", kind,
                      p->fit.readable ? why : p->vek_error->text);
    else
        bb_check_pass(a->r, BB_CHECK_COLLATERAL, kind, kind);
}

static bool simulated_ok(const struct appraisal *a) {
    return a->policy->allow_simulated && a->policy->kind_simulated &&
           (a->expect->kind == 0 || a->expect->kind == BB_KIND_SIMULATED);
}

static bool vendor_ok(const struct appraisal *a) {
    return a->policy->kind_sev_snp && (a->expect->kind == 0 || a->expect->kind == BB_KIND_SEV_SNP);
}

/* The root says of which kind the evidence is; a kind that the policy's "evidence" does not name is
 * refused as such. */
static void kind(struct appraisal *a) {
    if (!a->policy->kind_sev_snp && !a->policy->kind_simulated)
        bb_check_fail(a->r, BB_CHECK_FORMAT, BB_NOT_AN_ENCLAVE, "a kind of the policy's evidence",
                      "an SEV-SNP report", "the policy does not take this kind of evidence");
    if ((a->path.root == BB_SNP_ROOT_VENDOR && !a->policy->kind_sev_snp) ||
        (a->path.root == BB_SNP_ROOT_SIMULATED && !a->policy->kind_simulated))
        bb_check_fail(a->r, BB_CHECK_FORMAT, BB_NOT_AN_ENCLAVE, "a kind of the policy's evidence",
                      a->path.root == BB_SNP_ROOT_VENDOR ? "sev-snp" : "simulated",
                      "the policy does not take this kind of evidence");
}

static void root(struct appraisal *a) {
    char found[BB_VALUE_MAX] = "";
    if (a->path.ark == NULL)
        return;
    bb_hex_encode(bb_span(bb_cert_spki_sha256(a->path.ark), 32), found, sizeof found);
    switch (a->path.root) {
    case BB_SNP_ROOT_ABSENT:
        return;
    case BB_SNP_ROOT_SIMULATOR:
        a->r->simulated = true;
        bb_check_fail(a->r, BB_CHECK_ROOT, BB_SIMULATED_TEE, "a pinned vendor root", found,
                      "the root is a simulator's and the policy does not allow it");
        return;
    case BB_SNP_ROOT_SIMULATED:
        a->r->simulated = true;
        if (simulated_ok(a))
            bb_check_pass(a->r, BB_CHECK_ROOT, "an allowed simulator's root", found);
        else
            bb_check_fail(a->r, BB_CHECK_ROOT, BB_SIMULATED_TEE, "a pinned vendor root", found,
                          "the root is a simulator's, which may not stand here");
        return;
    case BB_SNP_ROOT_VENDOR:
        if (vendor_ok(a)) {
            bb_check_pass(a->r, BB_CHECK_ROOT, "a pinned vendor root", found);
            return;
        }
        break;
    case BB_SNP_ROOT_UNKNOWN:
        break;
    }
    bb_check_fail(a->r, BB_CHECK_ROOT, BB_CERTIFICATE_CHAIN_INVALID, "a pinned vendor root", found,
                  "the root's key is not the pinned one for this product and kind");
}

static bool root_trusted(const struct appraisal *a) {
    return a->r->checks[BB_CHECK_ROOT].outcome == BB_OUTCOME_PASSED;
}

static void chain(struct appraisal *a) {
    const struct bb_snp_path *p = &a->path;
    if (p->vek == NULL || p->ask == NULL || p->ark == NULL)
        return;
    if (!p->vek_signed)
        bb_check_fail(a->r, BB_CHECK_CHAIN, BB_CERTIFICATE_CHAIN_INVALID, bb_cert_issuer_cn(p->vek),
                      bb_cert_subject_cn(p->ask),
                      "no intermediate at hand signed the %s certificate",
                      bb_snp_signer_name(a->report.signer));
    else if (!p->ask_signed)
        bb_check_fail(a->r, BB_CHECK_CHAIN, BB_CERTIFICATE_CHAIN_INVALID, bb_cert_issuer_cn(p->ask),
                      bb_cert_subject_cn(p->ark), "the root did not sign the intermediate");
    else
        bb_check_pass(a->r, BB_CHECK_CHAIN, NULL, bb_cert_subject_cn(p->ask));
}

static void validity(struct appraisal *a) {
    const struct bb_cert *all[] = {a->path.vek, a->path.ask, a->path.ark};
    char found[40], from[40], until[40], expected[BB_VALUE_MAX];
    bb_rfc3339_text(a->now, found, sizeof found);
    for (size_t i = 0; i < 3; i++) {
        if (all[i] == NULL)
            return;
        if (bb_cert_not_before(all[i]) <= a->now && a->now <= bb_cert_not_after(all[i]))
            continue;
        bb_rfc3339_text(bb_cert_not_before(all[i]), from, sizeof from);
        bb_rfc3339_text(bb_cert_not_after(all[i]), until, sizeof until);
        (void)snprintf(expected, sizeof expected, "%s to %s", from, until);
        bb_check_fail(a->r, BB_CHECK_VALIDITY, BB_COLLATERAL_UNAVAILABLE, expected, found,
                      "%s is %s", bb_cert_subject_cn(all[i]),
                      a->now > bb_cert_not_after(all[i]) ? "expired" : "not yet valid");
        return;
    }
    bb_check_pass(a->r, BB_CHECK_VALIDITY, NULL, found);
}

static void crl(struct appraisal *a) {
    if (!root_trusted(a) || a->path.ask == NULL)
        return;
    const struct bb_crl *used = NULL;
    enum bb_snp_crl_state state = bb_snp_certs_crl(a->certs, &a->path, a->now, &used);
    const char *found = state == BB_SNP_CRL_NONE ? "none" : "none in its window";
    switch (state) {
    case BB_SNP_CRL_REVOKED:
        bb_check_fail(a->r, BB_CHECK_CRL, BB_CERTIFICATE_REVOKED, "not revoked", "revoked",
                      "the vendor's revocation list names %s", bb_cert_subject_cn(a->path.ask));
        return;
    case BB_SNP_CRL_GOOD: {
        char until[40];
        bb_rfc3339_text(bb_crl_next_update(used), until, sizeof until);
        bb_check_pass(a->r, BB_CHECK_CRL, "not revoked", until);
        return;
    }
    case BB_SNP_CRL_NONE:
    case BB_SNP_CRL_NOT_IN_WINDOW:
        break;
    }
    if (a->policy->crl_required)
        bb_check_fail(a->r, BB_CHECK_CRL, BB_CRL_UNAVAILABLE, "a CRL of the root in its window",
                      found, "no revocation list counts at this time");
    else
        bb_check_note(a->r, BB_CHECK_CRL, BB_OUTCOME_NOT_REQUESTED,
                      "no CRL counts at this time; the policy says if-present");
}

static void signature(struct appraisal *a) {
    if (a->path.vek == NULL)
        return;
    if (bb_cert_verify_p384(a->path.vek, a->report.signed_, a->report.signature_rs))
        bb_check_pass(a->r, BB_CHECK_SIGNATURE, NULL, NULL);
    else
        bb_check_fail(a->r, BB_CHECK_SIGNATURE, BB_REPORT_SIGNATURE_INVALID, "ECDSA P-384 valid",
                      "invalid", "the report is not signed by the key of the certificate");
}

static void fit_row(struct appraisal *a, enum bb_check_id id, bool good, const char *expected,
                    const char *found) {
    if (good)
        bb_check_pass(a->r, id, expected, found);
    else
        bb_check_fail(a->r, id, BB_CERTIFICATE_CHAIN_INVALID, expected, found,
                      "the certificate does not fit the report");
}

/* Stage 5: `expected` is what the certificate says, `found` what the report says. */
static void fit(struct appraisal *a) {
    const struct bb_snp_path *p = &a->path;
    char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    if (p->vek == NULL || !p->fit.readable)
        return;
    bb_tcb_text(p->info.tcb, p->info.product, expected, sizeof expected);
    bb_tcb_text(a->report.reported_tcb, p->info.product, found, sizeof found);
    fit_row(a, BB_CHECK_TCB, p->fit.tcb, expected, found);
    if (p->info.signer == BB_SNP_SIGNER_VLEK) {
        bb_check_note(a->r, BB_CHECK_CHIP_ID, BB_OUTCOME_NOT_APPLICABLE,
                      "a VLEK belongs to no chip");
    } else {
        bb_hex_encode(BB_SPAN_OF(p->info.chip_id), expected, sizeof expected);
        bb_hex_encode(a->report.chip_id, found, sizeof found);
        fit_row(a, BB_CHECK_CHIP_ID, p->fit.chip_id, expected, found);
    }
    fit_row(a, BB_CHECK_PRODUCT, p->fit.product, bb_snp_product_name(p->info.product),
            a->report.has_cpuid ? bb_snp_product_name(a->report.product)
                                : "not stated (version 2)");
    fit_row(a, BB_CHECK_SIGNER, p->info.signer == a->report.signer,
            bb_snp_signer_name(p->info.signer), bb_snp_signer_name(a->report.signer));
}

static void binding(struct appraisal *a) {
    const struct bb_expectation *e = a->expect;
    char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    if (!e->on_connection) {
        for (int id = BB_CHECK_LEAF; id <= BB_CHECK_KEY; id++)
            bb_check_note(a->r, (enum bb_check_id)id, BB_OUTCOME_NOT_APPLICABLE,
                          "not on a connection");
    }
    if (!e->has_report_data) {
        /* On a connection the binding is never optional: left unmade, it refuses. */
        if (!e->on_connection)
            bb_check_note(a->r, BB_CHECK_REPORT_DATA, BB_OUTCOME_NOT_REQUESTED,
                          "no expected report data was given");
        return;
    }
    bb_hex_encode(BB_SPAN_OF(e->report_data), expected, sizeof expected);
    bb_hex_encode(a->report.report_data, found, sizeof found);
    if (!bb_span_equal(a->report.report_data, BB_SPAN_OF(e->report_data))) {
        bb_check_fail(a->r, BB_CHECK_REPORT_DATA,
                      e->on_connection ? BB_CHANNEL_BINDING_MISMATCH : BB_FALSE_ATTESTATION_REPORT,
                      expected, found, "the report was made for something else");
        return;
    }
    bb_check_pass(a->r, BB_CHECK_REPORT_DATA, expected, found);
    if (!e->on_connection)
        return;
    /* The expected value was built from this connection's own leaf, path and key: equality of the
     * report data is equality of all three. */
    for (int id = BB_CHECK_LEAF; id <= BB_CHECK_KEY; id++)
        bb_check_pass(a->r, (enum bb_check_id)id, NULL, NULL);
}

static void all_checks(struct appraisal *a, struct bb_span raw) {
    if (!structure(a, raw))
        return;
    struct bb_snp_need need = {
        .signer = a->report.signer,
        .report = &a->report,
        .simulated_roots = a->policy->simulated_roots.data,
        .n_simulated_roots = a->policy->allow_simulated ? a->policy->simulated_roots.count : 0,
        .now = a->now};
    bb_snp_certs_choose(a->certs, &need, &a->path);
    kind(a);
    collateral(a);
    root(a);
    chain(a);
    validity(a);
    crl(a);
    signature(a);
    fit(a);
    binding(a);
    struct bb_rules_input rules = {.report = &a->report,
                                   .product = a->report.has_cpuid ? a->report.product
                                                                  : a->path.info.product,
                                   .policy = a->policy,
                                   .expect = a->expect};
    bb_rules_snp(&rules, a->r);
}

enum bb_status bb_appraise_snp_with(struct bb_span report, struct bb_snp_certs *certs,
                                    const struct bb_policy *policy, int64_t now,
                                    const struct bb_expectation *expect, uint64_t skip,
                                    struct bb_result *result) {
    *result = (struct bb_result){0};
    struct appraisal a = {
        .policy = policy, .expect = expect, .certs = certs, .now = now, .r = result};
    all_checks(&a, report);
    bb_result_skip(result, skip);
    bb_result_close(result);
    return result->status;
}

enum bb_status bb_appraise_snp(struct bb_span report,
                               const struct bb_collateral *collateral_at_hand,
                               const struct bb_policy *policy, int64_t now,
                               const struct bb_expectation *expect, uint64_t skip,
                               struct bb_result *result) {
    struct bb_snp_certs *certs = NULL;
    *result = (struct bb_result){.verdict = BB_VERDICT_REFUSED, .status = BB_INTERNAL};
    BB_TRY(bb_snp_certs_new(collateral_at_hand->certs, collateral_at_hand->n_certs,
                            collateral_at_hand->crls, collateral_at_hand->n_crls, &certs, NULL));
    enum bb_status status = bb_appraise_snp_with(report, certs, policy, now, expect, skip, result);
    bb_snp_certs_free(certs);
    return status;
}
