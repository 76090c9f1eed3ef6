/* Bytes between a TLS connection and a plain socket, unchanged in both directions: half-close is
 * passed on, a cut is passed on as a cut, and a slow sink stops its source (one buffer a direction,
 * held only while it has bytes). No call blocks.
 *
 * Until both directions ended in order, closing the plain socket is a reset, whoever closes it:
 * also the kernel, when the process dies. (A Unix socket knows no reset: there a cut looks like an
 * end.) On the TLS side a cut is the absence of close_notify, so what was sent before it still
 * arrives. */
#ifndef BB_SERVICE_RELAY_H
#define BB_SERVICE_RELAY_H

#include "service/tls.h"

/* One TLS record: memory of a connection whose reader has stopped. */
#define BB_RELAY_BUFFER 16384

enum bb_relay_state {
    BB_RELAY_RUNNING = 0,
    BB_RELAY_DONE,      /* both directions ended in order */
    BB_RELAY_TLS_CUT,   /* the TLS side was cut or broke */
    BB_RELAY_PLAIN_CUT, /* the plain side was reset; what it said before is with the TLS side */
    BB_RELAY_NO_MEMORY,
};

struct bb_relay;

/* Borrows `tls`. `from_tls` and `from_plain` (copied; each at most BB_RELAY_BUFFER bytes) were read
 * before and go first. */
BB_MUST_USE enum bb_status bb_relay_new(struct bb_tls *tls, struct bb_span from_tls,
                                        struct bb_span from_plain, struct bb_relay **out,
                                        struct bb_error *err);
/* The connected plain socket, borrowed: before the first step. */
void bb_relay_attach(struct bb_relay *relay, int plain_fd);
void bb_relay_free(struct bb_relay *relay); /* NULL-safe */

/* Moves what can be moved now, a bounded amount. `tls_want` and `plain_want` get the events
 * (BB_IO_READ, BB_IO_WRITE) to wait for; `moved` is true if there may be more to do at once. */
enum bb_relay_state bb_relay_step(struct bb_relay *relay, unsigned *tls_want, unsigned *plain_want,
                                  bool *moved);

/* Whether close() of this socket, by anybody, is a reset. */
void bb_reset_on_close(int fd, bool on);

/* Application bytes so far: from the TLS side, and from the plain side. */
uint64_t bb_relay_from_tls(const struct bb_relay *relay);
uint64_t bb_relay_from_plain(const struct bb_relay *relay);

#endif
