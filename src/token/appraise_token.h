/* The appraisal of a token's claims, in parts. Internal to the token layer, its tests and its fuzz
 * target. */
#ifndef BB_TOKEN_APPRAISE_TOKEN_H
#define BB_TOKEN_APPRAISE_TOKEN_H

#include "token/claims.h"
#include "token/token.h"

/* AR4SI's tiers, in the order of EAR: a higher one is never more trusted. */
enum bb_tier { BB_TIER_NONE = 0, BB_TIER_AFFIRMING, BB_TIER_WARNING, BB_TIER_CONTRAINDICATED };

/* What an EAR's vector says; 0: no assertion. */
struct bb_ear_view {
    enum bb_tier status;
    int configuration, executables;
    char worst[BB_VALUE_MAX]; /* what made the status, for texts */
};

/* AR4SI defines two affirming values for code and for configuration: approved, and approved as far as
 * it could be seen. The others up to 31 are nobody's yet. */
static inline bool bb_ear_approved(int value) { return value == 2 || value == 3; }

/* One appraisal. `snp` holds the claims x-ms-sevsnpvm-*: the claims themselves, those nested in
 * x-ms-isolation-tee, or ear_attester_claims; NULL: none. */
struct bb_token_case {
    const json_t *claims;
    const json_t *snp;
    const struct bb_token_expectation *expect;
    const struct bb_policy *policy;
    int64_t now;
    enum bb_token_profile profile;
    enum bb_evidence_kind kind;
    struct bb_ear_view ear;
    struct bb_result *r;
};

/* Everything behind the signature: issuer, validity, type, binding, claims against the policy. Records
 * every row of a token but the first two; closes nothing. The claims must be those of a token whose
 * signature holds. */
void bb_token_appraise_claims(const json_t *claims, const struct bb_token_expectation *expect,
                              const struct bb_policy *policy, int64_t now,
                              struct bb_result *result);

/* token-type: false if there is nothing to go on with. Sets snp, kind and, for EAR, the view. */
bool bb_maa_type(struct bb_token_case *c);
bool bb_ear_type(struct bb_token_case *c);
/* report-data, runtime, nonce. */
void bb_maa_binding(struct bb_token_case *c);
void bb_ear_binding(struct bb_token_case *c);
/* expected-code and uvm: what the service says of the code as a whole. */
void bb_maa_code(struct bb_token_case *c);
void bb_ear_code(struct bb_token_case *c);
/* The other rows of the policy, on the SNP claims. */
void bb_token_rules(struct bb_token_case *c);

/* The end of token-type: is the kind one that policy and caller take, and is a simulated TEE allowed? */
bool bb_token_take_kind(struct bb_token_case *c, enum bb_evidence_kind kind, bool simulated);
/* Reads x-ms-blindbox-simulated of `object`, which a service of ours sets: true makes *simulated true.
 * False if it is no boolean: recorded. */
bool bb_token_read_simulated(struct bb_token_case *c, const json_t *object, bool *simulated);
/* A claim that is absent, or of another type or encoding than `expected`, refuses its row. */
void bb_token_refuse_claim(struct bb_token_case *c, enum bb_check_id id, enum bb_claim_state state,
                           const json_t *object, const char *name, const char *expected);
/* Failures of stage 6 have one class: that of the place where the token is used. */
enum bb_status bb_token_binding_class(const struct bb_token_case *c);
/* The reportdata claim is exactly what the caller expects; `needed` false: only where it is there. */
void bb_token_report_data(struct bb_token_case *c, bool needed);
void bb_token_nonce_row(struct bb_token_case *c, bool holds, const char *found);

#endif
