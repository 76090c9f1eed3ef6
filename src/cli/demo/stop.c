#include "cli/demo/stop.h"

#include "service/clock.h"

#include <signal.h>

static volatile sig_atomic_t stopped_by;

static void on_signal(int number) {
    if (stopped_by == 0)
        stopped_by = number;
}

void bb_demo_stop_on_signals(void) {
    static const int all[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction stop = {.sa_handler = on_signal}; /* without SA_RESTART: waits end */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        (void)sigaction(all[i], &stop, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

bool bb_demo_stopping(void) { return stopped_by != 0; }
int bb_demo_stop_code(void) { return 128 + (int)stopped_by; }

bool bb_demo_wait(int64_t deadline) {
    struct timespec moment = {.tv_nsec = 2000000};
    if (bb_demo_stopping() || bb_now_ms() >= deadline)
        return false;
    (void)nanosleep(&moment, NULL);
    return !bb_demo_stopping();
}

enum bb_status bb_demo_gave_up(const char *what, struct bb_error *err) {
    return bb_fail(err, BB_INTERNAL, "demo", NULL, NULL, "%s: %s", what,
                   bb_demo_stopping() ? "interrupted" : "not done in time");
}
