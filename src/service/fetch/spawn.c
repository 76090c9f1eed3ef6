#include "service/fetch/spawn.h"

#include "service/fetch/fetch_wire.h"
#include "service/sister.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { END_MS = 1000 }; /* then it is killed */

extern char **environ;

static enum bb_status cannot(struct bb_error *err, int number) {
    return bb_fail(err, BB_VERIFIER_UNAVAILABLE, "fetch.process", "blindbox-fetch", NULL,
                   "cannot run blindbox-fetch: %s", strerror(number));
}

/* Clear of the numbers that the child's descriptors get, whatever the host program closed. */
static bool out_of_the_way(int *fd) {
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, 10);
    (void)close(*fd);
    *fd = moved;
    return moved >= 0;
}

static bool make_pair(int pair[2]) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return false;
    bool first = out_of_the_way(&pair[0]), second = out_of_the_way(&pair[1]);
    if (first && second)
        return true;
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            (void)close(pair[i]);
    return false;
}

/* The child gets its socket and stderr: no other file of the host's. */
static int child_files(posix_spawn_file_actions_t *files, int control) {
    int failed = posix_spawn_file_actions_adddup2(files, control, BB_FETCH_CONTROL_FD);
    failed |= posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    failed |= posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    failed |= posix_spawn_file_actions_addclosefrom_np(files, BB_FETCH_CONTROL_FD + 1);
    return failed;
}

/* Nor what the host does with signals. */
static int child_signals(posix_spawnattr_t *attributes) {
    sigset_t none, all;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    int failed = posix_spawnattr_setsigmask(attributes, &none);
    failed |= posix_spawnattr_setsigdefault(attributes, &all);
    failed |= posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return failed;
}

/* 0 or an errno. */
static int start(const char *path, int control, pid_t *pid) {
    static char name[] = "blindbox-fetch";
    char *argv[] = {name, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&files);
    if (failed != 0)
        return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        failed = child_files(&files, control) | child_signals(&attributes);
        failed = failed != 0 ? ENOMEM : posix_spawn(pid, path, &files, &attributes, argv, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return failed;
}

enum bb_status bb_fetch_spawn(struct bb_fetch_process *out, struct bb_error *err) {
    char path[PATH_MAX];
    int pair[2];
    pid_t pid = -1;
    if (!bb_sister_find("blindbox-fetch", path, sizeof path))
        return cannot(err, errno);
    if (!make_pair(pair))
        return cannot(err, errno);
    int failed = start(path, pair[1], &pid);
    (void)close(pair[1]);
    if (failed != 0) {
        (void)close(pair[0]);
        return cannot(err, failed);
    }
    *out = (struct bb_fetch_process){.control = pair[0], .pid = pid, .pidfd = pidfd_open(pid, 0)};
    return BB_OK;
}

/* By its descriptor: its number may be another process's by now, if the host waits for all. */
static void end_by_descriptor(int pidfd) {
    siginfo_t info;
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    if (poll(&ended, 1, END_MS) != 1)
        (void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0 && errno == EINTR)
        continue;
    (void)close(pidfd);
}

void bb_fetch_process_end(struct bb_fetch_process *process) {
    if (process->control >= 0)
        (void)close(process->control); /* it ends at that by itself */
    if (process->pidfd >= 0)
        end_by_descriptor(process->pidfd);
    else if (process->pid > 0)
        while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    *process = (struct bb_fetch_process){.control = -1, .pidfd = -1, .pid = -1};
}
