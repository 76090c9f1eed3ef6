/* Options that every verifying command has. */
#ifndef BB_CLI_POLICY_OPTION_H
#define BB_CLI_POLICY_OPTION_H

#include "appraise/policy.h"
#include "appraise/result.h"

/* --policy FILE or --measurement HEX (both NULL: the look-up); `source` gets where it came from. */
BB_MUST_USE enum bb_status bb_option_policy(const char *path, const char *measurement,
                                            struct bb_policy **out, char *source, size_t cap,
                                            struct bb_error *err);
/* --skip CHECK: adds its bit to `skip`. */
BB_MUST_USE enum bb_status bb_option_skip(const char *name, uint64_t *skip, struct bb_error *err);

#endif
