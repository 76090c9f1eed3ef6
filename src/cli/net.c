/* The sister program blindbox-net: the subcommands that link TLS and the event loop. */
#include "cli/commands.h"
#include "cli/output.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"gateway", bb_cmd_gateway}, {"attest", bb_cmd_attest}, {"exec", bb_cmd_exec},
    {"proxy", bb_cmd_proxy},     {"token", bb_cmd_token},
};

/* Run by blindbox with its own arguments: argv[1] is the subcommand. */
int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return bb_output_end(commands[i].run(argc - 1, argv + 1));
    (void)fprintf(stderr, "blindbox-net: no command '%s'\n  next      run 'blindbox help'\n", name);
    return 1;
}
