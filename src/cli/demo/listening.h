/* A program of BlindBox's that serves: a child that says where it listens. */
#ifndef BB_CLI_DEMO_LISTENING_H
#define BB_CLI_DEMO_LISTENING_H

#include "cli/demo/program.h"

struct bb_demo_listening {
    const char *program;     /* "blindbox-net" */
    const char *const *args; /* end with NULL; the first is the command */
    const char *out, *log;   /* files of the folder */
};

/* Starts it and waits for its line "listening on ADDRESS". */
BB_MUST_USE enum bb_status bb_demo_listening(const struct bb_demo_place *place,
                                             const struct bb_demo_listening *what,
                                             struct bb_demo_child *child, char *address, size_t cap,
                                             struct bb_error *err);

#endif
