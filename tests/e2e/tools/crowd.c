/* Many clients in one process, for the tests: N attested connections to ADDRESS, at most
 * CONCURRENCY at a time, one JSON line each. With --start each one goes on to OPEN; with --hold
 * they stay open, after a line "holding", until stdin ends. With --ask each makes a request of its
 * own, GET /n, and its row is followed by what came of it: "answered" with the number of answers
 * that were whole and its own. With --hold, too, a line on stdin makes them all ask at once. */
#include "appraise/policy.h"
#include "base/hex.h"
#include "service/clock.h"
#include "service/session.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CROWD_MAX = 20000, ANSWER_MAX = 512, ANSWER_MS = 60000 };

struct crowd {
    struct bb_policy *policy;
    struct bb_tls_context *tls;
    struct bb_target target;
    struct bb_session_options options;
    size_t n, concurrency, begun, ended, busy;
    bool start, hold, ask;
    size_t answered;
    int64_t t0;
    struct bb_session *session[CROWD_MAX];
    unsigned port[CROWD_MAX];
    unsigned want[CROWD_MAX];
    struct pollfd fds[CROWD_MAX];
    size_t at[CROWD_MAX]; /* fds[i] belongs to session[at[i]] */
};

static void local_port(struct crowd *c, size_t i) {
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof own;
    /* The port stands at the same place for both families. */
    if (getsockname(bb_session_fd(c->session[i]), (struct sockaddr *)&own, &len) == 0)
        c->port[i] = ntohs(((const struct sockaddr_in *)(const void *)&own)->sin_port);
}

static const char *field_of(const struct bb_session *s) {
    const struct bb_result *r = bb_session_result(s);
    if (bb_session_error(s)->status != BB_OK)
        return bb_session_error(s)->field;
    return r->verdict == BB_VERDICT_REFUSED ? bb_check_name(r->first_failed) : "";
}

static void print(const struct crowd *c, size_t i) {
    const struct bb_session *s = c->session[i];
    const struct bb_client_bound *b = bb_session_bound(s);
    enum bb_status status = bb_session_status(s);
    char leaf[BB_HEX_SIZE(48)] = "", batch[BB_HEX_SIZE(BB_BATCH_ID_SIZE)] = "";
    if (b != NULL) {
        bb_hex_encode(BB_SPAN_OF(b->leaf), leaf, sizeof leaf);
        bb_hex_encode(bb_span(b->d, BB_BATCH_ID_SIZE), batch, sizeof batch);
    }
    (void)printf("{\"n\": %zu, \"port\": %u, \"verdict\": \"%s\", \"class\": \"%s\", \"exit\": %d,"
                 " \"field\": \"%s\", \"leaf\": \"%s\", \"batch\": \"%s\", \"index\": %" PRIu32
                 ", \"retry_ms\": %" PRIu64 ", \"ms\": %" PRId64 "}\n",
                 i, c->port[i], status == BB_OK ? "accepted" : "refused",
                 status == BB_OK ? "" : bb_status_name(status), bb_status_exit(status), field_of(s),
                 leaf, batch, b == NULL ? 0 : b->response.index, bb_session_retry_ms(s),
                 bb_now_ms() - c->t0);
}

/* ---- requests: written by all before the first answer is read ---- */

static bool wait_for(const struct bb_session *s, unsigned want) {
    struct pollfd fd = {.fd = bb_session_fd(s),
                        .events = (short)((want & BB_IO_WRITE) != 0 ? POLLOUT : POLLIN)};
    return want != 0 && poll(&fd, 1, ANSWER_MS) == 1;
}

static bool ask(const struct crowd *c, size_t i) {
    char text[128];
    size_t n = 0;
    int len = snprintf(text, sizeof text, "GET /%zu HTTP/1.1\r\nHost: app\r\n\r\n", i);
    for (;;) {
        unsigned want = 0;
        enum bb_tls_io io =
            bb_tls_write(bb_session_tls(c->session[i]), bb_span(text, (size_t)len), &n);
        if (io == BB_TLS_OK)
            return n == (size_t)len;
        if (!bb_tls_waits(io, &want) || !wait_for(c->session[i], want))
            return false;
    }
}

/* Whether the answer is whole, and this request's. */
static bool hear(const struct crowd *c, size_t i) {
    char answer[ANSWER_MAX + 1], expected[64];
    size_t have = 0, n = 0;
    int len = snprintf(expected, sizeof expected, "\r\n\r\nyou asked for /%zu\n", i);
    while (have < ANSWER_MAX) {
        unsigned want = 0;
        enum bb_tls_io io = bb_tls_read(bb_session_tls(c->session[i]), (uint8_t *)answer + have,
                                        ANSWER_MAX - have, &n);
        if (io != BB_TLS_OK && (!bb_tls_waits(io, &want) || !wait_for(c->session[i], want)))
            return false;
        have += io == BB_TLS_OK ? n : 0;
        if (have >= (size_t)len && memcmp(answer + have - len, expected, (size_t)len) == 0)
            return true;
    }
    return false;
}

static void ask_all(struct crowd *c) {
    static bool asked[CROWD_MAX];
    c->answered = 0;
    for (size_t i = 0; i < c->n; i++)
        asked[i] = c->session[i] != NULL && ask(c, i);
    for (size_t i = 0; i < c->n; i++)
        c->answered += asked[i] && hear(c, i);
}

static void tell_answered(const struct crowd *c) {
    (void)printf("{\"answered\": %zu}\n", c->answered);
    (void)fflush(stdout);
}

static void end(struct crowd *c, size_t i) {
    print(c, i);
    c->ended++;
    c->busy--;
    if (c->ask && !c->hold && bb_session_status(c->session[i]) == BB_OK)
        c->answered += ask(c, i) && hear(c, i);
    if (c->hold && bb_session_status(c->session[i]) == BB_OK)
        return;
    bb_session_free(c->session[i]);
    c->session[i] = NULL;
}

static bool is_over(struct crowd *c, size_t i) {
    struct bb_session *s = c->session[i];
    switch (bb_session_step(s, &c->want[i])) {
    case BB_SESSION_REFUSED:
    case BB_SESSION_OPEN:
        return true;
    case BB_SESSION_ACCEPTED:
        if (!c->start)
            return true;
        bb_session_start(s);
        return is_over(c, i);
    case BB_SESSION_CONNECTING:
    case BB_SESSION_HANDSHAKE:
    case BB_SESSION_EXCHANGE:
    case BB_SESSION_VERIFYING:
    case BB_SESSION_STARTING:
        break;
    }
    local_port(c, i);
    return false;
}

static bool begin(struct crowd *c) {
    struct bb_error err = {0};
    size_t i = c->begun;
    if (bb_session_new(&c->options, &c->session[i], &err) != BB_OK) {
        (void)fprintf(stderr, "crowd: %s\n", err.text);
        return false;
    }
    c->begun++;
    c->busy++;
    local_port(c, i);
    if (is_over(c, i))
        end(c, i);
    return true;
}

/* Waits for those that are under way and takes each a step further. */
static void turn(struct crowd *c) {
    size_t n = 0;
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < c->begun && n < c->busy; i++) {
        struct bb_session *s = c->session[i];
        if (s == NULL || bb_session_deadline(s) == INT64_MAX)
            continue; /* held */
        if (bb_session_deadline(s) < next)
            next = bb_session_deadline(s);
        c->at[n] = i;
        c->fds[n++] =
            (struct pollfd){.fd = bb_session_fd(s),
                            .events = (short)(((c->want[i] & BB_IO_READ) != 0 ? POLLIN : 0) |
                                              ((c->want[i] & BB_IO_WRITE) != 0 ? POLLOUT : 0))};
    }
    int64_t left = next - bb_now_ms();
    (void)poll(c->fds, n, left < 0 ? 0 : left > 1000 ? 1000 : (int)left);
    for (size_t k = 0; k < n; k++) {
        size_t i = c->at[k];
        if (bb_now_ms() >= bb_session_deadline(c->session[i]))
            (void)bb_session_expire(c->session[i]);
        else if (c->fds[k].revents == 0)
            continue;
        if (is_over(c, i))
            end(c, i);
    }
}

static bool run(struct crowd *c) {
    c->t0 = bb_now_ms();
    while (c->ended < c->n) {
        while (c->begun < c->n && c->busy < c->concurrency)
            if (!begin(c))
                return false;
        if (c->busy > 0)
            turn(c);
    }
    if (c->hold) {
        char byte = 0;
        (void)puts("holding");
        (void)fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0) {
            if (c->ask)
                ask_all(c);
            tell_answered(c);
        }
    }
    if (c->ask && !c->hold)
        tell_answered(c);
    return true;
}

static bool prepare(struct crowd *c, char **argv) {
    char source[512];
    struct bb_error err = {0};
    struct rlimit files = {0};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    c->n = strtoul(argv[2], NULL, 10);
    c->concurrency = strtoul(argv[3], NULL, 10);
    if (c->n > CROWD_MAX || c->concurrency == 0 ||
        bb_policy_load(argv[1], &c->policy, source, sizeof source, &err) != BB_OK ||
        bb_tls_client_new(&c->tls, &err) != BB_OK ||
        bb_target_resolve(argv[0], &c->target, &err) != BB_OK) {
        (void)fprintf(stderr, "crowd: %s\n", err.text);
        return false;
    }
    c->options.target = &c->target;
    c->options.tls = c->tls;
    c->options.policy = c->policy;
    return true;
}

int main(int argc, char **argv) {
    static const struct option options[] = {{"start", no_argument, NULL, 's'},
                                            {"hold", no_argument, NULL, 'h'},
                                            {"ask", no_argument, NULL, 'a'},
                                            {"wait", required_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    static struct crowd c;
    int option = 0;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        c.start |= option == 's' || option == 'h' || option == 'a';
        c.hold |= option == 'h';
        c.ask |= option == 'a';
        if (option == 'w')
            c.options.wait_ms = (uint32_t)strtoul(optarg, NULL, 10);
    }
    if (argc - optind != 4) {
        (void)fputs(
            "usage: crowd [--start] [--hold] [--ask] [--wait MS] ADDRESS POLICY N CONCURRENCY\n",
            stderr);
        return 1;
    }
    bool good = prepare(&c, argv + optind) && run(&c);
    for (size_t i = 0; i < c.begun; i++)
        bb_session_free(c.session[i]);
    bb_tls_context_free(c.tls);
    bb_policy_free(c.policy);
    return good ? 0 : 1;
}
