/* blindbox exec: a program whose HTTP goes through attested connections. */
#include "cli/client_setup.h"
#include "cli/commands.h"
#include "cli/forward_verdict.h"
#include "cli/print_result.h"

#include "service/forward.h"

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

enum { OPT_TO = 256, OPT_VERBOSE, OPT_HELP };

static const struct option long_options[] = {
    BB_CLIENT_OPTIONS,
    {"to", required_argument, NULL, OPT_TO},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct run {
    struct bb_client_setup setup;
    struct bb_forward_options forward;
    struct bb_forward_talk talk;
    bool help;
};

/* "+": options end at the command, whose own are not ours. */
static enum bb_status parse(struct run *run, int argc, char **argv, struct bb_error *err) {
    int option = 0;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+h", long_options, NULL)) != -1) {
        switch (option) {
        case 'h':
        case OPT_HELP:
            run->help = true;
            return BB_OK;
        case OPT_TO:
            run->forward.to = optarg;
            break;
        case OPT_VERBOSE:
            run->talk.log = true;
            break;
        default:
            BB_TRY(bb_client_setup_option(&run->setup, option, optarg, err));
        }
    }
    if (run->forward.to == NULL)
        return bb_fail(err, BB_USAGE, "--to", "HOST[:PORT]", NULL, "say which gateway: --to HOST");
    if (optind >= argc)
        return bb_fail(err, BB_USAGE, "COMMAND", "a command", NULL, "say what to run, after --");
    return BB_OK;
}

int bb_cmd_exec(int argc, char **argv) {
    struct run run = {.forward = {.listen = "127.0.0.1:0", .verdict = bb_forward_verdict}};
    struct bb_error err = {0};
    int code = 1;
    enum bb_status status = parse(&run, argc, argv, &err);
    if (status == BB_OK && run.help)
        return fputs(usage, stdout) < 0 ? 1 : 0;
    if (status == BB_OK)
        status = bb_client_setup_ready(&run.setup, &err);
    run.forward.session = bb_client_setup_session(&run.setup, NULL);
    run.forward.ctx = &run.talk;
    if (status == BB_OK)
        code = bb_forward_exec(&run.forward, argv + optind, &err);
    if (err.status != BB_OK)
        code = bb_error_print(stderr, &err);
    bb_client_setup_free(&run.setup);
    return code;
}
