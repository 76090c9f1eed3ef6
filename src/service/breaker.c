#include "service/breaker.h"

bool bb_breaker_is_open(const struct bb_breaker *b, int64_t now_ms, uint64_t *left_ms) {
    bool open = bb_breaker_is_on_trial(b) && now_ms < b->until_ms;
    *left_ms = open ? (uint64_t)(b->until_ms - now_ms) : 0;
    return open;
}

bool bb_breaker_is_on_trial(const struct bb_breaker *b) {
    return b->failures >= BB_BREAKER_FAILURES;
}

void bb_breaker_failed(struct bb_breaker *b, int64_t now_ms, uint8_t random) {
    uint64_t left = 0;
    if (bb_breaker_is_open(b, now_ms, &left))
        return;
    if (b->failures < BB_BREAKER_FAILURES)
        b->failures++;
    if (b->failures < BB_BREAKER_FAILURES)
        return;
    b->pause_ms = b->pause_ms == 0 ? BB_BREAKER_MIN_MS : b->pause_ms * 2;
    if (b->pause_ms > BB_BREAKER_MAX_MS)
        b->pause_ms = BB_BREAKER_MAX_MS;
    b->until_ms = now_ms + b->pause_ms / 2 + (int64_t)b->pause_ms * random / (2 * UINT8_MAX);
}

void bb_breaker_worked(struct bb_breaker *b) { *b = (struct bb_breaker){0}; }
