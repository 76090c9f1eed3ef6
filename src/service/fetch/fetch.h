/* One outbound HTTP request, made by a process of its own (blindbox-fetch, the only program that
 * links libcurl): time-outs, a cap on the body, no redirects, no cookies, no proxies of the
 * environment, TLS verified, http only to loopback or a Unix socket.
 *
 *   bb_fetcher_new()   starts the process; one serves a whole program. Used by one thread at a
 *                      time; several may exist
 *   bb_fetch_begin()   sends it one request; `fd` is readable when there is something to take
 *   bb_fetch_take()    the answer, or the failure; non-blocking
 *   bb_fetch_end()     frees; before the answer came it also cancels */
#ifndef BB_SERVICE_FETCH_FETCH_H
#define BB_SERVICE_FETCH_FETCH_H

#include "service/fetch/url.h"

#define BB_FETCH_BODY_MAX 262144  /* request or answer: memory */
#define BB_FETCH_MS_DEFAULT 10000 /* a service that does not answer */
#define BB_FETCH_MS_MAX 120000    /* longer ones are cut to it: a place held for ever */

struct bb_fetcher;

/* Starts libexec's blindbox-fetch with a socket pair; a later request starts it again when it died,
 * with back-off. VerifierUnavailable if it cannot be started. */
BB_MUST_USE enum bb_status bb_fetcher_new(struct bb_fetcher **out, struct bb_error *err);
/* A fetcher whose process somebody else runs (the gateway's parent): owns the socket `control` once it
 * succeeded. Without a process its requests fail with VerifierUnavailable. */
BB_MUST_USE enum bb_status bb_fetcher_adopt(int control, struct bb_fetcher **out,
                                            struct bb_error *err);
void bb_fetcher_free(struct bb_fetcher *fetcher); /* NULL-safe; ends the process */

/* Text is copied. `url`: https://..., http://LOOPBACK..., or unix:/SOCKET/PATH with `path` apart. */
struct bb_fetch_request {
    const char *url;     /* "https://host/base"; "unix:/run/x.sock" */
    const char *path;    /* appended: "/certs"; NULL: none */
    const char *accept;  /* Accept field; NULL: any */
    struct bb_span body; /* POST with this JSON; empty: GET */
    const char *ca_file; /* trust anchors for https; NULL: the system's */
    uint32_t timeout_ms; /* from begin to the end of the body; 0: the default */
    size_t max;          /* bytes of an answer's body; 0: BB_FETCH_BODY_MAX */
};

struct bb_fetch;

/* UsageError for an URL that may not be asked (scheme, http to another machine, user info);
 * VerifierUnavailable without a process. */
BB_MUST_USE enum bb_status bb_fetch_begin(struct bb_fetcher *fetcher,
                                          const struct bb_fetch_request *request,
                                          struct bb_fetch **out, struct bb_error *err);
int bb_fetch_fd(const struct bb_fetch *fetch);

struct bb_fetch_answer {
    unsigned http;       /* status code: 200 ... */
    struct bb_span body; /* lives as long as the fetch */
    char type[128];      /* Content-Type, lower case, without parameters */
    uint32_t max_age_s;  /* of Cache-Control; 1 for what is not to be kept; 0: not said */
};

enum bb_fetch_state { BB_FETCH_WAITING = 0, BB_FETCH_DONE, BB_FETCH_FAILED };
/* DONE with an answer of any HTTP status, a redirect's too; FAILED with VerifierUnavailable, whose
 * field says at which step: fetch.resolve, .address, .connect, .tls, .time, .size, .answer (no HTTP,
 * or cut), .process. `answer` is written only with DONE, `err` only with FAILED. */
enum bb_fetch_state bb_fetch_take(struct bb_fetch *fetch, struct bb_fetch_answer *answer,
                                  struct bb_error *err);
void bb_fetch_end(struct bb_fetch *fetch); /* NULL-safe */

/* Blocks; for commands that have nothing else to do. */
BB_MUST_USE enum bb_status bb_fetch_run(struct bb_fetcher *fetcher,
                                        const struct bb_fetch_request *request,
                                        struct bb_fetch **out, struct bb_fetch_answer *answer,
                                        struct bb_error *err);

#endif
