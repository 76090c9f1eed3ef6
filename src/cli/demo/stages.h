/* Step 4 in slow motion: the stages of the appraisal that accepted a connection, made once more one
 * by one on the same evidence, so that each can be timed. The verdict was the session's. */
#ifndef BB_CLI_DEMO_STAGES_H
#define BB_CLI_DEMO_STAGES_H

#include "cli/demo/story.h"
#include "service/session.h"

/* InternalError if a stage does not hold here: the session had accepted it. */
BB_MUST_USE enum bb_status bb_demo_stages(struct bb_session *session,
                                          const struct bb_policy *policy, struct bb_demo_step *step,
                                          struct bb_error *err);

#endif
