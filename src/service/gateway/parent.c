/* The gateway's parent: opens the listener and runs itself again for each role, before it has
 * threads or keys. A dead attester is replaced with back-off; without its worker the gateway ends.
 * Its signals are blocked and waited for: no handler, no race. */
#include "service/gateway/attester_process.h"
#include "service/clock.h"
#include "service/log.h"
#include "service/gateway/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    ROLE_FD = 3,
    LISTENER_FD = 4,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    BACKOFF_FORGOTTEN_MS = 60000,
    HOPELESS = 64 /* exit code of an attester that cannot start with these options */
};

struct parent {
    char **argv;
    int control;            /* to the worker */
    pid_t worker, attester; /* attester: -1 while there is none */
    bool stopping;
    bool hopeless;      /* the first attester refused its options */
    unsigned attesters; /* started so far */
    unsigned backoff_ms;
    int64_t born_ms, next_ms; /* of the attester: when it began, when the next one may */
};

/* SIGTERM, SIGINT and SIGCHLD. */
static void own_signals(sigset_t *set) {
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGCHLD);
}

/* `argv` with --role behind its first word, where no "--" can hide it; malloced. */
static char **role_arguments(char **argv, char *role) {
    static char program[] = "blindbox";
    size_t n = 0;
    while (argv[n] != NULL)
        n++;
    char **args = calloc(n + 3, sizeof *args);
    if (args == NULL)
        return NULL;
    args[0] = program;
    args[1] = argv[0];
    args[2] = role;
    for (size_t i = 1; i < n; i++)
        args[i + 2] = argv[i];
    return args;
}

/* Runs argv again as a role, with `fd` as descriptor 3 and `listener` (or -1) as 4. */
static pid_t spawn(char **argv, const char *role, int fd, int listener) {
    char text[32];
    (void)snprintf(text, sizeof text, "--role=%s", role);
    char **args = role_arguments(argv, text);
    if (args == NULL)
        return -1;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0) {
        free(args);
        return pid;
    }
    sigset_t signals;
    own_signals(&signals);
    (void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    /* High numbers first, so that the two do not overwrite each other. */
    int a = fcntl(fd, F_DUPFD, 10), b = listener >= 0 ? fcntl(listener, F_DUPFD, 10) : -1;
    if (getppid() != parent || a < 0 || dup2(a, ROLE_FD) < 0 ||
        (listener >= 0 && (b < 0 || dup2(b, LISTENER_FD) < 0)))
        _exit(1);
    /* Whatever else this process has or inherited is not the role's. */
    (void)close_range(listener >= 0 ? LISTENER_FD + 1 : ROLE_FD + 1, ~0U, 0);
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

/* A new attester, and its socket for the worker; -1 if that is not possible now. */
static pid_t start_attester(const struct parent *p) {
    int pair[2];
    int room = 4 << 20; /* a batch's proofs in one go */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    pid_t pid = spawn(p->argv, "attester", pair[0], -1);
    /* Without its socket at the worker it reads an end and leaves. */
    if (pid > 0 && !hand_over(p->control, pair[1]))
        bb_log("gateway: the worker does not take the attester's socket");
    (void)close(pair[0]);
    (void)close(pair[1]);
    return pid;
}

static void plan_attester(struct parent *p) {
    int64_t now = bb_now_ms();
    if (now - p->born_ms > BACKOFF_FORGOTTEN_MS)
        p->backoff_ms = BACKOFF_MIN_MS; /* it worked for a while */
    if (!p->stopping)
        bb_log("gateway: the attester died; next try in %u ms", p->backoff_ms);
    p->attester = -1;
    p->next_ms = now + p->backoff_ms;
    p->backoff_ms = p->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : p->backoff_ms * 2;
}

/* Until the worker is told, it may die of the signal that tells it. */
static int worker_code(const struct parent *p, int status) {
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if (p->stopping && WTERMSIG(status) == SIGTERM)
        return 0;
    bb_log("gateway: the worker was ended by signal %d", WTERMSIG(status));
    return 1;
}

static void stop_worker(struct parent *p) {
    p->stopping = true;
    (void)kill(p->worker, SIGTERM);
}

/* No attester can ever start with these options: its own text said why. */
static void give_up(struct parent *p) {
    p->attester = -1;
    p->hopeless = true;
    stop_worker(p);
}

/* Takes note of children that ended; true with the gateway's exit code if the worker did. */
static bool reap(struct parent *p, int *code) {
    int status = 0;
    pid_t dead = 0;
    while ((dead = waitpid(-1, &status, WNOHANG)) > 0) {
        if (dead == p->worker) {
            *code = worker_code(p, status);
            return true;
        }
        if (dead == p->attester && p->attesters == 1 && WIFEXITED(status) &&
            WEXITSTATUS(status) == HOPELESS)
            give_up(p);
        else if (dead == p->attester)
            plan_attester(p);
    }
    return false;
}

static void wait_for_signal(struct parent *p) {
    sigset_t signals;
    struct timespec limit = {.tv_sec = 3600};
    own_signals(&signals);
    if (p->attester < 0 && !p->stopping) {
        int64_t left = p->next_ms - bb_now_ms();
        left = left < 0 ? 0 : left;
        limit = (struct timespec){.tv_sec = left / 1000, .tv_nsec = (long)(left % 1000) * 1000000};
    }
    int number = sigtimedwait(&signals, NULL, &limit);
    if (number != SIGTERM && number != SIGINT)
        return;
    stop_worker(p);
}

static int supervise(struct parent *p) {
    int code = 1;
    while (!reap(p, &code)) {
        if (p->attester < 0 && !p->stopping && bb_now_ms() >= p->next_ms) {
            p->born_ms = bb_now_ms();
            p->attester = start_attester(p);
            p->attesters++;
            if (p->attester < 0)
                plan_attester(p);
        }
        wait_for_signal(p);
    }
    if (p->attester > 0) {
        (void)kill(p->attester, SIGTERM);
        (void)waitpid(p->attester, NULL, 0);
    }
    return p->hopeless ? bb_status_exit(BB_USAGE) : code;
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
    struct parent p = {.argv = argv, .attester = -1, .backoff_ms = BACKOFF_MIN_MS};
    sigset_t signals;
    int listener = -1, control[2];
    own_signals(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL); /* inherited as ignored, children would end unseen */
    /* What cannot work fails here, with a text, and not in a child. */
    enum bb_status status = bb_upstream_parse(options->upstream, &upstream, &err);
    if (status == BB_OK)
        status = bb_listen(options->listen, false, &listener, &err);
    if (status != BB_OK) {
        (void)fprintf(stderr, "blindbox gateway: %s\n  next      %s\n", err.text,
                      bb_status_next_step(status));
        return bb_status_exit(status);
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
        return 1;
    p.control = control[0];
    p.worker = spawn(argv, "worker", control[1], listener);
    (void)close(control[1]);
    if (p.worker < 0) {
        (void)fprintf(stderr, "blindbox gateway: cannot start its processes: %s\n",
                      strerror(errno));
        return 1;
    }
    announce(listener);
    (void)close(listener);
    return supervise(&p);
}

static int run_attester(const struct bb_gateway_options *options) {
    struct bb_error err = {0};
    struct bb_attester *attester = NULL;
    /* The parent and the worker decide when it ends: an interrupt of the terminal does not. */
    (void)signal(SIGINT, SIG_IGN);
    enum bb_status status =
        bb_attester_sim_new(options->sim_dir, options->sim_defect, &attester, &err);
    if (status != BB_OK) {
        bb_log("attester: %s", err.text);
        return status == BB_USAGE ? HOPELESS : 1;
    }
    return bb_attester_process(attester, ROLE_FD);
}

/* Keys never reach a disk: no core file, and no other process of the user may look. */
static void keep_secrets(void) {
    const struct rlimit none = {0};
    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks looks from another process */
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}

int bb_gateway_role(const struct bb_gateway_options *options, const char *role) {
    keep_secrets();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)fcntl(ROLE_FD, F_SETFD, FD_CLOEXEC);
    if (strcmp(role, "attester") == 0)
        return run_attester(options);
    (void)signal(SIGINT, SIG_IGN);
    (void)fcntl(LISTENER_FD, F_SETFD, FD_CLOEXEC);
    return bb_gateway_worker(options, LISTENER_FD, ROLE_FD);
}
