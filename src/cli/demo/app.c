#include "cli/demo/app.h"

#include "cli/demo/line.h"
#include "cli/demo/stop.h"
#include "cli/print_result.h"
#include "service/address.h"
#include "service/clock.h"
#include "service/tls.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 65536, REQUEST_MS = 5000 };

/* ---- reading a request ---- */

/* Where the body begins; 0 while the head is not whole. */
static size_t body_start(const char *request) {
    const char *end = strstr(request, "\r\n\r\n");
    return end == NULL ? 0 : (size_t)(end - request) + 4;
}

static size_t content_length(const char *request, size_t head) {
    static const char name[] = "\r\ncontent-length:";
    for (const char *at = request; at + sizeof name < request + head; at++)
        if (strncasecmp(at, name, sizeof name - 1) == 0)
            return (size_t)strtoul(at + sizeof name - 1, NULL, 10);
    return 0;
}

/* Head and body into `request`; the body's start to `head`, 0 if it did not come whole. */
static void read_request(struct bb_demo_peer *app, int fd, char *request, size_t *head) {
    int64_t deadline = bb_now_ms() + REQUEST_MS;
    size_t len = 0;
    *head = 0;
    while (len < REQUEST_MAX && bb_demo_peer_wait(app, fd, BB_IO_READ, deadline)) {
        ssize_t n = recv(fd, request + len, REQUEST_MAX - len, 0);
        if (n <= 0)
            return;
        app->app_bytes += (uint64_t)n;
        len += (size_t)n;
        request[len] = '\0';
        size_t start = body_start(request);
        size_t body = start == 0 ? 0 : content_length(request, start);
        if (start == 0 || body > len - start)
            continue;
        *head = start;
        return;
    }
}

/* ---- answering ---- */

static void send_all(struct bb_demo_peer *app, int fd, const char *text) {
    int64_t deadline = bb_now_ms() + REQUEST_MS;
    size_t len = strlen(text), sent = 0;
    while (sent < len && bb_demo_peer_wait(app, fd, BB_IO_WRITE, deadline)) {
        ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

static void answer(struct bb_demo_peer *app, int fd, const char *status, json_t *object) {
    char *body = json_dumps(object, JSON_COMPACT), *text = NULL;
    json_decref(object);
    if (body != NULL && asprintf(&text,
                                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                                 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                                 status, strlen(body) + 1, body) > 0)
        send_all(app, fd, text);
    free(text);
    free(body);
}

/* A language model of one line. */
static json_t *generate(const char *body) {
    char *output = NULL;
    json_t *asked = json_loads(body, 0, NULL);
    const char *input = json_string_value(json_object_get(asked, "input_text"));
    json_t *made = NULL;
    if (input != NULL && asprintf(&output, "%s\n    print(\"hello world\")", input) > 0)
        made = json_pack("{s:s}", "output", output);
    free(output);
    json_decref(asked);
    return made;
}

static void serve(struct bb_demo_peer *app, int fd) {
    static const char post[] = "POST /generate ";
    char *request = malloc(REQUEST_MAX + 1);
    size_t head = 0;
    if (request == NULL)
        return;
    read_request(app, fd, request, &head);
    bool asked = head != 0 && strncmp(request, post, sizeof post - 1) == 0;
    json_t *made = asked ? generate(request + head) : NULL;
    if (made != NULL)
        answer(app, fd, "200 OK", made);
    else if (head != 0)
        answer(app, fd, asked ? "400 Bad Request" : "404 Not Found",
               json_pack("{s:s}", "error", "POST /generate with {\"input_text\": \"...\"}"));
    free(request);
}

enum bb_status bb_demo_app_start(struct bb_demo_app *app, const char *listen,
                                 struct bb_error *err) {
    app->peer.serve = serve;
    return bb_demo_peer_start(&app->peer, listen, err);
}

/* Connections are served in their order: when this one is over, so are all before it. */
static bool probe(const char *address) {
    int64_t deadline = bb_now_ms() + 2 * REQUEST_MS;
    uint8_t byte = 0;
    ssize_t n = -1;
    int fd = bb_demo_dial(address);
    if (fd < 0)
        return false;
    do
        (void)shutdown(fd, SHUT_WR); /* works once it is connected */
    while ((n = recv(fd, &byte, 1, 0)) < 0 && bb_demo_wait(deadline));
    (void)close(fd);
    return n == 0;
}

enum bb_status bb_demo_app_counts(struct bb_demo_app *app, struct bb_demo_counts *out,
                                  struct bb_error *err) {
    app->probes++;
    if (!probe(app->peer.address))
        return bb_demo_gave_up("asking the application", err);
    out->bytes = app->peer.app_bytes;
    out->connections = app->peer.connections - app->probes;
    return BB_OK;
}

int bb_demo_app_main(const char *listen) {
    struct bb_demo_app app = {.probes = 0};
    struct bb_error err = {0};
    if (bb_demo_app_start(&app, listen, &err) != BB_OK) {
        bb_demo_peer_stop(&app.peer);
        return bb_error_print(stderr, &err);
    }
    (void)printf("listening on %s\n", app.peer.address);
    (void)fflush(stdout);
    while (!bb_demo_stopping())
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    bb_demo_peer_stop(&app.peer);
    return 0;
}
