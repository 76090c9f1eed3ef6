/* What a verifier counts, as Prometheus reads it. Threads may share it. */
#ifndef BB_SERVICE_VERIFIER_METRICS_H
#define BB_SERVICE_VERIFIER_METRICS_H

#include "service/verifier/engine.h"

#include <pthread.h>

#define BB_METRICS_TEXT_MAX 16384
enum { BB_METRICS_STATUSES = 9 };

struct bb_metrics {
    pthread_mutex_t lock;
    uint64_t requests[BB_ROUTE_COUNT][BB_METRICS_STATUSES];
    uint64_t refusals[BB_STATUS_END];
    uint64_t tokens[2][BB_SIG_COUNT]; /* MAA, EAR */
    uint64_t took_us[BB_ROUTE_COUNT], took_count[BB_ROUTE_COUNT];
};

bool bb_metrics_init(struct bb_metrics *m);
void bb_metrics_done(struct bb_metrics *m);
void bb_metrics_request(struct bb_metrics *m, enum bb_http_route route, unsigned status);
void bb_metrics_refusal(struct bb_metrics *m, enum bb_status status);
void bb_metrics_token(struct bb_metrics *m, bool ear, enum bb_sig_alg alg);
void bb_metrics_took(struct bb_metrics *m, enum bb_http_route route, uint64_t us);
/* Malloced; NULL without memory. */
char *bb_metrics_text(struct bb_metrics *m, uint64_t chains_found, uint64_t chains_made,
                      size_t keys);

#endif
