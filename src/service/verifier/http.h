/* The verifier's HTTP server: libmicrohttpd around the engine. Knows limits and time, nothing of
 * evidence. */
#ifndef BB_SERVICE_VERIFIER_HTTP_H
#define BB_SERVICE_VERIFIER_HTTP_H

#include "service/verifier/engine.h"

#define BB_HTTP_CONNECTIONS_MAX 512 /* memory: each may hold one body */
#define BB_HTTP_REQUEST_S                                                                          \
    30 /* from a connection's start, or its last answer, to the next whole
                                head; and as long again to the answer's end: slow clients */
#define BB_VERIFIER_HEAD_MAX 32768  /* a request's head, with what the server needs: memory */
#define BB_HTTP_DROPPED_MAX 4194304 /* bytes of a body that are read only to be refused: time */
#define BB_HTTP_DRAIN_MS 10000      /* requests that keep an ending service alive */
#define BB_HTTP_THREADS_MAX 64

struct bb_http_server;

/* Serves on `listener` (taken) until bb_http_server_stop(). */
BB_MUST_USE enum bb_status bb_http_server_start(struct bb_verifier *verifier, int listener,
                                                unsigned threads, struct bb_http_server **out,
                                                struct bb_error *err);
/* Takes no more connections, lets requests that came whole be answered, ends. */
void bb_http_server_stop(struct bb_http_server *server);

#endif
