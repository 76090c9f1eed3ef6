/* The gateway's parent: opens the listener and runs itself again for each role, before it has
 * threads or keys. A dead attester is replaced with back-off; without its worker the gateway ends.
 */
#include "service/attester_process.h"
#include "service/clock.h"
#include "service/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ROLE_FD = 3,
    LISTENER_FD = 4,
    ARGS_MAX = 64,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    BACKOFF_FORGOTTEN_MS = 60000
};

static volatile sig_atomic_t stopping;
static volatile sig_atomic_t worker_pid;

static void on_term(int signal) {
    (void)signal;
    stopping = 1;
    if (worker_pid > 0)
        (void)kill((pid_t)worker_pid, SIGTERM);
}

/* Runs argv again as a role, with `fd` as descriptor 3 and `listener` (or -1) as 4. */
static pid_t spawn(char **argv, const char *role, int fd, int listener) {
    static char program[] = "blindbox";
    char *args[ARGS_MAX] = {program};
    char text[32];
    size_t n = 1;
    (void)snprintf(text, sizeof text, "--role=%s", role);
    for (; argv[n - 1] != NULL && n < ARGS_MAX - 2; n++)
        args[n] = argv[n - 1];
    args[n++] = text;
    args[n] = NULL;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* High numbers first, so that the two do not overwrite each other. */
    int a = fcntl(fd, F_DUPFD, 10), b = listener >= 0 ? fcntl(listener, F_DUPFD, 10) : -1;
    if (getppid() != parent || a < 0 || dup2(a, ROLE_FD) < 0 ||
        (listener >= 0 && (b < 0 || dup2(b, LISTENER_FD) < 0)))
        _exit(1);
    (void)close(a);
    if (b >= 0)
        (void)close(b);
    (void)execv("/proc/self/exe", args);
    _exit(1);
}

static bool hand_over(int control, int fd) {
    uint8_t byte = 0;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } aux = {.space = {0}};
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = aux.space,
                       .msg_controllen = sizeof aux.space};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(control, &m, MSG_NOSIGNAL) == 1;
}

/* A new attester, and its socket for the worker. */
static pid_t start_attester(char **argv, int control) {
    int pair[2];
    int room = 4 << 20; /* a batch's proofs in one go */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    pid_t pid = spawn(argv, "attester", pair[0], -1);
    bool good = pid > 0 && hand_over(control, pair[1]);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return good ? pid : -1;
}

static void pause_ms(unsigned ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL); /* a signal may cut it short */
}

static int supervise(char **argv, int control, pid_t worker, pid_t attester) {
    unsigned backoff = BACKOFF_MIN_MS;
    int64_t started = bb_now_ms();
    for (;;) {
        int status = 0;
        pid_t dead = wait(&status);
        if (dead < 0 && errno == EINTR)
            continue;
        if (dead < 0)
            return 1;
        if (dead == worker)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        if (dead != attester || stopping)
            continue;
        if (bb_now_ms() - started > BACKOFF_FORGOTTEN_MS)
            backoff = BACKOFF_MIN_MS;
        (void)fprintf(stderr, "gateway: the attester died; next try in %u ms\n", backoff);
        pause_ms(backoff);
        backoff = backoff * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff * 2;
        started = bb_now_ms();
        attester = start_attester(argv, control);
    }
}

static void announce(int listener) {
    struct sockaddr_storage own;
    socklen_t len = sizeof own;
    char text[96] = "";
    if (getsockname(listener, (struct sockaddr *)&own, &len) == 0)
        bb_address_text(&own, text, sizeof text);
    (void)printf("listening on %s\n", text);
    (void)fflush(stdout);
}

int bb_gateway_run(const struct bb_gateway_options *options, char **argv) {
    struct bb_error err = {0};
    struct bb_upstream upstream;
    struct sigaction term = {.sa_handler = on_term};
    int listener = -1, control[2];
    /* What cannot work fails here, with a text, and not in a child. */
    enum bb_status status = bb_upstream_parse(options->upstream, &upstream, &err);
    if (status == BB_OK)
        status = bb_listen(options->listen, &listener, &err);
    if (status != BB_OK) {
        (void)fprintf(stderr, "blindbox gateway: %s\n  next      %s\n", err.text,
                      bb_status_next_step(status));
        return bb_status_exit(status);
    }
    (void)sigaction(SIGTERM, &term, NULL);
    (void)sigaction(SIGINT, &term, NULL);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
        return 1;
    pid_t worker = spawn(argv, "worker", control[1], listener);
    worker_pid = (sig_atomic_t)worker;
    (void)close(control[1]);
    pid_t attester = start_attester(argv, control[0]);
    if (worker < 0 || attester < 0) {
        (void)fprintf(stderr, "blindbox gateway: cannot start its processes: %s\n",
                      strerror(errno));
        return 1;
    }
    announce(listener);
    (void)close(listener);
    if (stopping)
        (void)kill(worker, SIGTERM);
    int code = supervise(argv, control[0], worker, attester);
    (void)kill(attester, SIGTERM);
    return code;
}

static int run_attester(const struct bb_gateway_options *options) {
    struct bb_error err = {0};
    struct bb_attester *attester = NULL;
    /* The parent and the worker decide when it ends: an interrupt of the terminal does not. */
    (void)signal(SIGINT, SIG_IGN);
    if (bb_attester_sim_new(options->sim_dir, options->sim_defect, &attester, &err) != BB_OK) {
        (void)fprintf(stderr, "attester: %s\n", err.text);
        return 1;
    }
    return bb_attester_process(attester, ROLE_FD);
}

int bb_gateway_role(const struct bb_gateway_options *options, const char *role) {
    (void)fcntl(ROLE_FD, F_SETFD, FD_CLOEXEC);
    if (strcmp(role, "attester") == 0)
        return run_attester(options);
    (void)signal(SIGINT, SIG_IGN);
    (void)fcntl(LISTENER_FD, F_SETFD, FD_CLOEXEC);
    return bb_gateway_worker(options, LISTENER_FD, ROLE_FD);
}
