/* The services' log: lines on stderr. A reader that has stopped, or left, must not stop the
 * service: a line that cannot be written at once is dropped, and the next one that can says how
 * many were. */
#ifndef BB_SERVICE_LOG_H
#define BB_SERVICE_LOG_H

#include "base/error.h"

/* Longer lines are cut; a pipe takes a line of this length whole or not at all. */
#define BB_LOG_LINE_MAX 1024

/* One line; the line end is added. */
void bb_log(const char *fmt, ...) BB_PRINTF(1, 2);

#endif
