/* One descriptor on an event loop: which events are waited for, changed only when they change. */
#ifndef BB_SERVICE_WATCH_H
#define BB_SERVICE_WATCH_H

#include "service/tls.h"

#include <event2/event.h>

struct bb_watch {
    struct event *event; /* NULL: closed */
    event_callback_fn call;
    void *arg;
    unsigned have; /* BB_IO_* */
};

/* False if there is no memory. Zeroed memory is a closed watch. */
bool bb_watch_open(struct bb_watch *w, struct event_base *base, int fd, event_callback_fn call,
                   void *arg, unsigned want);
void bb_watch_set(struct bb_watch *w, unsigned want);
void bb_watch_close(struct bb_watch *w); /* leaves the descriptor open */
/* Arms a timer for `at_ms` of bb_now_ms(); INT64_MAX: for the longest time there is. */
void bb_timer_at(struct event *timer, int64_t at_ms);
/* Arms it for the loop's next turn, after all sockets were looked at again. (An event that makes
 * itself active runs on in the same turn, and nothing else ever does.) */
void bb_timer_next_turn(struct event *timer);

#endif
