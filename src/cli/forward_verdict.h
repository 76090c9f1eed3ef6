/* What exec and proxy say about each connection. */
#ifndef BB_CLI_FORWARD_VERDICT_H
#define BB_CLI_FORWARD_VERDICT_H

#include "service/session.h"

struct bb_forward_talk {
    bool log; /* one line a connection on stderr; else refusals only */
};

/* Fits bb_forward_options.verdict; `ctx` is a struct bb_forward_talk. */
void bb_forward_verdict(void *ctx, const struct bb_session *session, const char *text);

#endif
