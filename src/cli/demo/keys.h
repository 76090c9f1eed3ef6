/* The demo's simulated TEE: its keys, a report, and the policy that accepts it. */
#ifndef BB_CLI_DEMO_KEYS_H
#define BB_CLI_DEMO_KEYS_H

#include "cli/demo/place.h"

/* The report that 'blindbox sim report' made for BB_DEMO_REPORT_DATA, and its certificates. */
#define BB_DEMO_REPORT "report.bin"
#define BB_DEMO_CERTS "certs"
#define BB_DEMO_SIM "sim"
#define BB_DEMO_SIM_POLICY "run-policy.json" /* the policy of 'blindbox sim init' */
extern const char bb_demo_report_data[];     /* 128 hex digits */

/* Makes the simulator's folder, its policy and one report with the real programs. RSA keys take
 * seconds, which is shown if stderr is a terminal; those in the folder that BLINDBOX_DEMO_KEYS
 * names are copied instead. */
BB_MUST_USE enum bb_status bb_demo_keys(const struct bb_demo_place *place, struct bb_error *err);

#endif
