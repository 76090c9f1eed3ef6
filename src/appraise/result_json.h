/* Results as JSON: blindbox.evidence-result/1 and what builds on it. */
#ifndef BB_APPRAISE_RESULT_JSON_H
#define BB_APPRAISE_RESULT_JSON_H

#include "appraise/appraise.h"

#include <jansson.h>

struct bb_result_view {
    const struct bb_result *result;
    const char *schema;        /* "blindbox.evidence-result/1" */
    const char *kind;          /* "sev-snp", "simulated"; "unknown" if it could not be told */
    const char *policy_source; /* path, "argument --measurement", ... */
    const struct bb_policy *policy;
    const struct bb_snp_report *report; /* NULL if it could not be parsed */
};

/* "sev-snp" or "simulated"; "unknown" without a report that could be `parsed`. */
const char *bb_result_kind(const struct bb_result *result, bool parsed);
/* The object of the schema; the caller may add members and must json_decref it. NULL: no memory. */
json_t *bb_result_to_json(const struct bb_result_view *view);
/* Every field of a report by its name. */
json_t *bb_report_to_json(const struct bb_snp_report *report);
/* A JSON string of text that may hold any bytes, as paths do: what is not UTF-8 is escaped. */
json_t *bb_json_text(const char *text);
/* Adds error, field, expected, found of a failure before there was an appraisal. */
void bb_result_json_error(json_t *object, const struct bb_error *err);

#endif
