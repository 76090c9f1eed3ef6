#include "service/gateway/passport.h"

#include "base/hex.h"
#include "codec/json.h"
#include "service/attest_answer.h"
#include "service/breaker.h"
#include "service/clock.h"
#include "service/fetch/fetch.h"
#include "service/log.h"
#include "token/attest_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    GRACE_MS = 2000, /* for a fetcher that hangs itself */
    BUSY_MS = 1000,
    ANSWER_MAX = BB_TOKEN_MAX + 4096, /* {"token": "..."} and what stands beside it */
};

/* A signed batch, kept while anybody may need it. */
struct batch {
    unsigned users;
    struct bb_gateway_evidence evidence; /* spans into `bytes` */
    uint8_t d[BB_D_SIZE];
    uint8_t bytes[];
};

struct waiter {
    uint64_t id;
    uint32_t index;
    uint8_t path[BB_MERKLE_DEPTH_MAX * BB_MERKLE_NODE];
};

enum stage { NEW = 0, UNDER_WAY, OVER };

/* One request: a batch at an issuer. */
struct flight {
    enum stage stage;
    struct bb_passport *owner;
    struct flight *prev, *next;
    size_t issuer;
    struct batch *batch;
    struct bb_fetch *fetch;
    struct event *event;
    int64_t began_us;
    char *token; /* when it is over; NULL if there is none, and then, for the clients: */
    unsigned status;
    uint64_t retry_ms;
    struct waiter **waiters;
    size_t n, cap;
};

struct issuer {
    struct bb_gateway_verifier verifier;
    struct bb_breaker breaker;
    unsigned under_way;
    struct flight *current; /* of the last batch; late places find it over */
};

struct bb_passport {
    struct event_base *base;
    struct bb_passport_calls calls;
    struct bb_fetcher *fetcher; /* NULL: its process is gone */
    struct issuer issuer[BB_GATEWAY_VERIFIERS_MAX];
    size_t n_issuers;
    struct batch *batch; /* the last one */
    struct flight *flights;
};

/* ---- batches ---- */

static void batch_done(struct batch *b) {
    if (b != NULL && --b->users == 0)
        free(b);
}

static struct bb_span keep(uint8_t **at, struct bb_span s) {
    memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return bb_span(*at - s.len, s.len);
}

static struct batch *batch_new(const struct bb_gateway_evidence *e, const uint8_t d[BB_D_SIZE]) {
    struct batch *b =
        malloc(sizeof *b + e->cmw.len + e->cmw_report.len + e->config.len + e->binding_spki.len);
    if (b == NULL)
        return NULL;
    uint8_t *at = b->bytes;
    b->users = 1;
    b->evidence = *e;
    b->evidence.cmw = keep(&at, e->cmw);
    b->evidence.cmw_report = keep(&at, e->cmw_report);
    b->evidence.config = keep(&at, e->config);
    b->evidence.binding_spki = keep(&at, e->binding_spki);
    memcpy(b->d, d, BB_D_SIZE);
    return b;
}

/* ---- one request ---- */

static void land(struct flight *f) {
    if (f->event != NULL)
        event_free(f->event);
    f->event = NULL;
    bb_fetch_end(f->fetch);
    f->fetch = NULL;
}

static void flight_free(struct flight *f) {
    struct bb_passport *p = f->owner;
    land(f);
    if (f->next != NULL)
        f->next->prev = f->prev;
    if (f->prev != NULL)
        f->prev->next = f->next;
    else
        p->flights = f->next;
    for (size_t i = 0; i < f->n; i++)
        free(f->waiters[i]);
    free(f->waiters);
    free(f->token);
    batch_done(f->batch);
    free(f);
}

static struct flight *flight_new(struct bb_passport *p, size_t issuer) {
    struct flight *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    *f = (struct flight){.owner = p,
                         .next = p->flights,
                         .issuer = issuer,
                         .batch = p->batch,
                         .began_us = bb_now_us(),
                         .status = BB_CHANNEL_VERIFIER_UNAVAILABLE};
    p->batch->users++;
    if (f->next != NULL)
        f->next->prev = f;
    p->flights = f;
    return f;
}

static void tell(const struct flight *f, const struct waiter *w) {
    const struct bb_passport_calls *calls = &f->owner->calls;
    struct bb_gateway_evidence e = f->batch->evidence;
    if (f->token == NULL) {
        calls->refuse(calls->ctx, w->id, f->status, f->retry_ms);
        return;
    }
    e.index = w->index;
    e.path = bb_span(w->path, (size_t)e.depth * BB_MERKLE_NODE);
    e.token = bb_span_str(f->token);
    calls->answer(calls->ctx, w->id, &e, f->batch->d);
}

/* How the request ended is known: everybody that waits hears it. What the service said is logged;
 * the token never is. */
static void end_flight(struct flight *f, const char *outcome) {
    struct bb_passport *p = f->owner;
    struct issuer *issuer = &p->issuer[f->issuer];
    char id[BB_HEX_SIZE(BB_BATCH_ID_SIZE)];
    land(f);
    f->stage = OVER;
    issuer->under_way--;
    bb_hex_encode(bb_span(f->batch->d, BB_BATCH_ID_SIZE), id, sizeof id);
    bb_log("token issuer=%s batch=%s ms=%" PRId64 " waiting=%zu status=%u %s",
           issuer->verifier.issuer, id, (bb_now_us() - f->began_us) / 1000, f->n,
           f->token == NULL ? f->status : 0, outcome);
    if (f->token == NULL && f->status == BB_CHANNEL_VERIFIER_UNAVAILABLE) {
        uint8_t chance = 0;
        (void)!bb_random(&chance, 1);
        bb_breaker_failed(&issuer->breaker, bb_now_ms(), chance);
        (void)bb_breaker_is_open(&issuer->breaker, bb_now_ms(), &f->retry_ms);
    } else {
        bb_breaker_worked(&issuer->breaker);
    }
    for (size_t i = 0; i < f->n; i++) {
        tell(f, f->waiters[i]);
        free(f->waiters[i]);
    }
    f->n = 0;
    size_t which = f->issuer;
    if (issuer->current != f)
        flight_free(f);
    p->calls.room(p->calls.ctx, which);
}

/* ---- what the service answered ---- */

/* Base64url and two dots; what else a token may be is for those who verify it. */
static bool may_be_sent(const char *token) {
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    size_t len = strlen(token);
    return len > 0 && len <= BB_TOKEN_MAX && strspn(token, letters) == len;
}

static bool is_object(struct bb_span body) {
    json_t *o = NULL;
    bool good = bb_json_parse_object(body, ANSWER_MAX, "answer", &o, NULL) == BB_OK;
    json_decref(o);
    return good;
}

static void take_token(struct flight *f, const struct bb_fetch_answer *a, char *outcome,
                       size_t cap) {
    struct bb_error err = {0};
    bool ear = f->owner->issuer[f->issuer].verifier.profile == BB_PROFILE_EAR;
    if (bb_attest_answer_token(a->body, ear, &f->token, &err) != BB_OK) {
        f->token = NULL;
        /* JSON is the service's own word; a page of something in between is not. */
        f->status =
            is_object(a->body) ? BB_CHANNEL_OWN_EVIDENCE_REFUSED : BB_CHANNEL_VERIFIER_UNAVAILABLE;
        (void)snprintf(outcome, cap, "no token in the answer");
    } else if (!may_be_sent(f->token)) {
        free(f->token);
        f->token = NULL;
        f->status = BB_CHANNEL_OWN_EVIDENCE_REFUSED;
        (void)snprintf(outcome, cap, "a token that is too long or has foreign characters");
    } else {
        (void)snprintf(outcome, cap, "ok");
    }
}

static void answered(struct flight *f, const struct bb_fetch_answer *a) {
    enum { GOOD = 200 };
    char outcome[BB_TEXT_MAX], said[BB_ANSWER_SAID_MAX];
    f->status = bb_answer_may_pass(a->http) ? BB_CHANNEL_VERIFIER_UNAVAILABLE
                                            : BB_CHANNEL_OWN_EVIDENCE_REFUSED;
    bb_answer_said(a->body, said);
    (void)snprintf(outcome, sizeof outcome, "http=%u %s", a->http, said);
    if (a->http == GOOD)
        take_token(f, a, outcome, sizeof outcome);
    end_flight(f, outcome);
}

static void on_fetch(evutil_socket_t fd, short what, void *arg) {
    struct flight *f = arg;
    struct bb_fetch_answer answer = {0};
    struct bb_error err = {0};
    (void)fd;
    if ((what & EV_TIMEOUT) != 0) {
        end_flight(f, "the fetcher does not answer");
        return;
    }
    switch (bb_fetch_take(f->fetch, &answer, &err)) {
    case BB_FETCH_WAITING:
        break;
    case BB_FETCH_DONE:
        answered(f, &answer);
        break;
    case BB_FETCH_FAILED:
        end_flight(f, err.text);
        break;
    }
}

/* ---- asking ---- */

static char *body_of(const struct batch *b) {
    char runtime[BB_RUNTIME_SIZE + 1];
    struct bb_cmw cmw;
    if (!bb_binding_runtime(b->d, runtime) || !bb_cmw_parse(b->evidence.cmw, &cmw))
        return NULL;
    struct bb_attest_evidence e = {.report = cmw.report,
                                   .certs = {cmw.vek, cmw.ask, cmw.ark},
                                   .n_certs = 3,
                                   .runtime = bb_span(runtime, BB_RUNTIME_SIZE)};
    return bb_attest_request_build(&e);
}

static bool take_off(struct flight *f, struct bb_error *err) {
    struct bb_passport *p = f->owner;
    const struct bb_gateway_verifier *v = &p->issuer[f->issuer].verifier;
    const int64_t limit_ms = BB_PASSPORT_MS + GRACE_MS;
    const struct timeval limit = {.tv_sec = limit_ms / 1000};
    char *body = body_of(f->batch);
    if (p->fetcher == NULL)
        (void)bb_fail(err, BB_VERIFIER_UNAVAILABLE, "fetcher", NULL, NULL,
                      "there is no fetcher at the moment");
    f->stage = UNDER_WAY;
    bool good = p->fetcher != NULL && body != NULL;
    if (good) {
        struct bb_fetch_request r = {.url = v->url,
                                     .path = BB_ATTEST_PATH,
                                     .accept =
                                         v->profile == BB_PROFILE_EAR ? BB_MEDIA_EAR : BB_MEDIA_JWT,
                                     .body = bb_span_str(body),
                                     .ca_file = v->ca[0] == '\0' ? NULL : v->ca,
                                     .timeout_ms = BB_PASSPORT_MS,
                                     .max = ANSWER_MAX};
        good = bb_fetch_begin(p->fetcher, &r, &f->fetch, err) == BB_OK;
    }
    free(body);
    if (!good)
        return false;
    f->event = event_new(p->base, bb_fetch_fd(f->fetch), EV_READ | EV_PERSIST, on_fetch, f);
    return f->event != NULL && event_add(f->event, &limit) == 0;
}

static bool add_waiter(struct flight *f, uint64_t id, uint32_t index, struct bb_span path) {
    if (f->n == f->cap) {
        size_t cap = f->cap == 0 ? 16 : f->cap * 2;
        struct waiter **more = realloc(f->waiters, cap * sizeof(struct waiter *));
        if (more == NULL)
            return false;
        f->waiters = more;
        f->cap = cap;
    }
    /* Only as much of the path as there is. */
    struct waiter *w = malloc(offsetof(struct waiter, path) + path.len);
    if (w == NULL)
        return false;
    w->id = id;
    w->index = index;
    memcpy(w->path, path.ptr, path.len);
    f->waiters[f->n++] = w;
    return true;
}

/* How many requests of one issuer may be under way. */
static unsigned places(const struct issuer *issuer, unsigned usual) {
    return bb_breaker_is_on_trial(&issuer->breaker) ? 1 : usual;
}

/* The request for the last batch: begun by its first connection. NULL: refuse with status and time. */
static struct flight *flight_of(struct bb_passport *p, size_t which, unsigned *status,
                                uint64_t *retry_ms) {
    struct issuer *issuer = &p->issuer[which];
    *status = BB_CHANNEL_VERIFIER_UNAVAILABLE;
    if (issuer->current != NULL)
        return issuer->current;
    if (p->batch == NULL || bb_breaker_is_open(&issuer->breaker, bb_now_ms(), retry_ms))
        return NULL;
    if (issuer->under_way >= places(issuer, BB_PASSPORT_REQUESTS_MAX)) {
        if (!bb_breaker_is_on_trial(&issuer->breaker))
            *status = BB_CHANNEL_BUSY;
        *retry_ms = BUSY_MS;
        return NULL;
    }
    issuer->current = flight_new(p, which);
    if (issuer->current != NULL)
        issuer->under_way++;
    return issuer->current;
}

void bb_passport_wait(struct bb_passport *p, size_t which, uint64_t id, uint32_t index,
                      struct bb_span path) {
    struct bb_error err = {0};
    unsigned status = 0;
    uint64_t retry_ms = 0;
    struct flight *f = flight_of(p, which, &status, &retry_ms);
    if (f == NULL || !add_waiter(f, id, index, path)) {
        p->calls.refuse(p->calls.ctx, id, f == NULL ? status : BB_CHANNEL_BUSY, retry_ms);
        return;
    }
    switch (f->stage) {
    case NEW:
        if (!take_off(f, &err))
            end_flight(f, err.text);
        break;
    case UNDER_WAY:
        break;
    case OVER: { /* a late place */
        struct waiter *w = f->waiters[--f->n];
        tell(f, w);
        free(w);
        break;
    }
    }
}

void bb_passport_batch(struct bb_passport *p, const struct bb_gateway_evidence *evidence,
                       const uint8_t d[BB_D_SIZE]) {
    for (size_t i = 0; i < p->n_issuers; i++) {
        struct flight *f = p->issuer[i].current;
        p->issuer[i].current = NULL;
        if (f != NULL && f->stage == OVER)
            flight_free(f);
    }
    batch_done(p->batch);
    p->batch = batch_new(evidence, d);
}

enum bb_passport_turn bb_passport_turn(const struct bb_passport *p, size_t which,
                                       uint64_t *retry_ms) {
    const struct issuer *issuer = &p->issuer[which];
    if (bb_breaker_is_open(&issuer->breaker, bb_now_ms(), retry_ms))
        return BB_PASSPORT_NEVER;
    return issuer->under_way < places(issuer, BB_PASSPORT_REQUESTS) ? BB_PASSPORT_NOW
                                                                    : BB_PASSPORT_LATER;
}

/* ---- start and end ---- */

enum bb_status bb_passport_new(struct event_base *base,
                               const struct bb_gateway_verifiers *verifiers,
                               const struct bb_passport_calls *calls, struct bb_passport **out,
                               struct bb_error *err) {
    struct bb_passport *p = calloc(1, sizeof *p);
    if (p == NULL)
        return bb_fail_internal(err, "memory for the way to tokens");
    p->base = base;
    p->calls = *calls;
    p->n_issuers = verifiers->n;
    for (size_t i = 0; i < verifiers->n; i++)
        p->issuer[i].verifier = verifiers->list[i];
    *out = p;
    return BB_OK;
}

/* Requests belong to the fetcher: without it they have failed. */
static void fail_all(struct bb_passport *p) {
    bool more = true;
    while (more) {
        more = false;
        for (struct flight *f = p->flights; f != NULL && !more; f = f->next)
            if (f->stage == UNDER_WAY) {
                more = true;
                end_flight(f, "the fetcher is gone"); /* `f` may be freed: from the start again */
                break;
            }
    }
}

void bb_passport_fetcher(struct bb_passport *p, int control) {
    struct bb_error err = {0};
    struct bb_fetcher *old = p->fetcher;
    p->fetcher = NULL;
    fail_all(p);
    bb_fetcher_free(old);
    if (bb_fetcher_adopt(control, &p->fetcher, &err) != BB_OK)
        bb_log("gateway: no fetcher: %s", err.text);
}

void bb_passport_free(struct bb_passport *p) {
    if (p == NULL)
        return;
    struct flight *next = NULL;
    for (struct flight *f = p->flights; f != NULL; f = next) {
        next = f->next;
        flight_free(f);
    }
    batch_done(p->batch);
    bb_fetcher_free(p->fetcher);
    free(p);
}
