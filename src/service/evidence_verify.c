/* Offline appraisal of the public interface. */
#include "appraise/result_json.h"

#include <blindbox/evidence.h>

#include <stdlib.h>

static char *result_text(const struct bb_evidence_input *in, const struct bb_policy *policy,
                         const struct bb_result *result) {
    struct bb_snp_report report;
    bool parsed = bb_snp_report_parse(in->report, &report, NULL) == BB_OK;
    struct bb_result_view view = {.result = result,
                                  .schema = "blindbox.evidence-result/1",
                                  .kind = bb_result_kind(result, parsed),
                                  .policy_source = "given by the program",
                                  .policy = policy,
                                  .report = parsed ? &report : NULL};
    json_t *o = bb_result_to_json(&view);
    char *text = o == NULL ? NULL : json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    return text;
}

enum bb_status bb_evidence_verify(const struct bb_evidence_input *in,
                                  const struct bb_policy *policy, char **json,
                                  struct bb_error *err) {
    const struct bb_collateral collateral = {in->certs, in->n_certs, in->crls, in->n_crls};
    struct bb_expectation expect = {.has_report_data = in->report_data != NULL};
    struct bb_result result;
    if (in->report_data != NULL)
        memcpy(expect.report_data, in->report_data, sizeof expect.report_data);
    enum bb_status status =
        bb_appraise_snp(in->report, &collateral, policy, in->now, &expect, 0, &result);
    if (json != NULL)
        *json = result_text(in, policy, &result);
    bb_result_error(&result, err);
    return status;
}

void bb_free(char *text) { free(text); }
