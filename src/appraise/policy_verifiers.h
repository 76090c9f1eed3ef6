/* The policy's key "verifiers". Internal to the policy. */
#ifndef BB_APPRAISE_POLICY_VERIFIERS_H
#define BB_APPRAISE_POLICY_VERIFIERS_H

#include "appraise/policy.h"

#include <jansson.h>

/* Replaces the policy's list. UsageError names the member that is wrong. */
BB_MUST_USE enum bb_status bb_policy_take_verifiers(struct bb_policy *policy, const json_t *list,
                                                    struct bb_error *err);

#endif
