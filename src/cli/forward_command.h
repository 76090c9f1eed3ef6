/* What exec and proxy have in common: options, and what they say about each connection. */
#ifndef BB_CLI_FORWARD_COMMAND_H
#define BB_CLI_FORWARD_COMMAND_H

#include "cli/client_setup.h"
#include "service/forward/forward.h"

struct bb_forward_command {
    struct bb_client_setup setup;
    struct bb_forward_options forward;
    bool log; /* one line a connection on stderr; else refusals only */
    bool help;
};

/* Rows for getopt's table; each command lists those that it has. */
enum { BB_OPT_TO = 256, BB_OPT_LISTEN, BB_OPT_UNSAFE_LISTEN, BB_OPT_VERBOSE, BB_OPT_HELP };

/* Reads the options up to the first argument that is none, loads the policy, prepares TLS. With
 * `help` set it only says so. UsageError without --to. Free with bb_forward_command_done(). */
BB_MUST_USE enum bb_status bb_forward_command_begin(struct bb_forward_command *c, int argc,
                                                    char **argv, const struct option *options,
                                                    struct bb_error *err);
/* Prints the failure, if there is one, and frees; returns the exit code: `code`, or the failure's.
 */
int bb_forward_command_done(struct bb_forward_command *c, int code, const struct bb_error *err);

#endif
