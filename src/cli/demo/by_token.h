/* The rows with a verification service whose token is not good: an honest gateway gets it and shows
 * it to the user. */
#ifndef BB_CLI_DEMO_BY_TOKEN_H
#define BB_CLI_DEMO_BY_TOKEN_H

#include "cli/demo/refuse.h"

/* First the control: the same gateway, service and keys, without the trouble. */
BB_MUST_USE enum bb_status bb_demo_by_token(struct bb_demo_world *world,
                                            const struct bb_demo_row *row,
                                            struct bb_demo_outcome *out, struct bb_error *err);

#endif
