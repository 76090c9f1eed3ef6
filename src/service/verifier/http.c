#include "service/verifier/http.h"

#include "service/clock.h"
#include "service/log.h"
#include "service/verifier/framing.h"
#include "token/attest_request.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WATCH_MS = 250, BODY_FIRST = 16384 };

/* One open connection, for the watch. */
struct place {
    int fd; /* -1: free */
    int64_t since_ms;
};

struct bb_http_server {
    struct bb_verifier *verifier;
    struct MHD_Daemon *daemon;
    atomic_int requests; /* begun, not yet answered */
    atomic_bool draining;
    pthread_mutex_t lock; /* of the places */
    struct place place[BB_HTTP_CONNECTIONS_MAX];
    pthread_t watch;
    int wake[2]; /* its end makes the watch end */
};

/* One request while it comes in. */
struct request {
    struct bb_http_server *server;
    uint8_t *body;
    size_t len, cap;
    bool too_large, no_memory, unclear;
    int64_t whole_us; /* when it was there */
};

/* ---- connections ---- */

static void set_since(struct bb_http_server *s, struct place *p) {
    (void)pthread_mutex_lock(&s->lock);
    p->since_ms = bb_now_ms();
    (void)pthread_mutex_unlock(&s->lock);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what) {
    struct bb_http_server *s = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    (void)pthread_mutex_lock(&s->lock);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED && *context != NULL) {
        ((struct place *)*context)->fd = -1; /* before its number can be another's */
        *context = NULL;
    }
    for (size_t i = 0; what == MHD_CONNECTION_NOTIFY_STARTED && i < BB_HTTP_CONNECTIONS_MAX; i++) {
        if (s->place[i].fd >= 0)
            continue;
        s->place[i] = (struct place){.fd = info->connect_fd, .since_ms = bb_now_ms()};
        *context = &s->place[i];
        break;
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static struct place *place_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info == NULL ? NULL : info->socket_context;
}

/* The library ends silent connections; one that sends a byte now and then is ended here. */
static void end_slow(struct bb_http_server *s) {
    int64_t now = bb_now_ms();
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < BB_HTTP_CONNECTIONS_MAX; i++)
        if (s->place[i].fd >= 0 && now - s->place[i].since_ms > BB_HTTP_REQUEST_S * 1000)
            (void)shutdown(s->place[i].fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&s->lock);
}

static void *watch(void *arg) {
    struct bb_http_server *s = arg;
    struct pollfd end = {.fd = s->wake[0], .events = POLLIN};
    while (poll(&end, 1, WATCH_MS) == 0)
        end_slow(s);
    return NULL;
}

/* ---- requests ---- */

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code) {
    struct bb_http_server *s = cls;
    struct request *r = *context;
    struct place *p = place_of(connection);
    (void)code;
    if (p != NULL)
        set_since(s, p);
    if (r == NULL)
        return;
    free(r->body);
    free(r);
    *context = NULL;
    (void)atomic_fetch_sub(&s->requests, 1);
}

static struct request *begin(struct bb_http_server *s, struct MHD_Connection *connection) {
    struct request *r = calloc(1, sizeof *r);
    struct place *p = place_of(connection);
    if (r == NULL)
        return NULL;
    r->server = s;
    (void)atomic_fetch_add(&s->requests, 1);
    if (p != NULL)
        set_since(s, p);
    return r;
}

/* A body that is too large is read and dropped, so that its sender gets the answer. */
static void take_body(struct request *r, const char *data, size_t n) {
    if (r->too_large || r->no_memory)
        return;
    if (n > BB_ATTEST_BODY_MAX - r->len) {
        r->too_large = true;
        return;
    }
    if (n > r->cap - r->len) {
        size_t cap = r->cap == 0 ? BODY_FIRST : r->cap;
        while (cap < r->len + n)
            cap *= 2;
        uint8_t *more = realloc(r->body, cap);
        r->no_memory = more == NULL;
        if (more == NULL)
            return;
        r->body = more;
        r->cap = cap;
    }
    memcpy(r->body + r->len, data, n);
    r->len += n;
}

static const char *header(struct MHD_Connection *c, const char *name) {
    return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

struct version {
    const char *text;
    unsigned count;
};

static enum MHD_Result find_version(void *cls, enum MHD_ValueKind kind, const char *key,
                                    const char *value) {
    struct version *v = cls;
    (void)kind;
    if (strcmp(key, "api-version") == 0) {
        v->text = value;
        v->count++;
    }
    return MHD_YES;
}

static enum MHD_Result send_answer(struct MHD_Connection *c, const struct request *r,
                                   struct bb_http_answer *a) {
    static char none[] = "{\"error\":{\"code\":\"ServiceUnavailable\",\"message\":\"InternalError: "
                         "no memory\"}}";
    bool good = a->body != NULL;
    struct MHD_Response *response =
        good ? MHD_create_response_from_buffer(a->len, a->body, MHD_RESPMEM_MUST_FREE)
             : MHD_create_response_from_buffer(sizeof none - 1, none, MHD_RESPMEM_PERSISTENT);
    if (response == NULL)
        return MHD_NO;
    a->body = NULL; /* the response's */
    const char *const fields[][2] = {
        {"Content-Type", good ? a->type : "application/json"},
        {"Cache-Control", a->cache_control},
        {"Allow", a->allow},
        {"x-ms-error-code", good ? a->error_code : "ServiceUnavailable"},
        {"x-blindbox-compliance-basis", a->basis},
        {"Connection", r->unclear || atomic_load(&r->server->draining) ? "close" : NULL}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i][1] != NULL)
            (void)MHD_add_response_header(response, fields[i][0], fields[i][1]);
    enum MHD_Result result = MHD_queue_response(c, good ? a->status : 503, response);
    MHD_destroy_response(response);
    return result;
}

static void log_request(const struct bb_http_request *q, const struct bb_http_answer *a,
                        int64_t us) {
    char path[80], method[16];
    bb_escape(bb_span_str(q->path), path, sizeof path);
    bb_escape(bb_span_str(q->method), method, sizeof method);
    bb_log("verifier: %s %s %u us=%" PRId64 "%s%s", method, path, a->status, us,
           a->note[0] == '\0' ? "" : " ", a->note);
}

static enum MHD_Result answer(struct MHD_Connection *c, struct request *r, const char *method,
                              const char *url) {
    struct version version = {.text = NULL};
    struct bb_http_answer a;
    (void)MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, find_version, &version);
    const struct bb_http_request q = {
        .method = method,
        .path = url,
        .api_version = version.count > 1 ? "" : version.text,
        .content_type = header(c, "Content-Type"),
        .content_encoding = header(c, "Content-Encoding"),
        .accept = header(c, "Accept"),
        .body = bb_span(r->body, r->len),
        .body_too_large = r->too_large,
        .unclear = r->unclear,
    };
    if (r->no_memory)
        a = (struct bb_http_answer){.status = 503};
    else
        bb_verifier_answer(r->server->verifier, &q, (int64_t)time(NULL), &a);
    int64_t us = bb_now_us() - r->whole_us;
    bb_verifier_took(r->server->verifier, a.route, (uint64_t)us);
    log_request(&q, &a, us);
    enum MHD_Result result = send_answer(c, r, &a);
    bb_http_answer_done(&a);
    return result;
}

/* A body that is announced as much too large is not waited for, nor one whose sender waits for us. A
 * smaller one is read and dropped: who is cut off while he sends reads no answer. */
static bool announces_too_much(struct MHD_Connection *c) {
    const char *length = header(c, "Content-Length");
    unsigned long long n = length == NULL ? 0 : strtoull(length, NULL, 10);
    return n > BB_HTTP_DROPPED_MAX || (n > BB_ATTEST_BODY_MAX && header(c, "Expect") != NULL);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context) {
    struct request *r = *context;
    (void)version;
    if (r == NULL) { /* the head */
        r = *context = begin(cls, connection);
        if (r == NULL)
            return MHD_NO;
        r->unclear = !bb_http_framing_is_plain(connection);
        r->too_large = announces_too_much(connection);
        r->whole_us = bb_now_us();
        return r->unclear || r->too_large ? answer(connection, r, method, url) : MHD_YES;
    }
    if (*size > 0) {
        take_body(r, data, *size);
        *size = 0;
        return MHD_YES;
    }
    r->whole_us = bb_now_us();
    return answer(connection, r, method, url);
}

/* ---- the server ---- */

static void on_library_log(void *cls, const char *fmt, va_list args) {
    (void)cls, (void)fmt, (void)args; /* of single connections: what clients do is not news */
}

static bool start_daemon(struct bb_http_server *s, int listener, unsigned threads) {
    /* The pool's threads share the places evenly, so that each has at least one. */
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
        s, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
        MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)BB_HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)BB_HTTP_REQUEST_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)BB_VERIFIER_HEAD_MAX, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
        bb_http_unescape, NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_END);
    return s->daemon != NULL;
}

static void free_server(struct bb_http_server *s) {
    for (size_t i = 0; i < 2; i++)
        if (s->wake[i] >= 0)
            (void)close(s->wake[i]);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

enum bb_status bb_http_server_start(struct bb_verifier *verifier, int listener, unsigned threads,
                                    struct bb_http_server **out, struct bb_error *err) {
    struct bb_http_server *s = calloc(1, sizeof *s);
    if (s == NULL || pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        (void)close(listener);
        return bb_fail_internal(err, "memory for a server");
    }
    s->verifier = verifier;
    s->wake[0] = s->wake[1] = -1;
    for (size_t i = 0; i < BB_HTTP_CONNECTIONS_MAX; i++)
        s->place[i].fd = -1;
    bool piped = pipe2(s->wake, O_CLOEXEC) == 0;
    if (!piped || pthread_create(&s->watch, NULL, watch, s) != 0) {
        (void)close(listener);
        free_server(s);
        return bb_fail_internal(err, "the server's start");
    }
    if (!start_daemon(s, listener, threads)) {
        (void)close(listener);
        (void)close(s->wake[1]);
        s->wake[1] = -1;
        (void)pthread_join(s->watch, NULL);
        free_server(s);
        return bb_fail_internal(err, "the server's start");
    }
    *out = s;
    return BB_OK;
}

void bb_http_server_stop(struct bb_http_server *s) {
    int64_t end = bb_now_ms() + BB_HTTP_DRAIN_MS;
    bb_verifier_drain(s->verifier);
    atomic_store(&s->draining, true);
    int listener = MHD_quiesce_daemon(s->daemon);
    if (listener >= 0)
        (void)close(listener);
    while (atomic_load(&s->requests) > 0 && bb_now_ms() < end)
        (void)poll(NULL, 0, 10);
    MHD_stop_daemon(s->daemon);
    (void)close(s->wake[1]);
    s->wake[1] = -1;
    (void)pthread_join(s->watch, NULL);
    free_server(s);
}
