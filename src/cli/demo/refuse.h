/* Makes one row's trouble, lets the user meet it, and counts what reached the application. */
#ifndef BB_CLI_DEMO_REFUSE_H
#define BB_CLI_DEMO_REFUSE_H

#include "cli/demo/app.h"
#include "cli/demo/place.h"
#include "cli/demo/rows.h"
#include "cli/demo/user.h"
#include "cli/demo/verifier.h"

/* What the whole run shares. */
struct bb_demo_world {
    struct bb_demo_place place;
    struct bb_demo_app app;
    char upstream[160]; /* the application as a gateway's option wants it */
    struct bb_demo_verifier verifier;
    struct bb_demo_net net;
    enum bb_verifier_mode mode;  /* of the eight steps; the refusals have their own */
    struct bb_policy *policy[3]; /* the user's, by mode */
};

/* Fails only if the demo itself could not go on; how the row ended is in `out`. */
BB_MUST_USE enum bb_status bb_demo_refuse(struct bb_demo_world *world,
                                          const struct bb_demo_row *row,
                                          struct bb_demo_outcome *out, struct bb_error *err);

#endif
