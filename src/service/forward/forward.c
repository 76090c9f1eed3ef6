#include "service/forward/conn.h"

#include "base/hex.h"
#include "crypto/digest.h"
#include "service/acceptor.h"
#include "service/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECRET_SIZE = 16, LAST_WORDS_S = 1, NOT_ATTESTED = 125, NOT_RUN = 127 };

struct forward {
    struct bb_forward_host host;
    int listener;
    size_t open_max;
    struct bb_acceptor acceptor;
    struct event *signals[5], *enough;
    void (*own_sigpipe)(int); /* what the child gets back */
    pid_t child;
    int child_status;
};

static void on_accept(void *arg, int fd, const struct sockaddr_storage *peer) {
    struct forward *f = arg;
    (void)peer;
    if (f->host.open < f->open_max) {
        bb_forward_conn_new(&f->host, fd);
        return;
    }
    bb_reset_on_close(fd, true);
    (void)close(fd);
}

static enum bb_status open_listener(struct forward *f, struct bb_error *err) {
    const struct bb_forward_options *o = f->host.options;
    BB_TRY(bb_target_resolve(o->to, &f->host.target, err));
    return bb_listen(o->listen, !o->unsafe_listen, &f->listener, err);
}

static enum bb_status start(struct forward *f, struct bb_error *err) {
    /* A reader of the messages that left ends no connection. */
    f->own_sigpipe = signal(SIGPIPE, SIG_IGN);
    BB_TRY(open_listener(f, err));
    f->host.base = event_base_new();
    if (f->host.base == NULL)
        return bb_fail_internal(err, "making an event loop");
    if (!bb_acceptor_open(&f->acceptor, f->host.base, f->listener, on_accept, f) ||
        !bb_acceptor_start(&f->acceptor))
        return bb_fail_internal(err, "making an event loop");
    return BB_OK;
}

static void address_of(const struct forward *f, char *out, size_t cap) {
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof own;
    if (getsockname(f->listener, (struct sockaddr *)&own, &len) != 0 || own.ss_family == AF_UNIX)
        bb_copy_text(out, cap, f->host.options->listen);
    else
        bb_address_text(&own, out, cap);
}

static bool watch_signal(struct forward *f, size_t i, int number, event_callback_fn call) {
    f->signals[i] = evsignal_new(f->host.base, number, call, f);
    return f->signals[i] != NULL && event_add(f->signals[i], NULL) == 0;
}

static void stop(struct forward *f) {
    for (size_t i = 0; i < sizeof f->signals / sizeof f->signals[0]; i++)
        if (f->signals[i] != NULL)
            event_free(f->signals[i]);
    if (f->enough != NULL)
        event_free(f->enough);
    bb_acceptor_close(&f->acceptor);
    if (f->listener >= 0) {
        (void)close(f->listener);
        if (strncmp(f->host.options->listen, "unix:", 5) == 0)
            (void)unlink(f->host.options->listen + 5);
    }
    bb_forward_conns_end(&f->host);
    if (f->host.base != NULL)
        event_base_free(f->host.base);
}

static void on_stop(evutil_socket_t number, short what, void *arg) {
    struct forward *f = arg;
    (void)number;
    (void)what;
    (void)event_base_loopbreak(f->host.base);
}

int bb_forward_run(const struct bb_forward_options *options,
                   void (*listening)(void *ctx, const char *address), struct bb_error *err) {
    struct forward f = {.host = {.options = options}, .listener = -1};
    char address[128];
    f.open_max = bb_connections_possible(BB_FORWARD_CONNECTIONS_MAX);
    enum bb_status status = start(&f, err);
    if (status == BB_OK &&
        (!watch_signal(&f, 0, SIGTERM, on_stop) || !watch_signal(&f, 1, SIGINT, on_stop)))
        status = bb_fail_internal(err, "watching signals");
    if (status == BB_OK) {
        address_of(&f, address, sizeof address);
        listening(options->ctx, address);
        (void)event_base_dispatch(f.host.base);
    }
    stop(&f);
    return bb_status_exit(status);
}

/* ---- for one child program ---- */

/* What the child sent before it ended may still be on its way. */
static bool has_last_words(struct forward *f) {
    static const struct timeval limit = {.tv_sec = LAST_WORDS_S};
    f->host.ending = true;
    return f->host.open > 0 && event_add(f->enough, &limit) == 0;
}

static void on_child(evutil_socket_t number, short what, void *arg) {
    struct forward *f = arg;
    (void)number;
    (void)what;
    if (waitpid(f->child, &f->child_status, WNOHANG) == f->child && !has_last_words(f))
        (void)event_base_loopbreak(f->host.base);
}

/* A terminal sends its interrupts to its whole foreground group: to the child too. */
static bool is_from_terminal(int number) {
    if (number != SIGINT && number != SIGQUIT)
        return false;
    int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    bool both = terminal >= 0 && tcgetpgrp(terminal) == getpgrp();
    if (terminal >= 0)
        (void)close(terminal);
    return both;
}

static void on_pass(evutil_socket_t number, short what, void *arg) {
    const struct forward *f = arg;
    (void)what;
    if (!is_from_terminal((int)number))
        (void)kill(f->child, (int)number);
}

static bool set_environment(const char *proxy) {
    static const char *const set[] = {"http_proxy",  "HTTP_PROXY", "https_proxy",
                                      "HTTPS_PROXY", "all_proxy",  "ALL_PROXY"};
    bool good = unsetenv("no_proxy") == 0 && unsetenv("NO_PROXY") == 0 &&
                setenv("NODE_USE_ENV_PROXY", "1", 1) == 0;
    for (size_t i = 0; good && i < sizeof set / sizeof set[0]; i++)
        good = setenv(set[i], proxy, 1) == 0;
    return good;
}

/* The child gets the signals and limits that we were started with: libevent has not touched them
 * before the fork. */
static pid_t spawn(const struct forward *f, const char *proxy, char **argv) {
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)signal(SIGPIPE, f->own_sigpipe);
    if (set_environment(proxy))
        (void)execvp(argv[0], argv);
    (void)fprintf(stderr, "blindbox exec: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(NOT_RUN);
}

static int exec_code(const struct forward *f) {
    if (f->host.refused > 0 && f->host.attested == 0)
        return NOT_ATTESTED;
    return WIFEXITED(f->child_status) ? WEXITSTATUS(f->child_status)
                                      : 128 + WTERMSIG(f->child_status);
}

int bb_forward_exec(const struct bb_forward_options *options, char **argv, struct bb_error *err) {
    struct forward f = {.host = {.options = options}, .listener = -1};
    uint8_t secret[SECRET_SIZE];
    char hex[BB_HEX_SIZE(SECRET_SIZE)], user[64], address[128], proxy[256];
    int code = 1;
    enum bb_status status = start(&f, err);
    if (status == BB_OK && !bb_random(secret, sizeof secret))
        status = bb_fail_internal(err, "making a secret");
    if (status != BB_OK) {
        stop(&f);
        return bb_status_exit(status);
    }
    bb_hex_encode(BB_SPAN_OF(secret), hex, sizeof hex);
    (void)snprintf(user, sizeof user, "blindbox:%s", hex);
    address_of(&f, address, sizeof address);
    (void)snprintf(proxy, sizeof proxy, "http://%s@%s", user, address);
    f.host.user_password = user;
    (void)signal(SIGCHLD, SIG_DFL); /* inherited as ignored, the child's end would be lost */
    f.child = spawn(&f, proxy, argv);
    f.open_max = bb_connections_possible(BB_FORWARD_CONNECTIONS_MAX);
    f.enough = evtimer_new(f.host.base, on_stop, &f);
    if (f.child > 0 && f.enough != NULL && watch_signal(&f, 0, SIGCHLD, on_child) &&
        watch_signal(&f, 1, SIGTERM, on_pass) && watch_signal(&f, 2, SIGHUP, on_pass) &&
        watch_signal(&f, 3, SIGINT, on_pass) && watch_signal(&f, 4, SIGQUIT, on_pass)) {
        /* It may have ended before its signal was watched. */
        if (waitpid(f.child, &f.child_status, WNOHANG) != f.child)
            (void)event_base_dispatch(f.host.base);
        code = exec_code(&f);
    } else {
        (void)bb_fail_internal(err, "starting the program");
    }
    stop(&f);
    return code;
}
