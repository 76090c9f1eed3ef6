/* Results on the terminal. */
#ifndef BB_CLI_PRINT_RESULT_H
#define BB_CLI_PRINT_RESULT_H

#include "appraise/result_json.h"

#include <stdio.h>

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
/* The same for a command that shows something, with an object of `schema` on stdout for --json. */
int bb_show_failed(const char *schema, bool json, const struct bb_error *err);

#endif
