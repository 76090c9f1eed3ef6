/* A listening socket on an event loop: hands over each connection, and waits a little when the
 * system has no descriptor or memory for one, instead of being called again and again. */
#ifndef BB_SERVICE_ACCEPTOR_H
#define BB_SERVICE_ACCEPTOR_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct bb_acceptor {
    struct event *ready, *again; /* NULL: closed */
    /* Owns `fd` from then on. */
    void (*take)(void *arg, int fd, const struct sockaddr_storage *peer);
    void *arg;
};

/* Begins only with bb_acceptor_start(). False if there is no memory. */
bool bb_acceptor_open(struct bb_acceptor *a, struct event_base *base, int listener,
                      void (*take)(void *arg, int fd, const struct sockaddr_storage *peer),
                      void *arg);
bool bb_acceptor_start(struct bb_acceptor *a);
void bb_acceptor_close(struct bb_acceptor *a); /* leaves the listener open; may be repeated */

/* Takes all descriptors that the system allows this process; how many connections of two
 * descriptors they are enough for, `wanted` at most. */
size_t bb_connections_possible(size_t wanted);

#endif
