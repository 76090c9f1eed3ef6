#include "cli/demo/app.h"

#include "cli/demo/http.h"
#include "cli/demo/line.h"
#include "cli/demo/stop.h"
#include "cli/print_result.h"
#include "service/address.h"
#include "service/clock.h"
#include "service/tls.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_MAX = 65536, REQUEST_MS = 5000 };

static void answer(const struct bb_demo_peer *app, int fd, const char *status, json_t *object) {
    char *body = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (body != NULL)
        bb_demo_http_answer(app, fd, status, body);
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
    char *request = malloc(REQUEST_MAX);
    size_t got = 0;
    if (request == NULL)
        return;
    size_t head = bb_demo_http_read(app, fd, request, REQUEST_MAX, &got);
    app->app_bytes += got;
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
