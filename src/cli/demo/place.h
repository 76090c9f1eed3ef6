/* The demo's folder: simulator, policy, logs. Temporary and removed at the end, or the user's. */
#ifndef BB_CLI_DEMO_PLACE_H
#define BB_CLI_DEMO_PLACE_H

#include "base/error.h"

#define BB_DEMO_PATH_MAX 1024

struct bb_demo_place {
    char dir[BB_DEMO_PATH_MAX]; /* absolute; "": none */
    bool keep;
};

/* `keep` NULL: a new folder below ${TMPDIR:-/tmp}. Else that folder, which must be new or empty.
 * Mode 0700. */
BB_MUST_USE enum bb_status bb_demo_place_new(const char *keep, struct bb_demo_place *out,
                                             struct bb_error *err);
/* Removes a temporary folder; of a kept one only logs and scratch files. */
void bb_demo_place_done(struct bb_demo_place *place);

/* The path of `name` in the folder; cut if it is too long, which no use of it survives. */
const char *bb_demo_path(const struct bb_demo_place *place, const char *name,
                         char out[BB_DEMO_PATH_MAX]);
/* Writes a file of the folder, mode 0600. */
BB_MUST_USE enum bb_status bb_demo_place_write(const struct bb_demo_place *place, const char *name,
                                               struct bb_span data, struct bb_error *err);
/* Reads a file of the folder as text; "" if it is not there. Cut to `cap`. */
void bb_demo_place_read(const struct bb_demo_place *place, const char *name, char *out, size_t cap);

#endif
