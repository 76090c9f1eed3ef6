/* Stage 7: the policy's rules on a report. Internal to the appraisals. */
#ifndef BB_APPRAISE_RULES_SNP_H
#define BB_APPRAISE_RULES_SNP_H

#include "appraise/appraise.h"

/* What the rules look at: a parsed report, the product (from CPUID, or in version 2 from the
 * certificate; UNKNOWN if neither says), the policy and the binding. */
struct bb_rules_input {
    const struct bb_snp_report *report;
    enum bb_snp_product product;
    const struct bb_policy *policy;
    const struct bb_expectation *expect;
};

/* Records every check of stage 7. */
void bb_rules_snp(const struct bb_rules_input *in, struct bb_result *result);

/* One list of the policy against one value: records the check unless the list is not given. True if
 * it failed. `what` stands in the text: "the launch measurement". */
bool bb_rule_list(struct bb_result *r, enum bb_check_id id, enum bb_status status,
                  const struct bb_policy_digests *list, struct bb_span value, const char *what);

/* "bootloader 4 tee 0 snp 24 microcode 219"; raw hex if the product is unknown. */
void bb_tcb_text(struct bb_snp_tcb tcb, enum bb_snp_product product, char *out, size_t cap);

#endif
