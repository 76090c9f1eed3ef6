#include "cli/demo/program.h"

#include "cli/demo/stop.h"
#include "service/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef BB_BINDIR
#define BB_BINDIR "/usr/local/bin"
#endif

enum { ARGS_MAX = 32, END_MS = 3000 };

void bb_demo_adopt_orphans(void) { (void)prctl(PR_SET_CHILD_SUBREAPER, 1); }

/* ---- finding ---- */

static bool is_program(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* This program stands in libexec: its sisters beside it, blindbox above it as built, or in the
 * prefix's bin as installed. */
enum bb_status bb_demo_find(const char *program, char out[BB_DEMO_PATH_MAX], struct bb_error *err) {
    static const char *const places[] = {"", "/..", "/../../bin"};
    char self[BB_DEMO_PATH_MAX / 2];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(self, '/');
    int folder = slash == NULL ? 0 : (int)(slash - self);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        (void)snprintf(out, BB_DEMO_PATH_MAX, "%.*s%s/%s", folder, self, places[i], program);
        if (is_program(out))
            return BB_OK;
    }
    (void)snprintf(out, BB_DEMO_PATH_MAX, BB_BINDIR "/%s", program);
    if (is_program(out))
        return BB_OK;
    return bb_fail(err, BB_INTERNAL, "demo", NULL, NULL, "cannot find %s: install BlindBox whole",
                   program);
}

/* ---- running ---- */

/* In the child, after fork: async-signal-safe calls only. */
static void become(const char *program, char *const *argv, const char *out, const char *log,
                   pid_t parent) {
    (void)setpgid(0, 0); /* an interrupt of the terminal is ours to pass on */
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int to = open(out, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int errors = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (getppid() != parent || dup2(in, STDIN_FILENO) < 0 || dup2(to, STDOUT_FILENO) < 0 ||
        dup2(errors, STDERR_FILENO) < 0)
        _exit(126);
    (void)execv(program, argv);
    _exit(127);
}

enum bb_status bb_demo_spawn(const struct bb_demo_place *place, const char *program,
                             const char *const *args, const char *out, const char *log,
                             struct bb_demo_child *child, struct bb_error *err) {
    char path[BB_DEMO_PATH_MAX], to[BB_DEMO_PATH_MAX], errors[BB_DEMO_PATH_MAX];
    char *argv[ARGS_MAX] = {NULL};
    static char name[] = "blindbox";
    BB_TRY(bb_demo_find(program, path, err));
    argv[0] = name;
    for (size_t i = 0; args[i] != NULL && i + 2 < ARGS_MAX; i++)
        argv[i + 1] = (char *)(uintptr_t)args[i]; /* execv() wants it so and changes nothing */
    (void)bb_demo_path(place, out, to);
    (void)bb_demo_path(place, log, errors);
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(path, argv, to, errors, parent);
    if (pid < 0)
        return bb_fail(err, BB_INTERNAL, "demo", NULL, NULL, "cannot run %s: %s", program,
                       strerror(errno));
    (void)setpgid(pid, pid); /* in both, so that neither has to wait for the other */
    child->pid = pid;
    return BB_OK;
}

bool bb_demo_ended(struct bb_demo_child *child, int *code) {
    int status = 0;
    if (child->pid <= 0)
        return true;
    pid_t dead = waitpid(child->pid, &status, WNOHANG);
    if (dead == 0 || (dead < 0 && errno == EINTR))
        return false;
    if (dead < 0)
        *code = 126; /* cannot be: nobody else reaps it */
    else
        *code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    child->pid = 0;
    return true;
}

enum bb_status bb_demo_run(const struct bb_demo_place *place, const char *program,
                           const char *const *args, const char *out, const char *log,
                           int64_t limit_ms, int *code, struct bb_error *err) {
    struct bb_demo_child child = {0};
    int64_t deadline = bb_now_ms() + limit_ms;
    BB_TRY(bb_demo_spawn(place, program, args, out, log, &child, err));
    while (!bb_demo_ended(&child, code))
        if (!bb_demo_wait(deadline)) {
            bb_demo_end(&child);
            return bb_demo_gave_up(args[0], err);
        }
    return BB_OK;
}

/* ---- ending ---- */

/* Not bb_demo_wait(): here a signal must not cut anything short. */
static bool ended_within(struct bb_demo_child *child, int64_t ms) {
    struct timespec moment = {.tv_nsec = 2000000};
    int64_t deadline = bb_now_ms() + ms;
    int code = 0;
    while (!bb_demo_ended(child, &code)) {
        if (bb_now_ms() >= deadline)
            return false;
        (void)nanosleep(&moment, NULL);
    }
    return true;
}

void bb_demo_end(struct bb_demo_child *child) {
    if (child->pid <= 0)
        return;
    pid_t group = child->pid;
    (void)kill(child->pid, SIGTERM);
    if (ended_within(child, END_MS))
        return;
    (void)kill(-group, SIGKILL);
    (void)ended_within(child, END_MS);
}

void bb_demo_reap_all(void) {
    struct timespec moment = {.tv_nsec = 2000000};
    int64_t deadline = bb_now_ms() + END_MS;
    pid_t dead = 0;
    while (bb_now_ms() < deadline) {
        dead = waitpid(-1, NULL, WNOHANG);
        if (dead < 0 && errno != EINTR)
            return; /* no child is left */
        if (dead <= 0)
            (void)nanosleep(&moment, NULL);
    }
}
