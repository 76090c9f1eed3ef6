#include "cli/demo/other_tls.h"

#include "crypto/issue.h"
#include "service/clock.h"
#include "service/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <time.h>

enum { CERT_MAX = 1024, LIMIT_MS = 5000, DAY = 86400 };

/* Whatever the client offers. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg) {
    const char *alpn = arg;
    (void)ssl, (void)in, (void)in_len;
    *out = (const unsigned char *)alpn;
    *out_len = (unsigned char)strlen(alpn);
    return SSL_TLSEXT_ERR_OK;
}

/* True if a call that returned `result` is to be tried again now. */
static bool again(struct bb_demo_peer *peer, SSL *ssl, int fd, int result, int64_t deadline) {
    int why = SSL_get_error(ssl, result);
    ERR_clear_error();
    return (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) &&
           bb_demo_peer_wait(peer, fd, why == SSL_ERROR_WANT_READ ? BB_IO_READ : BB_IO_WRITE,
                             deadline);
}

static void talk(struct bb_demo_other_tls *server, SSL *ssl, int fd) {
    uint8_t buf[4096];
    int64_t deadline = bb_now_ms() + LIMIT_MS;
    int result = 0;
    do
        result = SSL_accept(ssl);
    while (result != 1 && again(&server->peer, ssl, fd, result, deadline));
    server->spoke = true;
    while (result == 1) {
        size_t n = 0;
        do
            result = SSL_read_ex(ssl, buf, sizeof buf, &n);
        while (result != 1 && again(&server->peer, ssl, fd, result, deadline));
        server->peer.app_bytes += n;
    }
}

static void serve(struct bb_demo_peer *peer, int fd) {
    struct bb_demo_other_tls *server = peer->ctx;
    SSL *ssl = SSL_new(server->ssl_ctx);
    if (ssl != NULL && SSL_set_fd(ssl, fd) == 1)
        talk(server, ssl, fd);
    SSL_free(ssl);
}

static enum bb_status set_up(struct bb_demo_other_tls *server, struct bb_error *err) {
    uint8_t cert[CERT_MAX];
    size_t len = 0;
    int64_t now = (int64_t)time(NULL);
    BB_TRY(bb_key_generate(BB_KEY_P256, &server->key, err));
    BB_TRY(bb_issue_tls(server->key, "server", now - DAY, now + DAY, cert, sizeof cert, &len, err));
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    server->ssl_ctx = ctx;
    if (ctx == NULL || SSL_CTX_use_certificate_ASN1(ctx, (int)len, cert) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, bb_key_native(server->key)) != 1)
        return bb_fail_internal(err, "setting up TLS");
    if (server->alpn != NULL)
        SSL_CTX_set_alpn_select_cb(ctx, select_alpn, (void *)(uintptr_t)server->alpn);
    return BB_OK;
}

enum bb_status bb_demo_other_tls_start(struct bb_demo_other_tls *server, const char *alpn,
                                       struct bb_error *err) {
    server->alpn = alpn;
    server->peer.serve = serve;
    server->peer.ctx = server;
    BB_TRY(set_up(server, err));
    return bb_demo_peer_start(&server->peer, "127.0.0.1:0", err);
}

void bb_demo_other_tls_stop(struct bb_demo_other_tls *server) {
    bb_demo_peer_stop(&server->peer);
    SSL_CTX_free(server->ssl_ctx);
    bb_key_free(server->key);
}
