#include "service/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* Bytes on their way in one direction. */
struct pipe {
    uint8_t *data; /* BB_RELAY_BUFFER bytes; NULL while empty */
    size_t start, end;
    bool eof;    /* the source ended */
    bool closed; /* and the sink was told */
    bool broken; /* the sink takes no more: what still comes is dropped */
    uint64_t total;
};

struct bb_relay {
    struct bb_tls *tls;
    int plain_fd;
    struct pipe up, down; /* from TLS to plain, from plain to TLS */
    enum bb_relay_state state;
};

static bool pipe_take(struct pipe *p) {
    if (p->data == NULL)
        p->data = malloc(BB_RELAY_BUFFER);
    return p->data != NULL;
}

/* An idle connection holds no buffer. */
static void pipe_release(struct pipe *p) {
    if (p->start != p->end)
        return;
    free(p->data);
    p->data = NULL;
    p->start = p->end = 0;
}

static void pipe_filled(struct pipe *p, size_t n) {
    p->start = 0;
    p->end = n;
    p->total += n;
}

static bool pipe_preload(struct pipe *p, struct bb_span first) {
    if (first.len == 0)
        return true;
    if (first.len > BB_RELAY_BUFFER || !pipe_take(p))
        return false;
    memcpy(p->data, first.ptr, first.len);
    pipe_filled(p, first.len);
    return true;
}

void bb_reset_on_close(int fd, bool on) {
    struct linger l = {.l_onoff = on, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
}

enum bb_status bb_relay_new(struct bb_tls *tls, struct bb_span from_tls, struct bb_span from_plain,
                            struct bb_relay **out, struct bb_error *err) {
    struct bb_relay *r = calloc(1, sizeof *r);
    if (r == NULL)
        return bb_fail_internal(err, "memory for a relay");
    r->tls = tls;
    r->plain_fd = -1;
    if (!pipe_preload(&r->up, from_tls) || !pipe_preload(&r->down, from_plain)) {
        bb_relay_free(r);
        return bb_fail_internal(err, "memory for a relay");
    }
    *out = r;
    return BB_OK;
}

void bb_relay_attach(struct bb_relay *r, int plain_fd) {
    r->plain_fd = plain_fd;
    bb_reset_on_close(plain_fd, true);
}

void bb_relay_free(struct bb_relay *r) {
    if (r == NULL)
        return;
    free(r->up.data);
    free(r->down.data);
    free(r);
}

uint64_t bb_relay_from_tls(const struct bb_relay *r) { return r->up.total; }
uint64_t bb_relay_from_plain(const struct bb_relay *r) { return r->down.total; }

/* The TLS side's outcome: true if something was done, else its wish or its end. */
static bool tls_did(struct bb_relay *r, enum bb_tls_io io, unsigned *want) {
    if (io == BB_TLS_OK || io == BB_TLS_EOF)
        return true;
    if (!bb_tls_waits(io, want))
        r->state = BB_RELAY_TLS_CUT;
    return false;
}

static bool fill_up(struct bb_relay *r, unsigned *want) {
    struct pipe *p = &r->up;
    size_t n = 0;
    if (p->eof || p->start != p->end)
        return false;
    if (!pipe_take(p)) {
        r->state = BB_RELAY_NO_MEMORY;
        return false;
    }
    enum bb_tls_io io = bb_tls_read(r->tls, p->data, BB_RELAY_BUFFER, &n);
    if (io == BB_TLS_OK)
        pipe_filled(p, n);
    p->eof = io == BB_TLS_EOF;
    return tls_did(r, io, want);
}

static bool is_wish(int why) { return why == EAGAIN || why == EINTR; }

/* An application may answer and close without reading all: what it said still goes to the client,
 * and then the cut. */
static bool drain_up(struct bb_relay *r, unsigned *want) {
    struct pipe *p = &r->up;
    if (p->start != p->end) {
        ssize_t n =
            p->broken ? -1 : send(r->plain_fd, p->data + p->start, p->end - p->start, MSG_NOSIGNAL);
        if (n < 0 && !p->broken && is_wish(errno)) {
            *want |= BB_IO_WRITE;
            return false;
        }
        p->broken = n < 0;
        p->start = n < 0 ? p->end : p->start + (size_t)n;
        return true;
    }
    if (!p->eof || p->closed)
        return false;
    p->closed = true;
    (void)shutdown(r->plain_fd, SHUT_WR);
    return true;
}

static bool fill_down(struct bb_relay *r, unsigned *want) {
    struct pipe *p = &r->down;
    if (p->eof || p->start != p->end)
        return false;
    if (!pipe_take(p)) {
        r->state = BB_RELAY_NO_MEMORY;
        return false;
    }
    ssize_t n = recv(r->plain_fd, p->data, BB_RELAY_BUFFER, 0);
    if (n < 0 && is_wish(errno)) {
        *want |= BB_IO_READ;
        return false;
    }
    /* After a failed write the end of what can be read is no end of what was said. */
    if (n < 0 || (n == 0 && r->up.broken)) {
        r->state = BB_RELAY_PLAIN_CUT;
        return false;
    }
    p->eof = n == 0;
    if (n > 0)
        pipe_filled(p, (size_t)n);
    return true;
}

static bool drain_down(struct bb_relay *r, unsigned *want) {
    struct pipe *p = &r->down;
    size_t n = 0;
    if (p->start != p->end) {
        enum bb_tls_io io =
            bb_tls_write(r->tls, bb_span(p->data + p->start, p->end - p->start), &n);
        p->start += io == BB_TLS_OK ? n : 0;
        return tls_did(r, io, want);
    }
    if (!p->eof || p->closed)
        return false;
    enum bb_tls_io io = bb_tls_close_notify(r->tls);
    p->closed = io == BB_TLS_OK;
    return tls_did(r, io, want);
}

enum bb_relay_state bb_relay_step(struct bb_relay *r, unsigned *tls_want, unsigned *plain_want,
                                  bool *moved) {
    *tls_want = *plain_want = 0;
    *moved = r->state == BB_RELAY_RUNNING && fill_up(r, tls_want);
    *moved = (r->state == BB_RELAY_RUNNING && drain_up(r, plain_want)) || *moved;
    *moved = (r->state == BB_RELAY_RUNNING && fill_down(r, plain_want)) || *moved;
    *moved = (r->state == BB_RELAY_RUNNING && drain_down(r, tls_want)) || *moved;
    pipe_release(&r->up);
    pipe_release(&r->down);
    if (r->state == BB_RELAY_RUNNING && r->up.closed && r->down.closed) {
        r->state = r->up.broken ? BB_RELAY_PLAIN_CUT : BB_RELAY_DONE;
        bb_reset_on_close(r->plain_fd, r->up.broken);
    }
    return r->state;
}
