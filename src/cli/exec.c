/* blindbox exec: a program whose HTTP goes through attested connections. */
#include "cli/commands.h"
#include "cli/forward_command.h"

#include <stdio.h>

static const char usage[] =
    "usage: blindbox exec --to HOST[:PORT] [--policy FILE | --measurement HEX]\n"
    "           [--certs FILE|DIR]... [--crl FILE]... [--wait SECONDS] [--skip CHECK]...\n"
    "           [--verbose] -- COMMAND [ARGUMENT]...\n"
    "\n"
    "Runs COMMAND with proxy variables of its own: each http:// request, whatever host it names,\n"
    "goes over an attested connection to the gateway (port 8443). https:// is refused: it would "
    "go\n"
    "around the attestation. The exit code is the command's; 125 if it made requests and none "
    "could\n"
    "be attested.\n"
    "  --verbose      one line for each attested connection\n" //
    BB_CLIENT_USAGE;

static const struct option long_options[] = {
    BB_CLIENT_OPTIONS,
    {"to", required_argument, NULL, BB_OPT_TO},
    {"verbose", no_argument, NULL, BB_OPT_VERBOSE},
    {"help", no_argument, NULL, BB_OPT_HELP},
    {NULL, 0, NULL, 0},
};

int bb_cmd_exec(int argc, char **argv) {
    struct bb_forward_command c = {.forward = {.listen = "127.0.0.1:0"}};
    struct bb_error err = {0};
    int code = 1;
    enum bb_status status = bb_forward_command_begin(&c, argc, argv, long_options, &err);
    if (c.help)
        code = fputs(usage, stdout) < 0 ? 1 : 0;
    else if (status == BB_OK && optind >= argc)
        (void)bb_fail(&err, BB_USAGE, "COMMAND", "a command", NULL, "say what to run, after --");
    else if (status == BB_OK)
        code = bb_forward_exec(&c.forward, argv + optind, &err);
    return bb_forward_command_done(&c, code, &err);
}
