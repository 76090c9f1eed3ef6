/* Rounds of the benchmarks that run in one process: timed, printed as JSON. */
#ifndef BB_BENCH_ROUNDS_H
#define BB_BENCH_ROUNDS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 5 };

/* Microseconds of one repetition, a round each. */
struct bench_times {
    double us[ROUNDS];
};

static inline double now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Repeats `work` and notes what one repetition took. */
#define TIME(times, round, repeat, work)                                                           \
    do {                                                                                           \
        double begin_ = now_us();                                                                  \
        for (int i_ = 0; i_ < (repeat); i_++)                                                      \
            work;                                                                                  \
        (times)->us[round] = (now_us() - begin_) / (repeat);                                       \
    } while (0)

static inline void print_times(const char *name, const struct bench_times *times, const char *end) {
    (void)printf("\"%s\": [", name);
    for (int i = 0; i < ROUNDS; i++)
        (void)printf("%s%.2f", i == 0 ? "" : ", ", times->us[i]);
    (void)printf("]%s", end);
}

static inline void must(bool good, const char *what) {
    if (good)
        return;
    (void)fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

#endif
