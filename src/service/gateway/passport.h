/* The gateway's way to tokens (passport): the report of a batch goes to a verification service once,
 * and every connection of the batch that asked for that issuer gets the same token. On the worker's
 * loop; no call blocks.
 *
 *   bb_passport_turn()    before a leaf goes to the attester: now, later, or never
 *   bb_passport_batch()   a batch is signed; its places follow
 *   bb_passport_wait()    a connection of that batch waits for the token; the first one begins the
 *                         request
 *
 * While as many requests of an issuer are under way as may be, leaves wait here and not at the
 * attester: they become one batch, and one request, when there is room. A failed request fails its
 * connections with one status; the same batch is never tried again. */
#ifndef BB_SERVICE_GATEWAY_PASSPORT_H
#define BB_SERVICE_GATEWAY_PASSPORT_H

#include "channel/gateway.h"
#include "service/gateway/verifiers.h"

#include <event2/event.h>

#define BB_PASSPORT_MS 10000       /* a service that does not answer */
#define BB_PASSPORT_REQUESTS 2     /* of one issuer before leaves wait: load of the service */
#define BB_PASSPORT_REQUESTS_MAX 8 /* of one issuer: batches that were being signed; memory */

struct bb_passport;

/* Called with ids of connections, which may have left meanwhile. */
struct bb_passport_calls {
    void *ctx;
    /* `evidence` is whole: place, path and token. */
    void (*answer)(void *ctx, uint64_t id, const struct bb_gateway_evidence *evidence,
                   const uint8_t d[BB_D_SIZE]);
    void (*refuse)(void *ctx, uint64_t id, unsigned status, uint64_t retry_ms);
    /* Those whose turn was later may ask again. */
    void (*room)(void *ctx, size_t issuer);
};

/* Everything but the base is copied. */
BB_MUST_USE enum bb_status bb_passport_new(struct event_base *base,
                                           const struct bb_gateway_verifiers *verifiers,
                                           const struct bb_passport_calls *calls,
                                           struct bb_passport **out, struct bb_error *err);
void bb_passport_free(struct bb_passport *p); /* NULL-safe; calls nobody */

/* The socket of a new fetcher process; the old one's requests fail. Takes the descriptor. */
void bb_passport_fetcher(struct bb_passport *p, int control);

enum bb_passport_turn { BB_PASSPORT_NEVER = 0, BB_PASSPORT_LATER, BB_PASSPORT_NOW };
/* NEVER: the service is down (status 5); `retry_ms` says when to try again. */
enum bb_passport_turn bb_passport_turn(const struct bb_passport *p, size_t issuer,
                                       uint64_t *retry_ms);

/* The batch whose places follow. `evidence` without place, path and token; copied. */
void bb_passport_batch(struct bb_passport *p, const struct bb_gateway_evidence *evidence,
                       const uint8_t d[BB_D_SIZE]);
/* Answers or refuses `id` sooner or later, perhaps at once, unless the connection is forgotten. */
void bb_passport_wait(struct bb_passport *p, size_t issuer, uint64_t id, uint32_t index,
                      struct bb_span path);

#endif
