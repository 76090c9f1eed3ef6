/* A circuit breaker for one service: after failures in a row it is not asked for a while, then once;
 * so a service that comes back meets one request, not all that were waiting. Pure: times are
 * milliseconds of a steady clock of the caller's, `random` comes from its CSPRNG. */
#ifndef BB_SERVICE_BREAKER_H
#define BB_SERVICE_BREAKER_H

#include "base/error.h"

#define BB_BREAKER_FAILURES 3   /* in a row: then it opens */
#define BB_BREAKER_MIN_MS 1000  /* the first pause; each further one is twice as long */
#define BB_BREAKER_MAX_MS 30000 /* the longest */

/* Zeroed: closed. */
struct bb_breaker {
    unsigned failures; /* in a row */
    uint32_t pause_ms; /* the last one; 0: none */
    int64_t until_ms;  /* end of the pause */
};

/* True in a pause: do not ask. `left_ms` gets what is left of it. */
bool bb_breaker_is_open(const struct bb_breaker *breaker, int64_t now_ms, uint64_t *left_ms);
/* True after a pause, until the service answered: one request at a time. */
bool bb_breaker_is_on_trial(const struct bb_breaker *breaker);
/* A request failed. Up to half of a pause is chance, so that several gateways do not come back at
 * the same moment. Failures within a pause, of requests that were under way, do not prolong it. */
void bb_breaker_failed(struct bb_breaker *breaker, int64_t now_ms, uint8_t random);
/* The service answered, whatever it said. */
void bb_breaker_worked(struct bb_breaker *breaker);

#endif
