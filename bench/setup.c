/* A client alone: one new connection after another, each of the product's own sessions from the dial to
 * its verdict and the start of the application, under one policy. What a running client keeps (the
 * service's keys, the fetching process) is kept; nothing of a report or token is. Arguments: ADDRESS
 * POLICY COUNT. Prints each connection's time, and what its steps took, as JSON in microseconds. */
#include "rounds.h"

#include "service/session.h"
#include <blindbox/policy.h>

#include <signal.h>

enum { COUNT_MAX = 10000 };

static double whole[COUNT_MAX], token[COUNT_MAX], verdict[COUNT_MAX], handshake[COUNT_MAX];

struct client {
    struct bb_target target;
    struct bb_session_options options;
};

static void prepare(struct client *c, const char *address, const char *policy) {
    static char source[4096];
    struct bb_error err = {0};
    struct bb_policy *p = NULL;
    must(bb_policy_load(policy, &p, source, sizeof source, &err) == BB_OK, err.text);
    must(bb_target_resolve(address, &c->target, &err) == BB_OK, err.text);
    c->options = (struct bb_session_options){.target = &c->target, .policy = p};
    must(bb_tls_client_new(&c->options.tls, &err) == BB_OK, err.text);
    must(bb_fetcher_new(&c->options.fetcher, &err) == BB_OK, err.text);
    must(bb_keysets_new(c->options.fetcher, NULL, &c->options.keysets, &err) == BB_OK, err.text);
}

static void finish(struct client *c) {
    bb_keysets_free(c->options.keysets);
    bb_fetcher_free(c->options.fetcher);
    bb_tls_context_free(c->options.tls);
}

static double wall_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void connect_once(const struct client *c, int i) {
    struct bb_session *session = NULL;
    struct bb_error err = {0};
    double begin = wall_us();
    must(bb_session_new(&c->options, &session, &err) == BB_OK, err.text);
    enum bb_status status = bb_session_run(session, true);
    whole[i] = wall_us() - begin;
    must(status == BB_OK, bb_status_name(status));
    const struct bb_session_times *times = bb_session_times(session);
    handshake[i] = (double)times->handshake;
    token[i] = (double)times->token;
    verdict[i] = (double)times->verdict;
    bb_session_free(session);
}

static void print(const char *name, const double *values, int n, const char *end) {
    (void)printf("\"%s\": [", name);
    for (int i = 0; i < n; i++)
        (void)printf("%s%.0f", i == 0 ? "" : ", ", values[i]);
    (void)printf("]%s", end);
}

int main(int argc, char **argv) {
    static struct client c;
    int n = argc == 4 ? (int)strtol(argv[3], NULL, 10) : 0;
    must(n > 0 && n <= COUNT_MAX, "usage: bench_setup ADDRESS POLICY COUNT");
    (void)signal(SIGPIPE, SIG_IGN);
    prepare(&c, argv[1], argv[2]);
    connect_once(&c, 0); /* the keys are fetched */
    for (int i = 0; i < n; i++)
        connect_once(&c, i);
    (void)printf("{");
    print("samples_us", whole, n, ", ");
    print("handshake_us", handshake, n, ", ");
    print("token_us", token, n, ", ");
    print("verdict_us", verdict, n, "}\n");
    finish(&c);
    return 0;
}
