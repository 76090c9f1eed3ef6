/* The demo's simulated TEE: its keys, and the policy that accepts it. */
#ifndef BB_CLI_DEMO_KEYS_H
#define BB_CLI_DEMO_KEYS_H

#include "cli/demo/place.h"

#include "appraise/policy.h"

/* The report that 'blindbox sim report' made for BB_DEMO_REPORT_DATA, and its certificates. */
#define BB_DEMO_REPORT "report.bin"
#define BB_DEMO_CERTS "certs"
#define BB_DEMO_SIM "sim"
#define BB_DEMO_POLICY_FILE "policy.json"
extern const char bb_demo_report_data[]; /* 128 hex digits */

/* Makes the simulator's folder, the policy and one report with the real programs. RSA keys take
 * seconds, which is shown if stderr is a terminal; those in the folder that BLINDBOX_DEMO_KEYS
 * names are copied instead. */
BB_MUST_USE enum bb_status bb_demo_keys(const struct bb_demo_place *place, struct bb_error *err);

/* The policy, without the key `without` (NULL: whole). */
BB_MUST_USE enum bb_status bb_demo_policy(const struct bb_demo_place *place, const char *without,
                                          struct bb_policy **out, struct bb_error *err);

#endif
