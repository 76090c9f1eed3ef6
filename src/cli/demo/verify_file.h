/* The offline check: `blindbox evidence verify` of a report with another nonce than it was made
 * for. */
#ifndef BB_CLI_DEMO_VERIFY_FILE_H
#define BB_CLI_DEMO_VERIFY_FILE_H

#include "cli/demo/place.h"
#include "cli/demo/rows.h"

/* Runs the real program twice: with the right report data (the control), then with another. */
BB_MUST_USE enum bb_status bb_demo_verify_file(const struct bb_demo_place *place,
                                               struct bb_demo_outcome *out, struct bb_error *err);

#endif
