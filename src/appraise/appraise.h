/* Appraisal: (evidence, collateral, policy, now) -> result. Pure. */
#ifndef BB_APPRAISE_APPRAISE_H
#define BB_APPRAISE_APPRAISE_H

#include "appraise/policy.h"
#include "appraise/result.h"

#define BB_COLLATERAL_MAX 64 /* certificates and CRLs one appraisal looks at: time */

/* DER certificates and CRLs in any order, told apart by content; all untrusted. */
struct bb_collateral {
    const struct bb_span *certs;
    size_t n_certs;
    const struct bb_span *crls;
    size_t n_crls;
};

/* What the evidence must be bound to. */
struct bb_expectation {
    bool on_connection; /* channel: a mismatch is ChannelBindingMismatch */
    bool has_report_data;
    uint8_t report_data[64];
    bool outside_upstream;  /* flags bit 0 */
    bool has_config_digest; /* channel: SHA-384 of config */
    uint8_t config_digest[48];
    bool code_by_token;         /* a pinned service's token says that the code is known */
    enum bb_evidence_kind kind; /* kind the peer stated; 0 for a file: the root decides */
};

/* Appraises a report. Always fills `result` (checks, verdict, class); the return value is its
 * class, BB_OK on acceptance. `skip` has bit n set for a check that the caller leaves out. */
BB_MUST_USE enum bb_status bb_appraise_snp(struct bb_span report,
                                           const struct bb_collateral *collateral,
                                           const struct bb_policy *policy, int64_t now,
                                           const struct bb_expectation *expect, uint64_t skip,
                                           struct bb_result *result);

/* The same with a set of certificates that the caller keeps: the path's RSA signatures are verified
 * once a set, so that each further report costs one P-384 verification. */
struct bb_snp_certs;
BB_MUST_USE enum bb_status bb_appraise_snp_with(struct bb_span report, struct bb_snp_certs *certs,
                                                const struct bb_policy *policy, int64_t now,
                                                const struct bb_expectation *expect, uint64_t skip,
                                                struct bb_result *result);

#endif
