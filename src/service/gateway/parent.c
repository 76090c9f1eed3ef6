/* The gateway's parent: opens the listener and runs itself again for each role, before it has
 * threads or keys. A worker, its attester, its fetcher and the configuration that they have are a generation. On
 * SIGHUP another one is started, and when it accepts, the one before is told to finish: there is
 * always one that accepts, and connections end where they began. A dead attester is replaced with
 * back-off; without the worker that accepts the gateway ends. Signals are blocked and read from a
 * descriptor: no handler, no race. */
#include "service/gateway/attester_process.h"
#include "service/clock.h"
#include "service/gateway/config.h"
#include "service/log.h"
#include "service/secrets.h"
#include "service/sister.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROLE_FD = 3,
    LISTENER_FD = 4,
    CONFIG_FD = 5,
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 10000,
    BACKOFF_FORGOTTEN_MS = 60000,
    READY_MS = 60000, /* a reload that is not ready by then is given up */
    IDLE_MS = 3600000,
    HOPELESS = 64 /* exit code of an attester that cannot start with these options */
};

enum stage {
    FREE = 0,  /* the place is */
    STARTING,  /* does not accept yet */
    SERVING,   /* accepts */
    FINISHING, /* accepts no more; ends with its last connection */
    ABANDONED  /* never accepted, and will not */
};

/* A process that is replaced when it dies. */
struct child {
    const char *name;
    pid_t pid;        /* -1 while there is none */
    unsigned started; /* so far */
    unsigned backoff_ms;
    int64_t born_ms, next_ms; /* when it began, when the next one may */
};

struct generation {
    enum stage stage;
    unsigned number; /* from 1 */
    int control;     /* to the worker */
    int config;      /* copy of the file, -1: none */
    bool mute;       /* the worker's end is closed: it is about to be reaped */
    pid_t worker;    /* -1 once it ended */
    struct child attester, fetcher;
    bool fetches; /* it has verification services to ask */
    int64_t began_ms;
};

struct parent {
    const struct bb_gateway_options *flags;
    char **argv;
    int listener; /* -1 once the gateway is to end */
    int signals;
    char *listen; /* as at the start */
    struct generation generation[BB_GENERATIONS_MAX];
    unsigned generations; /* started so far */
    bool stopping;
    bool hopeless;  /* the first attester refused its options */
    bool reload;    /* SIGHUP came */
    bool postponed; /* and the log says why nothing happens yet */
    int code;       /* the gateway's exit code, once it is to end */
};

/* SIGTERM, SIGINT, SIGHUP and SIGCHLD. */
static void own_signals(sigset_t *set) {
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
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

/* `fds` become descriptors 3, 4 ...; -1: not this one. Whatever else this process has or inherited
 * is not the role's. */
static bool arrange_descriptors(const int *fds, int n) {
    int high[CONFIG_FD - ROLE_FD + 1] = {-1, -1, -1};
    /* High numbers first, so that they do not overwrite each other. */
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0 && (high[i] = fcntl(fds[i], F_DUPFD, 16)) < 0)
            return false;
    for (int i = 0; i < n; i++) {
        (void)close(ROLE_FD + i);
        if (high[i] >= 0 && dup2(high[i], ROLE_FD + i) < 0)
            return false;
    }
    (void)close_range((unsigned)(ROLE_FD + n), ~0U, 0);
    return true;
}

/* In a new process, before it runs its program. */
static void become_child(pid_t parent, const int *fds, int n) {
    sigset_t signals;
    own_signals(&signals);
    (void)signal(SIGHUP, SIG_IGN); /* the parent's business; a terminal's goes to all */
    (void)sigprocmask(SIG_UNBLOCK, &signals, NULL);
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || !arrange_descriptors(fds, n))
        _exit(1);
}

/* Runs argv again as a role, with `fd` as descriptor 3, `listener` (or -1) as 4, `config` (or -1) as
 * 5. */
static pid_t spawn(char **argv, const char *role, int fd, int listener, int config) {
    char text[32];
    const int fds[] = {fd, listener, config};
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
    become_child(parent, fds, sizeof fds / sizeof fds[0]);
    (void)execv("/proc/self/exe", args);
    _exit(1);
}

static bool hand_over(int control, enum bb_control what, int fd) {
    uint8_t byte = (uint8_t)what;
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

/* The program that makes the outbound requests, with `fd` as descriptor 3. */
static pid_t spawn_fetcher(int fd) {
    static char name[] = "blindbox-fetch";
    char *args[] = {name, NULL};
    char path[PATH_MAX];
    if (!bb_sister_find(name, path, sizeof path))
        return -1;
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    become_child(parent, &fd, 1);
    (void)execv(path, args);
    _exit(1);
}

/* A new child, and its socket for the worker; -1 if that is not possible now. */
static pid_t start_child(const struct parent *p, const struct generation *g, bool fetcher) {
    int pair[2];
    int room = 4 << 20; /* a batch's proofs in one go */
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -1;
    for (int i = 0; i < 2; i++)
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    pid_t pid =
        fetcher ? spawn_fetcher(pair[0]) : spawn(p->argv, "attester", pair[0], -1, g->config);
    /* Without its socket at the worker it reads an end and leaves. */
    if (pid > 0 &&
        !hand_over(g->control, fetcher ? BB_CONTROL_FETCHER : BB_CONTROL_ATTESTER, pair[1]))
        bb_log("gateway: the worker does not take the %s's socket",
               fetcher ? "fetcher" : "attester");
    (void)close(pair[0]);
    (void)close(pair[1]);
    return pid;
}

static void plan_child(const struct parent *p, const struct generation *g, struct child *c) {
    int64_t now = bb_now_ms();
    if (now - c->born_ms > BACKOFF_FORGOTTEN_MS)
        c->backoff_ms = BACKOFF_MIN_MS; /* it worked for a while */
    if (!p->stopping && g->worker >= 0)
        bb_log("gateway: the %s died; next try in %u ms", c->name, c->backoff_ms);
    c->pid = -1;
    c->next_ms = now + c->backoff_ms;
    c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
}

/* ---- generations ---- */

static struct generation *in_stage(struct parent *p, enum stage stage) {
    for (size_t i = 0; i < BB_GENERATIONS_MAX; i++)
        if (p->generation[i].stage == stage)
            return &p->generation[i];
    return NULL;
}

/* With a worker of its own; attester and fetcher follow. Owns `config` on success. */
static bool start_generation(struct parent *p, int config, bool fetches) {
    struct generation *g = in_stage(p, FREE);
    int control[2];
    if (g == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
        return false;
    pid_t worker = spawn(p->argv, "worker", control[1], p->listener, config);
    (void)close(control[1]);
    if (worker < 0) {
        (void)close(control[0]);
        return false;
    }
    *g = (struct generation){
        .stage = STARTING,
        .number = ++p->generations,
        .control = control[0],
        .config = config,
        .worker = worker,
        .attester = {.name = "attester", .pid = -1, .backoff_ms = BACKOFF_MIN_MS},
        .fetcher = {.name = "fetcher", .pid = -1, .backoff_ms = BACKOFF_MIN_MS},
        .fetches = fetches,
        .began_ms = bb_now_ms()};
    return true;
}

/* -1 would be everybody. */
static void end(pid_t pid) {
    if (pid > 0)
        (void)kill(pid, SIGTERM);
}

static void close_fd(int *fd) {
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Its last process ended. */
static void leave_place(struct parent *p, struct generation *g) {
    if (g->stage == FINISHING)
        bb_log("gateway: generation %u is done", g->number);
    close_fd(&g->control);
    close_fd(&g->config);
    *g = (struct generation){.stage = FREE};
    p->postponed = false;
}

/* The gateway ends: no more connections, and 30 s for those that are open. */
static void stop(struct parent *p) {
    p->stopping = true;
    close_fd(&p->listener);
    for (size_t i = 0; i < BB_GENERATIONS_MAX; i++)
        end(p->generation[i].worker); /* 0 in a free place */
}

/* ---- reload ---- */

static bool may_reload(struct parent *p) {
    if (!p->reload || p->stopping || in_stage(p, STARTING) != NULL)
        return false;
    if (in_stage(p, FREE) != NULL)
        return true;
    if (!p->postponed)
        bb_log("gateway: reload waits: %d generations still have connections", BB_GENERATIONS_MAX);
    p->postponed = true;
    return false;
}

/* The file as it is now; `copy` stays -1 if there is none. */
static enum bb_status read_config(struct parent *p, int *copy, bool *fetches,
                                  struct bb_error *err) {
    struct bb_gateway_config config;
    if (p->flags->config != NULL)
        BB_TRY(bb_gateway_config_copy(p->flags->config, copy, err));
    BB_TRY(bb_gateway_config_make(p->flags, *copy, &config, err));
    enum bb_status status = strcmp(config.options.listen, p->listen) == 0
                                ? BB_OK
                                : bb_fail(err, BB_USAGE, "listen", p->listen, config.options.listen,
                                          "another address to listen on needs a restart");
    *fetches = config.options.verifiers.n > 0;
    bb_gateway_config_done(&config);
    return status;
}

static void reload(struct parent *p) {
    struct bb_error err = {0};
    char why[BB_GATEWAY_WHY_MAX];
    int copy = -1;
    bool fetches = false;
    p->reload = false;
    if (read_config(p, &copy, &fetches, &err) != BB_OK) {
        bb_gateway_config_why(&err, why, sizeof why);
        bb_log("gateway: not reloaded: %s", why);
    } else if (start_generation(p, copy, fetches)) {
        bb_log("gateway: reload: generation %u starts", p->generations);
        return;
    } else {
        bb_log("gateway: not reloaded: cannot start processes: %s", strerror(errno));
    }
    close_fd(&copy);
}

/* The new generation cannot serve; the one before goes on. */
static void abandon(struct generation *g, const char *why) {
    bb_log("gateway: not reloaded: generation %u %s", g->number, why);
    g->stage = ABANDONED;
    end(g->worker);
}

/* It accepts: the one before need not. */
static void promote(struct parent *p, struct generation *g) {
    uint8_t retire = BB_CONTROL_RETIRE;
    struct generation *before = in_stage(p, SERVING);
    g->stage = SERVING;
    if (before == NULL)
        return;
    before->stage = FINISHING;
    bb_log("gateway: reload: generation %u accepts, generation %u finishes", g->number,
           before->number);
    /* A full socket belongs to a worker that hangs. */
    if (send(before->control, &retire, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        end(before->worker);
}

static void hear(struct parent *p, struct generation *g) {
    uint8_t byte = 0;
    ssize_t n = recv(g->control, &byte, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    g->mute = n <= 0;
    if (n == 1 && byte == BB_CONTROL_READY && !p->stopping)
        promote(p, g);
}

/* ---- children that ended ---- */

/* Until the worker is told, it may die of the signal that tells it. */
static int worker_code(const struct parent *p, const struct generation *g, int status) {
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    if ((p->stopping || g->stage == ABANDONED) && WTERMSIG(status) == SIGTERM)
        return 0;
    bb_log("gateway: the worker was ended by signal %d", WTERMSIG(status));
    return 1;
}

/* Without the one that accepts (or is the first to) the gateway ends. */
static void worker_ended(struct parent *p, struct generation *g, int status) {
    int code = worker_code(p, g, status);
    g->worker = -1;
    end(g->attester.pid);
    end(g->fetcher.pid);
    if (g->stage == STARTING && in_stage(p, SERVING) != NULL && !p->stopping)
        abandon(g, "did not start");
    if (g->stage != STARTING && g->stage != SERVING)
        return;
    if (p->code == 0)
        p->code = code;
    if (!p->stopping)
        stop(p);
}

static void attester_ended(struct parent *p, struct generation *g, int status) {
    bool refused = g->attester.started == 1 && WIFEXITED(status) &&
                   WEXITSTATUS(status) == HOPELESS && !p->stopping;
    if (!refused || g->stage != STARTING) {
        plan_child(p, g, &g->attester);
        return;
    }
    /* No attester can ever start with these options: its own text said why. */
    g->attester.pid = -1;
    if (in_stage(p, SERVING) != NULL) {
        abandon(g, "has no attester");
        return;
    }
    p->hopeless = true;
    stop(p);
}

static void reap(struct parent *p) {
    int status = 0;
    pid_t dead = 0;
    while ((dead = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < BB_GENERATIONS_MAX; i++) {
            struct generation *g = &p->generation[i];
            if (g->stage == FREE ||
                (g->worker != dead && g->attester.pid != dead && g->fetcher.pid != dead))
                continue;
            if (g->worker == dead)
                worker_ended(p, g, status);
            else if (g->attester.pid == dead)
                attester_ended(p, g, status);
            else
                plan_child(p, g, &g->fetcher);
            if (g->worker < 0 && g->attester.pid < 0 && g->fetcher.pid < 0)
                leave_place(p, g);
            break;
        }
}

/* ---- the loop ---- */

static bool wants(const struct parent *p, const struct generation *g, const struct child *c) {
    return g->stage != FREE && g->stage != ABANDONED && g->worker > 0 && c->pid < 0 &&
           !p->stopping && (c == &g->attester || g->fetches);
}

/* Started if it is wanted and its time has come; when that is. */
static int64_t tend_child(const struct parent *p, struct generation *g, struct child *c,
                          int64_t now) {
    if (wants(p, g, c) && now >= c->next_ms) {
        c->born_ms = now;
        c->pid = start_child(p, g, c == &g->fetcher);
        c->started++;
        if (c->pid < 0)
            plan_child(p, g, c);
    }
    return wants(p, g, c) ? c->next_ms : now + IDLE_MS;
}

static bool is_reload(struct parent *p, const struct generation *g) {
    return g->stage == STARTING && in_stage(p, SERVING) != NULL && !p->stopping;
}

/* What is due now; when the next thing is. */
static int64_t tend(struct parent *p, struct generation *g) {
    int64_t now = bb_now_ms(), next = tend_child(p, g, &g->attester, now);
    int64_t fetcher = tend_child(p, g, &g->fetcher, now);
    next = fetcher < next ? fetcher : next;
    if (is_reload(p, g) && now >= g->began_ms + READY_MS)
        abandon(g, "is not ready after 60 s");
    if (is_reload(p, g) && g->began_ms + READY_MS < next)
        next = g->began_ms + READY_MS;
    return next;
}

static void take_signals(struct parent *p) {
    struct signalfd_siginfo info;
    while (read(p->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP)
            p->reload = true;
        else if (info.ssi_signo != SIGCHLD)
            stop(p);
    }
    reap(p);
}

/* Until a signal comes, the generation that starts says something, or `until`. */
static void wait_for_news(struct parent *p, int64_t until) {
    struct generation *g = in_stage(p, STARTING);
    struct pollfd fds[] = {{.fd = p->signals, .events = POLLIN},
                           {.fd = g == NULL || g->mute ? -1 : g->control, .events = POLLIN}};
    int64_t left = until - bb_now_ms();
    (void)poll(fds, sizeof fds / sizeof fds[0], left < 0 ? 0 : (int)left);
    /* Ready first: if it accepted and died, the gateway has no worker. */
    if (g != NULL && fds[1].revents != 0)
        hear(p, g);
    if (fds[0].revents != 0)
        take_signals(p);
}

static int supervise(struct parent *p) {
    bool anybody = true;
    while (anybody) {
        int64_t until = bb_now_ms() + IDLE_MS;
        if (may_reload(p))
            reload(p);
        anybody = false;
        for (size_t i = 0; i < BB_GENERATIONS_MAX; i++) {
            int64_t next = tend(p, &p->generation[i]);
            until = next < until ? next : until;
            anybody = anybody || p->generation[i].stage != FREE;
        }
        if (anybody)
            wait_for_news(p, until);
    }
    return p->hopeless ? bb_status_exit(BB_USAGE) : p->code;
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

/* What cannot work fails here, with a text, and not in a child. */
static enum bb_status open_listener(struct parent *p, int *copy, bool *fetches,
                                    struct bb_error *err) {
    struct bb_gateway_config config;
    struct bb_upstream upstream;
    if (p->flags->config != NULL)
        BB_TRY(bb_gateway_config_copy(p->flags->config, copy, err));
    BB_TRY(bb_gateway_config_make(p->flags, *copy, &config, err));
    enum bb_status status = bb_upstream_parse(config.options.upstream, &upstream, err);
    if (status == BB_OK)
        status = bb_listen(config.options.listen, false, &p->listener, err);
    p->listen = strdup(config.options.listen);
    *fetches = config.options.verifiers.n > 0;
    bb_gateway_config_done(&config);
    return status == BB_OK && p->listen == NULL ? bb_fail_internal(err, "memory for an address")
                                                : status;
}

static bool block_signals(struct parent *p) {
    sigset_t signals;
    own_signals(&signals);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Inherited as ignored, children would end unseen, and a reload (under nohup) would be none. */
    (void)signal(SIGCHLD, SIG_DFL);
    (void)signal(SIGHUP, SIG_DFL);
    p->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    return p->signals >= 0;
}

static int run(struct parent *p) {
    struct bb_error err = {0};
    char why[BB_GATEWAY_WHY_MAX];
    int copy = -1;
    bool fetches = false;
    enum bb_status status = block_signals(p) ? open_listener(p, &copy, &fetches, &err)
                                             : bb_fail_internal(&err, "listening to signals");
    if (status == BB_OK && !start_generation(p, copy, fetches))
        status = bb_fail_internal(&err, "starting its processes");
    if (status == BB_OK) {
        announce(p->listener);
        return supervise(p);
    }
    bb_gateway_config_why(&err, why, sizeof why);
    (void)fprintf(stderr, "blindbox gateway: %s\n  next      %s\n", why,
                  bb_status_next_step(status));
    close_fd(&copy);
    return bb_status_exit(status);
}

int bb_gateway_run(const struct bb_gateway_options *flags, char **argv) {
    struct parent p = {.flags = flags, .argv = argv, .listener = -1, .signals = -1};
    int code = run(&p);
    close_fd(&p.listener);
    close_fd(&p.signals);
    free(p.listen);
    return code;
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

static int run_role(const struct bb_gateway_options *options, const char *role) {
    (void)fcntl(ROLE_FD, F_SETFD, FD_CLOEXEC);
    if (strcmp(role, "attester") == 0)
        return run_attester(options);
    (void)signal(SIGINT, SIG_IGN);
    (void)fcntl(LISTENER_FD, F_SETFD, FD_CLOEXEC);
    return bb_gateway_worker(options, LISTENER_FD, ROLE_FD);
}

int bb_gateway_role(const struct bb_gateway_options *flags, const char *role) {
    struct bb_gateway_config config;
    struct bb_error err = {0};
    char why[BB_GATEWAY_WHY_MAX];
    bb_keep_secrets();
    (void)signal(SIGPIPE, SIG_IGN);
    if (bb_gateway_config_make(flags, flags->config != NULL ? CONFIG_FD : -1, &config, &err) !=
        BB_OK) {
        bb_gateway_config_why(&err, why, sizeof why);
        bb_log("gateway: %s", why);
        return 1;
    }
    if (flags->config != NULL)
        (void)close(CONFIG_FD);
    int code = run_role(&config.options, role);
    bb_gateway_config_done(&config);
    return code;
}
