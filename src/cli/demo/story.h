/* What the demo tells: eight steps with real values, made once, then printed or written as JSON. */
#ifndef BB_CLI_DEMO_STORY_H
#define BB_CLI_DEMO_STORY_H

#include "base/error.h"

enum { BB_DEMO_STEPS = 8, BB_DEMO_FACTS_MAX = 10 };

/* One value below a step. */
struct bb_demo_fact {
    const char *name; /* "signature" */
    char text[200];   /* for people, hex is cut; "": for JSON only */
    char value[160];  /* for JSON, whole; "": as text */
    int64_t ns;       /* how long it took; -1: not measured */
};

struct bb_demo_step {
    const char *title;
    char text[160];
    int64_t ns; /* -1: not measured */
    size_t n;
    struct bb_demo_fact fact[BB_DEMO_FACTS_MAX];
};

struct bb_demo_steps {
    struct bb_demo_step step[BB_DEMO_STEPS];
};

/* Adds a fact; the caller may set its value and time. */
struct bb_demo_fact *bb_demo_fact_add(struct bb_demo_step *step, const char *name, const char *fmt,
                                      ...) BB_PRINTF(3, 4);
/* Adds a fact for JSON: people find it in the step's own text. */
void bb_demo_value_add(struct bb_demo_step *step, const char *name, const char *value);

#endif
