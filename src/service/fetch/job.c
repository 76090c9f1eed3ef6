#include "service/fetch/job.h"

#include "service/clock.h"
#include "service/fetch/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IDLE_MS = 60000 };

static void end(struct bb_jobs *jobs, struct bb_job *job) {
    jobs->running -= job->state == BB_JOB_RUNNING ? 1 : 0;
    bb_transfer_free(job->transfer);
    (void)close(job->reply); /* leaves epoll with that */
    free(job->request);
    free(job->body);
    *job = (struct bb_job){.state = BB_JOB_FREE};
}

static void watch(const struct bb_jobs *jobs, struct bb_job *job, int operation, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = job};
    (void)epoll_ctl(jobs->epoll, operation, job->reply, &e);
}

/* One datagram: head, then pieces. False: not now, or never (`errno`). */
static bool send_piece(struct bb_job *job) {
    size_t left = job->answer.body_len - job->sent;
    size_t n = left < BB_FETCH_PIECE_MAX ? left : BB_FETCH_PIECE_MAX;
    const void *data = job->has_head ? (const void *)(job->body + job->sent) : &job->answer;
    if (send(job->reply, data, job->has_head ? n : sizeof job->answer,
             MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return false;
    job->sent += job->has_head ? n : 0;
    job->has_head = true;
    return true;
}

static void send_answer(struct bb_jobs *jobs, struct bb_job *job) {
    bool good = true;
    while (good && (!job->has_head || job->sent < job->answer.body_len))
        good = send_piece(job);
    if (!good && errno == EAGAIN)
        watch(jobs, job, EPOLL_CTL_MOD, EPOLLRDHUP | EPOLLOUT);
    else
        end(jobs, job);
}

static void answer(struct bb_jobs *jobs, struct bb_job *job) {
    jobs->running -= job->state == BB_JOB_RUNNING ? 1 : 0;
    bb_transfer_free(job->transfer);
    job->transfer = NULL;
    job->state = BB_JOB_SENDING;
    job->deadline_ms = bb_now_ms() + BB_FETCH_TAKEN_MS;
    send_answer(jobs, job);
}

static void fail(struct bb_jobs *jobs, struct bb_job *job, enum bb_fetch_failure failure,
                 const char *text) {
    job->answer = (struct bb_fetch_wire_answer){.failure = failure};
    bb_copy_text(job->answer.text, sizeof job->answer.text, text);
    answer(jobs, job);
}

void bb_job_event(struct bb_jobs *jobs, struct bb_job *job, uint32_t events) {
    if (job->state == BB_JOB_FREE) /* ended by an earlier event of the same round */
        return;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        end(jobs, job);
    else if (job->state == BB_JOB_SENDING)
        send_answer(jobs, job);
}

/* Ours is the same build; all the same, what it may ask is decided here too. */
static bool is_sound(const struct bb_fetch_wire_request *r, size_t n) {
    struct bb_fetch_url again;
    if (n < BB_FETCH_REQUEST_HEAD || n != BB_FETCH_REQUEST_HEAD + r->body_len ||
        r->max > BB_FETCH_BODY_MAX || memchr(r->url.text, 0, sizeof r->url.text) == NULL ||
        memchr(r->url.socket, 0, sizeof r->url.socket) == NULL ||
        memchr(r->accept, 0, sizeof r->accept) == NULL ||
        memchr(r->ca_file, 0, sizeof r->ca_file) == NULL || strpbrk(r->accept, "\r\n") != NULL)
        return false;
    return bb_fetch_url_join(r->url.text, NULL, &again, NULL) == BB_OK;
}

static struct bb_job *free_job(struct bb_jobs *jobs) {
    for (size_t i = 0; i < BB_FETCH_JOBS_MAX; i++)
        if (jobs->job[i].state == BB_JOB_FREE)
            return &jobs->job[i];
    return NULL;
}

static void turn_away(int reply, const char *text) {
    struct bb_fetch_wire_answer no = {.failure = BB_FETCH_PROCESS};
    bb_copy_text(no.text, sizeof no.text, text);
    (void)send(reply, &no, sizeof no, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(reply);
}

/* Owns `reply`. */
static void take(struct bb_jobs *jobs, const struct bb_fetch_wire_request *r, size_t n, int reply) {
    struct bb_job *job = free_job(jobs);
    if (job == NULL || !is_sound(r, n)) {
        turn_away(reply, job == NULL ? "too many requests at once" : "the request is not sound");
        return;
    }
    struct bb_fetch_wire_request *copy = malloc(n);
    if (copy == NULL) {
        turn_away(reply, "no memory for the request");
        return;
    }
    memcpy(copy, r, n);
    int room = 1 << 20;
    (void)setsockopt(reply, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    *job = (struct bb_job){.state = BB_JOB_QUEUED,
                           .reply = reply,
                           .turn = jobs->turns++,
                           .deadline_ms = r->deadline_ms,
                           .request = copy};
    watch(jobs, job, EPOLL_CTL_ADD, EPOLLRDHUP);
}

/* The one descriptor of a message; others are closed. -1: none. */
static int attached(struct msghdr *m) {
    int reply = -1, fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; at + sizeof fd <= c->cmsg_len - CMSG_LEN(0); at += sizeof fd) {
            memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            if (reply >= 0)
                (void)close(reply);
            reply = fd;
        }
    }
    return reply;
}

bool bb_jobs_receive(struct bb_jobs *jobs, int control) {
    static union {
        struct bb_fetch_wire_request request;
        uint8_t bytes[BB_FETCH_REQUEST_HEAD + BB_FETCH_BODY_MAX];
    } in;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } aux;
    struct iovec iov = {.iov_base = in.bytes, .iov_len = sizeof in.bytes};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = aux.space,
                       .msg_controllen = sizeof aux.space};
    ssize_t n = recvmsg(control, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    int reply = attached(&m);
    if (reply >= 0)
        take(jobs, &in.request, (m.msg_flags & MSG_TRUNC) != 0 ? 0 : (size_t)n, reply);
    return n > 0;
}

static struct bb_job *next_queued(struct bb_jobs *jobs) {
    struct bb_job *next = NULL;
    for (size_t i = 0; i < BB_FETCH_JOBS_MAX; i++) {
        struct bb_job *job = &jobs->job[i];
        if (job->state == BB_JOB_QUEUED && (next == NULL || job->turn < next->turn))
            next = job;
    }
    return next;
}

static void start_queued(struct bb_jobs *jobs) {
    struct bb_job *job = NULL;
    while (jobs->running < BB_FETCH_TRANSFERS_MAX && (job = next_queued(jobs)) != NULL) {
        job->transfer = bb_transfer_new(jobs->transfers, job->request, job);
        if (job->transfer == NULL) {
            fail(jobs, job, BB_FETCH_PROCESS, "no memory for a transfer");
            continue;
        }
        job->state = BB_JOB_RUNNING;
        jobs->running++;
    }
}

/* Those that run have their deadline from libcurl. */
static void expire(struct bb_jobs *jobs) {
    int64_t now = bb_now_ms();
    for (size_t i = 0; i < BB_FETCH_JOBS_MAX; i++) {
        struct bb_job *job = &jobs->job[i];
        if (job->state == BB_JOB_SENDING && now >= job->deadline_ms)
            end(jobs, job);
        else if (job->state == BB_JOB_QUEUED && now >= job->deadline_ms)
            fail(jobs, job, BB_FETCH_TIME, "too many requests before it");
    }
}

void bb_jobs_step(struct bb_jobs *jobs) {
    struct bb_fetch_wire_answer head;
    uint8_t *body = NULL;
    struct bb_job *job = NULL;
    while ((job = bb_transfers_next(jobs->transfers, &head, &body)) != NULL) {
        job->answer = head;
        job->body = body;
        answer(jobs, job);
    }
    expire(jobs);
    start_queued(jobs);
}

int bb_jobs_timeout(const struct bb_jobs *jobs) {
    int64_t now = bb_now_ms(), left = IDLE_MS;
    for (size_t i = 0; i < BB_FETCH_JOBS_MAX; i++) {
        const struct bb_job *job = &jobs->job[i];
        bool own = job->state == BB_JOB_SENDING || job->state == BB_JOB_QUEUED;
        if (own && job->deadline_ms - now < left)
            left = job->deadline_ms - now;
    }
    return left < 0 ? 0 : (int)left;
}
