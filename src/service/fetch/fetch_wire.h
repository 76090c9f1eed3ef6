/* Messages between a program and its blindbox-fetch: datagrams on SOCK_SEQPACKET sockets, same
 * machine, same build: plain structs. A request is one datagram on the control socket, with the
 * socket for its answer attached. The answer is one datagram and, after it, the body in pieces.
 * Whoever asked and closes its end wants it no more. */
#ifndef BB_SERVICE_FETCH_WIRE_H
#define BB_SERVICE_FETCH_WIRE_H

#include "service/fetch/url.h"

#include <limits.h>

#define BB_FETCH_CONTROL_FD 3
#define BB_FETCH_PIECE_MAX 32768 /* bytes of the body in one datagram: the socket's buffer */
#define BB_FETCH_ACCEPT_MAX 128

struct bb_fetch_wire_request {
    uint32_t max;        /* bytes of the answer's body */
    uint32_t body_len;   /* bytes that follow; 0: GET */
    int64_t deadline_ms; /* of bb_now_ms() */
    struct bb_fetch_url url;
    char accept[BB_FETCH_ACCEPT_MAX]; /* "": any */
    char ca_file[PATH_MAX];           /* "": the system's */
    uint8_t body[];
};
#define BB_FETCH_REQUEST_HEAD offsetof(struct bb_fetch_wire_request, body)

/* Why there is no answer; names in fetch.c. */
enum bb_fetch_failure {
    BB_FETCH_GOOD = 0,
    BB_FETCH_RESOLVE, /* the name has no address */
    BB_FETCH_ADDRESS, /* it has none that may be asked */
    BB_FETCH_CONNECT,
    BB_FETCH_TLS,
    BB_FETCH_TIME,
    BB_FETCH_SIZE,   /* body or head too large */
    BB_FETCH_ANSWER, /* no HTTP, or cut */
    BB_FETCH_PROCESS /* the process itself: too many requests, no memory */
};

struct bb_fetch_wire_answer {
    uint32_t failure; /* enum bb_fetch_failure; what follows it is of a good answer only */
    uint32_t http;
    uint32_t max_age_s;
    uint32_t body_len; /* bytes that follow in pieces */
    char type[128];
    char text[160]; /* of a failure */
};

#endif
