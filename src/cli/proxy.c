/* blindbox proxy: a local port whose every connection is an attested one. */
#include "cli/client_setup.h"
#include "cli/commands.h"
#include "cli/forward_verdict.h"
#include "cli/print_result.h"

#include "service/forward.h"

static const char usage[] =
    "usage: blindbox proxy --to HOST[:PORT] [--listen ADDRESS:PORT|unix:PATH] [--unsafe-listen]\n"
    "           [--policy FILE | --measurement HEX] [--certs FILE|DIR]... [--crl FILE]...\n"
    "           [--wait SECONDS] [--skip CHECK]...\n"
    "\n"
    "Listens (127.0.0.1:8442) and makes an attested connection to the gateway for each connection\n"
    "it gets: any protocol, bytes unchanged. A connection that is not attested is reset.\n"
    "  --unsafe-listen  allow an address that other machines can reach\n" //
    BB_CLIENT_USAGE;

enum { OPT_TO = 256, OPT_LISTEN, OPT_UNSAFE, OPT_HELP };

static const struct option long_options[] = {
    BB_CLIENT_OPTIONS,
    {"to", required_argument, NULL, OPT_TO},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"unsafe-listen", no_argument, NULL, OPT_UNSAFE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct run {
    struct bb_client_setup setup;
    struct bb_forward_options forward;
    struct bb_forward_talk talk;
    bool help;
};

static enum bb_status parse(struct run *run, int argc, char **argv, struct bb_error *err) {
    int option = 0;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 'h':
        case OPT_HELP:
            run->help = true;
            return BB_OK;
        case OPT_TO:
            run->forward.to = optarg;
            break;
        case OPT_LISTEN:
            run->forward.listen = optarg;
            break;
        case OPT_UNSAFE:
            run->forward.unsafe_listen = true;
            break;
        default:
            BB_TRY(bb_client_setup_option(&run->setup, option, optarg, err));
        }
    }
    if (optind != argc || run->forward.to == NULL)
        return bb_fail(err, BB_USAGE, "--to", "HOST[:PORT]", NULL, "say which gateway: --to HOST");
    return BB_OK;
}

static void listening(void *ctx, const char *address) {
    (void)ctx;
    (void)printf("listening on %s\n", address);
    (void)fflush(stdout);
}

int bb_cmd_proxy(int argc, char **argv) {
    struct run run = {.forward = {.listen = "127.0.0.1:8442", .verdict = bb_forward_verdict},
                      .talk = {.log = true}};
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
        code = bb_forward_run(&run.forward, listening, &err);
    if (err.status != BB_OK)
        code = bb_error_print(stderr, &err);
    bb_client_setup_free(&run.setup);
    return code;
}
