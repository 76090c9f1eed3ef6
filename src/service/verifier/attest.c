#include "service/verifier/attest.h"

#include "base/hex.h"
#include "crypto/digest.h"
#include "evidence/snp/roots.h"
#include "token/report_data.h"

#include <stdio.h>

enum { REPORT_DATA_TAIL_AT = 0x50 + 32 }; /* in ATTESTATION_REPORT */

struct attest {
    const struct bb_attest_setup *setup;
    const struct bb_attest_request *request;
    int64_t now;
    struct bb_snp_certs *certs;
    struct bb_policy policy; /* a shallow copy, for this request */
    uint8_t root[32];        /* of the simulator that is allowed */
    struct bb_snp_report report;
    struct bb_snp_path path;
    struct bb_result result;
};

static void choose(struct attest *a) {
    const struct bb_snp_need need = {.signer = a->report.signer,
                                     .report = &a->report,
                                     .simulated_roots = a->policy.simulated_roots.data,
                                     .n_simulated_roots = a->policy.simulated_roots.count,
                                     .now = a->now};
    bb_snp_certs_choose(a->certs, &need, &a->path);
}

/* Simulated evidence counts only where the operator said so, whatever the policy's file says; then
 * from the simulators that the policy lists or, without a list, from any: the token is marked. */
static void allow_simulator(struct attest *a) {
    bool listed = a->setup->policy->simulated_roots.count > 0;
    a->policy.allow_simulated = a->setup->config->allow_simulated;
    a->policy.kind_simulated =
        a->policy.allow_simulated && (!a->policy.evidence_given || a->policy.kind_simulated);
    if (!a->policy.allow_simulated) {
        a->policy.simulated_roots = (struct bb_policy_digests){.given = false};
        return;
    }
    if (listed || bb_snp_report_parse(a->request->report, &a->report, NULL) != BB_OK)
        return;
    choose(a);
    if (a->path.root != BB_SNP_ROOT_SIMULATOR || a->path.ark == NULL)
        return;
    memcpy(a->root, bb_cert_spki_sha256(a->path.ark), sizeof a->root);
    a->policy.simulated_roots =
        (struct bb_policy_digests){.given = true, .size = 32, .count = 1, .data = a->root};
}

/* The report data that the runtime data has to have: its digest, and one of the two tails that are
 * known. With another tail the comparison fails, for the zeros of form 0 are expected then. */
static enum bb_status expect_runtime(const struct attest *a, struct bb_expectation *expect,
                                     struct bb_error *err) {
    uint8_t *tail = expect->report_data + 32;
    if (a->request->runtime.type == BB_ATTEST_NO_DATA)
        return BB_OK;
    struct bb_span found =
        bb_span_slice(a->request->report, REPORT_DATA_TAIL_AT, BB_REPORT_DATA_TAIL_SIZE);
    expect->has_report_data = true;
    if (!bb_sha256(a->request->runtime.bytes, expect->report_data) || !bb_report_data_tail(1, tail))
        return bb_fail_internal(err, "a hash");
    if (!bb_span_equal(found, bb_span(tail, BB_REPORT_DATA_TAIL_SIZE)) &&
        !bb_report_data_tail(0, tail))
        return bb_fail_internal(err, "a hash");
    return BB_OK;
}

/* Host data is the init data's digest. The host sets it; so it says nothing of the code, and is
 * compared because the token would state the init data. */
static enum bb_status check_init(const struct attest *a, struct bb_error *err) {
    uint8_t digest[BB_SHA256_SIZE];
    char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    if (a->request->init.type == BB_ATTEST_NO_DATA)
        return BB_OK;
    if (!bb_sha256(a->request->init.bytes, digest))
        return bb_fail_internal(err, "a hash");
    if (bb_span_equal(BB_SPAN_OF(digest), a->report.host_data))
        return BB_OK;
    bb_hex_encode(BB_SPAN_OF(digest), expected, sizeof expected);
    bb_hex_encode(a->report.host_data, found, sizeof found);
    return bb_fail(err, BB_INVALID_ENCLAVE_CODE, "initTimeData", expected, found,
                   "the host data is not the digest of initTimeData");
}

static bool passed(const struct attest *a, enum bb_check_id id) {
    return a->result.checks[id].outcome == BB_OUTCOME_PASSED;
}

static struct bb_make_input make_input(const struct attest *a) {
    const struct bb_verifier_config *config = a->setup->config;
    bool named = bb_reference_measurement(config->reference, a->report.measurement);
    bool debug = (a->report.policy & BB_SNP_POLICY_DEBUG) != 0;
    return (struct bb_make_input){
        .report = &a->report,
        .product = a->path.info.product,
        .result = &a->result,
        .request = a->request,
        .issuer = config->issuer,
        .policy_hash = a->setup->policy_hash,
        .own_policy = config->own_policy != NULL,
        .known_code = named || passed(a, BB_CHECK_MEASUREMENT) || passed(a, BB_CHECK_ID_KEYS),
        /* Code that the host may change as it likes is not compliant, whatever it was at launch. */
        .compliant =
            named && !debug && bb_reference_host_data(config->reference, a->report.host_data),
        .known_chip = a->policy.chip_ids.given && passed(a, BB_CHECK_CHIP_IDS),
        .now = a->now};
}

static enum bb_status make_claims(struct attest *a, bool ear, json_t **claims,
                                  struct bb_attest_verdict *v, struct bb_error *err) {
    BB_TRY(bb_snp_report_parse(a->request->report, &a->report, err));
    BB_TRY(check_init(a, err));
    choose(a);
    struct bb_make_input in = make_input(a);
    if (!bb_random(in.jti, sizeof in.jti))
        return bb_fail_internal(err, "random numbers");
    v->compliant = in.compliant;
    return ear ? bb_make_ear(&in, claims, err) : bb_make_maa(&in, claims, err);
}

/* Classes that a policy gives: what the evidence says is authentic, and not wanted. */
static bool is_policy_class(enum bb_status status) {
    enum { EXIT_CRL = 4, EXIT_POLICY = 5, EXIT_SIMULATED = 9 };
    int code = bb_status_exit(status);
    return code == EXIT_CRL || code == EXIT_POLICY || code == EXIT_SIMULATED;
}

static enum bb_status appraise(struct attest *a, bool ear, json_t **claims,
                               struct bb_attest_verdict *v, struct bb_error *err) {
    /* Which code is expected, the relying party says; the token names what was found. */
    struct bb_expectation expect = {.code_by_token = true};
    allow_simulator(a);
    BB_TRY(expect_runtime(a, &expect, err));
    enum bb_status status = bb_appraise_snp_with(a->request->report, a->certs, &a->policy, a->now,
                                                 &expect, 0, &a->result);
    v->simulated = a->result.simulated;
    if (status != BB_OK || a->result.verdict != BB_VERDICT_ACCEPTED) {
        bb_result_error(&a->result, err);
        v->by_policy = is_policy_class(status);
        return status == BB_OK ? bb_fail_internal(err, "the appraisal") : status;
    }
    return make_claims(a, ear, claims, v, err);
}

enum bb_status bb_attest(const struct bb_attest_setup *setup, struct bb_span body, bool ear,
                         int64_t now, json_t **claims, struct bb_attest_verdict *v,
                         struct bb_error *err) {
    struct bb_attest_request request = {.n_certs = 0};
    struct bb_chain chain;
    *v = (struct bb_attest_verdict){.by_policy = false};
    BB_TRY(bb_attest_request_parse(body, &request, err));
    enum bb_status status =
        bb_chains_take(setup->chains, request.chain, request.certs, request.n_certs, &chain, err);
    if (status == BB_OK) {
        struct attest a = {.setup = setup,
                           .request = &request,
                           .now = now,
                           .certs = chain.certs,
                           .policy = *setup->policy};
        status = appraise(&a, ear, claims, v, err);
        bb_chains_give(setup->chains, &chain);
    }
    bb_attest_request_done(&request);
    return status;
}
