/* blindbox proxy: a local port whose every connection is an attested one. */
#include "cli/commands.h"
#include "cli/forward_command.h"

#include <stdio.h>

static const char usage[] =
    "usage: blindbox proxy --to HOST[:PORT] [--listen ADDRESS:PORT|unix:PATH] [--unsafe-listen]\n"
    "           [--policy FILE | --measurement HEX] [--certs FILE|DIR]... [--crl FILE]...\n"
    "           [--wait SECONDS] [--skip CHECK]...\n"
    "\n"
    "Listens (127.0.0.1:8442) and makes an attested connection to the gateway for each connection\n"
    "it gets: any protocol, bytes unchanged. A connection that is not attested is reset.\n"
    "  --unsafe-listen  allow an address that other machines can reach\n" //
    BB_CLIENT_USAGE;

static const struct option long_options[] = {
    BB_CLIENT_OPTIONS,
    {"to", required_argument, NULL, BB_OPT_TO},
    {"listen", required_argument, NULL, BB_OPT_LISTEN},
    {"unsafe-listen", no_argument, NULL, BB_OPT_UNSAFE_LISTEN},
    {"help", no_argument, NULL, BB_OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void listening(void *ctx, const char *address) {
    (void)ctx;
    (void)printf("listening on %s\n", address);
    (void)fflush(stdout);
}

int bb_cmd_proxy(int argc, char **argv) {
    struct bb_forward_command c = {.forward = {.listen = "127.0.0.1:8442"}, .log = true};
    struct bb_error err = {0};
    int code = 1;
    enum bb_status status = bb_forward_command_begin(&c, argc, argv, long_options, &err);
    if (c.help)
        code = fputs(usage, stdout) < 0 ? 1 : 0;
    else if (status == BB_OK && optind != argc)
        (void)bb_fail(&err, BB_USAGE, "proxy", "options only", argv[optind],
                      "it takes no arguments");
    else if (status == BB_OK)
        code = bb_forward_run(&c.forward, listening, &err);
    return bb_forward_command_done(&c, code, &err);
}
