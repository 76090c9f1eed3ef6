#include "cli/demo/user.h"

#include "cli/demo/stop.h"
#include "service/clock.h"

#include <poll.h>
#include <stdio.h>

enum { WAIT_MS = 10000, QUERY_MS = 10000, SLICE_MS = 100 };

/* A signal ends the wait, and so does the end of a slice. */
static void wait_for(const struct bb_session *s, unsigned want) {
    struct pollfd p = {.fd = bb_session_fd(s),
                       .events = (short)(((want & BB_IO_READ) != 0 ? POLLIN : 0) |
                                         ((want & BB_IO_WRITE) != 0 ? POLLOUT : 0))};
    (void)poll(&p, 1, SLICE_MS);
}

/* To OPEN or REFUSED. */
static enum bb_status run(struct bb_session *s, bool *open, struct bb_error *err) {
    for (;;) {
        unsigned want = 0;
        enum bb_session_state state = bb_session_step(s, &want);
        *open = state == BB_SESSION_OPEN;
        if (*open || state == BB_SESSION_REFUSED)
            return BB_OK;
        if (bb_demo_stopping())
            return bb_demo_gave_up("attesting", err);
        if (state == BB_SESSION_ACCEPTED)
            bb_session_start(s);
        else
            wait_for(s, want);
        (void)bb_session_expire(s);
    }
}

/* ---- the query ---- */

static bool go_on(const struct bb_session *s, enum bb_tls_io io, int64_t deadline) {
    unsigned want = 0;
    if (!bb_tls_waits(io, &want) || bb_demo_stopping() || bb_now_ms() >= deadline)
        return false;
    wait_for(s, want);
    return true;
}

static bool send_query(struct bb_demo_user *u, int64_t deadline) {
    char request[512];
    enum bb_tls_io io = BB_TLS_OK;
    struct bb_tls *tls = bb_session_tls(u->session);
    int len = snprintf(request, sizeof request,
                       "POST /generate HTTP/1.1\r\nHost: app\r\nContent-Type: application/json\r\n"
                       "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                       sizeof BB_DEMO_QUERY - 1, BB_DEMO_QUERY);
    for (size_t n = 0; u->sent < (size_t)len; u->sent += n) {
        do
            io = bb_tls_write(tls, bb_span(request + u->sent, (size_t)len - u->sent), &n);
        while (go_on(u->session, io, deadline));
        if (io != BB_TLS_OK)
            return false;
    }
    return true;
}

/* To the end of the connection, which must be in order. */
static bool read_answer(struct bb_demo_user *u, int64_t deadline) {
    enum bb_tls_io io = BB_TLS_OK;
    struct bb_tls *tls = bb_session_tls(u->session);
    size_t len = 0, n = 0;
    do {
        io = bb_tls_read(tls, (uint8_t *)u->answer + len, sizeof u->answer - 1 - len, &n);
        len += io == BB_TLS_OK ? n : 0;
    } while (len < sizeof u->answer - 1 && (io == BB_TLS_OK || go_on(u->session, io, deadline)));
    u->answer[len] = '\0';
    return io == BB_TLS_EOF;
}

/* Keeps the body, without its line end. */
static bool keep_body(char *answer) {
    char *body = strstr(answer, "\r\n\r\n");
    if (strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || body == NULL)
        return false;
    memmove(answer, body + 4, strlen(body + 4) + 1);
    answer[strcspn(answer, "\r\n")] = '\0';
    return true;
}

/* A peer that was accepted and does not answer leaves `answer` empty: for the caller to judge. */
static enum bb_status query(struct bb_demo_user *u, struct bb_error *err) {
    int64_t began = bb_now_us(), deadline = bb_now_ms() + QUERY_MS;
    if (!send_query(u, deadline) || !read_answer(u, deadline) || !keep_body(u->answer))
        u->answer[0] = '\0';
    if (bb_demo_stopping())
        return bb_demo_gave_up("the query", err);
    u->query_us = bb_now_us() - began;
    (void)bb_tls_close_notify(bb_session_tls(u->session));
    return BB_OK;
}

enum bb_status bb_demo_user_query(struct bb_demo_user *user, const char *address,
                                  const struct bb_policy *policy, const struct bb_demo_net *net,
                                  struct bb_error *err) {
    *user = (struct bb_demo_user){0};
    BB_TRY(bb_target_resolve(address, &user->target, err));
    BB_TRY(bb_tls_client_new(&user->tls, err));
    struct bb_session_options options = {.target = &user->target,
                                         .tls = user->tls,
                                         .policy = policy,
                                         .wait_ms = WAIT_MS,
                                         .fetcher = net->fetcher,
                                         .keysets = net->keysets};
    BB_TRY(bb_session_new(&options, &user->session, err));
    BB_TRY(run(user->session, &user->open, err));
    return user->open ? query(user, err) : BB_OK;
}

void bb_demo_user_done(struct bb_demo_user *user) {
    bb_session_free(user->session);
    bb_tls_context_free(user->tls);
    user->session = NULL;
    user->tls = NULL;
}

/* ---- what it met ---- */

/* Where the refusal happened: a check of the appraisal, or before that a field. */
static void where(const struct bb_session *s, struct bb_demo_outcome *out) {
    const struct bb_error *e = bb_session_error(s);
    const struct bb_result *r = bb_session_result(s);
    const struct bb_check *c = &r->checks[r->first_failed];
    bool early = e->status != BB_OK;
    bb_copy_text(out->field, sizeof out->field, early ? e->field : bb_check_name(r->first_failed));
    bb_copy_text(out->expected, sizeof out->expected, early ? e->expected : c->expected);
    bb_copy_text(out->found, sizeof out->found, early ? e->found : c->found);
}

void bb_demo_user_outcome(const struct bb_demo_user *user, struct bb_demo_outcome *out) {
    *out = (struct bb_demo_outcome){.status = bb_session_status(user->session)};
    if (user->open)
        return;
    if (out->status == BB_OK)
        out->status = BB_INTERNAL; /* refused without a class: never an acceptance */
    out->exit = bb_status_exit(out->status);
    bb_status_message(out->status, out->text, sizeof out->text);
    where(user->session, out);
}
