/* The story as JSON: blindbox.demo/1. */
#ifndef BB_CLI_DEMO_REPORT_H
#define BB_CLI_DEMO_REPORT_H

#include "cli/demo/steps.h"

#include <jansson.h>

/* Everything below returns a new reference. */
json_t *bb_demo_steps_json(const struct bb_demo_steps *steps);
json_t *bb_demo_refusal_json(const struct bb_demo_row *row, const struct bb_demo_outcome *got,
                             const char *why);
/* The whole; takes `steps` and `refusals`. `err`: what the demo failed with, status BB_OK: nothing.
 */
json_t *bb_demo_report_json(enum bb_verifier_mode mode, json_t *steps, json_t *refusals, bool ok,
                            const struct bb_error *err);

#endif
