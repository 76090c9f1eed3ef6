/* The user's side: a local listener whose every connection becomes one attested connection of its
 * own. Raw (any protocol), or an HTTP proxy for one child program. */
#ifndef BB_SERVICE_FORWARD_H
#define BB_SERVICE_FORWARD_H

#include "service/session.h"

#define BB_FORWARD_CONNECTIONS_MAX 4096 /* descriptors (two each) and memory */
#define BB_FORWARD_IDLE_MS 600000       /* a connection over which nothing goes */
#define BB_FORWARD_HEAD_MS 30000        /* a client that does not finish its head */

struct bb_forward_options {
    const char *listen;                /* HOST:PORT or unix:PATH */
    const char *to;                    /* HOST[:PORT] of the gateway */
    bool unsafe_listen;                /* allow addresses that other machines can reach */
    struct bb_session_options session; /* `target` is set here */
    /* Each connection's verdict, before a byte moves; and what was refused without one: `text` says
     * why, `session` is NULL then. */
    void (*verdict)(void *ctx, const struct bb_session *session, const char *text);
    void *ctx;
};

/* Forwards until SIGTERM or SIGINT; tells the address it listens on first. Returns the exit code.
 */
int bb_forward_run(const struct bb_forward_options *options,
                   void (*listening)(void *ctx, const char *address), struct bb_error *err);

/* Runs a program whose HTTP goes through attested connections to `options->to`, whatever host its
 * URLs name; the proxy is this run's alone (loopback, a fresh secret). Returns the program's exit
 * code, 128 + n if signal n ended it, 125 if it made requests and none could be attested. */
int bb_forward_exec(const struct bb_forward_options *options, char **argv, struct bb_error *err);

#endif
