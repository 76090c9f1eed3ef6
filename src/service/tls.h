/* TLS as blindbox/1 wants it (channel protocol section 1): the only place that includes OpenSSL's
 * TLS headers. TLS 1.3, full handshakes, ALPN blindbox/1; non-blocking on a socket of the caller's.
 */
#ifndef BB_SERVICE_TLS_H
#define BB_SERVICE_TLS_H

#include "channel/client.h"
#include "crypto/key.h"

struct bb_tls_context; /* shared by connections */
struct bb_tls;         /* one connection */

/* A server with an ECDSA P-256 key and its DER certificate (bb_issue_tls); any other ALPN, or none,
 * ends the handshake. Tickets, session cache and early data are off. */
BB_MUST_USE enum bb_status bb_tls_server_new(const struct bb_key *key, struct bb_span cert_der,
                                             struct bb_tls_context **out, struct bb_error *err);
/* A client: takes any certificate, because only its key counts; drops tickets. */
BB_MUST_USE enum bb_status bb_tls_client_new(struct bb_tls_context **out, struct bb_error *err);
void bb_tls_context_free(struct bb_tls_context *context); /* NULL-safe */

/* A connection on `fd`, which the caller keeps. `server_name` (clients; may be NULL) is sent as SNI
 * unless it is an address. */
BB_MUST_USE enum bb_status bb_tls_new(struct bb_tls_context *context, int fd,
                                      const char *server_name, struct bb_tls **out,
                                      struct bb_error *err);
void bb_tls_free(struct bb_tls *tls); /* NULL-safe; sends nothing */

/* Events to wait for on a socket. */
enum { BB_IO_READ = 1, BB_IO_WRITE = 2 };

enum bb_tls_io {
    BB_TLS_OK = 0,     /* done, or `n` bytes moved */
    BB_TLS_WANT_READ,  /* call again when the socket is readable */
    BB_TLS_WANT_WRITE, /* call again, with the same bytes, when it is writable */
    BB_TLS_EOF,        /* the peer's close_notify */
    BB_TLS_CUT,        /* end of file without close_notify, or a reset: truncated; for good */
    BB_TLS_FAILED,     /* protocol error, for good: see bb_tls_failure() */
};

/* True if `io` is a wish, which is added to `want`. */
static inline bool bb_tls_waits(enum bb_tls_io io, unsigned *want) {
    if (io == BB_TLS_WANT_READ)
        *want |= BB_IO_READ;
    else if (io == BB_TLS_WANT_WRITE)
        *want |= BB_IO_WRITE;
    return io == BB_TLS_WANT_READ || io == BB_TLS_WANT_WRITE;
}

enum bb_tls_io bb_tls_handshake(struct bb_tls *tls);
enum bb_tls_io bb_tls_read(struct bb_tls *tls, uint8_t *buf, size_t cap, size_t *n);
enum bb_tls_io bb_tls_write(struct bb_tls *tls, struct bb_span data, size_t *n);
/* Sends close_notify: no more bytes from this side. OK or WANT_*. */
enum bb_tls_io bb_tls_close_notify(struct bb_tls *tls);
/* The reason of the last failure, printable; "" if none is known. */
const char *bb_tls_failure(const struct bb_tls *tls);

/* What the handshake gave; spans live as long as the connection. */
void bb_tls_facts(const struct bb_tls *tls, struct bb_client_tls *out);
/* The exporter of this connection; `tls` is a struct bb_tls *. Fits bb_exporter_fn. */
bool bb_tls_export(void *tls, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]);

#endif
