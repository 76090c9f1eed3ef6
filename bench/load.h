/* The load generator's parts: one TLS 1.3 client connection, and the verdict on an attested one. */
#ifndef BB_BENCH_LOAD_H
#define BB_BENCH_LOAD_H

#include "load_tls.h"

/* ---- verdict ---- */

/* Every connection's own leaf, root, D and report_data are computed and compared. What the vendor's
 * key signed is verified once a batch: the cache is keyed on SHA-384 of the signed bytes. */
struct load_verdicts;

/* `policy` as for `blindbox attest`. `every` true: no cache, each report is appraised in full. */
BB_MUST_USE enum bb_status load_verdicts_new(const char *policy, bool every,
                                             struct load_verdicts **out, struct bb_error *err);
void load_verdicts_free(struct load_verdicts *v); /* NULL-safe */
/* After bb_client_bind(): true if the connection is accepted. */
bool load_verdicts_accept(struct load_verdicts *v, const struct bb_client *client);
/* Signatures of reports verified so far. */
uint64_t load_verdicts_batches(const struct load_verdicts *v);
const struct bb_policy *load_verdicts_policy(const struct load_verdicts *v);

/* ---- connection ---- */

enum load_state {
    LOAD_CONNECTING,
    LOAD_HANDSHAKE,
    LOAD_REQUEST,
    LOAD_RESPONSE,
    LOAD_START,
    LOAD_DONE, /* handshake finished; attested: verdict reached and start frame sent */
    LOAD_FAILED,
};

/* What connections share. */
struct load_shared {
    const struct load_tls_ops *tls;
    struct load_tls_maker maker;
    struct load_verdicts *verdicts; /* NULL: plain TLS, done with the handshake */
    bool handshake_only;            /* attested TLS, but done with the handshake */
    const struct sockaddr *address;
    unsigned address_len;
};

struct load_conn {
    struct load_shared *shared;
    enum load_state state;
    int fd;
    struct load_tls *tls;
    struct bb_client *client;
    size_t sent;
    double began_us, done_us;
    const char *why; /* of LOAD_FAILED */
};

/* Begins to connect; the descriptor is for edge-triggered events in both directions. */
void load_conn_open(struct load_conn *c, struct load_shared *shared);
/* Goes on until it has to wait. */
enum load_state load_conn_step(struct load_conn *c);
/* Sends close_notify if the handshake is over, and closes. */
void load_conn_close(struct load_conn *c);

double load_now_us(void);

#endif
