/* One connection of the gateway: handshake, exchange, upstream, relay. All on the worker's loop; no
 * call blocks. */
#ifndef BB_SERVICE_CONN_H
#define BB_SERVICE_CONN_H

#include "channel/gateway.h"
#include "service/gateway/gateway.h"
#include "service/tls.h"

#include <event2/event.h>

struct bb_conn;

/* What connections share; owned by the worker. */
struct bb_conn_host {
    struct event_base *base;
    struct bb_tls_context *tls;
    const struct bb_gateway_offer *offer;
    const struct bb_gateway_options *options;
    const struct bb_upstream *upstream;
    bool draining;
    /* A leaf is ready to be sealed: the worker queues it under the connection's id. Else the status
     * that refuses it, and when to try again. */
    unsigned (*leaf_ready)(struct bb_conn_host *host, struct bb_conn *conn, uint64_t *retry_ms);
    /* The connection is over and about to be freed. */
    void (*gone)(struct bb_conn_host *host, struct bb_conn *conn);
};

/* Takes ownership of `fd`. NULL if there is no memory (the socket is closed then). */
struct bb_conn *bb_conn_new(struct bb_conn_host *host, int fd, const struct sockaddr_storage *peer,
                            uint64_t id);
/* Closes at once. Calls host->gone. */
void bb_conn_abort(struct bb_conn *conn);
/* Without evidence yet: refuses with "shutting down"; the others go on. */
void bb_conn_drain(struct bb_conn *conn);

uint64_t bb_conn_id(const struct bb_conn *conn);
const struct sockaddr_storage *bb_conn_peer(const struct bb_conn *conn);
/* The 48 bytes for the batch; NULL unless the connection waits for one. */
const uint8_t *bb_conn_leaf(const struct bb_conn *conn);
/* Its leaf has a place in a batch, and it waits for that batch's token. */
void bb_conn_placed(struct bb_conn *conn);
/* It waits for evidence or token. */
bool bb_conn_waits(const struct bb_conn *conn);
/* While it waits: the issuer whose token it wants, or BB_NO_ISSUER. */
size_t bb_conn_issuer(const struct bb_conn *conn);
/* A mark of the worker's: its leaf is kept back until there is room at the issuer. */
void bb_conn_keep_back(struct bb_conn *conn, bool back);
bool bb_conn_is_kept_back(const struct bb_conn *conn);
/* Answers of the attester. `d` names the batch, for the log. */
void bb_conn_answer(struct bb_conn *conn, const struct bb_gateway_evidence *evidence,
                    const uint8_t d[BB_D_SIZE]);
void bb_conn_refuse(struct bb_conn *conn, unsigned status, uint64_t retry_ms);

#endif
