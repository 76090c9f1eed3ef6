/* The head of a request to an HTTP proxy: absolute-form in, origin-form out (RFC 9112 3.2). One
 * request a connection: the origin is told to close, so that the rest of the bytes needs no parser.
 */
#ifndef BB_SERVICE_HTTP_HEAD_H
#define BB_SERVICE_HTTP_HEAD_H

#include "base/span.h"

#define BB_HTTP_HEAD_MAX 16384 /* a head that never ends: memory */

enum bb_http_head {
    BB_HTTP_GOOD = 0,
    BB_HTTP_MORE,      /* the head is not whole yet */
    BB_HTTP_MALFORMED, /* no HTTP/1 request to a proxy */
    BB_HTTP_NOT_HTTP, /* CONNECT, or another scheme than http: it would go around the attestation */
    BB_HTTP_UNAUTHORIZED, /* without the secret of this run */
};

/* Reads a head at the start of `in`; on GOOD writes the request for the origin to `out` (the head
 * only) and how many bytes of `in` the head had to `used`. `user_password` is what
 * Proxy-Authorization must give (Basic). Hop-by-hop fields are left out; Host is the URL's
 * authority. */
enum bb_http_head bb_http_head(struct bb_span in, const char *user_password, struct bb_writer *out,
                               size_t *used);

#endif
