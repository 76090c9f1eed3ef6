/* What --keep leaves in its folder, and what to type next. */
#ifndef BB_CLI_DEMO_LEAVE_H
#define BB_CLI_DEMO_LEAVE_H

#include "cli/demo/place.h"

/* Writes README, and prints it too unless `quiet`. */
BB_MUST_USE enum bb_status bb_demo_leave(const struct bb_demo_place *place, bool quiet,
                                         struct bb_error *err);

#endif
