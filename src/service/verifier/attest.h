/* POST /attest/SevSnpVm: the body of a request, appraised. */
#ifndef BB_SERVICE_VERIFIER_ATTEST_H
#define BB_SERVICE_VERIFIER_ATTEST_H

#include "service/verifier/chains.h"
#include "service/verifier/engine.h"
#include "token/make.h"

/* The engine's standing values. */
struct bb_attest_setup {
    const struct bb_verifier_config *config;
    const struct bb_policy *policy;
    const char *policy_hash;
    struct bb_chains *chains;
};

struct bb_attest_verdict {
    bool by_policy; /* the refusal is the policy's; else the request or evidence is not good */
    bool compliant; /* reference values name code and host data */
    bool simulated;
};

/* Claims of a token for this request, or why not: `err` says what was expected and found. `v` is
 * filled either way. */
BB_MUST_USE enum bb_status bb_attest(const struct bb_attest_setup *setup, struct bb_span body,
                                     bool ear, int64_t now, json_t **claims,
                                     struct bb_attest_verdict *v, struct bb_error *err);

#endif
