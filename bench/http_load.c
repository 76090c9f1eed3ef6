/* Load for an HTTP server on loopback: connections that send the same request again and again, each as
 * soon as the last answer is whole. Arguments: PORT CORE CONNECTIONS SECONDS BODY-FILE PATH. Prints
 * answers a second, those that were not 200, and its own load on its core, as JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNS_MAX = 256, REQUEST_MAX = 300000, ANSWER_MAX = 65536, EVENTS = 64 };

static char request[REQUEST_MAX];
static size_t request_len;
static struct conn {
    int fd;
    size_t sent, got, whole; /* whole: length of the answer with its head, 0: not known yet */
    char answer[ANSWER_MAX];
} conns[CONNS_MAX];
static unsigned long answers, bad;
static size_t body_bytes;

static void die(const char *what) {
    (void)fprintf(stderr, "bench_http_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds(clockid_t clock) {
    struct timespec t;
    (void)clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_request(const char *body_path, const char *path) {
    static char body[REQUEST_MAX / 2];
    FILE *in = fopen(body_path, "rb");
    if (in == NULL)
        die(body_path);
    size_t n = fread(body, 1, sizeof body, in);
    (void)fclose(in);
    int head = snprintf(request, sizeof request,
                        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n\r\n",
                        path, n);
    if (n == sizeof body || head < 0)
        die("the body is too large");
    memcpy(request + head, body, n);
    request_len = (size_t)head + n;
}

static void push(struct conn *c) {
    while (c->sent < request_len) {
        ssize_t n = send(c->fd, request + c->sent, request_len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            die("send");
        c->sent += (size_t)n;
    }
}

/* The answer's length, once its head is there. */
static void measure(struct conn *c) {
    static const char field[] = "\r\nContent-Length: ";
    c->answer[c->got] = '\0';
    const char *end = strstr(c->answer, "\r\n\r\n"), *length = strstr(c->answer, field);
    if (end == NULL)
        return;
    if (length == NULL || length > end)
        die("an answer without a length");
    body_bytes = strtoul(length + sizeof field - 1, NULL, 10);
    c->whole = (size_t)(end + 4 - c->answer) + body_bytes;
}

/* True: the answer is whole. */
static int pull(struct conn *c) {
    ssize_t n = recv(c->fd, c->answer + c->got, sizeof c->answer - 1 - c->got, 0);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0)
        die("the server closed a connection");
    c->got += (size_t)n;
    if (c->whole == 0)
        measure(c);
    return c->whole != 0 && c->got >= c->whole;
}

static void step(struct conn *c) {
    push(c);
    while (pull(c)) {
        answers++;
        bad += strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0;
        c->sent = c->got = c->whole = 0;
        push(c);
    }
}

static void dial(struct conn *c, in_port_t port, int epoll) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)(void *)&to, sizeof to) != 0)
        die("connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        die("epoll");
}

static void run_until(int epoll, double end) {
    struct epoll_event events[EVENTS];
    while (seconds(CLOCK_MONOTONIC) < end) {
        int n = epoll_wait(epoll, events, EVENTS, 100);
        for (int i = 0; i < n; i++)
            step(events[i].data.ptr);
    }
}

int main(int argc, char **argv) {
    const double warm = 0.3;
    cpu_set_t set;
    if (argc != 7) {
        (void)fputs("usage: bench_http_load PORT CORE CONNECTIONS SECONDS BODY-FILE PATH\n",
                    stderr);
        return 1;
    }
    int n = (int)strtol(argv[3], NULL, 10), epoll = epoll_create1(EPOLL_CLOEXEC);
    CPU_ZERO(&set);
    CPU_SET(strtoul(argv[2], NULL, 10), &set);
    if (n < 1 || n > CONNS_MAX || epoll < 0 || sched_setaffinity(0, sizeof set, &set) != 0)
        die("setup");
    make_request(argv[5], argv[6]);
    for (int i = 0; i < n; i++)
        dial(&conns[i], (in_port_t)strtoul(argv[1], NULL, 10), epoll);
    run_until(epoll, seconds(CLOCK_MONOTONIC) + warm);
    unsigned long before = answers;
    double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    run_until(epoll, begin + strtod(argv[4], NULL));
    double took = seconds(CLOCK_MONOTONIC) - begin;
    (void)printf("{\"per_second\": %.1f, \"answers\": %lu, \"finished\": %lu, \"bad\": %lu, "
                 "\"answer_bytes\": %zu, \"cpu_share\": %.3f}\n",
                 (double)(answers - before) / took, answers - before, answers, bad, body_bytes,
                 (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / took);
    return 0;
}
