/* BlindBox: a connection to an application in a confidential VM, attested before its first byte. */
#ifndef BLINDBOX_CONNECT_H
#define BLINDBOX_CONNECT_H

#include <blindbox/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An open, accepted connection. Used by one thread at a time; different connections are
 * independent. */
struct bb_connection;

/* How to connect. Zeroed memory is the default of every member. Strings and the policy are
 * borrowed: the policy until bb_close(), the rest for the call. */
struct bb_connect_options {
    const struct bb_policy *policy; /* NULL: the look-up of bb_policy_load() */
    const char *app;                /* application protocol, an ALPN name; NULL: "raw" */
    unsigned wait_ms;               /* for the evidence, 1 000 to 120 000; 0: 30 000 */
    unsigned io_ms;                 /* longest wait of one bb_read() or bb_write(); 0: for ever */
    char **result; /* gets blindbox.connection-result/1 (JSON) on acceptance and on refusal, or NULL
                      without memory; free with bb_free(). NULL: not wanted */
};

/* Dials HOST[:PORT] or [V6]:PORT (port 8443 where none is given), shakes hands, checks the evidence
 * of this very connection against the policy. BB_OK: `*out` is open and not one byte of the
 * application was sent yet. Any other value is the class of the refusal; there is no connection
 * then, and `err` (may be NULL) says what was checked, expected and found. Blocks; ignores SIGPIPE
 * on its socket. Services that the policy's `verifiers` name are asked, or their keys fetched, by the
 * program blindbox-fetch, which is installed with the library or stands in the folder that
 * BLINDBOX_LIBEXEC names; it ends with the connection. */
BB_API BB_MUST_USE enum bb_status bb_connect(const char *address,
                                             const struct bb_connect_options *options,
                                             struct bb_connection **out, struct bb_error *err);

/* Reads at least one byte into `cap` > 0; `*n` 0 with BB_OK is the orderly end. A cut is
 * PeerUnreachable and never an end; an age above the policy's max_connection_age is StaleEvidence.
 * TryAgain: nothing came within io_ms, call again. After any other failure, and after any failure
 * of bb_write(), the connection is broken: later calls fail too; close it. */
BB_API BB_MUST_USE enum bb_status bb_read(struct bb_connection *connection, void *buf, size_t cap,
                                          size_t *n, struct bb_error *err);
/* Writes all `len` bytes, or breaks the connection. */
BB_API BB_MUST_USE enum bb_status bb_write(struct bb_connection *connection, const void *data,
                                           size_t len, struct bb_error *err);
/* No more bytes from this side; reading goes on. */
BB_API BB_MUST_USE enum bb_status bb_close_write(struct bb_connection *connection,
                                                 struct bb_error *err);
/* Closes and frees; says goodbye first where bb_close_write() has not and no call has failed, so
 * that the peer never takes a broken stream for a whole one. NULL-safe. */
BB_API void bb_close(struct bb_connection *connection);

#ifdef __cplusplus
}
#endif
#endif
