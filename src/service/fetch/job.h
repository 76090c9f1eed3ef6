/* The requests that blindbox-fetch has: those that wait, run, or send their answer. */
#ifndef BB_SERVICE_FETCH_JOB_H
#define BB_SERVICE_FETCH_JOB_H

#include "service/fetch/transfer.h"

#define BB_FETCH_JOBS_MAX 512   /* those that wait too; more are refused: memory */
#define BB_FETCH_TAKEN_MS 30000 /* an answer that nobody takes: memory */

enum bb_job_state { BB_JOB_FREE = 0, BB_JOB_QUEUED, BB_JOB_RUNNING, BB_JOB_SENDING };

struct bb_job {
    enum bb_job_state state;
    int reply;
    uint64_t turn; /* the lowest runs first */
    int64_t deadline_ms;
    struct bb_fetch_wire_request *request;
    struct bb_transfer *transfer;
    struct bb_fetch_wire_answer answer;
    uint8_t *body;
    bool has_head; /* the answer's first datagram is out */
    size_t sent;
};

struct bb_jobs {
    int epoll; /* the control socket and every reply; an event's data is its job, NULL for control */
    struct bb_transfers *transfers;
    uint64_t turns;
    unsigned running;
    struct bb_job job[BB_FETCH_JOBS_MAX];
};

/* Takes one request from the control socket. False when its other end is gone. */
bool bb_jobs_receive(struct bb_jobs *jobs, int control);
/* Something happened on the job's reply socket: room, or nobody wants the answer any more. */
void bb_job_event(struct bb_jobs *jobs, struct bb_job *job, uint32_t events);
/* Goes on with all: starts, collects and ends. */
void bb_jobs_step(struct bb_jobs *jobs);
/* Until the next deadline of a job that no transfer watches. */
int bb_jobs_timeout(const struct bb_jobs *jobs);

#endif
