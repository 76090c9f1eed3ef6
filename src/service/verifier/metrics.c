#include "service/verifier/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* 0 stands for every other one. */
static const unsigned statuses[BB_METRICS_STATUSES] = {0, 200, 400, 404, 405, 413, 415, 500, 503};
static const char *const routes[BB_ROUTE_COUNT] = {"other",   "attest", "certs",  "openid",
                                                   "healthz", "readyz", "metrics"};

bool bb_metrics_init(struct bb_metrics *m) { return pthread_mutex_init(&m->lock, NULL) == 0; }
void bb_metrics_done(struct bb_metrics *m) { (void)pthread_mutex_destroy(&m->lock); }

static void add(struct bb_metrics *m, uint64_t *counter, uint64_t by) {
    (void)pthread_mutex_lock(&m->lock);
    *counter += by;
    (void)pthread_mutex_unlock(&m->lock);
}

void bb_metrics_request(struct bb_metrics *m, enum bb_http_route route, unsigned status) {
    size_t i = BB_METRICS_STATUSES - 1;
    while (i > 0 && statuses[i] != status)
        i--;
    add(m, &m->requests[route][i], 1);
}

void bb_metrics_refusal(struct bb_metrics *m, enum bb_status status) {
    add(m, &m->refusals[status], 1);
}

void bb_metrics_token(struct bb_metrics *m, bool ear, enum bb_sig_alg alg) {
    add(m, &m->tokens[ear ? 1 : 0][alg], 1);
}

void bb_metrics_took(struct bb_metrics *m, enum bb_http_route route, uint64_t us) {
    (void)pthread_mutex_lock(&m->lock);
    m->took_us[route] += us;
    m->took_count[route]++;
    (void)pthread_mutex_unlock(&m->lock);
}

static void line(struct bb_writer *w, const char *fmt, ...) BB_PRINTF(2, 3);
static void line(struct bb_writer *w, const char *fmt, ...) {
    char text[256];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    bb_write_bytes(w, bb_span(text, n > 0 && (size_t)n < sizeof text ? (size_t)n : 0));
}

static void head(struct bb_writer *w, const char *name, const char *type, const char *help) {
    line(w, "# HELP blindbox_verifier_%s %s\n# TYPE blindbox_verifier_%s %s\n", name, help, name,
         type);
}

static void write_requests(struct bb_writer *w, const struct bb_metrics *m) {
    head(w, "requests_total", "counter", "Requests by route and status.");
    for (size_t r = 0; r < BB_ROUTE_COUNT; r++)
        for (size_t s = 0; s < BB_METRICS_STATUSES; s++)
            if (m->requests[r][s] > 0)
                line(w,
                     "blindbox_verifier_requests_total{route=\"%s\",status=\"%u\"} %" PRIu64 "\n",
                     routes[r], statuses[s], m->requests[r][s]);
    head(w, "request_seconds", "summary", "Time from a whole request to its answer.");
    for (size_t r = 0; r < BB_ROUTE_COUNT; r++) {
        if (m->took_count[r] == 0)
            continue;
        line(w, "blindbox_verifier_request_seconds_sum{route=\"%s\"} %.6f\n", routes[r],
             (double)m->took_us[r] / 1e6);
        line(w, "blindbox_verifier_request_seconds_count{route=\"%s\"} %" PRIu64 "\n", routes[r],
             m->took_count[r]);
    }
}

static void write_verdicts(struct bb_writer *w, const struct bb_metrics *m) {
    head(w, "tokens_total", "counter", "Tokens by profile and algorithm.");
    for (size_t p = 0; p < 2; p++)
        for (int a = 0; a < BB_SIG_COUNT; a++)
            if (m->tokens[p][a] > 0)
                line(w, "blindbox_verifier_tokens_total{profile=\"%s\",alg=\"%s\"} %" PRIu64 "\n",
                     p == 0 ? "maa" : "ear", bb_sig_alg_name((enum bb_sig_alg)a), m->tokens[p][a]);
    head(w, "refusals_total", "counter", "Refused evidence and requests by failure class.");
    for (int s = 0; s < BB_STATUS_END; s++)
        if (m->refusals[s] > 0)
            line(w, "blindbox_verifier_refusals_total{class=\"%s\"} %" PRIu64 "\n",
                 bb_status_name((enum bb_status)s), m->refusals[s]);
}

char *bb_metrics_text(struct bb_metrics *m, uint64_t chains_found, uint64_t chains_made,
                      size_t keys) {
    char *text = malloc(BB_METRICS_TEXT_MAX);
    if (text == NULL)
        return NULL;
    struct bb_writer w = bb_writer(text, BB_METRICS_TEXT_MAX - 1);
    (void)pthread_mutex_lock(&m->lock);
    write_requests(&w, m);
    write_verdicts(&w, m);
    (void)pthread_mutex_unlock(&m->lock);
    head(&w, "chains_total", "counter", "Certificate chains found in the cache, and made.");
    line(&w, "blindbox_verifier_chains_total{cache=\"hit\"} %" PRIu64 "\n", chains_found);
    line(&w, "blindbox_verifier_chains_total{cache=\"miss\"} %" PRIu64 "\n", chains_made);
    head(&w, "keys", "gauge", "Signing keys in the state folder.");
    line(&w, "blindbox_verifier_keys %zu\n", keys);
    text[w.len] = '\0';
    return text;
}
