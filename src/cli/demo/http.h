/* HTTP/1.1 as far as the demo's own servers need it: one request a connection, one answer. */
#ifndef BB_CLI_DEMO_HTTP_H
#define BB_CLI_DEMO_HTTP_H

#include "cli/demo/peer.h"

#define BB_DEMO_HTTP_MAX 262144 /* a head with its body: memory */

/* Head and body into `text`, which ends with a zero byte; `got` bytes in all, whatever comes of it.
 * Returns where the body begins; 0 if it did not come whole. */
size_t bb_demo_http_read(const struct bb_demo_peer *peer, int fd, char *text, size_t cap,
                         size_t *got);
/* Sends a whole text; for a failure there is nobody to tell. */
void bb_demo_http_send(const struct bb_demo_peer *peer, int fd, const char *text);
/* "200 OK" and JSON. */
void bb_demo_http_answer(const struct bb_demo_peer *peer, int fd, const char *status,
                         const char *json);
/* Posts `json` to a server on loopback. The answer's body if it is 200, malloced; else NULL. */
char *bb_demo_http_post(const struct bb_demo_peer *peer, const char *address, const char *path,
                        const char *json);

#endif
