/* BlindBox: what a relying party expects (blindbox.policy/1, JSON; docs/internals/policy.md). */
#ifndef BLINDBOX_POLICY_H
#define BLINDBOX_POLICY_H

#include <blindbox/bytes.h>
#include <blindbox/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once made: threads may share it. Free with bb_policy_free(). */
struct bb_policy;

/* Parses a policy's JSON text; keeps nothing of it. UsageError names the key that is wrong,
 * unknown, twice there, or not answered by this build; `*out` is written only on success. */
BB_API BB_MUST_USE enum bb_status bb_policy_parse(struct bb_span json, struct bb_policy **out,
                                                  struct bb_error *err);

/* Loads the policy file at `path`, and the cce_policy_file it names (relative: beside the policy).
 * NULL: the look-up of every command: BLINDBOX_POLICY, then $XDG_CONFIG_HOME/blindbox/policy.json
 * (which counts only if the user owns it and nobody else may write it), then the defaults, which
 * accept nothing (MissingReferenceValues). `source` gets where it came from, cut to `cap` bytes;
 * show it to the user. */
BB_API BB_MUST_USE enum bb_status bb_policy_load(const char *path, struct bb_policy **out,
                                                 char *source, size_t cap, struct bb_error *err);

/* NULL-safe. */
BB_API void bb_policy_free(struct bb_policy *policy);

#ifdef __cplusplus
}
#endif
#endif
