/* TLS 1.3 as the load generator's client: X25519, AES-128-GCM, full handshakes. Two makes of one
 * interface: the library's client, which does what the product's clients do, and a light one, so
 * that one core can load another to its limit. */
#ifndef BB_BENCH_LOAD_TLS_H
#define BB_BENCH_LOAD_TLS_H

#include "channel/client.h"

enum load_io { LOAD_IO_OK, LOAD_IO_WAIT, LOAD_IO_FAILED };

#define LOAD_READ_MIN 16384 /* one record: what a caller of read() has room for */

struct load_tls; /* one connection */

/* What connections share. */
struct load_tls_maker {
    const char *alpn; /* "" or one name */
    uint64_t tickets; /* NewSessionTickets received: must stay 0 */
    void *state;
};

struct load_tls_ops {
    bool (*init)(struct load_tls_maker *maker);
    void (*done)(struct load_tls_maker *maker);
    struct load_tls *(*open)(struct load_tls_maker *maker, int fd);
    enum load_io (*handshake)(struct load_tls *tls);
    enum load_io (*write)(struct load_tls *tls, struct bb_span data, size_t *n);
    enum load_io (*read)(struct load_tls *tls, uint8_t *buf, size_t cap, size_t *n);
    /* As bb_tls_facts(); the spans live as long as the connection. */
    void (*facts)(struct load_tls *tls, struct bb_client_tls *out);
    /* Fits bb_exporter_fn; `tls` is a struct load_tls *. */
    bool (*exporter)(void *tls, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]);
    /* Sends close_notify if the handshake is over; frees. */
    void (*close)(struct load_tls *tls);
};

extern const struct load_tls_ops load_tls_openssl, load_tls_light;

#endif
