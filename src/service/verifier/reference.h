/* Reference values (blindbox.reference-values/1): measurements of utility VMs and digests of
 * container policies that the operator vouches for. Only they make a token say "compliant". */
#ifndef BB_SERVICE_VERIFIER_REFERENCE_H
#define BB_SERVICE_VERIFIER_REFERENCE_H

#include "appraise/policy.h"

#define BB_REFERENCE_JSON_MAX 262144 /* input cap: memory */

struct bb_reference {
    size_t n_measurements, n_host_data;
    uint8_t measurement[BB_POLICY_LIST_MAX][48];
    uint8_t host_data[BB_POLICY_LIST_MAX][32];
};

/* UsageError names the key: unknown, twice there, missing, of a wrong type or length; a digest of
 * zeros; a container policy that is known to allow everything. Free with free(). */
BB_MUST_USE enum bb_status bb_reference_parse(struct bb_span json, struct bb_reference **out,
                                              struct bb_error *err);
/* NULL lists nothing. */
bool bb_reference_measurement(const struct bb_reference *r, struct bb_span value);
bool bb_reference_host_data(const struct bb_reference *r, struct bb_span value);

#endif
