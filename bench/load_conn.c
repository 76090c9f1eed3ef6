#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

double load_now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static enum load_state fail(struct load_conn *c, const char *why) {
    c->why = why;
    c->state = LOAD_FAILED;
    return c->state;
}

static enum load_state done(struct load_conn *c) {
    c->done_us = load_now_us();
    c->state = LOAD_DONE;
    return c->state;
}

/* False if the call has to wait or failed; then the state says which. */
static bool moved(struct load_conn *c, enum load_io io, const char *what) {
    if (io == LOAD_IO_FAILED)
        (void)fail(c, what);
    return io == LOAD_IO_OK;
}

/* The client engine for this connection, with what the handshake gave. */
static bool begin_exchange(struct load_conn *c) {
    struct bb_client_wants wants;
    struct bb_client_tls facts;
    c->shared->tls->facts(c->tls, &facts);
    const struct bb_policy *policy = load_verdicts_policy(c->shared->verdicts);
    return bb_client_wants_from(policy, &policy->verifiers[0], &wants, NULL) == BB_OK &&
           bb_random(wants.nonce, sizeof wants.nonce) &&
           bb_client_new(&wants, &c->client, NULL) == BB_OK &&
           bb_client_check_tls(c->client, &facts, NULL) == BB_OK;
}

static enum load_state shook_hands(struct load_conn *c) {
    if (c->shared->verdicts == NULL || c->shared->handshake_only)
        return done(c);
    if (!begin_exchange(c))
        return fail(c, "no attested TLS");
    c->state = LOAD_REQUEST;
    return c->state;
}

/* True when all of `data` is sent. */
static bool send_all(struct load_conn *c, struct bb_span data) {
    size_t n = 0;
    while (c->sent < data.len) {
        if (!moved(
                c,
                c->shared->tls->write(c->tls, bb_span(data.ptr + c->sent, data.len - c->sent), &n),
                "write"))
            return false;
        c->sent += n;
    }
    c->sent = 0;
    return true;
}

static bool receive(struct load_conn *c) {
    uint8_t block[LOAD_READ_MIN];
    size_t n = 0;
    bool whole = false;
    if (!moved(c, c->shared->tls->read(c->tls, block, sizeof block, &n), "read"))
        return false;
    if (bb_client_feed(c->client, bb_span(block, n), &whole, NULL) != BB_OK) {
        (void)fail(c, "response");
        return false;
    }
    if (!whole)
        return true;
    if (bb_client_bind(c->client, c->shared->tls->exporter, c->tls, NULL) != BB_OK ||
        !load_verdicts_accept(c->shared->verdicts, c->client)) {
        (void)fail(c, "verdict");
        return false;
    }
    c->state = LOAD_START;
    return true;
}

static bool connected(struct load_conn *c) {
    int why = 0;
    socklen_t len = sizeof why;
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof peer;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0 || why != 0) {
        (void)fail(c, "connect");
        return false;
    }
    return getpeername(c->fd, (struct sockaddr *)&peer, &peer_len) == 0;
}

enum load_state load_conn_step(struct load_conn *c) {
    for (;;) {
        switch (c->state) {
        case LOAD_CONNECTING:
            if (!connected(c))
                return c->state;
            c->state = LOAD_HANDSHAKE;
            break;
        case LOAD_HANDSHAKE:
            if (!moved(c, c->shared->tls->handshake(c->tls), "handshake"))
                return c->state;
            (void)shook_hands(c);
            break;
        case LOAD_REQUEST:
            if (!send_all(c, bb_client_request(c->client)))
                return c->state;
            c->state = LOAD_RESPONSE;
            break;
        case LOAD_RESPONSE:
            if (!receive(c))
                return c->state;
            break;
        case LOAD_START:
            if (!send_all(c, bb_span(BB_START_FRAME, BB_START_FRAME_SIZE)))
                return c->state;
            return done(c);
        case LOAD_DONE:
        case LOAD_FAILED:
            return c->state;
        }
    }
}

void load_conn_open(struct load_conn *c, struct load_shared *shared) {
    int one = 1;
    *c = (struct load_conn){.shared = shared, .began_us = load_now_us()};
    c->fd = socket(shared->address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->tls = c->fd < 0 ? NULL : shared->tls->open(&shared->maker, c->fd);
    if (c->tls == NULL) {
        (void)fail(c, "memory or descriptors");
        return;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, shared->address, shared->address_len) != 0 && errno != EINPROGRESS)
        (void)fail(c, "connect");
}

void load_conn_close(struct load_conn *c) {
    if (c->tls != NULL)
        c->shared->tls->close(c->tls);
    bb_client_free(c->client);
    if (c->fd >= 0)
        (void)close(c->fd);
    *c = (struct load_conn){.fd = -1};
}
