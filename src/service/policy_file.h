/* Which policy holds: argument, BLINDBOX_POLICY, the user's config folder. */
#ifndef BB_SERVICE_POLICY_FILE_H
#define BB_SERVICE_POLICY_FILE_H

#include "appraise/policy.h"

/* Loads the policy at `path`; NULL: the look-up. The one used is written to `source`. Without any
 * the defaults hold, which accept nothing (MissingReferenceValues). The user's own file counts only
 * if the user owns it and nobody else may write it. Reads cce_policy_file beside the policy. */
BB_MUST_USE enum bb_status bb_policy_load(const char *path, struct bb_policy **out, char *source,
                                          size_t cap, struct bb_error *err);

#endif
