/* The application behind the gateway for the benchmarks: takes connections on a Unix socket, drops
 * what they send, and closes each when it ends. Argument: PATH. Ends with standard input. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, EVENTS = 256, RUN_SECONDS_MAX = 3600 };

static void die(const char *what) {
    (void)fprintf(stderr, "bench_sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(int epoll, int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll_ctl");
}

static int listen_on(const char *path) {
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof un.sun_path)
        die(path);
    memcpy(un.sun_path, path, strlen(path));
    if (fd < 0 || bind(fd, (const struct sockaddr *)(const void *)&un, sizeof un) != 0 ||
        listen(fd, BACKLOG) != 0)
        die(path);
    return fd;
}

static void accept_all(int epoll, int listener) {
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        watch(epoll, fd);
    }
}

static void drain(int fd) {
    char dropped[65536];
    ssize_t n = read(fd, dropped, sizeof dropped);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        (void)close(fd);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        (void)fputs("usage: bench_sink PATH\n", stderr);
        return 1;
    }
    (void)alarm(RUN_SECONDS_MAX);
    int epoll = epoll_create1(EPOLL_CLOEXEC), listener = listen_on(argv[1]);
    watch(epoll, listener);
    watch(epoll, STDIN_FILENO);
    (void)puts("ready");
    (void)fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == STDIN_FILENO)
                return 0;
            if (fd == listener)
                accept_all(epoll, listener);
            else
                drain(fd);
        }
    }
}
