/* One TLS connection of a hostile peer: whole frames of blindbox/1, with a time limit, in its
 * thread. */
#ifndef BB_CLI_DEMO_LINE_H
#define BB_CLI_DEMO_LINE_H

#include "cli/demo/peer.h"
#include "service/tls.h"

#define BB_DEMO_LINE_MS 5000 /* for everything on one line */

struct bb_demo_line {
    const struct bb_demo_peer *peer;
    int fd;
    struct bb_tls *tls;
    int64_t deadline;
};

/* Shakes hands on `fd`, which the caller keeps, as the context's side. False if that fails; done
 * with bb_demo_line_done() either way. */
BB_MUST_USE bool bb_demo_line_open(struct bb_demo_line *line, const struct bb_demo_peer *peer,
                                   struct bb_tls_context *context, int fd);
void bb_demo_line_done(struct bb_demo_line *line);
/* Dials a loopback address; non-blocking socket, -1 on failure. */
int bb_demo_dial(const char *address);

/* What came, at least one byte. False at its end. */
BB_MUST_USE bool bb_demo_line_read(struct bb_demo_line *line, uint8_t *buf, size_t cap, size_t *n);
/* One frame with its length. */
BB_MUST_USE bool bb_demo_line_read_frame(struct bb_demo_line *line, uint8_t *buf, size_t cap,
                                         size_t *len);
BB_MUST_USE bool bb_demo_line_write(struct bb_demo_line *line, struct bb_span data);
/* Reads to the end of the connection; how many bytes came. */
uint64_t bb_demo_line_drain(struct bb_demo_line *line);

#endif
