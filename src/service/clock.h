/* The one steady clock of the services: it goes on in suspend, so that an age is an age. */
#ifndef BB_SERVICE_CLOCK_H
#define BB_SERVICE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t bb_now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline int64_t bb_now_ms(void) { return bb_now_us() / 1000; }

#endif
