/* The subcommands. Each takes its own argv (argv[0] is its name) and returns the exit code. */
#ifndef BB_CLI_COMMANDS_H
#define BB_CLI_COMMANDS_H

/* In the program blindbox. */
int bb_cmd_evidence(int argc, char **argv);
int bb_cmd_policy(int argc, char **argv);
int bb_cmd_sim(int argc, char **argv);
int bb_cmd_token(int argc, char **argv);
/* In libexec/blindbox-net: what links TLS and the event loop. */
int bb_cmd_gateway(int argc, char **argv);
int bb_cmd_attest(int argc, char **argv);
int bb_cmd_exec(int argc, char **argv);
int bb_cmd_proxy(int argc, char **argv);
/* In libexec/blindbox-verifier: what links the HTTP server. */
int bb_cmd_verifier(int argc, char **argv);

#endif
