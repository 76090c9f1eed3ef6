#include "service/gateway/conn.h"

#include "base/hex.h"
#include "service/clock.h"
#include "service/log.h"
#include "service/gateway/proxy_header.h"
#include "service/relay.h"
#include "service/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DIAL_MS = 10000, FAREWELL_MS = 1000, BLOCK = 4096 };

enum phase { HANDSHAKE, EXCHANGE, DIALLING, RELAY, FAREWELL };

struct bb_conn {
    struct bb_conn_host *host;
    uint64_t id;
    int fd, up;
    size_t up_address; /* the one being dialled */
    struct bb_tls *tls;
    struct bb_gateway_conn *engine;
    enum phase phase;
    struct bb_watch client_watch, up_watch;
    struct event *timer;
    struct bb_relay *relay; /* from the start frame on */
    int64_t born_ms, last_ms, phase_deadline;
    struct sockaddr_storage peer;
    char batch[BB_HEX_SIZE(BB_BATCH_ID_SIZE)]; /* what the client prints too */
    uint32_t index;                            /* the leaf's place in it */
    const char *end;                           /* why it ended, for the log */
    bool placed, kept_back;
    bool doomed;
};

static void step(struct bb_conn *c);

static void log_line(const struct bb_conn *c) {
    char peer[96];
    bb_address_text(&c->peer, peer, sizeof peer);
    bb_log("conn=%" PRIu64 " peer=%s batch=%s leaf=%" PRIu32 " refused=%u in=%" PRIu64
           " out=%" PRIu64 " ms=%" PRId64 " end=%s",
           c->id, peer, c->batch[0] == '\0' ? "-" : c->batch, c->index,
           c->engine == NULL ? 0 : bb_gateway_conn_refused(c->engine),
           c->relay == NULL ? 0 : bb_relay_from_tls(c->relay),
           c->relay == NULL ? 0 : bb_relay_from_plain(c->relay), bb_now_ms() - c->born_ms,
           c->end == NULL ? "closed" : c->end);
}

static void hang_up(struct bb_conn *c) {
    bb_watch_close(&c->up_watch);
    if (c->up >= 0)
        (void)close(c->up);
    c->up = -1;
}

static void destroy(struct bb_conn *c) {
    log_line(c);
    c->host->gone(c->host, c);
    bb_watch_close(&c->client_watch);
    hang_up(c);
    if (c->timer != NULL)
        event_free(c->timer);
    bb_tls_free(c->tls);
    bb_gateway_conn_free(c->engine);
    (void)close(c->fd);
    bb_relay_free(c->relay);
    free(c);
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

static void on_socket(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    step(arg);
}

/* Everything was said. The client's unread bytes would turn close() into a reset that eats the last
 * of it: they are read and dropped until the client leaves. */
static void farewell(struct bb_conn *c, const char *why) {
    c->end = why;
    c->phase = FAREWELL;
    c->phase_deadline = bb_now_ms() + FAREWELL_MS;
    (void)shutdown(c->fd, SHUT_WR);
}

static bool leaving(struct bb_conn *c, unsigned *want) {
    uint8_t ignored[BLOCK];
    ssize_t n = recv(c->fd, ignored, sizeof ignored, 0);
    if (n < 0 && errno == EAGAIN)
        *want |= BB_IO_READ;
    else if (n <= 0)
        doom(c, "closed");
    return n > 0;
}

/* ---- exchange ---- */

static bool to_exchange(struct bb_conn *c) {
    struct bb_client_tls facts;
    uint8_t salt[BB_SALT_SIZE];
    struct bb_error err = {0};
    bb_tls_facts(c->tls, &facts);
    /* The ALPN callback is not called for a client that offers none. */
    if (!facts.tls13 || facts.resumed || !bb_span_equal(facts.alpn, BB_SPAN_LIT(BB_ALPN))) {
        doom(c, "no attested TLS");
        return false;
    }
    if (!bb_random(salt, sizeof salt) ||
        bb_gateway_conn_new(c->host->offer, salt, bb_tls_export, c->tls, bb_now_ms(), &c->engine,
                            &err) != BB_OK) {
        doom(c, "internal");
        return false;
    }
    c->phase = EXCHANGE;
    if (c->host->draining)
        bb_gateway_conn_refuse(c->engine, BB_CHANNEL_SHUTTING_DOWN, 0);
    return true;
}

/* Begins with the present address of the upstream, or the next one that can be dialled at all. */
static bool dial(struct bb_conn *c) {
    const struct bb_upstream *up = c->host->upstream;
    int one = 1;
    for (; c->up_address < up->count; c->up_address++) {
        const struct sockaddr_storage *to = &up->address[c->up_address];
        c->up = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->up >= 0 && to->ss_family != AF_UNIX)
            (void)setsockopt(c->up, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (c->up >= 0 &&
            (connect(c->up, (const struct sockaddr *)to, up->len[c->up_address]) == 0 ||
             errno == EINPROGRESS))
            break;
        hang_up(c);
    }
    if (c->up < 0)
        doom(c, "upstream"); /* none is left */
    else if (!bb_watch_open(&c->up_watch, c->host->base, c->up, on_socket, c, 0))
        doom(c, "internal");
    c->phase = DIALLING;
    c->phase_deadline = bb_now_ms() + DIAL_MS;
    return !c->doomed;
}

static bool dial_next(struct bb_conn *c) {
    hang_up(c);
    c->up_address++;
    return dial(c);
}

/* start came: only now is there an upstream connection and memory for the application's bytes. */
static bool open_relay(struct bb_conn *c, struct bb_span rest) {
    struct bb_error err = {0};
    if (bb_relay_new(c->tls, rest, bb_span(NULL, 0), &c->relay, &err) != BB_OK) {
        doom(c, "internal");
        return false;
    }
    return dial(c);
}

static void hand_in_leaf(struct bb_conn *c) {
    uint64_t retry_ms = 0;
    unsigned status = c->host->leaf_ready(c->host, c, &retry_ms);
    if (status != BB_CHANNEL_OK)
        bb_gateway_conn_refuse(c->engine, status, retry_ms);
}

static bool read_exchange(struct bb_conn *c, unsigned *want) {
    uint8_t buf[BLOCK];
    size_t n = 0, used = 0;
    enum bb_tls_io io = bb_tls_read(c->tls, buf, sizeof buf, &n);
    if (bb_tls_waits(io, want))
        return false;
    if (io != BB_TLS_OK) {
        doom(c, io == BB_TLS_EOF ? "client left" : "client cut");
        return false;
    }
    enum bb_gateway_state before = bb_gateway_conn_state(c->engine);
    enum bb_gateway_state after =
        bb_gateway_conn_feed(c->engine, bb_span(buf, n), bb_now_ms(), &used);
    if (after == BB_GATEWAY_OPEN)
        return open_relay(c, bb_span(buf + used, n - used));
    if (before == BB_GATEWAY_REQUEST && after == BB_GATEWAY_BATCH)
        hand_in_leaf(c);
    if (after == BB_GATEWAY_CLOSED)
        doom(c, "protocol");
    return !c->doomed;
}

static bool write_exchange(struct bb_conn *c, unsigned *want) {
    size_t n = 0;
    struct bb_span output = bb_gateway_conn_output(c->engine);
    if (output.len == 0)
        return false;
    enum bb_tls_io io = bb_tls_write(c->tls, output, &n);
    if (io == BB_TLS_OK) {
        if (bb_gateway_conn_wrote(c->engine, n, bb_now_ms()) == BB_GATEWAY_CLOSED) {
            (void)bb_tls_close_notify(c->tls);
            farewell(c, "refused");
        }
        return true;
    }
    if (!bb_tls_waits(io, want))
        doom(c, "client cut");
    return false;
}

/* ---- relay ---- */

static bool relay(struct bb_conn *c, unsigned *client_want, unsigned *up_want) {
    bool moved = false;
    switch (bb_relay_step(c->relay, client_want, up_want, &moved)) {
    case BB_RELAY_RUNNING:
        break;
    case BB_RELAY_DONE:
        doom(c, "done");
        break;
    case BB_RELAY_TLS_CUT:
        doom(c, "client cut");
        break;
    case BB_RELAY_PLAIN_CUT:
        farewell(c, "upstream cut");
        return true;
    case BB_RELAY_NO_MEMORY:
        doom(c, "internal");
        break;
    }
    if (moved)
        c->last_ms = bb_now_ms();
    return moved && !c->doomed;
}

/* ---- one step ---- */

/* Who connects, for the application; a fresh socket has room for it. False if it cannot be told:
 * then no byte of the client's may go there. */
static bool introduce(struct bb_conn *c) {
    struct sockaddr_storage local = {0};
    socklen_t local_len = sizeof local;
    uint8_t header[BB_PROXY_HEADER_MAX];
    if (!c->host->options->proxy_protocol)
        return true;
    if (getsockname(c->fd, (struct sockaddr *)&local, &local_len) != 0)
        return false;
    size_t len = bb_proxy_header(&c->peer, &local, header);
    return send(c->up, header, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool dialled(struct bb_conn *c) {
    int why = 0;
    socklen_t len = sizeof why;
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof peer;
    if (getsockopt(c->up, SOL_SOCKET, SO_ERROR, &why, &len) != 0 || why != 0)
        return dial_next(c);
    if (getpeername(c->up, (struct sockaddr *)&peer, &peer_len) != 0)
        return false; /* still on its way */
    if (!introduce(c)) {
        farewell(c, "upstream cut");
        return true;
    }
    bb_relay_attach(c->relay, c->up);
    c->phase = RELAY;
    c->last_ms = bb_now_ms();
    return true;
}

static bool advance(struct bb_conn *c, unsigned *client_want, unsigned *up_want) {
    enum bb_tls_io io = BB_TLS_OK;
    switch (c->phase) {
    case HANDSHAKE:
        io = bb_tls_handshake(c->tls);
        if (io == BB_TLS_OK)
            return to_exchange(c);
        if (!bb_tls_waits(io, client_want))
            doom(c, "handshake");
        return false;
    case EXCHANGE: {
        if (bb_gateway_conn_state(c->engine) == BB_GATEWAY_CLOSED) {
            doom(c, "internal"); /* no memory for a refusal */
            return false;
        }
        /* Reading goes on while the batch is signed: a client that leaves frees its slot. */
        bool wrote = write_exchange(c, client_want);
        if (c->doomed || c->phase != EXCHANGE)
            return !c->doomed;
        return read_exchange(c, client_want) || (wrote && !c->doomed);
    }
    case DIALLING:
        *up_want |= BB_IO_WRITE;
        return dialled(c);
    case RELAY:
        return relay(c, client_want, up_want);
    case FAREWELL:
        return leaving(c, client_want);
    }
    return false;
}

/* Looked at in each step: a busy connection has a deadline too. */
static void expire(struct bb_conn *c) {
    if (c->doomed || bb_now_ms() < deadline(c))
        return;
    if (c->phase == DIALLING)
        (void)dial_next(c);
    else if (c->phase != EXCHANGE)
        doom(c, c->phase == RELAY ? "age or idle" : "deadline");
    else if (bb_gateway_conn_expire(c->engine, bb_now_ms()) == BB_GATEWAY_CLOSED)
        doom(c, "deadline");
}

/* Everything that can be done now, in turns bounded for fairness; then the events for the rest. */
static void step(struct bb_conn *c) {
    enum { TURNS = 16 };
    unsigned client_want = 0, up_want = 0;
    bool more = true;
    expire(c);
    for (int i = 0; i < TURNS && more && !c->doomed; i++) {
        client_want = up_want = 0;
        more = advance(c, &client_want, &up_want);
    }
    if (c->doomed) {
        destroy(c);
        return;
    }
    bb_watch_set(&c->client_watch, client_want);
    bb_watch_set(&c->up_watch, up_want);
    bb_timer_at(c->timer, deadline(c));
    if (more) /* its turn again after the others */
        bb_timer_next_turn(c->timer);
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
    c->born_ms = c->last_ms = bb_now_ms();
    c->phase_deadline = c->born_ms + BB_HANDSHAKE_MS;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->timer = event_new(host->base, -1, 0, on_socket, c);
    if (c->timer == NULL || bb_tls_new(host->tls, fd, NULL, &c->tls, &err) != BB_OK ||
        !bb_watch_open(&c->client_watch, host->base, fd, on_socket, c, BB_IO_READ)) {
        c->end = "internal";
        destroy(c);
        return NULL;
    }
    bb_timer_at(c->timer, deadline(c));
    return c;
}

void bb_conn_abort(struct bb_conn *c) {
    doom(c, "shutdown");
    destroy(c);
}

void bb_conn_drain(struct bb_conn *c) {
    enum bb_gateway_state state =
        c->phase == EXCHANGE ? bb_gateway_conn_state(c->engine) : BB_GATEWAY_CLOSED;
    if (state != BB_GATEWAY_REQUEST && state != BB_GATEWAY_BATCH)
        return;
    bb_gateway_conn_refuse(c->engine, BB_CHANNEL_SHUTTING_DOWN, 0);
    step(c);
}

uint64_t bb_conn_id(const struct bb_conn *c) { return c->id; }
const struct sockaddr_storage *bb_conn_peer(const struct bb_conn *c) { return &c->peer; }

bool bb_conn_waits(const struct bb_conn *c) {
    return c->phase == EXCHANGE && bb_gateway_conn_state(c->engine) == BB_GATEWAY_BATCH;
}

const uint8_t *bb_conn_leaf(const struct bb_conn *c) {
    return bb_conn_waits(c) && !c->placed ? bb_gateway_conn_leaf(c->engine) : NULL;
}

void bb_conn_placed(struct bb_conn *c) { c->placed = true; }

size_t bb_conn_issuer(const struct bb_conn *c) {
    return bb_conn_waits(c) ? bb_gateway_conn_issuer(c->engine) : BB_NO_ISSUER;
}

void bb_conn_keep_back(struct bb_conn *c, bool back) { c->kept_back = back; }
bool bb_conn_is_kept_back(const struct bb_conn *c) { return c->kept_back; }

void bb_conn_answer(struct bb_conn *c, const struct bb_gateway_evidence *evidence,
                    const uint8_t d[BB_D_SIZE]) {
    struct bb_error err = {0};
    bb_hex_encode(bb_span(d, BB_BATCH_ID_SIZE), c->batch, sizeof c->batch);
    c->index = evidence->index;
    if (bb_gateway_conn_answer(c->engine, evidence, &err) != BB_OK)
        doom(c, "internal");
    step(c);
}

void bb_conn_refuse(struct bb_conn *c, unsigned status, uint64_t retry_ms) {
    bb_gateway_conn_refuse(c->engine, status, retry_ms);
    step(c);
}
