#include "service/fetch/fetch.h"

#include "service/clock.h"
#include "service/fetch/fetch_wire.h"
#include "service/fetch/spawn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SEND_MS = 1000,  /* a process that does not take requests */
    GRACE_MS = 1000, /* after the deadline: a process that does not keep it */
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    BACKOFF_FORGOTTEN_MS = 60000,
    SOCKET_ROOM = 1 << 20
};

struct bb_fetcher {
    struct bb_fetch_process process;
    bool adopted;
    unsigned backoff_ms;
    int64_t born_ms, next_ms; /* when it was started, when the next one may be */
};

struct bb_fetch {
    int fd;
    int64_t deadline_ms;
    enum bb_fetch_state state;
    struct bb_fetch_wire_answer head;
    bool has_head;
    uint8_t *body;
    size_t len;
    char about[128]; /* the URL, for texts */
    struct bb_error err;
};

static enum bb_status no_process(struct bb_error *err, const char *why) {
    return bb_fail(err, BB_VERIFIER_UNAVAILABLE, "fetch.process", "blindbox-fetch", NULL, "%s",
                   why);
}

static void make_room(int fd) {
    int room = SOCKET_ROOM;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

static enum bb_status start(struct bb_fetcher *f, struct bb_error *err) {
    int64_t now = bb_now_ms();
    if (now < f->next_ms)
        return no_process(err, "blindbox-fetch died again and again; it is started later");
    f->born_ms = now;
    enum bb_status status = bb_fetch_spawn(&f->process, err);
    if (status == BB_OK)
        make_room(f->process.control);
    return status;
}

/* One that worked for a while is replaced at once. */
static void bury(struct bb_fetcher *f) {
    int64_t now = bb_now_ms();
    bb_fetch_process_end(&f->process);
    if (now - f->born_ms > BACKOFF_FORGOTTEN_MS)
        f->backoff_ms = 0;
    f->next_ms = now + f->backoff_ms;
    f->backoff_ms = f->backoff_ms == 0 ? BACKOFF_MIN_MS : f->backoff_ms * 2;
    if (f->backoff_ms > BACKOFF_MAX_MS)
        f->backoff_ms = BACKOFF_MAX_MS;
}

static struct bb_fetcher *new_fetcher(void) {
    struct bb_fetcher *f = calloc(1, sizeof *f);
    if (f != NULL)
        f->process = (struct bb_fetch_process){.control = -1, .pidfd = -1, .pid = -1};
    return f;
}

enum bb_status bb_fetcher_new(struct bb_fetcher **out, struct bb_error *err) {
    struct bb_fetcher *f = new_fetcher();
    if (f == NULL)
        return bb_fail_internal(err, "memory for a fetcher");
    enum bb_status status = start(f, err);
    if (status != BB_OK) {
        bb_fetcher_free(f);
        return status;
    }
    *out = f;
    return BB_OK;
}

enum bb_status bb_fetcher_adopt(int control, struct bb_fetcher **out, struct bb_error *err) {
    struct bb_fetcher *f = new_fetcher();
    if (f == NULL)
        return bb_fail_internal(err, "memory for a fetcher");
    f->adopted = true;
    f->process.control = control;
    make_room(control);
    *out = f;
    return BB_OK;
}

void bb_fetcher_free(struct bb_fetcher *fetcher) {
    if (fetcher == NULL)
        return;
    bb_fetch_process_end(&fetcher->process);
    free(fetcher);
}

static enum bb_status check_text(const char *text, size_t max, const char *field,
                                 struct bb_error *err) {
    size_t n = strnlen(text, max + 1);
    bool good = n <= max;
    for (size_t i = 0; good && i < n; i++)
        good = text[i] >= 0x20 && text[i] < 0x7f;
    return good ? BB_OK
                : bb_fail(err, BB_USAGE, field, "printable ASCII", NULL,
                          "the request's %s is no printable text", field);
}

/* By its whole path: the process may stand elsewhere. */
static enum bb_status take_ca_file(const char *file, char out[PATH_MAX], struct bb_error *err) {
    char shown[BB_VALUE_MAX];
    if (file == NULL || (realpath(file, out) != NULL && access(out, R_OK) == 0))
        return BB_OK;
    bb_escape(bb_span_str(file), shown, sizeof shown);
    return bb_fail(err, BB_USAGE, "ca", "a file of trust anchors", shown, "cannot read %s: %s",
                   shown, strerror(errno));
}

static enum bb_status fill(const struct bb_fetch_request *request, struct bb_fetch_wire_request *w,
                           struct bb_error *err) {
    uint32_t ms = request->timeout_ms == 0 ? BB_FETCH_MS_DEFAULT : request->timeout_ms;
    BB_TRY(bb_fetch_url_join(request->url, request->path, &w->url, err));
    if (request->body.len > BB_FETCH_BODY_MAX)
        return bb_fail(err, BB_USAGE, "body", "at most 262144 bytes", NULL,
                       "the request's body is too large");
    if (request->accept != NULL) {
        BB_TRY(check_text(request->accept, sizeof w->accept - 1, "accept", err));
        bb_copy_text(w->accept, sizeof w->accept, request->accept);
    }
    BB_TRY(take_ca_file(request->ca_file, w->ca_file, err));
    w->max = request->max == 0 || request->max > BB_FETCH_BODY_MAX ? BB_FETCH_BODY_MAX
                                                                   : (uint32_t)request->max;
    w->body_len = (uint32_t)request->body.len;
    w->deadline_ms = bb_now_ms() + (ms > BB_FETCH_MS_MAX ? BB_FETCH_MS_MAX : ms);
    return BB_OK;
}

/* 0 or an errno. */
static int send_request(int control, const struct bb_fetch_wire_request *w, struct bb_span body,
                        int reply) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } aux = {.space = {0}};
    struct iovec iov[2] = {{.iov_base = (void *)(uintptr_t)w, .iov_len = BB_FETCH_REQUEST_HEAD},
                           {.iov_base = (void *)(uintptr_t)body.ptr, .iov_len = body.len}};
    struct msghdr m = {.msg_iov = iov,
                       .msg_iovlen = 2,
                       .msg_control = aux.space,
                       .msg_controllen = sizeof aux.space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof reply);
    memcpy(CMSG_DATA(c), &reply, sizeof reply);
    struct pollfd room = {.fd = control, .events = POLLOUT};
    int64_t limit = bb_now_ms() + SEND_MS;
    while (sendmsg(control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        int64_t left = limit - bb_now_ms();
        if (errno != EINTR && (errno != EAGAIN || left <= 0))
            return errno;
        if (errno == EAGAIN)
            (void)poll(&room, 1, (int)left);
    }
    return 0;
}

static bool is_dead(int number) { return number == EPIPE || number == ECONNRESET; }

/* A process that died since the last request is found out here, and replaced. */
static enum bb_status hand_over(struct bb_fetcher *f, const struct bb_fetch_wire_request *w,
                                struct bb_span body, int reply, struct bb_error *err) {
    if (f->process.control < 0 && !f->adopted)
        BB_TRY(start(f, err));
    int failed = send_request(f->process.control, w, body, reply);
    if (is_dead(failed) && !f->adopted) {
        bury(f);
        BB_TRY(start(f, err));
        failed = send_request(f->process.control, w, body, reply);
        if (is_dead(failed))
            bury(f);
    }
    return failed == 0 ? BB_OK : no_process(err, "blindbox-fetch does not take requests");
}

static enum bb_status begin(struct bb_fetcher *fetcher, const struct bb_fetch_wire_request *w,
                            struct bb_span body, struct bb_fetch *f, struct bb_error *err) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return no_process(err, "no socket for the answer is to be had");
    make_room(pair[1]);
    enum bb_status status = hand_over(fetcher, w, body, pair[1], err);
    (void)close(pair[1]);
    if (status != BB_OK) {
        (void)close(pair[0]);
        return status;
    }
    f->fd = pair[0];
    f->deadline_ms = w->deadline_ms + GRACE_MS;
    return BB_OK;
}

static void describe(const struct bb_fetch_request *request, struct bb_fetch *f) {
    char whole[BB_TEXT_MAX];
    (void)snprintf(whole, sizeof whole, "%s%s", request->url,
                   request->path == NULL ? "" : request->path);
    whole[strcspn(whole, "?")] = '\0';
    bb_escape(bb_span_str(whole), f->about, sizeof f->about);
}

enum bb_status bb_fetch_begin(struct bb_fetcher *fetcher, const struct bb_fetch_request *request,
                              struct bb_fetch **out, struct bb_error *err) {
    struct bb_fetch_wire_request *w = calloc(1, sizeof *w);
    struct bb_fetch *f = calloc(1, sizeof *f);
    enum bb_status status = w == NULL || f == NULL ? bb_fail_internal(err, "memory for a request")
                                                   : fill(request, w, err);
    if (status == BB_OK)
        status = begin(fetcher, w, request->body, f, err);
    free(w);
    if (status != BB_OK) {
        free(f);
        return status;
    }
    describe(request, f);
    *out = f;
    return BB_OK;
}

int bb_fetch_fd(const struct bb_fetch *fetch) { return fetch->fd; }

static const char *const fields[] = {[BB_FETCH_GOOD] = "fetch",
                                     [BB_FETCH_RESOLVE] = "fetch.resolve",
                                     [BB_FETCH_ADDRESS] = "fetch.address",
                                     [BB_FETCH_CONNECT] = "fetch.connect",
                                     [BB_FETCH_TLS] = "fetch.tls",
                                     [BB_FETCH_TIME] = "fetch.time",
                                     [BB_FETCH_SIZE] = "fetch.size",
                                     [BB_FETCH_ANSWER] = "fetch.answer",
                                     [BB_FETCH_PROCESS] = "fetch.process"};

static void fail(struct bb_fetch *f, enum bb_fetch_failure failure, const char *text) {
    char shown[BB_TEXT_MAX];
    bb_escape(bb_span_str(text), shown, sizeof shown);
    f->state = BB_FETCH_FAILED;
    (void)bb_fail(&f->err, BB_VERIFIER_UNAVAILABLE, fields[failure], NULL, NULL, "%s: %s", f->about,
                  shown);
}

/* The first datagram. */
static void take_head(struct bb_fetch *f, size_t n) {
    struct bb_fetch_wire_answer *h = &f->head;
    h->type[sizeof h->type - 1] = '\0';
    h->text[sizeof h->text - 1] = '\0';
    f->has_head = true;
    if (n != sizeof *h || h->failure > BB_FETCH_PROCESS || h->body_len > BB_FETCH_BODY_MAX) {
        fail(f, BB_FETCH_PROCESS, "blindbox-fetch is of another build");
        return;
    }
    if (h->failure != BB_FETCH_GOOD) {
        fail(f, (enum bb_fetch_failure)h->failure, h->text);
        return;
    }
    f->body = malloc(h->body_len + 1);
    if (f->body == NULL)
        fail(f, BB_FETCH_PROCESS, "no memory for the answer");
    else if (h->body_len == 0)
        f->state = BB_FETCH_DONE;
}

static void take_piece(struct bb_fetch *f, size_t n) {
    f->len += n;
    if (f->len > f->head.body_len)
        fail(f, BB_FETCH_PROCESS, "blindbox-fetch gave more than it said");
    else if (f->len == f->head.body_len)
        f->state = BB_FETCH_DONE;
}

/* One datagram; false if there is none now. */
static bool step(struct bb_fetch *f) {
    void *to = f->has_head ? (void *)(f->body + f->len) : (void *)&f->head;
    size_t room = f->has_head ? f->head.body_len - f->len : sizeof f->head;
    ssize_t n = recv(f->fd, to, room, MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0 && errno == EAGAIN) {
        if (bb_now_ms() > f->deadline_ms)
            fail(f, BB_FETCH_TIME, "blindbox-fetch does not answer");
        return false;
    }
    if (n <= 0)
        fail(f, BB_FETCH_PROCESS, "blindbox-fetch ended before it answered");
    else if (f->has_head)
        take_piece(f, (size_t)n);
    else
        take_head(f, (size_t)n);
    return true;
}

enum bb_fetch_state bb_fetch_take(struct bb_fetch *fetch, struct bb_fetch_answer *answer,
                                  struct bb_error *err) {
    while (fetch->state == BB_FETCH_WAITING && step(fetch))
        continue;
    if (fetch->state == BB_FETCH_FAILED && err != NULL && err->status == BB_OK)
        *err = fetch->err;
    if (fetch->state == BB_FETCH_DONE) {
        *answer = (struct bb_fetch_answer){.http = fetch->head.http,
                                           .max_age_s = fetch->head.max_age_s,
                                           .body = bb_span(fetch->body, fetch->len)};
        memcpy(answer->type, fetch->head.type, sizeof answer->type);
    }
    return fetch->state;
}

void bb_fetch_end(struct bb_fetch *fetch) {
    if (fetch == NULL)
        return;
    /* For the process, and whoever waits on a copy of the descriptor: it is over. */
    (void)shutdown(fetch->fd, SHUT_RDWR);
    (void)close(fetch->fd);
    free(fetch->body);
    free(fetch);
}

static enum bb_fetch_state wait_for(struct bb_fetch *f, struct bb_fetch_answer *answer,
                                    struct bb_error *err) {
    enum bb_fetch_state state = BB_FETCH_WAITING;
    while ((state = bb_fetch_take(f, answer, err)) == BB_FETCH_WAITING) {
        struct pollfd ready = {.fd = f->fd, .events = POLLIN};
        int64_t left = f->deadline_ms - bb_now_ms();
        (void)poll(&ready, 1, left < 0 ? 0 : (int)left + 1);
    }
    return state;
}

enum bb_status bb_fetch_run(struct bb_fetcher *fetcher, const struct bb_fetch_request *request,
                            struct bb_fetch **out, struct bb_fetch_answer *answer,
                            struct bb_error *err) {
    struct bb_fetch *f = NULL;
    BB_TRY(bb_fetch_begin(fetcher, request, &f, err));
    if (wait_for(f, answer, err) == BB_FETCH_DONE) {
        *out = f;
        return BB_OK;
    }
    bb_fetch_end(f);
    return BB_VERIFIER_UNAVAILABLE;
}
