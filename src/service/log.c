#include "service/log.h"

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static atomic_ulong dropped; /* threads may log */

static bool write_line(char *line, size_t len) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    line[len] = '\n';
    return poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0 &&
           write(STDERR_FILENO, line, len + 1) == (ssize_t)(len + 1);
}

static size_t length(int n) {
    return n < 0 ? 0 : (n < BB_LOG_LINE_MAX ? (size_t)n : BB_LOG_LINE_MAX - 1);
}

void bb_log(const char *fmt, ...) {
    char line[BB_LOG_LINE_MAX + 1];
    va_list args;
    unsigned long lost = atomic_exchange(&dropped, 0);
    if (lost > 0) {
        int n = snprintf(line, BB_LOG_LINE_MAX, "log: %lu lines were dropped", lost);
        if (!write_line(line, length(n)))
            (void)atomic_fetch_add(&dropped, lost);
    }
    va_start(args, fmt);
    int n = vsnprintf(line, BB_LOG_LINE_MAX, fmt, args);
    va_end(args);
    if (!write_line(line, length(n)))
        (void)atomic_fetch_add(&dropped, 1);
}
