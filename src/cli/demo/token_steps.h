/* Steps 4 to 7 of a connection that a verification service's token accepted: told from the token and
 * made once more one by one, so that each can be timed. The verdict was the session's. */
#ifndef BB_CLI_DEMO_TOKEN_STEPS_H
#define BB_CLI_DEMO_TOKEN_STEPS_H

#include "cli/demo/refuse.h"
#include "cli/demo/story.h"

/* `step` are all eight. InternalError if something does not hold here: the session had accepted it.
 */
BB_MUST_USE enum bb_status bb_demo_token_steps(const struct bb_demo_world *world,
                                               struct bb_session *session,
                                               struct bb_demo_step *step, struct bb_error *err);

#endif
