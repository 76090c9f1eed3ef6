#include "service/watch.h"

#include "service/clock.h"

static short events_of(unsigned want) {
    return (short)(((want & BB_IO_READ) != 0 ? EV_READ : 0) |
                   ((want & BB_IO_WRITE) != 0 ? EV_WRITE : 0) | EV_PERSIST);
}

bool bb_watch_open(struct bb_watch *w, struct event_base *base, int fd, event_callback_fn call,
                   void *arg, unsigned want) {
    *w = (struct bb_watch){.call = call, .arg = arg, .have = want};
    w->event = event_new(base, fd, events_of(want), call, arg);
    return w->event != NULL && (want == 0 || event_add(w->event, NULL) == 0);
}

void bb_watch_set(struct bb_watch *w, unsigned want) {
    if (w->event == NULL || w->have == want)
        return;
    (void)event_del(w->event);
    w->have = want;
    if (want == 0)
        return;
    (void)event_assign(w->event, event_get_base(w->event), event_get_fd(w->event), events_of(want),
                       w->call, w->arg);
    (void)event_add(w->event, NULL);
}

void bb_watch_close(struct bb_watch *w) {
    if (w->event != NULL)
        event_free(w->event);
    w->event = NULL;
}

void bb_timer_at(struct event *timer, int64_t at_ms) {
    int64_t left = at_ms - bb_now_ms();
    if (left < 1)
        left = 1;
    if (left > INT32_MAX)
        left = INT32_MAX;
    struct timeval tv = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    (void)event_add(timer, &tv);
}

void bb_timer_next_turn(struct event *timer) {
    static const struct timeval at_once = {0};
    (void)event_add(timer, &at_once);
}
