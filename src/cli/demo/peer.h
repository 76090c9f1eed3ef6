/* A server of the demo's own on loopback, in a thread: the application, and the hostile peers. One
 * connection at a time. */
#ifndef BB_CLI_DEMO_PEER_H
#define BB_CLI_DEMO_PEER_H

#include "base/error.h"

#include <pthread.h>
#include <stdatomic.h>

struct bb_demo_peer {
    /* Serves one accepted socket (non-blocking), and leaves it open. In the thread. */
    void (*serve)(struct bb_demo_peer *peer, int fd);
    void *ctx;
    char address[128]; /* "127.0.0.1:35217" */
    atomic_uint_fast64_t connections;
    /* What only an accepted client may send: bytes of the application. */
    atomic_uint_fast64_t app_bytes;
    int listener, stop[2];
    pthread_t thread;
    bool running;
};

/* Listens on `listen` (HOST:PORT or unix:PATH) and starts the thread; `serve` and `ctx` are set. */
BB_MUST_USE enum bb_status bb_demo_peer_start(struct bb_demo_peer *peer, const char *listen,
                                              struct bb_error *err);
/* Cuts the present connection short and joins. Zeroed memory is a peer that never ran. */
void bb_demo_peer_stop(struct bb_demo_peer *peer);

/* For `serve`: waits for BB_IO_* on `fd` until `deadline`, in bb_now_ms(). False at the deadline or
 * when the peer is to stop. */
bool bb_demo_peer_wait(const struct bb_demo_peer *peer, int fd, unsigned want, int64_t deadline);
/* The same for two: true when one of them is ready. */
bool bb_demo_peer_wait_two(const struct bb_demo_peer *peer, int a, unsigned want_a, int b,
                           unsigned want_b, int64_t deadline);

#endif
