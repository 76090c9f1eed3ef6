#include "service/acceptor.h"

#include <errno.h>
#include <sys/resource.h>

enum { ACCEPTS_A_TURN = 64, PAUSE_MS = 100, OWN_DESCRIPTORS = 64 };

static bool is_exhaustion(int why) {
    return why == EMFILE || why == ENFILE || why == ENOBUFS || why == ENOMEM;
}

static void on_ready(evutil_socket_t fd, short what, void *arg) {
    struct bb_acceptor *a = arg;
    static const struct timeval later = {.tv_usec = PAUSE_MS * 1000};
    (void)what;
    /* `take` may close the acceptor. */
    for (int i = 0; i < ACCEPTS_A_TURN && a->ready != NULL; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int s = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (s >= 0) {
            a->take(a->arg, s, &peer);
            continue;
        }
        if (!is_exhaustion(errno))
            return;
        /* The connection stays in the queue, and the socket readable. */
        (void)event_del(a->ready);
        (void)event_add(a->again, &later);
        return;
    }
}

static void on_again(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    (void)bb_acceptor_start(arg);
}

bool bb_acceptor_open(struct bb_acceptor *a, struct event_base *base, int listener,
                      void (*take)(void *arg, int fd, const struct sockaddr_storage *peer),
                      void *arg) {
    *a = (struct bb_acceptor){.take = take, .arg = arg};
    a->ready = event_new(base, listener, EV_READ | EV_PERSIST, on_ready, a);
    a->again = evtimer_new(base, on_again, a);
    return a->ready != NULL && a->again != NULL;
}

bool bb_acceptor_start(struct bb_acceptor *a) {
    return a->ready != NULL && event_add(a->ready, NULL) == 0;
}

void bb_acceptor_close(struct bb_acceptor *a) {
    if (a->ready != NULL)
        event_free(a->ready);
    if (a->again != NULL)
        event_free(a->again);
    a->ready = a->again = NULL;
}

size_t bb_connections_possible(size_t wanted) {
    struct rlimit files = {0};
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return wanted;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
        return wanted;
    size_t possible = files.rlim_cur > 2 * OWN_DESCRIPTORS ? (files.rlim_cur - OWN_DESCRIPTORS) / 2
                                                           : OWN_DESCRIPTORS / 2;
    return possible < wanted ? possible : wanted;
}
