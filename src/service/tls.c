#include "service/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

static const unsigned char alpn_wire[] = "\x0a" BB_ALPN;
enum { ALPN_WIRE_LEN = sizeof alpn_wire - 1 };
#define SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

struct bb_tls_context {
    SSL_CTX *ctx;
};

struct bb_tls {
    SSL *ssl;
    uint8_t *spki; /* the peer's, once asked for */
    size_t spki_len;
    bool closed;           /* close_notify was sent */
    enum bb_tls_io broken; /* how it broke: for good, whatever the library says of later calls */
    char failure[128];
};

/* ---- the socket: OpenSSL's own would raise SIGPIPE, which belongs to the program that we are in
 * ---- */

static int socket_of(BIO *bio) { return (int)(intptr_t)BIO_get_data(bio); }

static int moved(BIO *bio, ssize_t result, size_t *n, int retry) {
    BIO_clear_retry_flags(bio);
    if (result < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
    *n = result > 0 ? (size_t)result : 0;
    return result > 0;
}

static int socket_write(BIO *bio, const char *data, size_t len, size_t *n) {
    return moved(bio, send(socket_of(bio), data, len, MSG_NOSIGNAL), n, BIO_FLAGS_WRITE);
}

static int socket_read(BIO *bio, char *data, size_t len, size_t *n) {
    ssize_t result = recv(socket_of(bio), data, len, 0);
    if (result == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return moved(bio, result, n, BIO_FLAGS_READ);
}

static long socket_control(BIO *bio, int what, long number, void *pointer) {
    (void)number;
    (void)pointer;
    if (what == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method;
static pthread_once_t socket_once = PTHREAD_ONCE_INIT;

static void make_socket_method(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "blindbox socket");
    if (m == NULL || BIO_meth_set_write_ex(m, socket_write) != 1 ||
        BIO_meth_set_read_ex(m, socket_read) != 1 || BIO_meth_set_ctrl(m, socket_control) != 1) {
        BIO_meth_free(m);
        return;
    }
    socket_method = m;
}

static bool set_socket(SSL *ssl, int fd) {
    BIO *bio = NULL;
    if (pthread_once(&socket_once, make_socket_method) == 0 && socket_method != NULL)
        bio = BIO_new(socket_method);
    if (bio == NULL)
        return false;
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    return true;
}

/* ---- contexts ---- */

/* The client offers exactly blindbox/1, or the handshake ends. Not called when it offers no ALPN at
 * all: both sides look again after the handshake. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg) {
    (void)ssl;
    (void)arg;
    if (in_len != ALPN_WIRE_LEN || memcmp(in, alpn_wire, ALPN_WIRE_LEN) != 0)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = in + 1;
    *out_len = in[0];
    return SSL_TLSEXT_ERR_OK;
}

static enum bb_status fail(struct bb_tls_context *context, struct bb_error *err) {
    bb_tls_context_free(context);
    return bb_fail_internal(err, "setting up TLS");
}

/* What SSL_CTX_set1_groups_list() is, without its cast that drops const. */
static bool set_group_list(SSL_CTX *ctx, const char *list) {
    return SSL_CTX_ctrl(ctx, SSL_CTRL_SET_GROUPS_LIST, 0, (void *)(uintptr_t)list) == 1;
}

/* Hybrid key exchange where the library has it. */
static bool set_groups(SSL_CTX *ctx) {
    if (set_group_list(ctx, "X25519MLKEM768:X25519:P-256"))
        return true;
    ERR_clear_error();
    return set_group_list(ctx, "X25519:P-256");
}

static bool set_common(SSL_CTX *ctx) {
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, SUITES) == 1 && set_groups(ctx);
}

static struct bb_tls_context *context_new(const SSL_METHOD *method) {
    struct bb_tls_context *context = calloc(1, sizeof *context);
    if (context == NULL)
        return NULL;
    context->ctx = SSL_CTX_new(method);
    if (context->ctx != NULL && set_common(context->ctx))
        return context;
    bb_tls_context_free(context);
    return NULL;
}

enum bb_status bb_tls_server_new(const struct bb_key *key, struct bb_span cert_der,
                                 struct bb_tls_context **out, struct bb_error *err) {
    struct bb_tls_context *context = context_new(TLS_server_method());
    if (context == NULL || cert_der.len > INT_MAX ||
        SSL_CTX_use_certificate_ASN1(context->ctx, (int)cert_der.len, cert_der.ptr) != 1 ||
        SSL_CTX_use_PrivateKey(context->ctx, bb_key_native(key)) != 1 ||
        SSL_CTX_set_num_tickets(context->ctx, 0) != 1 ||
        SSL_CTX_set_max_early_data(context->ctx, 0) != 1)
        return fail(context, err);
    /* One recv() for a record instead of two, and for what came with it. */
    SSL_CTX_set_read_ahead(context->ctx, 1);
    SSL_CTX_set_alpn_select_cb(context->ctx, select_alpn, NULL);
    SSL_CTX_set_verify(context->ctx, SSL_VERIFY_NONE, NULL); /* no CertificateRequest */
    *out = context;
    return BB_OK;
}

/* The certificate carries a key and nothing that we trust: the attestation decides. Without this
 * callback OpenSSL would build chains for nothing. */
static int take_any_certificate(X509_STORE_CTX *store, void *arg) {
    (void)store;
    (void)arg;
    return 1;
}

enum bb_status bb_tls_client_new(struct bb_tls_context **out, struct bb_error *err) {
    struct bb_tls_context *context = context_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_alpn_protos(context->ctx, alpn_wire, ALPN_WIRE_LEN) != 0)
        return fail(context, err);
    SSL_CTX_set_cert_verify_callback(context->ctx, take_any_certificate, NULL);
    *out = context;
    return BB_OK;
}

void bb_tls_context_free(struct bb_tls_context *context) {
    if (context == NULL)
        return;
    SSL_CTX_free(context->ctx);
    free(context);
}

static bool is_address(const char *name) {
    uint8_t ignored[16];
    return inet_pton(AF_INET, name, ignored) == 1 || inet_pton(AF_INET6, name, ignored) == 1;
}

/* What SSL_set_tlsext_host_name() is, without its cast that drops const. */
static bool set_sni(SSL *ssl, const char *name) {
    return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                    (void *)(uintptr_t)name) == 1;
}

enum bb_status bb_tls_new(struct bb_tls_context *context, int fd, const char *server_name,
                          struct bb_tls **out, struct bb_error *err) {
    struct bb_tls *tls = calloc(1, sizeof *tls);
    if (tls != NULL)
        tls->ssl = SSL_new(context->ctx);
    if (tls == NULL || tls->ssl == NULL || !set_socket(tls->ssl, fd) ||
        (server_name != NULL && !is_address(server_name) && !set_sni(tls->ssl, server_name))) {
        bb_tls_free(tls);
        return bb_fail_internal(err, "making a TLS connection");
    }
    if (SSL_is_server(tls->ssl) != 0)
        SSL_set_accept_state(tls->ssl);
    else
        SSL_set_connect_state(tls->ssl);
    *out = tls;
    return BB_OK;
}

void bb_tls_free(struct bb_tls *tls) {
    if (tls == NULL)
        return;
    /* No session of ours is worth resuming; freeing without shutdown must not poison anything. */
    SSL_free(tls->ssl);
    OPENSSL_free(tls->spki);
    free(tls);
}

static enum bb_tls_io classify(struct bb_tls *tls, int result) {
    int why = SSL_get_error(tls->ssl, result);
    unsigned long code = ERR_peek_error();
    const char *text = code == 0 ? "" : ERR_reason_error_string(code);
    bool cut = why == SSL_ERROR_SYSCALL ||
               (why == SSL_ERROR_SSL && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING);
    if (why == SSL_ERROR_SSL || why == SSL_ERROR_SYSCALL)
        bb_copy_text(tls->failure, sizeof tls->failure, text == NULL ? "" : text);
    ERR_clear_error(); /* the queue is the thread's: it must not leak into another connection */
    if (why == SSL_ERROR_NONE)
        return BB_TLS_OK;
    if (why == SSL_ERROR_WANT_READ)
        return BB_TLS_WANT_READ;
    if (why == SSL_ERROR_WANT_WRITE)
        return BB_TLS_WANT_WRITE;
    if (why == SSL_ERROR_ZERO_RETURN)
        return BB_TLS_EOF;
    return cut ? BB_TLS_CUT : BB_TLS_FAILED;
}

/* After a fatal alert the library reports an orderly end on the next read: a cut must stay a cut.
 */
static enum bb_tls_io outcome(struct bb_tls *tls, int result) {
    enum bb_tls_io io = classify(tls, result);
    if (io == BB_TLS_CUT || io == BB_TLS_FAILED)
        tls->broken = io;
    return io;
}

/* Once the peer has said its close_notify, the library gives that as the reason for every later
 * failure of the socket too: for what is written an end of the peer's is none, and a broken socket
 * stays broken. */
static enum bb_tls_io write_outcome(struct bb_tls *tls, int result) {
    enum bb_tls_io io = outcome(tls, result);
    if (io != BB_TLS_EOF)
        return io;
    tls->broken = BB_TLS_CUT;
    return BB_TLS_CUT;
}

enum bb_tls_io bb_tls_handshake(struct bb_tls *tls) {
    if (tls->broken != BB_TLS_OK)
        return tls->broken;
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    return result == 1 ? BB_TLS_OK : outcome(tls, result);
}

enum bb_tls_io bb_tls_read(struct bb_tls *tls, uint8_t *buf, size_t cap, size_t *n) {
    if (tls->broken != BB_TLS_OK)
        return tls->broken;
    ERR_clear_error();
    int result = SSL_read_ex(tls->ssl, buf, cap, n);
    return result == 1 ? BB_TLS_OK : outcome(tls, result);
}

enum bb_tls_io bb_tls_write(struct bb_tls *tls, struct bb_span data, size_t *n) {
    if (tls->broken != BB_TLS_OK)
        return tls->broken;
    ERR_clear_error();
    int result = SSL_write_ex(tls->ssl, data.ptr, data.len, n);
    return result == 1 ? BB_TLS_OK : write_outcome(tls, result);
}

enum bb_tls_io bb_tls_close_notify(struct bb_tls *tls) {
    if (tls->broken != BB_TLS_OK)
        return tls->broken;
    if (tls->closed)
        return BB_TLS_OK;
    ERR_clear_error();
    int result = SSL_shutdown(tls->ssl); /* 0: sent, the peer's is still to come */
    if (result < 0)
        return write_outcome(tls, result);
    tls->closed = true;
    return BB_TLS_OK;
}

const char *bb_tls_failure(const struct bb_tls *tls) { return tls->failure; }

void bb_tls_facts(const struct bb_tls *tls, struct bb_client_tls *out) {
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    struct bb_tls *self = (struct bb_tls *)(uintptr_t)tls; /* fills its cache of the key */
    SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_len);
    X509 *cert = SSL_get0_peer_certificate(tls->ssl);
    if (cert != NULL && self->spki == NULL) {
        int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &self->spki);
        self->spki_len = len > 0 ? (size_t)len : 0;
    }
    *out = (struct bb_client_tls){.tls13 = SSL_version(tls->ssl) == TLS1_3_VERSION,
                                  .resumed = SSL_session_reused(tls->ssl) != 0,
                                  .early_data = SSL_get_early_data_status(tls->ssl) ==
                                                SSL_EARLY_DATA_ACCEPTED,
                                  .x509 = cert != NULL,
                                  .alpn = bb_span(alpn, alpn_len),
                                  .spki = bb_span(tls->spki, tls->spki_len)};
}

bool bb_tls_export(void *tls, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]) {
    const struct bb_tls *self = tls;
    return SSL_export_keying_material(self->ssl, out, BB_EXPORTED_SIZE, BB_EXPORTER_LABEL,
                                      sizeof BB_EXPORTER_LABEL - 1, context.ptr, context.len,
                                      1) == 1;
}
