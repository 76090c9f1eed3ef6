#include "service/forward/conn.h"

#include "service/clock.h"
#include "service/forward/http_head.h"
#include "service/relay.h"
#include "service/watch.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { REPLY_MS = 1000 };

enum phase { HEAD, ATTEST, RELAY, REPLY, LINGER, OVER };

struct bb_forward_conn {
    struct bb_forward_host *host;
    struct bb_forward_conn *prev, *next;
    int fd;
    enum phase phase;
    struct bb_watch local, remote;
    struct event *timer;
    struct bb_target target; /* its own: the host's may be resolved anew meanwhile */
    struct bb_session *session;
    unsigned dials; /* of the session, when `remote` was opened */
    struct bb_relay *relay;
    int64_t deadline;
    int64_t age_ends; /* max_connection_age */
    uint8_t *first;   /* what was read before the relay: head and what came with it */
    size_t first_len;
    char reply[512];
    size_t reply_len, reply_sent;
};

static void step(struct bb_forward_conn *c);

static void on_socket(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    step(arg);
}

static void link_in(struct bb_forward_conn *c) {
    struct bb_forward_host *h = c->host;
    c->next = h->first;
    if (c->next != NULL)
        c->next->prev = c;
    h->first = c;
    h->open++;
}

static void link_out(struct bb_forward_conn *c) {
    struct bb_forward_host *h = c->host;
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        h->first = c->next;
    h->open--;
    if (h->ending && h->open == 0)
        (void)event_base_loopbreak(h->base);
}

static void destroy(struct bb_forward_conn *c) {
    link_out(c);
    bb_watch_close(&c->local);
    bb_watch_close(&c->remote);
    if (c->timer != NULL)
        event_free(c->timer);
    bb_relay_free(c->relay);
    bb_session_free(c->session);
    (void)close(c->fd);
    free(c->first);
    free(c);
}

/* ---- answers of our own to an HTTP client ---- */

static bool reply(struct bb_forward_conn *c, const char *status, const char *field,
                  const char *text) {
    int n = snprintf(c->reply, sizeof c->reply,
                     "HTTP/1.1 %s\r\n%sContent-Type: text/plain\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n%s\n",
                     status, field, strlen(text) + 1, text);
    c->reply_len = n > 0 && (size_t)n < sizeof c->reply ? (size_t)n : 0;
    c->phase = REPLY;
    c->deadline = bb_now_ms() + REPLY_MS;
    return true;
}

static bool refuse_locally(struct bb_forward_conn *c, const char *status, const char *text) {
    c->host->refused++;
    c->host->options->verdict(c->host->options->ctx, NULL, text);
    return reply(c, status, "", text);
}

/* Another program, or a client that waits to be asked: it does not count as the child's request. */
static bool ask_who(struct bb_forward_conn *c) {
    return reply(c, "407 Proxy Authentication Required",
                 "Proxy-Authenticate: Basic realm=\"blindbox\"\r\n",
                 "this proxy belongs to another program");
}

static bool replying(struct bb_forward_conn *c, unsigned *want) {
    ssize_t n = send(c->fd, c->reply + c->reply_sent, c->reply_len - c->reply_sent, MSG_NOSIGNAL);
    if (n < 0) {
        *want |= BB_IO_WRITE;
        c->phase = errno == EAGAIN ? REPLY : OVER;
        return false;
    }
    c->reply_sent += (size_t)n;
    if (c->reply_sent < c->reply_len)
        return true;
    /* The client's unread bytes would turn close() into a reset that eats the reply. */
    (void)shutdown(c->fd, SHUT_WR);
    c->phase = LINGER;
    return true;
}

static bool lingering(struct bb_forward_conn *c, unsigned *want) {
    uint8_t ignored[4096];
    ssize_t n = recv(c->fd, ignored, sizeof ignored, 0);
    if (n > 0)
        return true;
    if (n < 0 && errno == EAGAIN)
        *want |= BB_IO_READ;
    else
        c->phase = OVER;
    return false;
}

/* ---- the attested connection ---- */

static bool attest(struct bb_forward_conn *c) {
    struct bb_forward_host *h = c->host;
    struct bb_session_options options = h->options->session;
    struct bb_error err = {0};
    options.target = &c->target;
    enum bb_status status = BB_OK;
    if (h->target_stale)
        status = bb_target_resolve(h->options->to, &h->target, &err);
    h->target_stale = status != BB_OK;
    c->target = h->target;
    if (status == BB_OK)
        status = bb_session_new(&options, &c->session, &err);
    if (status != BB_OK) {
        h->refused++;
        h->options->verdict(h->options->ctx, NULL, err.text);
        c->phase = OVER;
        return h->user_password != NULL && reply(c, "502 Not attested", "", err.text);
    }
    c->phase = ATTEST;
    c->deadline = bb_session_deadline(c->session);
    return true;
}

/* The session's socket may have changed: another address is being tried. */
static bool watch_session(struct bb_forward_conn *c, unsigned want) {
    unsigned dials = bb_session_dials(c->session);
    if (c->remote.event != NULL && c->dials == dials) {
        bb_watch_set(&c->remote, want);
        return true;
    }
    c->dials = dials;
    bb_watch_close(&c->remote);
    return bb_watch_open(&c->remote, c->host->base, bb_session_fd(c->session), on_socket, c, want);
}

static bool refused(struct bb_forward_conn *c) {
    char text[192], message[128];
    struct bb_forward_host *h = c->host;
    enum bb_status status = bb_session_status(c->session);
    /* The session may have closed its socket, whose number the next one gets. */
    bb_watch_close(&c->remote);
    h->refused++;
    /* Only if none of its addresses answered may it have moved. */
    h->target_stale = strcmp(bb_session_error(c->session)->field, "address") == 0;
    h->options->verdict(h->options->ctx, c->session, NULL);
    bb_status_message(status, message, sizeof message);
    (void)snprintf(text, sizeof text, "%s: %s", bb_status_name(status), message);
    if (h->user_password != NULL)
        return reply(c, "502 Not attested", "", text);
    c->phase = OVER;
    return false;
}

static bool accepted(struct bb_forward_conn *c) {
    struct bb_forward_host *h = c->host;
    h->attested++;
    h->options->verdict(h->options->ctx, c->session, NULL);
    bb_session_start(c->session);
    return true;
}

/* Silence ends a connection, and so does its age. */
static void set_relay_deadline(struct bb_forward_conn *c) {
    int64_t idle = bb_now_ms() + BB_FORWARD_IDLE_MS;
    c->deadline = idle < c->age_ends ? idle : c->age_ends;
}

static bool opened(struct bb_forward_conn *c) {
    struct bb_error err = {0};
    if (bb_relay_new(bb_session_tls(c->session), bb_span(NULL, 0), bb_span(c->first, c->first_len),
                     &c->relay, &err) != BB_OK) {
        c->phase = OVER;
        return false;
    }
    bb_relay_attach(c->relay, c->fd);
    free(c->first);
    c->first = NULL;
    c->phase = RELAY;
    c->age_ends =
        bb_now_ms() + (int64_t)c->host->options->session.policy->max_connection_age * 1000;
    set_relay_deadline(c);
    if (!watch_session(c, BB_IO_READ))
        c->phase = OVER;
    return c->phase == RELAY;
}

static bool attesting(struct bb_forward_conn *c, unsigned *want) {
    switch (bb_session_step(c->session, want)) {
    case BB_SESSION_REFUSED:
        return refused(c);
    case BB_SESSION_ACCEPTED:
        return accepted(c);
    case BB_SESSION_OPEN:
        return opened(c);
    case BB_SESSION_CONNECTING:
    case BB_SESSION_HANDSHAKE:
    case BB_SESSION_EXCHANGE:
    case BB_SESSION_VERIFYING:
    case BB_SESSION_STARTING:
        break;
    }
    c->deadline = bb_session_deadline(c->session);
    if (!watch_session(c, *want))
        c->phase = OVER;
    return false;
}

/* ---- the head of an HTTP request ---- */

static bool head_read(struct bb_forward_conn *c, enum bb_http_head what, struct bb_writer *out,
                      size_t used) {
    switch (what) {
    case BB_HTTP_MORE:
        return true;
    case BB_HTTP_MALFORMED:
        return refuse_locally(c, "400 Bad Request", "not an HTTP/1 request to a proxy");
    case BB_HTTP_UNAUTHORIZED:
        return ask_who(c);
    case BB_HTTP_NOT_HTTP:
        return refuse_locally(c, "403 Forbidden",
                              "https:// would go around the attested connection: use http:// (the "
                              "connection to the gateway is encrypted and attested)");
    case BB_HTTP_GOOD:
        break;
    }
    bb_write_bytes(out, bb_span(c->first + used, c->first_len - used));
    if (out->failed)
        return refuse_locally(c, "400 Bad Request", "the request's head is too long");
    memcpy(c->first, out->buf, out->len);
    c->first_len = out->len;
    return attest(c);
}

static bool reading_head(struct bb_forward_conn *c, unsigned *want) {
    uint8_t rewritten[BB_RELAY_BUFFER];
    struct bb_writer out = bb_writer(rewritten, sizeof rewritten);
    size_t used = 0;
    ssize_t n = recv(c->fd, c->first + c->first_len, BB_RELAY_BUFFER - c->first_len, 0);
    if (n <= 0) {
        *want |= BB_IO_READ;
        c->phase = n < 0 && errno == EAGAIN ? HEAD : OVER;
        return false;
    }
    c->first_len += (size_t)n;
    enum bb_http_head what =
        bb_http_head(bb_span(c->first, c->first_len), c->host->user_password, &out, &used);
    if (what == BB_HTTP_MORE && c->first_len == BB_RELAY_BUFFER)
        what = BB_HTTP_MALFORMED;
    return head_read(c, what, &out, used);
}

/* ---- one step ---- */

static bool relaying(struct bb_forward_conn *c, unsigned *local_want) {
    unsigned remote_want = 0;
    bool moved = false;
    if (bb_relay_step(c->relay, &remote_want, local_want, &moved) != BB_RELAY_RUNNING)
        c->phase = OVER;
    else
        bb_watch_set(&c->remote, remote_want);
    if (moved)
        set_relay_deadline(c);
    return moved && c->phase == RELAY;
}

static bool advance(struct bb_forward_conn *c, unsigned *want) {
    switch (c->phase) {
    case HEAD:
        return reading_head(c, want);
    case ATTEST: {
        unsigned remote = 0;
        return attesting(c, &remote);
    }
    case RELAY:
        return relaying(c, want);
    case REPLY:
        return replying(c, want);
    case LINGER:
        return lingering(c, want);
    case OVER:
        return false;
    }
    return false;
}

/* Looked at in each step: a busy connection has a deadline too. */
static void expire(struct bb_forward_conn *c) {
    if (bb_now_ms() < c->deadline)
        return;
    if (c->phase == ATTEST)
        (void)bb_session_expire(c->session);
    else
        c->phase = OVER;
}

static void step(struct bb_forward_conn *c) {
    enum { TURNS = 16 };
    unsigned want = 0;
    bool more = true;
    expire(c);
    for (int i = 0; i < TURNS && more; i++) {
        want = 0;
        more = advance(c, &want);
    }
    if (c->phase == OVER) {
        destroy(c);
        return;
    }
    bb_watch_set(&c->local, want);
    bb_timer_at(c->timer, c->deadline);
    if (more) /* its turn again after the others */
        bb_timer_next_turn(c->timer);
}

void bb_forward_conn_new(struct bb_forward_host *host, int fd) {
    struct bb_forward_conn *c = calloc(1, sizeof *c);
    int one = 1;
    if (c == NULL) {
        (void)close(fd);
        return;
    }
    *c = (struct bb_forward_conn){.host = host, .fd = fd, .phase = HEAD};
    link_in(c);
    /* Raw: a client that is not connected gets a reset, never an empty answer. */
    bb_reset_on_close(fd, host->user_password == NULL);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->timer = event_new(host->base, -1, 0, on_socket, c);
    c->first = host->user_password == NULL ? NULL : malloc(BB_RELAY_BUFFER);
    c->deadline = bb_now_ms() + BB_FORWARD_HEAD_MS;
    if (c->timer == NULL || (host->user_password != NULL && c->first == NULL) ||
        !bb_watch_open(&c->local, host->base, fd, on_socket, c, 0)) {
        destroy(c);
        return;
    }
    if (host->user_password == NULL)
        (void)attest(c);
    step(c);
}

void bb_forward_conns_end(struct bb_forward_host *host) {
    struct bb_forward_conn *next = NULL;
    for (struct bb_forward_conn *c = host->first; c != NULL; c = next) {
        next = c->next;
        destroy(c);
    }
}
