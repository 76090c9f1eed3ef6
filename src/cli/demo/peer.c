#include "cli/demo/peer.h"

#include "service/address.h"
#include "service/clock.h"
#include "service/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static short events_of(unsigned want) {
    return (short)(((want & BB_IO_READ) != 0 ? POLLIN : 0) |
                   ((want & BB_IO_WRITE) != 0 ? POLLOUT : 0));
}

bool bb_demo_peer_wait_two(const struct bb_demo_peer *peer, int a, unsigned want_a, int b,
                           unsigned want_b, int64_t deadline) {
    int64_t left = deadline - bb_now_ms();
    struct pollfd p[] = {{.fd = a, .events = events_of(want_a)},
                         {.fd = b, .events = events_of(want_b)},
                         {.fd = peer->stop[0], .events = POLLIN}};
    int n = left <= 0 ? 0 : poll(p, 3, left > INT32_MAX ? INT32_MAX : (int)left);
    return n > 0 && p[2].revents == 0;
}

bool bb_demo_peer_wait(const struct bb_demo_peer *peer, int fd, unsigned want, int64_t deadline) {
    return bb_demo_peer_wait_two(peer, fd, want, -1, 0, deadline);
}

static void *run(void *arg) {
    struct bb_demo_peer *peer = arg;
    while (bb_demo_peer_wait(peer, peer->listener, BB_IO_READ, INT64_MAX)) {
        int fd = accept4(peer->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        peer->connections++;
        peer->serve(peer, fd);
        (void)close(fd);
    }
    return NULL;
}

static void name_it(struct bb_demo_peer *peer, const char *listen) {
    struct sockaddr_storage own = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof own;
    bb_copy_text(peer->address, sizeof peer->address, listen);
    if (getsockname(peer->listener, (struct sockaddr *)&own, &len) == 0 && own.ss_family != AF_UNIX)
        bb_address_text(&own, peer->address, sizeof peer->address);
}

/* Signals are for the main thread. */
static bool start_thread(struct bb_demo_peer *peer) {
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = pthread_create(&peer->thread, NULL, run, peer) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

enum bb_status bb_demo_peer_start(struct bb_demo_peer *peer, const char *listen,
                                  struct bb_error *err) {
    BB_TRY(bb_listen(listen, true, &peer->listener, err));
    name_it(peer, listen);
    if (pipe2(peer->stop, O_CLOEXEC | O_NONBLOCK) != 0) {
        (void)close(peer->listener);
        return bb_fail_internal(err, "making a pipe");
    }
    peer->running = start_thread(peer);
    if (peer->running)
        return BB_OK;
    (void)close(peer->listener);
    (void)close(peer->stop[0]);
    (void)close(peer->stop[1]);
    return bb_fail_internal(err, "starting a thread");
}

void bb_demo_peer_stop(struct bb_demo_peer *peer) {
    if (!peer->running)
        return;
    (void)close(peer->stop[1]); /* the other end is readable from now on: end of file */
    (void)pthread_join(peer->thread, NULL);
    (void)close(peer->stop[0]);
    (void)close(peer->listener);
    peer->running = false;
}
