/* The gateway's side of one connection as an engine without I/O, clock or randomness; times are
 * milliseconds of any steady clock of the caller's. States:
 *
 *   REQUEST   bytes -> bb_gateway_conn_feed()
 *   BATCH     bb_gateway_conn_leaf() is to be sealed into a batch, and where the client asked for one
 *             the batch's token to be had; then _answer() or _refuse()
 *   RESPONSE  write bb_gateway_conn_output(), tell _wrote(); a byte from the client before the whole
 *             response is written closes. Once it is written, memory of the exchange is freed
 *   START     bytes -> _feed(), until exactly the nine bytes of the start frame came
 *   OPEN      the engine is done: dial the upstream, relay unchanged
 *   CLOSED    close the connection now (after a refusal: once it is written) */
#ifndef BB_CHANNEL_GATEWAY_H
#define BB_CHANNEL_GATEWAY_H

#include "channel/frame.h"

enum bb_gateway_state {
    BB_GATEWAY_CLOSED = 0,
    BB_GATEWAY_REQUEST,
    BB_GATEWAY_BATCH,
    BB_GATEWAY_RESPONSE,
    BB_GATEWAY_START,
    BB_GATEWAY_OPEN,
};

/* What this gateway offers; the same for all connections; outlives them. */
struct bb_gateway_offer {
    unsigned kind;           /* of the attester: 1 or 255 */
    unsigned form;           /* report_data form of its batches: 1, or 0 */
    const char *const *apps; /* application protocols it can carry, as in its config */
    size_t n_apps;
    const char *const *issuers; /* whose tokens it can get, as in its config */
    size_t n_issuers;
    struct bb_span spki; /* its TLS key, 91 bytes */
};

struct bb_gateway_conn;

/* After the handshake (TLS 1.3, ALPN exactly blindbox/1, not resumed: the caller checked). `salt`:
 * fresh from the CSPRNG. `exporter` is called once, when the request is complete. */
BB_MUST_USE enum bb_status bb_gateway_conn_new(const struct bb_gateway_offer *offer,
                                               const uint8_t salt[BB_SALT_SIZE],
                                               bb_exporter_fn exporter, void *ctx, int64_t now_ms,
                                               struct bb_gateway_conn **out, struct bb_error *err);
void bb_gateway_conn_free(struct bb_gateway_conn *conn); /* NULL-safe */

enum bb_gateway_state bb_gateway_conn_state(const struct bb_gateway_conn *conn);

/* Takes bytes from the client; returns the new state. `used` < in.len only in OPEN: the rest is the
 * application's. On REQUEST -> RESPONSE the request was refused and the refusal is ready: malformed
 * (1), nothing in common (2), issuer not configured (6). */
enum bb_gateway_state bb_gateway_conn_feed(struct bb_gateway_conn *conn, struct bb_span in,
                                           int64_t now_ms, size_t *used);

/* In BATCH: this connection's 48 bytes for the batch. */
const uint8_t *bb_gateway_conn_leaf(const struct bb_gateway_conn *conn);

#define BB_NO_ISSUER SIZE_MAX
/* In BATCH: the place in the offer's list of the issuer whose token the client asked for, else
 * BB_NO_ISSUER. */
size_t bb_gateway_conn_issuer(const struct bb_gateway_conn *conn);

/* What a sealed and signed batch gives to one of its connections. */
struct bb_gateway_evidence {
    unsigned kind, form;
    uint16_t flags;
    struct bb_span cmw, config, binding_spki;
    struct bb_span cmw_report; /* the report alone: what a client of tokens gets */
    uint32_t index;
    unsigned depth;
    struct bb_span path;
    struct bb_span token; /* of the issuer that the client asked for; empty: none */
};

/* BATCH -> RESPONSE. A token goes only to a client that asked for one. InternalError (and CLOSED) if
 * it is not there then, if memory fails or the response would be too large. */
BB_MUST_USE enum bb_status bb_gateway_conn_answer(struct bb_gateway_conn *conn,
                                                  const struct bb_gateway_evidence *evidence,
                                                  struct bb_error *err);
/* BATCH (or REQUEST, on shutdown) -> RESPONSE with a refusal; CLOSED once it is written. In other
 * states it closes. `retry_ms` 0: no key 15. */
void bb_gateway_conn_refuse(struct bb_gateway_conn *conn, unsigned status, uint64_t retry_ms);

/* In RESPONSE: what is still to be written. */
struct bb_span bb_gateway_conn_output(const struct bb_gateway_conn *conn);
/* `n` bytes of it were written. The last one leads to START, or after a refusal to CLOSED. */
enum bb_gateway_state bb_gateway_conn_wrote(struct bb_gateway_conn *conn, size_t n, int64_t now_ms);

/* When this state ends at the latest; INT64_MAX in OPEN and CLOSED. */
int64_t bb_gateway_conn_deadline(const struct bb_gateway_conn *conn);
/* To be called at the deadline (earlier calls do nothing): BATCH is refused with status 8, every
 * other state closes. Returns the new state. */
enum bb_gateway_state bb_gateway_conn_expire(struct bb_gateway_conn *conn, int64_t now_ms);

/* The status that refused this connection, 0 if none did: for the log. */
unsigned bb_gateway_conn_refused(const struct bb_gateway_conn *conn);

#endif
