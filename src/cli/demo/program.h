/* BlindBox's own programs as children: found beside this one, ended and reaped on every path. */
#ifndef BB_CLI_DEMO_PROGRAM_H
#define BB_CLI_DEMO_PROGRAM_H

#include "cli/demo/place.h"

#include <sys/types.h>

struct bb_demo_child {
    pid_t pid; /* 0: none */
};

/* Orphans of children become this process's own, so that they can be reaped. */
void bb_demo_adopt_orphans(void);

/* Finds "blindbox" or "blindbox-net" as built or as installed. */
BB_MUST_USE enum bb_status bb_demo_find(const char *program, char out[BB_DEMO_PATH_MAX],
                                        struct bb_error *err);

/* Runs it in a process group of its own, which ends with this process. `args` ends with NULL;
 * stdout and stderr go to the files `out` and `log` of the folder. */
BB_MUST_USE enum bb_status bb_demo_spawn(const struct bb_demo_place *place, const char *program,
                                         const char *const *args, const char *out, const char *log,
                                         struct bb_demo_child *child, struct bb_error *err);
/* True once it has ended; `code` is its exit code, or 128 + the signal. */
bool bb_demo_ended(struct bb_demo_child *child, int *code);
/* Runs to the end, at most `limit_ms`. */
BB_MUST_USE enum bb_status bb_demo_run(const struct bb_demo_place *place, const char *program,
                                       const char *const *args, const char *out, const char *log,
                                       int64_t limit_ms, int *code, struct bb_error *err);
/* SIGTERM, then after a while SIGKILL to its whole group; reaped when this returns. */
void bb_demo_end(struct bb_demo_child *child);
/* Reaps whatever is left of children's children. */
void bb_demo_reap_all(void);

#endif
