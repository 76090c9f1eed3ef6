/* The user meets somebody, in a row of the refusals: what it met, and what it sent. */
#ifndef BB_CLI_DEMO_MEET_H
#define BB_CLI_DEMO_MEET_H

#include "cli/demo/gateway.h"
#include "cli/demo/refuse.h"

/* The user at `address`. Overwrites `out`. */
BB_MUST_USE enum bb_status bb_demo_meet(const char *address, const struct bb_policy *policy,
                                        struct bb_demo_outcome *out, struct bb_error *err);
/* The control: the same without the trouble must be accepted, and the query answered. Writes only
 * control_* of `out`. */
BB_MUST_USE enum bb_status bb_demo_meet_control(const char *address, const struct bb_policy *policy,
                                                struct bb_demo_outcome *out, struct bb_error *err);
/* Takes the control's part from `control`. */
void bb_demo_with_control(struct bb_demo_outcome *out, const struct bb_demo_outcome *control);

/* A real gateway whose service is at `service`. */
BB_MUST_USE enum bb_status bb_demo_meet_gateway(const struct bb_demo_world *w, const char *defect,
                                                const char *service,
                                                struct bb_demo_gateway *gateway,
                                                struct bb_error *err);
/* Stops it and adds what it took from clients besides the control; without a connection in its log
 * nothing was tried. */
void bb_demo_count_gateway(struct bb_demo_gateway *gateway, struct bb_demo_outcome *out);

#endif
