#include "cli/demo/story.h"

#include <stdarg.h>
#include <stdio.h>

/* The tables are the program's own: a step with more facts than places is a mistake here. */
static struct bb_demo_fact *place(struct bb_demo_step *step, const char *name) {
    size_t at = step->n < BB_DEMO_FACTS_MAX ? step->n++ : BB_DEMO_FACTS_MAX - 1;
    step->fact[at] = (struct bb_demo_fact){.name = name, .ns = -1};
    return &step->fact[at];
}

struct bb_demo_fact *bb_demo_fact_add(struct bb_demo_step *step, const char *name, const char *fmt,
                                      ...) {
    struct bb_demo_fact *fact = place(step, name);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(fact->text, sizeof fact->text, fmt, args);
    va_end(args);
    return fact;
}

void bb_demo_value_add(struct bb_demo_step *step, const char *name, const char *value) {
    struct bb_demo_fact *fact = place(step, name);
    bb_copy_text(fact->value, sizeof fact->value, value);
}
