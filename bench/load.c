/* One process that makes TLS 1.3 connections to 127.0.0.1:PORT, plain or attested, and prints what
 * it counted as JSON. A plain connection counts when its handshake is finished; an attested one
 * when its verdict is reached and the start frame is sent. Both are closed then. */
#include "load.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNS_MAX = 4096, SAMPLES_MAX = 1000000, FAILURES_MAX = 100, EVENTS = 256 };
enum { RUN_SECONDS_MAX = 600 };

struct options {
    unsigned port, conns, count, hold;
    double seconds, warm;
    int cpu;
    const char *policy; /* NULL: plain TLS */
    bool handshake_only, every, print_samples, light;
};

struct run {
    struct options o;
    struct load_shared shared;
    struct sockaddr_in address;
    int epoll;
    struct load_conn conn[CONNS_MAX];
    size_t started, finished, failed, counted;
    double begin_us, end_us;    /* the window that counts */
    double cpu_begin, cpu_end;  /* user + system seconds of this process */
    double sample[SAMPLES_MAX]; /* microseconds, of counted connections */
};

static double cpu_seconds(void) {
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void die(const char *what) {
    (void)fprintf(stderr, "bench_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* More connections are wanted: neither the count nor the time is up. */
static bool more(const struct run *r) {
    if (r->o.hold > 0)
        return r->started < r->o.hold;
    if (r->o.count > 0)
        return r->started < r->o.count;
    return load_now_us() < r->end_us;
}

static void ended(struct run *r, struct load_conn *c);

static void open_next(struct run *r, struct load_conn *c) {
    load_conn_open(c, &r->shared);
    r->started++;
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    if (c->state == LOAD_FAILED || epoll_ctl(r->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        ended(r, c);
}

static void ended(struct run *r, struct load_conn *c) {
    if (c->state != LOAD_DONE) {
        if (r->failed++ == 0) /* the first speaks for all */
            (void)fprintf(stderr, "bench_load: a connection failed: %s\n",
                          c->why == NULL ? "events" : c->why);
        if (r->failed > FAILURES_MAX)
            die("too many failures");
    } else {
        r->finished++;
        bool counts = c->done_us >= r->begin_us && c->done_us <= r->end_us;
        if (counts && r->counted < SAMPLES_MAX)
            r->sample[r->counted++] = c->done_us - c->began_us;
    }
    if (r->o.hold > 0 && c->state == LOAD_DONE)
        return;
    load_conn_close(c);
}

static size_t busy(const struct run *r) { return r->started - r->finished - r->failed; }

/* Keeps `conns` under way. A held connection keeps its place; others reuse theirs. */
static void fill(struct run *r) {
    size_t places = r->o.hold > 0 ? r->o.hold : r->o.conns;
    for (size_t i = 0; i < places && busy(r) < r->o.conns && more(r); i++)
        if (r->conn[i].fd < 0)
            open_next(r, &r->conn[i]);
}

static void turn(struct run *r) {
    struct epoll_event events[EVENTS];
    int n = epoll_wait(r->epoll, events, EVENTS, 1000);
    if (n < 0 && errno != EINTR)
        die("epoll_wait");
    for (int i = 0; i < n; i++) {
        struct load_conn *c = events[i].data.ptr;
        if (c->fd < 0 || c->state == LOAD_DONE)
            continue;
        enum load_state state = load_conn_step(c);
        if (state != LOAD_DONE && state != LOAD_FAILED)
            continue;
        ended(r, c);
        if (c->fd < 0 && r->o.hold == 0 && more(r))
            open_next(r, c);
    }
    if (n == 0 && busy(r) > 0)
        (void)fprintf(stderr, "bench_load: %zu connections wait\n", busy(r));
}

static void run(struct run *r) {
    double now = load_now_us();
    bool timed = r->o.count == 0 && r->o.hold == 0, began = false;
    r->begin_us = timed ? now + r->o.warm * 1e6 : 0;
    r->end_us = timed ? r->begin_us + r->o.seconds * 1e6 : 1e18;
    r->cpu_begin = cpu_seconds();
    fill(r);
    while (busy(r) > 0 && (!timed || load_now_us() < r->end_us)) {
        if (!began && load_now_us() >= r->begin_us) {
            began = true;
            r->cpu_begin = cpu_seconds();
        }
        turn(r);
        fill(r);
    }
    r->cpu_end = cpu_seconds();
    if (!timed) {
        r->begin_us = now;
        r->end_us = load_now_us();
    }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(struct run *r) {
    double seconds = (r->end_us - r->begin_us) / 1e6, cpu = r->cpu_end - r->cpu_begin;
    size_t n = r->counted;
    (void)printf("{\"counted\": %zu, \"finished\": %zu, \"failed\": %zu, \"seconds\": %.3f, "
                 "\"per_second\": %.1f, "
                 "\"cpu_share\": %.3f, \"cpu_us_each\": %.1f, \"reports_verified\": %llu, "
                 "\"tickets\": %llu",
                 n, r->finished, r->failed, seconds, (double)n / seconds, cpu / seconds,
                 n == 0 ? 0 : cpu * 1e6 / (double)n,
                 r->shared.verdicts == NULL
                     ? 0ULL
                     : (unsigned long long)load_verdicts_batches(r->shared.verdicts),
                 (unsigned long long)r->shared.maker.tickets);
    if (r->o.print_samples) {
        (void)printf(", \"samples_us\": [");
        for (size_t i = 0; i < n; i++)
            (void)printf("%s%.1f", i == 0 ? "" : ", ", r->sample[i]);
        (void)printf("]");
    }
    qsort(r->sample, n, sizeof r->sample[0], ascending);
    (void)printf(", \"p50_us\": %.1f, \"p99_us\": %.1f}\n", n == 0 ? 0 : r->sample[n / 2],
                 n == 0 ? 0 : r->sample[n * 99 / 100]);
    (void)fflush(stdout);
}

/* Keeps the connections open until standard input ends. */
static void hold(void) {
    char byte = 0;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        continue;
}

static const char usage[] =
    "usage: bench_load --port PORT [--policy FILE [--handshake-only] [--every]]\n"
    "           [--conns K] [--seconds S] [--warm S] [--count N] [--samples] [--hold N] [--cpu N] "
    "[--light]\n"
    "  --policy          attested TLS, with this policy; otherwise plain TLS\n"
    "  --handshake-only  attested TLS up to the end of the handshake\n"
    "  --every           appraise the report of every connection in full, without the cache\n"
    "  --light           the light TLS client instead of the library's\n"
    "  --count N         stop after N connections instead of after S seconds\n"
    "  --hold N          open N connections, print, and keep them until standard input ends\n";

static bool parse(struct options *o, int argc, char **argv) {
    static const struct option longs[] = {{"port", 1, NULL, 'p'},
                                          {"policy", 1, NULL, 'P'},
                                          {"conns", 1, NULL, 'k'},
                                          {"seconds", 1, NULL, 's'},
                                          {"warm", 1, NULL, 'w'},
                                          {"count", 1, NULL, 'n'},
                                          {"hold", 1, NULL, 'h'},
                                          {"cpu", 1, NULL, 'c'},
                                          {"samples", 0, NULL, 'S'},
                                          {"every", 0, NULL, 'e'},
                                          {"handshake-only", 0, NULL, 't'},
                                          {"light", 0, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};
    int option = 0;
    *o = (struct options){.conns = 64, .seconds = 3, .warm = 0.5, .cpu = -1};
    while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        unsigned number = optarg == NULL ? 0 : (unsigned)strtoul(optarg, NULL, 10);
        switch (option) {
        case 'p':
            o->port = number;
            break;
        case 'P':
            o->policy = optarg;
            break;
        case 'k':
            o->conns = number;
            break;
        case 's':
            o->seconds = strtod(optarg, NULL);
            break;
        case 'w':
            o->warm = strtod(optarg, NULL);
            break;
        case 'n':
            o->count = number;
            break;
        case 'h':
            o->hold = number;
            break;
        case 'c':
            o->cpu = (int)number;
            break;
        case 'S':
            o->print_samples = true;
            break;
        case 'e':
            o->every = true;
            break;
        case 'l':
            o->light = true;
            break;
        case 't':
            o->handshake_only = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc && o->port > 0 && o->port < 65536 && o->conns > 0 &&
           o->conns <= CONNS_MAX && o->hold <= CONNS_MAX && o->count <= SAMPLES_MAX &&
           o->seconds + o->warm <= RUN_SECONDS_MAX;
}

static void set_up(struct run *r) {
    struct bb_error err = {0};
    cpu_set_t set;
    CPU_ZERO(&set);
    if (r->o.cpu >= 0) {
        CPU_SET((unsigned)r->o.cpu, &set);
        if (sched_setaffinity(0, sizeof set, &set) != 0)
            die("--cpu");
    }
    if (r->o.policy != NULL &&
        load_verdicts_new(r->o.policy, r->o.every, &r->shared.verdicts, &err) != BB_OK) {
        (void)fprintf(stderr, "bench_load: %s\n", err.text);
        exit(1);
    }
    r->address = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)r->o.port),
                                      .sin_addr = {htonl(INADDR_LOOPBACK)}};
    r->shared.address = (const struct sockaddr *)(const void *)&r->address;
    r->shared.address_len = sizeof r->address;
    r->shared.handshake_only = r->o.handshake_only;
    r->shared.tls = r->o.light ? &load_tls_light : &load_tls_openssl;
    r->shared.maker.alpn = r->o.policy == NULL ? "" : BB_ALPN;
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll < 0 || !r->shared.tls->init(&r->shared.maker))
        die("set up");
    for (size_t i = 0; i < CONNS_MAX; i++)
        r->conn[i].fd = -1;
}

int main(int argc, char **argv) {
    struct run *r = calloc(1, sizeof *r);
    if (r == NULL || !parse(&r->o, argc, argv)) {
        (void)fputs(usage, stderr);
        free(r);
        return 1;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(RUN_SECONDS_MAX);
    set_up(r);
    run(r);
    print(r);
    if (r->o.hold > 0)
        hold();
    for (size_t i = 0; i < CONNS_MAX; i++)
        if (r->conn[i].fd >= 0)
            load_conn_close(&r->conn[i]);
    bool good = r->failed == 0 && r->counted > 0;
    r->shared.tls->done(&r->shared.maker);
    load_verdicts_free(r->shared.verdicts);
    (void)close(r->epoll);
    free(r);
    return good ? 0 : 1;
}
