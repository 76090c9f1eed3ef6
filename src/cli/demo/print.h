/* The story on a terminal: 80 to 100 columns, colours only there and without NO_COLOR. */
#ifndef BB_CLI_DEMO_PRINT_H
#define BB_CLI_DEMO_PRINT_H

#include "cli/demo/steps.h"

void bb_demo_print_head(const struct bb_demo_walk *walk, const struct bb_demo_world *world);
void bb_demo_print_steps(const struct bb_demo_steps *steps);
void bb_demo_print_refusals_head(void);
/* One row as it is done; `why` NULL: as expected. */
void bb_demo_print_refusal(const struct bb_demo_row *row, const struct bb_demo_outcome *got,
                           const char *why);
void bb_demo_print_summary(size_t good, size_t all, uint64_t app_bytes);

#endif
