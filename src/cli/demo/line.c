#include "cli/demo/line.h"

#include "channel/frame.h"
#include "service/address.h"
#include "service/clock.h"

#include <errno.h>
#include <unistd.h>

/* True if `io` is a wish that came true: try again. */
static bool waited(const struct bb_demo_line *line, enum bb_tls_io io) {
    unsigned want = 0;
    return bb_tls_waits(io, &want) && bb_demo_peer_wait(line->peer, line->fd, want, line->deadline);
}

bool bb_demo_line_open(struct bb_demo_line *line, const struct bb_demo_peer *peer,
                       struct bb_tls_context *context, int fd) {
    enum bb_tls_io io = BB_TLS_FAILED;
    *line =
        (struct bb_demo_line){.peer = peer, .fd = fd, .deadline = bb_now_ms() + BB_DEMO_LINE_MS};
    if (fd < 0 || bb_tls_new(context, fd, NULL, &line->tls, NULL) != BB_OK)
        return false;
    do
        io = bb_tls_handshake(line->tls);
    while (waited(line, io));
    return io == BB_TLS_OK;
}

void bb_demo_line_done(struct bb_demo_line *line) {
    if (line->tls != NULL)
        (void)bb_tls_close_notify(line->tls);
    bb_tls_free(line->tls);
    line->tls = NULL;
}

int bb_demo_dial(const char *address) {
    struct bb_target target;
    if (bb_target_resolve(address, &target, NULL) != BB_OK)
        return -1;
    const struct sockaddr_storage *to = &target.address[0];
    int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)to, target.len[0]) != 0 &&
        errno != EINPROGRESS) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool bb_demo_line_read(struct bb_demo_line *line, uint8_t *buf, size_t cap, size_t *n) {
    enum bb_tls_io io = BB_TLS_OK;
    do
        io = bb_tls_read(line->tls, buf, cap, n);
    while (waited(line, io));
    return io == BB_TLS_OK;
}

static bool read_exactly(struct bb_demo_line *line, uint8_t *buf, size_t len) {
    for (size_t at = 0, n = 0; at < len; at += n)
        if (!bb_demo_line_read(line, buf + at, len - at, &n))
            return false;
    return true;
}

bool bb_demo_line_read_frame(struct bb_demo_line *line, uint8_t *buf, size_t cap, size_t *len) {
    if (cap < BB_FRAME_HEAD_SIZE || !read_exactly(line, buf, BB_FRAME_HEAD_SIZE))
        return false;
    struct bb_reader r = bb_reader(bb_span(buf, BB_FRAME_HEAD_SIZE));
    size_t body = bb_read_u32be(&r);
    if (body > cap - BB_FRAME_HEAD_SIZE || !read_exactly(line, buf + BB_FRAME_HEAD_SIZE, body))
        return false;
    *len = BB_FRAME_HEAD_SIZE + body;
    return true;
}

bool bb_demo_line_write(struct bb_demo_line *line, struct bb_span data) {
    enum bb_tls_io io = BB_TLS_OK;
    for (size_t at = 0, n = 0; at < data.len; at += n) {
        do
            io = bb_tls_write(line->tls, bb_span(data.ptr + at, data.len - at), &n);
        while (waited(line, io));
        if (io != BB_TLS_OK)
            return false;
    }
    return true;
}

uint64_t bb_demo_line_drain(struct bb_demo_line *line) {
    uint8_t buf[4096];
    uint64_t total = 0;
    size_t n = 0;
    while (bb_demo_line_read(line, buf, sizeof buf, &n))
        total += n;
    return total;
}
