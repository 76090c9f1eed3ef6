#include "service/conn.h"

#include "base/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 16384, DIAL_MS = 10000 };

enum phase { HANDSHAKE, EXCHANGE, DIALLING, RELAY, FLUSH_CLOSE };

/* Bytes on their way in one direction. A full buffer stops reading: back-pressure. */
struct pipe {
    uint8_t data[BUFFER];
    size_t start, end;
    bool eof;    /* the source ended */
    bool closed; /* and the sink was told */
    uint64_t total;
};

struct bb_conn {
    struct bb_conn_host *host;
    uint64_t id;
    int fd, up;
    struct bb_tls *tls;
    struct bb_gateway_conn *engine;
    enum phase phase;
    struct event *client_event, *up_event, *timer;
    short client_wants, up_wants; /* EV_READ | EV_WRITE wanted now */
    struct pipe *in, *out;        /* client -> upstream, upstream -> client; only in RELAY */
    int64_t born_ms, last_ms, phase_deadline;
    struct sockaddr_storage peer;
    char batch[17];
    const char *end; /* why it ended, for the log */
    bool doomed;
};

static int64_t now_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void step(struct bb_conn *c);

static void log_line(const struct bb_conn *c) {
    char peer[96];
    bb_address_text(&c->peer, peer, sizeof peer);
    (void)fprintf(stderr,
                  "conn=%" PRIu64 " peer=%s batch=%s refused=%u in=%" PRIu64 " out=%" PRIu64
                  " ms=%" PRId64 " end=%s\n",
                  c->id, peer, c->batch[0] == '\0' ? "-" : c->batch,
                  c->engine == NULL ? 0 : bb_gateway_conn_refused(c->engine),
                  c->in == NULL ? 0 : c->in->total, c->out == NULL ? 0 : c->out->total,
                  now_ms() - c->born_ms, c->end == NULL ? "closed" : c->end);
}

static void destroy(struct bb_conn *c) {
    log_line(c);
    c->host->gone(c->host, c);
    if (c->client_event != NULL)
        event_free(c->client_event);
    if (c->up_event != NULL)
        event_free(c->up_event);
    if (c->timer != NULL)
        event_free(c->timer);
    bb_tls_free(c->tls);
    bb_gateway_conn_free(c->engine);
    (void)close(c->fd);
    if (c->up >= 0)
        (void)close(c->up);
    free(c->in);
    free(c->out);
    free(c);
}

/* A cut is passed on as a cut: the other side must not take it for an end. */
static void reset_on_close(int fd) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void doom(struct bb_conn *c, const char *why) {
    if (c->end == NULL)
        c->end = why;
    c->doomed = true;
}

static int64_t deadline(const struct bb_conn *c) {
    int64_t at = c->phase_deadline;
    if (c->phase == EXCHANGE)
        at = bb_gateway_conn_deadline(c->engine);
    if (c->phase == RELAY) {
        int64_t age = c->born_ms + (int64_t)c->host->options->max_age_s * 1000;
        int64_t idle = c->last_ms + c->host->options->idle_ms;
        at = age < idle ? age : idle;
    }
    return at;
}

static void arm_timer(struct bb_conn *c) {
    int64_t left = deadline(c) - now_ms();
    if (left < 1)
        left = 1;
    if (left > INT32_MAX)
        left = INT32_MAX;
    struct timeval tv = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    (void)event_add(c->timer, &tv);
}

static void on_client(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    step(arg);
}

static void set_wants(struct bb_conn *c, struct event *event, int fd, short *have, short want) {
    if (*have == want)
        return;
    (void)event_del(event);
    *have = want;
    if (want == 0)
        return;
    (void)event_assign(event, c->host->base, fd, (short)(want | EV_PERSIST), on_client, c);
    (void)event_add(event, NULL);
}

/* ---- exchange ---- */

static bool to_exchange(struct bb_conn *c) {
    struct bb_client_tls facts;
    uint8_t salt[BB_SALT_SIZE];
    struct bb_error err = {0};
    bb_tls_facts(c->tls, &facts);
    /* The ALPN callback is not called for a client that offers none. */
    if (!facts.tls13 || facts.resumed ||
        !bb_span_equal(facts.alpn, BB_SPAN_LIT(BB_ALPN))) {
        doom(c, "no attested TLS");
        return false;
    }
    if (!bb_random(salt, sizeof salt) ||
        bb_gateway_conn_new(c->host->offer, salt, bb_tls_export, c->tls, now_ms(), &c->engine,
                            &err) != BB_OK) {
        doom(c, "internal");
        return false;
    }
    c->phase = EXCHANGE;
    if (c->host->draining)
        bb_gateway_conn_refuse(c->engine, BB_CHANNEL_SHUTTING_DOWN, 0);
    return true;
}

static bool dial(struct bb_conn *c) {
    const struct bb_upstream *up = c->host->upstream;
    int one = 1;
    c->up = socket(up->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->up >= 0 && up->address.ss_family != AF_UNIX)
        (void)setsockopt(c->up, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c->up < 0 || (connect(c->up, (const struct sockaddr *)&up->address, up->len) != 0 &&
                      errno != EINPROGRESS)) {
        doom(c, "upstream");
        return false;
    }
    c->up_event = event_new(c->host->base, c->up, EV_WRITE | EV_PERSIST, on_client, c);
    if (c->up_event == NULL || event_add(c->up_event, NULL) != 0) {
        doom(c, "internal");
        return false;
    }
    c->up_wants = EV_WRITE;
    c->phase = DIALLING;
    c->phase_deadline = now_ms() + DIAL_MS;
    return true;
}

/* start came: only now is there an upstream connection and memory for the application's bytes. */
static bool open_relay(struct bb_conn *c, struct bb_span rest) {
    c->in = calloc(1, sizeof *c->in);
    c->out = calloc(1, sizeof *c->out);
    if (c->in == NULL || c->out == NULL || rest.len > BUFFER) {
        doom(c, "internal");
        return false;
    }
    if (rest.len > 0)
        memcpy(c->in->data, rest.ptr, rest.len);
    c->in->end = rest.len;
    c->in->total = rest.len;
    return dial(c);
}

static bool read_exchange(struct bb_conn *c, short *want) {
    uint8_t buf[4096];
    size_t n = 0, used = 0;
    enum bb_tls_io io = bb_tls_read(c->tls, buf, sizeof buf, &n);
    if (io == BB_TLS_WANT_READ || io == BB_TLS_WANT_WRITE) {
        *want |= io == BB_TLS_WANT_READ ? EV_READ : EV_WRITE;
        return false;
    }
    if (io != BB_TLS_OK) {
        doom(c, io == BB_TLS_EOF ? "client left" : "client cut");
        return false;
    }
    enum bb_gateway_state before = bb_gateway_conn_state(c->engine);
    enum bb_gateway_state after =
        bb_gateway_conn_feed(c->engine, bb_span(buf, n), now_ms(), &used);
    if (after == BB_GATEWAY_OPEN)
        return open_relay(c, bb_span(buf + used, n - used));
    if (before == BB_GATEWAY_REQUEST && after == BB_GATEWAY_BATCH)
        c->host->leaf_ready(c->host, c);
    if (after == BB_GATEWAY_CLOSED)
        doom(c, "protocol");
    return !c->doomed;
}

static bool write_exchange(struct bb_conn *c, short *want) {
    size_t n = 0;
    struct bb_span output = bb_gateway_conn_output(c->engine);
    if (output.len == 0)
        return false;
    enum bb_tls_io io = bb_tls_write(c->tls, output, &n);
    if (io == BB_TLS_OK) {
        if (bb_gateway_conn_wrote(c->engine, n, now_ms()) == BB_GATEWAY_CLOSED) {
            c->phase = FLUSH_CLOSE;
            c->phase_deadline = now_ms() + 1000;
        }
        return true;
    }
    if (io == BB_TLS_WANT_READ || io == BB_TLS_WANT_WRITE)
        *want |= io == BB_TLS_WANT_READ ? EV_READ : EV_WRITE;
    else
        doom(c, "client cut");
    return false;
}

/* ---- relay ---- */

static bool pipe_empty(const struct pipe *p) { return p->start == p->end; }

static void pipe_filled(struct pipe *p, size_t n) {
    p->start = 0;
    p->end = n;
    p->total += n;
}

static bool fill_from_client(struct bb_conn *c, short *want) {
    size_t n = 0;
    if (c->in->eof || !pipe_empty(c->in))
        return false;
    enum bb_tls_io io = bb_tls_read(c->tls, c->in->data, BUFFER, &n);
    if (io == BB_TLS_OK)
        pipe_filled(c->in, n);
    else if (io == BB_TLS_EOF)
        c->in->eof = true;
    else if (io == BB_TLS_WANT_READ || io == BB_TLS_WANT_WRITE)
        *want |= io == BB_TLS_WANT_READ ? EV_READ : EV_WRITE;
    else {
        reset_on_close(c->up);
        doom(c, "client cut");
    }
    return io == BB_TLS_OK || io == BB_TLS_EOF;
}

static bool drain_to_upstream(struct bb_conn *c, short *want) {
    if (!pipe_empty(c->in)) {
        ssize_t n = send(c->up, c->in->data + c->in->start, c->in->end - c->in->start, MSG_NOSIGNAL);
        if (n > 0) {
            c->in->start += (size_t)n;
            return true;
        }
        if (errno == EAGAIN || errno == EINTR)
            *want |= EV_WRITE;
        else {
            reset_on_close(c->fd);
            doom(c, "upstream cut");
        }
        return false;
    }
    if (!c->in->eof || c->in->closed)
        return false;
    c->in->closed = true;
    (void)shutdown(c->up, SHUT_WR);
    return true;
}

static bool fill_from_upstream(struct bb_conn *c, short *want) {
    if (c->out->eof || !pipe_empty(c->out))
        return false;
    ssize_t n = recv(c->up, c->out->data, BUFFER, 0);
    if (n > 0) {
        pipe_filled(c->out, (size_t)n);
        return true;
    }
    if (n == 0) {
        c->out->eof = true;
        return true;
    }
    if (errno == EAGAIN || errno == EINTR)
        *want |= EV_READ;
    else {
        /* No close_notify: the client sees a truncated stream, as it is. */
        reset_on_close(c->fd);
        doom(c, "upstream cut");
    }
    return false;
}

static bool drain_to_client(struct bb_conn *c, short *want) {
    enum bb_tls_io io = BB_TLS_OK;
    size_t n = 0;
    if (!pipe_empty(c->out)) {
        io = bb_tls_write(c->tls, bb_span(c->out->data + c->out->start, c->out->end - c->out->start),
                          &n);
        c->out->start += io == BB_TLS_OK ? n : 0;
    } else if (c->out->eof && !c->out->closed) {
        io = bb_tls_close_notify(c->tls);
        c->out->closed = io == BB_TLS_OK;
    } else {
        return false;
    }
    if (io == BB_TLS_WANT_READ || io == BB_TLS_WANT_WRITE)
        *want |= io == BB_TLS_WANT_READ ? EV_READ : EV_WRITE;
    else if (io != BB_TLS_OK) {
        reset_on_close(c->up);
        doom(c, "client cut");
    }
    return io == BB_TLS_OK;
}

static bool relay(struct bb_conn *c, short *client_want, short *up_want) {
    bool moved = fill_from_client(c, client_want);
    moved = (!c->doomed && drain_to_upstream(c, up_want)) || moved;
    moved = (!c->doomed && fill_from_upstream(c, up_want)) || moved;
    moved = (!c->doomed && drain_to_client(c, client_want)) || moved;
    if (moved)
        c->last_ms = now_ms();
    if (c->in->closed && c->out->closed)
        doom(c, "done");
    return moved && !c->doomed;
}

/* ---- one step ---- */

static bool dialled(struct bb_conn *c) {
    int why = 0;
    socklen_t len = sizeof why;
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof peer;
    if (getsockopt(c->up, SOL_SOCKET, SO_ERROR, &why, &len) != 0 || why != 0) {
        doom(c, "upstream");
        return false;
    }
    if (getpeername(c->up, (struct sockaddr *)&peer, &peer_len) != 0)
        return false; /* still on its way */
    c->phase = RELAY;
    c->last_ms = now_ms();
    return true;
}

static bool advance(struct bb_conn *c, short *client_want, short *up_want) {
    enum bb_tls_io io = BB_TLS_OK;
    switch (c->phase) {
    case HANDSHAKE:
        io = bb_tls_handshake(c->tls);
        if (io == BB_TLS_OK)
            return to_exchange(c);
        if (io == BB_TLS_WANT_READ || io == BB_TLS_WANT_WRITE)
            *client_want |= io == BB_TLS_WANT_READ ? EV_READ : EV_WRITE;
        else
            doom(c, "handshake");
        return false;
    case EXCHANGE: {
        /* Reading goes on while the batch is signed: a client that leaves frees its slot. */
        bool wrote = write_exchange(c, client_want);
        if (c->doomed || c->phase != EXCHANGE)
            return !c->doomed;
        return read_exchange(c, client_want) || (wrote && !c->doomed);
    }
    case DIALLING:
        *up_want |= EV_WRITE;
        return dialled(c);
    case RELAY: return relay(c, client_want, up_want);
    case FLUSH_CLOSE:
        (void)bb_tls_close_notify(c->tls);
        doom(c, "refused");
        return false;
    }
    return false;
}

/* Everything that can be done now, in turns bounded for fairness; then the events for the rest. */
static void step(struct bb_conn *c) {
    enum { TURNS = 16 };
    short client_want = 0, up_want = 0;
    bool more = true;
    for (int i = 0; i < TURNS && more && !c->doomed; i++) {
        client_want = up_want = 0;
        more = advance(c, &client_want, &up_want);
    }
    if (c->doomed) {
        destroy(c);
        return;
    }
    set_wants(c, c->client_event, c->fd, &c->client_wants, client_want);
    if (c->up_event != NULL)
        set_wants(c, c->up_event, c->up, &c->up_wants, up_want);
    arm_timer(c);
    if (more) /* its turn again after the others */
        event_active(c->timer, EV_READ, 1);
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
    struct bb_conn *c = arg;
    (void)fd;
    if ((what & EV_TIMEOUT) != 0 && now_ms() >= deadline(c)) {
        if (c->phase != EXCHANGE)
            doom(c, c->phase == RELAY ? "age or idle" : "deadline");
        else if (bb_gateway_conn_expire(c->engine, now_ms()) == BB_GATEWAY_CLOSED)
            doom(c, "deadline");
    }
    step(c);
}

struct bb_conn *bb_conn_new(struct bb_conn_host *host, int fd, const struct sockaddr_storage *peer,
                            uint64_t id) {
    struct bb_conn *c = calloc(1, sizeof *c);
    struct bb_error err = {0};
    int one = 1;
    if (c == NULL) {
        (void)close(fd);
        return NULL;
    }
    *c = (struct bb_conn){.host = host, .id = id, .fd = fd, .up = -1, .peer = *peer};
    c->born_ms = c->last_ms = now_ms();
    c->phase_deadline = c->born_ms + BB_HANDSHAKE_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->client_event = event_new(host->base, fd, EV_READ | EV_PERSIST, on_client, c);
    c->timer = event_new(host->base, -1, 0, on_timer, c);
    if (c->client_event == NULL || c->timer == NULL ||
        bb_tls_new(host->tls, fd, NULL, &c->tls, &err) != BB_OK ||
        event_add(c->client_event, NULL) != 0) {
        c->end = "internal";
        destroy(c);
        return NULL;
    }
    c->client_wants = EV_READ;
    arm_timer(c);
    return c;
}

void bb_conn_abort(struct bb_conn *c) {
    doom(c, "shutdown");
    destroy(c);
}

void bb_conn_drain(struct bb_conn *c) {
    if (c->phase != EXCHANGE)
        return;
    bb_gateway_conn_refuse(c->engine, BB_CHANNEL_SHUTTING_DOWN, 0);
    step(c);
}

uint64_t bb_conn_id(const struct bb_conn *c) { return c->id; }
const struct sockaddr_storage *bb_conn_peer(const struct bb_conn *c) { return &c->peer; }

const uint8_t *bb_conn_leaf(const struct bb_conn *c) {
    if (c->phase != EXCHANGE || bb_gateway_conn_state(c->engine) != BB_GATEWAY_BATCH)
        return NULL;
    return bb_gateway_conn_leaf(c->engine);
}

void bb_conn_answer(struct bb_conn *c, const struct bb_gateway_evidence *evidence,
                    const uint8_t d[BB_D_SIZE]) {
    struct bb_error err = {0};
    bb_hex_encode(bb_span(d, 8), c->batch, sizeof c->batch);
    if (bb_gateway_conn_answer(c->engine, evidence, &err) != BB_OK)
        doom(c, "internal");
    step(c);
}

void bb_conn_refuse(struct bb_conn *c, unsigned status, uint64_t retry_ms) {
    bb_gateway_conn_refuse(c->engine, status, retry_ms);
    step(c);
}
