/* blindbox-fetch: makes the outbound requests of the program that started it, and ends with it. */
#include "service/fetch/job.h"
#include "service/secrets.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_A_ROUND = 64 };

/* False when the control socket's other end is gone. */
static bool serve_own(struct bb_jobs *jobs) {
    struct epoll_event events[EVENTS_A_ROUND];
    bool good = true;
    int n = epoll_wait(jobs->epoll, events, EVENTS_A_ROUND, 0);
    for (int i = 0; i < n && good; i++) {
        if (events[i].data.ptr != NULL)
            bb_job_event(jobs, events[i].data.ptr, events[i].events);
    }
    /* New requests last: an event that was waiting is never a new job's in an old place. */
    for (int i = 0; i < n && good; i++)
        if (events[i].data.ptr == NULL)
            good = bb_jobs_receive(jobs, BB_FETCH_CONTROL_FD);
    return good;
}

static bool is_socket(int fd) {
    int type = 0;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

static int run(struct bb_jobs *jobs) {
    struct epoll_event control = {.events = EPOLLIN};
    jobs->epoll = epoll_create1(EPOLL_CLOEXEC);
    jobs->transfers = bb_transfers_new();
    if (jobs->epoll < 0 || jobs->transfers == NULL ||
        epoll_ctl(jobs->epoll, EPOLL_CTL_ADD, BB_FETCH_CONTROL_FD, &control) != 0)
        return 1;
    while (serve_own(jobs)) {
        bb_jobs_step(jobs);
        bb_transfers_wait(jobs->transfers, jobs->epoll, bb_jobs_timeout(jobs));
    }
    return 0;
}

int main(void) {
    static struct bb_jobs jobs;
    bb_keep_secrets();
    /* An interrupt of the terminal is for the program that asks. */
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Proxies, key logs, other trust anchors and settings of the libraries: none of them is asked for
     * by the environment. */
    (void)clearenv();
    if (!is_socket(BB_FETCH_CONTROL_FD)) {
        (void)fputs("blindbox-fetch: a part of blindbox, started by it\n", stderr);
        return 1;
    }
    (void)fcntl(BB_FETCH_CONTROL_FD, F_SETFD, FD_CLOEXEC);
    return run(&jobs);
}
