/* blindbox: finds the subcommand and runs it, here or in its sister program. */
#include "cli/commands.h"
#include "cli/output.h"
#include "service/sister.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* NULL: in the sister program */
    const char *program;
    const char *help;
};

static const struct command commands[] = {
    {"attest", NULL, "blindbox-net", "connect, attest, print the result; send nothing"},
    {"exec", NULL, "blindbox-net", "run a program whose HTTP goes through attested connections"},
    {"proxy", NULL, "blindbox-net", "a local port whose every connection is attested"},
    {"evidence", bb_cmd_evidence, NULL, "show and verify attestation reports offline"},
    {"token", NULL, "blindbox-net", "show and verify tokens of verification services"},
    {"policy", bb_cmd_policy, NULL, "check and explain policies"},
    {"sim", bb_cmd_sim, NULL, "the simulated TEE, for development and tests"},
    {"gateway", NULL, "blindbox-net", "attested TLS in front of an application"},
    {"verifier", NULL, "blindbox-verifier", "the verification service: evidence in, token out"},
    {"demo", NULL, "blindbox-demo", "all eight steps and every refusal, on this machine"},
};

static int help(FILE *out) {
    (void)fputs("usage: blindbox COMMAND [ARGUMENT]...\n\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    (void)fputs(
        "\n'blindbox COMMAND --help' explains a command. Results go to stdout, messages to\n"
        "stderr; --json gives JSON. Exit codes: 0 accepted, 1 usage, 2 signature or chain,\n"
        "3 collateral, 4 CRL, 5 policy, 6 freshness or binding, 7 malformed or unsupported,\n"
        "8 unreachable, 9 simulated TEE not allowed, 75 try again.\n",
        out);
    return out == stdout ? 0 : 1;
}

static int run_sister(const char *program, char **argv) {
    char path[PATH_MAX];
    if (bb_sister_find(program, path, sizeof path))
        (void)execv(path, argv);
    (void)fprintf(stderr,
                  "blindbox: cannot run %s: %s\n  next      build or install BlindBox whole\n",
                  program, strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 2)
        return help(stderr);
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return bb_output_end(help(stdout));
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0)
        return bb_output_end(puts("blindbox " BB_VERSION) < 0 ? 1 : 0);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        if (commands[i].run != NULL)
            return bb_output_end(commands[i].run(argc - 1, argv + 1));
        return run_sister(commands[i].program, argv);
    }
    (void)fprintf(stderr, "blindbox: no command '%s'\n  next      see 'blindbox help'\n", name);
    return 1;
}
