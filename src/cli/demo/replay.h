/* A hostile gateway without a TEE: it is a client of the real gateway itself, keeps the complete
 * response that it got, and shows it to the user. */
#ifndef BB_CLI_DEMO_REPLAY_H
#define BB_CLI_DEMO_REPLAY_H

#include "cli/demo/line.h"

struct bb_demo_replay {
    struct bb_demo_peer peer;
    struct bb_key *key; /* its own */
    struct bb_tls_context *server, *client;
    const struct bb_policy *policy; /* the user's: the recorded response satisfies it */
    const char *to;                 /* the gateway */
    atomic_bool recorded;           /* and the policy accepted it on its own connection */
};

BB_MUST_USE enum bb_status bb_demo_replay_start(struct bb_demo_replay *replay,
                                                const struct bb_policy *policy, const char *to,
                                                struct bb_error *err);
void bb_demo_replay_stop(struct bb_demo_replay *replay);

#endif
