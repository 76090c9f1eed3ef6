/* Results on the terminal and as JSON (blindbox.evidence-result/1 and what builds on it). */
#ifndef BB_CLI_PRINT_RESULT_H
#define BB_CLI_PRINT_RESULT_H

#include "appraise/appraise.h"

#include <jansson.h>
#include <stdio.h>

struct bb_result_view {
    const struct bb_result *result;
    const char *schema;        /* "blindbox.evidence-result/1" */
    const char *kind;          /* "sev-snp", "simulated"; "unknown" if it could not be told */
    const char *policy_source; /* path, "argument --measurement", ... */
    const struct bb_policy *policy;
    const struct bb_snp_report *report; /* NULL if it could not be parsed */
};

/* The object of the schema; the caller may add members and must json_decref it. NULL: no memory. */
json_t *bb_result_to_json(const struct bb_result_view *view);
/* Every field of a report by its name. */
json_t *bb_report_to_json(const struct bb_snp_report *report);
/* Writes `object` indented, with a line end; takes the reference. */
void bb_json_print(FILE *out, json_t *object);

/* Rows of the checks that were made ("ok   signature ..."), then the verdict. `all` false leaves
 * out the rows that are neither passed nor failed. */
void bb_result_print(FILE *out, const struct bb_result_view *view, bool all);
/* The refusal on stderr: message, check, expected, found, next step. */
void bb_refusal_print(FILE *out, const struct bb_result *result);
/* The same for an error before there was a result: "blindbox: ...", next step. Returns the exit
 * code. */
int bb_error_print(FILE *out, const struct bb_error *err);

#endif
