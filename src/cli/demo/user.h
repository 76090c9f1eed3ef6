/* The end user: one attested connection, and the query over it if the verdict was good. In process,
 * so that the demo can show what the client saw. */
#ifndef BB_CLI_DEMO_USER_H
#define BB_CLI_DEMO_USER_H

#include "cli/demo/rows.h"
#include "service/session.h"

#define BB_DEMO_QUERY "{\"input_text\": \"def print_hello_world():\"}"
#define BB_DEMO_ANSWER_MAX 4096

/* What connections share that ask the network; zeroed: each makes its own. */
struct bb_demo_net {
    struct bb_fetcher *fetcher;
    struct bb_keysets *keysets;
};

struct bb_demo_user {
    struct bb_tls_context *tls;
    struct bb_target target;
    struct bb_session *session;
    bool open;                       /* accepted, and started */
    char answer[BB_DEMO_ANSWER_MAX]; /* the application's JSON; "" if there was none */
    size_t sent;                     /* application bytes */
    int64_t query_us;                /* from the first byte sent to the whole answer */
};

/* Connects, attests, and on acceptance posts BB_DEMO_QUERY to /generate. BB_OK also if the client
 * refused: ask the session. Free with bb_demo_user_done() in any case. */
BB_MUST_USE enum bb_status bb_demo_user_query(struct bb_demo_user *user, const char *address,
                                              const struct bb_policy *policy,
                                              const struct bb_demo_net *net, struct bb_error *err);
void bb_demo_user_done(struct bb_demo_user *user);

/* What the user met, without the counts. */
void bb_demo_user_outcome(const struct bb_demo_user *user, struct bb_demo_outcome *out);

#endif
