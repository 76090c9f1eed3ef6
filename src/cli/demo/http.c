#include "cli/demo/http.h"

#include "cli/demo/line.h"
#include "service/clock.h"
#include "service/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTP_MS = 5000 };

/* Where the body begins; 0 while the head is not whole. */
static size_t body_start(const char *text) {
    const char *end = strstr(text, "\r\n\r\n");
    return end == NULL ? 0 : (size_t)(end - text) + 4;
}

static size_t content_length(const char *text, size_t head) {
    static const char name[] = "\r\ncontent-length:";
    for (const char *at = text; at + sizeof name < text + head; at++)
        if (strncasecmp(at, name, sizeof name - 1) == 0)
            return (size_t)strtoul(at + sizeof name - 1, NULL, 10);
    return 0;
}

size_t bb_demo_http_read(const struct bb_demo_peer *peer, int fd, char *text, size_t cap,
                         size_t *got) {
    int64_t deadline = bb_now_ms() + HTTP_MS;
    *got = 0;
    while (*got + 1 < cap && bb_demo_peer_wait(peer, fd, BB_IO_READ, deadline)) {
        ssize_t n = recv(fd, text + *got, cap - 1 - *got, 0);
        if (n <= 0)
            return 0;
        *got += (size_t)n;
        text[*got] = '\0';
        size_t start = body_start(text);
        if (start != 0 && content_length(text, start) <= *got - start)
            return start;
    }
    return 0;
}

void bb_demo_http_send(const struct bb_demo_peer *peer, int fd, const char *text) {
    int64_t deadline = bb_now_ms() + HTTP_MS;
    size_t len = strlen(text), sent = 0;
    while (sent < len && bb_demo_peer_wait(peer, fd, BB_IO_WRITE, deadline)) {
        ssize_t n = send(fd, text + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}

void bb_demo_http_answer(const struct bb_demo_peer *peer, int fd, const char *status,
                         const char *json) {
    char *text = NULL;
    if (asprintf(&text,
                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                 "Content-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                 status, strlen(json) + 1, json) > 0)
        bb_demo_http_send(peer, fd, text);
    free(text);
}

/* ---- as a client ---- */

static char *exchange(const struct bb_demo_peer *peer, int fd, const char *request) {
    static const char good[] = "HTTP/1.1 200 ";
    char *answer = malloc(BB_DEMO_HTTP_MAX), *body = NULL;
    size_t got = 0, head = 0;
    if (answer == NULL)
        return NULL;
    bb_demo_http_send(peer, fd, request);
    head = bb_demo_http_read(peer, fd, answer, BB_DEMO_HTTP_MAX, &got);
    if (head != 0 && strncmp(answer, good, sizeof good - 1) == 0)
        body = strdup(answer + head);
    free(answer);
    return body;
}

char *bb_demo_http_post(const struct bb_demo_peer *peer, const char *address, const char *path,
                        const char *json) {
    char *request = NULL, *body = NULL;
    int fd = bb_demo_dial(address);
    if (fd >= 0 && asprintf(&request,
                            "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                            path, address, strlen(json), json) > 0)
        body = exchange(peer, fd, request);
    free(request);
    if (fd >= 0)
        (void)close(fd);
    return body;
}
