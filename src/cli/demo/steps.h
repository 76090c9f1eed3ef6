/* The eight steps with a real gateway, an honest simulated TEE and the user's query. */
#ifndef BB_CLI_DEMO_STEPS_H
#define BB_CLI_DEMO_STEPS_H

#include "cli/demo/refuse.h"
#include "cli/demo/story.h"

/* The addresses are for the head of the story. */
struct bb_demo_walk {
    struct bb_demo_steps steps;
    char gateway[96];
    struct bb_demo_outcome outcome; /* status BB_OK if the query was answered */
};

/* Fails if the demo could not go on, or if the honest connection was refused. */
BB_MUST_USE enum bb_status bb_demo_walk(struct bb_demo_world *world, struct bb_demo_walk *out,
                                        struct bb_error *err);

#endif
