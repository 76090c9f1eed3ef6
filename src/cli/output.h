/* The end of a command's output. */
#ifndef BB_CLI_OUTPUT_H
#define BB_CLI_OUTPUT_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* `code`, or 1 with a message if what was written to stdout did not arrive: a result that is lost is
 * no success. */
static inline int bb_output_end(int code) {
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    (void)fprintf(stderr,
                  "blindbox: cannot write the output: %s\n  next      check where it goes\n",
                  strerror(errno));
    return code == 0 ? 1 : code;
}

#endif
