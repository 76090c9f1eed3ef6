/* What the HTTP library takes, and a proxy in front may read otherwise: where a request ends, whose it
 * is, and which path it names. */
#ifndef BB_SERVICE_VERIFIER_FRAMING_H
#define BB_SERVICE_VERIFIER_FRAMING_H

#include <microhttpd.h>
#include <stdbool.h>

/* False: two readers could see the end of this request at two places, so that what one takes for its
 * body is another's request (smuggling). The connection has to end. Refused are a field name that is
 * no token (RFC 9110 5.1: "Content-Length :"), Content-Length, Transfer-Encoding or Host more than
 * once, both of the first two (RFC 9112 6.1) or one of them on two lines, a transfer coding other than
 * chunked. */
bool bb_http_framing_is_plain(struct MHD_Connection *connection);

/* The library's callback for %-escapes in paths and arguments. One that holds an escaped zero byte,
 * which would end the text, or slash, which would move in it, stays as it was sent and matches
 * nothing. */
size_t bb_http_unescape(void *cls, struct MHD_Connection *connection, char *text);

#endif
