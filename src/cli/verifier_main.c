/* The sister program blindbox-verifier: it alone links the HTTP server. */
#include "cli/commands.h"
#include "cli/output.h"

/* Run by blindbox with its own arguments: argv[1] is the subcommand. */
int main(int argc, char **argv) {
    return argc > 1 ? bb_output_end(bb_cmd_verifier(argc - 1, argv + 1)) : 1;
}
