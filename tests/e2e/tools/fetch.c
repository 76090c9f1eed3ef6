/* Requests through blindbox-fetch, for the tests: one JSON line each.
 *
 *   fetch [--path P] [--accept A] [--body FILE] [--ca FILE] [--timeout MS] [--max N] [--repeat N]
 *         [--parallel N] [--cancel MS] [--threads N] [--pause] URL
 *
 * --parallel: N at once; --repeat: N one after the other; --cancel: given up after MS; --threads: each
 * with a fetcher of its own; --pause: after each line, waits for one on stdin. At the end a line with
 * the open descriptors at first and at last, and the children that are left. */
#include "service/clock.h"
#include "service/fetch/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PARALLEL_MAX = 1024, THREADS_MAX = 16 };

struct options {
    struct bb_fetch_request request;
    uint8_t body[BB_FETCH_BODY_MAX + 1];
    unsigned long repeat, parallel, threads;
    int cancel_ms;
    bool pause;
};

static struct options o = {.repeat = 1, .threads = 1};

static void print(enum bb_status status, const struct bb_fetch_answer *a,
                  const struct bb_error *err, int64_t t0) {
    char body[129] = "";
    if (status == BB_OK)
        bb_escape(bb_span_slice(a->body, 0, a->body.len < 64 ? a->body.len : 64), body,
                  sizeof body);
    for (char *c = body; *c != '\0'; c++)
        *c = *c == '\\' ? '/' : *c;
    (void)printf("{\"class\": \"%s\", \"field\": \"%s\", \"text\": \"%s\", \"http\": %u,"
                 " \"type\": \"%s\", \"max_age\": %" PRIu32 ", \"len\": %zu, \"body\": \"%s\","
                 " \"ms\": %" PRId64 "}\n",
                 bb_status_name(status), err->field, err->text, status == BB_OK ? a->http : 0,
                 status == BB_OK ? a->type : "", status == BB_OK ? a->max_age_s : 0,
                 status == BB_OK ? a->body.len : 0, body, bb_now_ms() - t0);
    (void)fflush(stdout);
}

static void cancel(struct bb_fetcher *fetcher) {
    struct bb_fetch *f = NULL;
    struct bb_fetch_answer answer = {0};
    struct bb_error err = {0};
    int64_t t0 = bb_now_ms();
    if (bb_fetch_begin(fetcher, &o.request, &f, &err) != BB_OK) {
        print(err.status, &answer, &err, t0);
        return;
    }
    (void)poll(NULL, 0, o.cancel_ms);
    bool waiting = bb_fetch_take(f, &answer, &err) == BB_FETCH_WAITING;
    bb_fetch_end(f);
    (void)printf("{\"cancelled\": %s}\n", waiting ? "true" : "false");
    (void)fflush(stdout);
    (void)poll(NULL, 0, 500); /* the process is told by our closed end, not by ours ending */
}

static void one(struct bb_fetcher *fetcher) {
    struct bb_fetch *f = NULL;
    struct bb_fetch_answer answer = {0};
    struct bb_error err = {0};
    int64_t t0 = bb_now_ms();
    enum bb_status status = bb_fetch_run(fetcher, &o.request, &f, &answer, &err);
    print(status, &answer, &err, t0);
    bb_fetch_end(f);
}

static void many(struct bb_fetcher *fetcher) {
    static struct bb_fetch *f[PARALLEL_MAX];
    static struct pollfd ready[PARALLEL_MAX];
    int64_t t0 = bb_now_ms();
    size_t left = o.parallel;
    for (size_t i = 0; i < o.parallel; i++) {
        struct bb_error err = {0};
        ready[i] = (struct pollfd){.fd = -1, .events = POLLIN};
        if (bb_fetch_begin(fetcher, &o.request, &f[i], &err) == BB_OK) {
            ready[i].fd = bb_fetch_fd(f[i]);
            continue;
        }
        print(err.status, NULL, &err, t0);
        left--;
    }
    while (left > 0) {
        (void)poll(ready, o.parallel, 1000);
        for (size_t i = 0; i < o.parallel; i++) {
            struct bb_fetch_answer answer = {0};
            struct bb_error err = {0};
            if (f[i] == NULL || bb_fetch_take(f[i], &answer, &err) == BB_FETCH_WAITING)
                continue;
            print(err.status, &answer, &err, t0);
            bb_fetch_end(f[i]);
            f[i] = NULL;
            ready[i].fd = -1;
            left--;
        }
    }
}

static size_t open_files(void) {
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        (void)closedir(d);
    return n;
}

static void *work(void *arg) {
    struct bb_fetcher *fetcher = NULL;
    struct bb_error err = {0};
    (void)arg;
    if (bb_fetcher_new(&fetcher, &err) != BB_OK) {
        print(err.status, NULL, &err, bb_now_ms());
        return NULL;
    }
    for (unsigned long i = 0; i < o.repeat; i++) {
        if (o.parallel > 0)
            many(fetcher);
        else if (o.cancel_ms > 0)
            cancel(fetcher);
        else
            one(fetcher);
        if (o.pause && getchar() == EOF)
            break;
    }
    bb_fetcher_free(fetcher);
    return NULL;
}

static bool read_body(const char *path) {
    FILE *in = fopen(path, "rb");
    size_t n = in == NULL ? 0 : fread(o.body, 1, sizeof o.body, in);
    if (in != NULL)
        (void)fclose(in);
    o.request.body = bb_span(o.body, n);
    return in != NULL;
}

static bool take_options(int argc, char **argv) {
    static const struct option known[] = {
        {"path", 1, NULL, 'p'},    {"accept", 1, NULL, 'a'},   {"body", 1, NULL, 'b'},
        {"ca", 1, NULL, 'c'},      {"timeout", 1, NULL, 't'},  {"max", 1, NULL, 'm'},
        {"repeat", 1, NULL, 'r'},  {"parallel", 1, NULL, 'n'}, {"cancel", 1, NULL, 'x'},
        {"threads", 1, NULL, 'h'}, {"pause", 0, NULL, 'w'},    {NULL, 0, NULL, 0}};
    int c = 0;
    bool good = true;
    while (good && (c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        unsigned long number = optarg == NULL ? 0 : strtoul(optarg, NULL, 10);
        switch (c) {
        case 'p':
            o.request.path = optarg;
            break;
        case 'a':
            o.request.accept = optarg;
            break;
        case 'b':
            good = read_body(optarg);
            break;
        case 'c':
            o.request.ca_file = optarg;
            break;
        case 't':
            o.request.timeout_ms = (uint32_t)number;
            break;
        case 'm':
            o.request.max = number;
            break;
        case 'r':
            o.repeat = number;
            break;
        case 'n':
            o.parallel = number;
            break;
        case 'x':
            o.cancel_ms = (int)number;
            break;
        case 'h':
            o.threads = number;
            break;
        case 'w':
            o.pause = true;
            break;
        default:
            good = false;
        }
    }
    o.request.url = argv[optind];
    return good && optind + 1 == argc && o.parallel <= PARALLEL_MAX && o.threads <= THREADS_MAX;
}

int main(int argc, char **argv) {
    pthread_t thread[THREADS_MAX];
    if (!take_options(argc, argv))
        return 1;
    size_t before = open_files();
    for (unsigned long i = 0; i < o.threads; i++)
        if (pthread_create(&thread[i], NULL, work, NULL) != 0)
            return 1;
    for (unsigned long i = 0; i < o.threads; i++)
        (void)pthread_join(thread[i], NULL);
    bool children = waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD;
    (void)printf("{\"before\": %zu, \"after\": %zu, \"children\": %s}\n", before, open_files(),
                 children ? "true" : "false");
    return 0;
}
