/* Transfers: the only place that includes libcurl's headers. Many at once on one thread. */
#ifndef BB_SERVICE_FETCH_TRANSFER_H
#define BB_SERVICE_FETCH_TRANSFER_H

#include "service/fetch/fetch_wire.h"

#define BB_FETCH_TRANSFERS_MAX 32    /* at once; others wait: descriptors, and the services asked */
#define BB_FETCH_CONNECT_MS 5000     /* an address that swallows everything */
#define BB_FETCH_HEAD_MAX 65536      /* bytes of an answer's head: a head that never ends */
#define BB_FETCH_IDLE_CONNECTIONS 16 /* kept for the next request: descriptors */
#define BB_FETCH_CONNECTION_S_MAX 300 /* an old connection verified its peer too long ago */

struct bb_transfers;
struct bb_transfer;

struct bb_transfers *bb_transfers_new(void); /* NULL: no memory */
void bb_transfers_free(struct bb_transfers *transfers);

/* Waits until a transfer or the descriptor `fd` has something to do, `timeout_ms` at most. */
void bb_transfers_wait(struct bb_transfers *transfers, int fd, int timeout_ms);
/* Goes on with all of them; then the owner of one that ended, with its answer and body (malloced,
 * NULL if empty or failed), or NULL. */
void *bb_transfers_next(struct bb_transfers *transfers, struct bb_fetch_wire_answer *answer,
                        uint8_t **body);

/* `request` has been checked, and outlives the transfer. NULL: no memory. */
struct bb_transfer *bb_transfer_new(struct bb_transfers *transfers,
                                    const struct bb_fetch_wire_request *request, void *owner);
void bb_transfer_free(struct bb_transfer *transfer); /* NULL-safe; cancels, closes the connection */

#endif
