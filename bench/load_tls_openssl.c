#include "load_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <stdlib.h>

struct load_tls {
    struct load_tls_maker *maker;
    SSL *ssl;
    uint8_t *spki;
};

/* As the product's client does: only the key counts, and the attestation decides about it. */
static int take_any_certificate(X509_STORE_CTX *store, void *arg) {
    (void)store;
    (void)arg;
    return 1;
}

static int count_ticket(SSL *ssl, SSL_SESSION *session) {
    struct load_tls *tls = SSL_get_app_data(ssl);
    (void)session;
    tls->maker->tickets++;
    return 0;
}

static bool init(struct load_tls_maker *maker) {
    char group[] = "X25519"; /* the library's macro drops const */
    uint8_t wire[64] = {(uint8_t)strlen(maker->alpn)};
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    maker->state = ctx;
    memcpy(wire + 1, maker->alpn, strlen(maker->alpn));
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") != 1 ||
        SSL_CTX_set1_groups_list(ctx, group) != 1 ||
        (wire[0] > 0 && SSL_CTX_set_alpn_protos(ctx, wire, 1U + wire[0]) != 0))
        return false;
    (void)SSL_CTX_set_session_cache_mode(ctx,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(ctx, count_ticket);
    SSL_CTX_set_cert_verify_callback(ctx, take_any_certificate, NULL);
    return true;
}

static void done(struct load_tls_maker *maker) { SSL_CTX_free(maker->state); }

static void free_it(struct load_tls *tls) {
    SSL_free(tls->ssl);
    OPENSSL_free(tls->spki);
    free(tls);
}

static struct load_tls *open_it(struct load_tls_maker *maker, int fd) {
    struct load_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL)
        return NULL;
    tls->maker = maker;
    tls->ssl = SSL_new(maker->state);
    if (tls->ssl == NULL || SSL_set_fd(tls->ssl, fd) != 1 || SSL_set_app_data(tls->ssl, tls) != 1) {
        free_it(tls);
        return NULL;
    }
    SSL_set_connect_state(tls->ssl);
    return tls;
}

static enum load_io outcome(struct load_tls *tls, int result) {
    if (result == 1)
        return LOAD_IO_OK;
    int why = SSL_get_error(tls->ssl, result);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? LOAD_IO_WAIT
                                                                     : LOAD_IO_FAILED;
}

static enum load_io handshake(struct load_tls *tls) {
    return outcome(tls, SSL_do_handshake(tls->ssl));
}

static enum load_io write_it(struct load_tls *tls, struct bb_span data, size_t *n) {
    return outcome(tls, SSL_write_ex(tls->ssl, data.ptr, data.len, n));
}

static enum load_io read_it(struct load_tls *tls, uint8_t *buf, size_t cap, size_t *n) {
    return outcome(tls, SSL_read_ex(tls->ssl, buf, cap, n));
}

static void facts(struct load_tls *tls, struct bb_client_tls *out) {
    const unsigned char *alpn = NULL;
    unsigned alpn_len = 0;
    X509 *cert = SSL_get0_peer_certificate(tls->ssl);
    int len = 0;
    if (cert != NULL && tls->spki == NULL)
        len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &tls->spki);
    SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_len);
    *out = (struct bb_client_tls){.tls13 = SSL_version(tls->ssl) == TLS1_3_VERSION,
                                  .resumed = SSL_session_reused(tls->ssl) != 0,
                                  .x509 = cert != NULL,
                                  .alpn = bb_span(alpn, alpn_len),
                                  .spki = bb_span(tls->spki, len > 0 ? (size_t)len : 0)};
}

static bool exporter(void *tls, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]) {
    const struct load_tls *self = tls;
    return SSL_export_keying_material(self->ssl, out, BB_EXPORTED_SIZE, BB_EXPORTER_LABEL,
                                      sizeof BB_EXPORTER_LABEL - 1, context.ptr, context.len,
                                      1) == 1;
}

static void close_it(struct load_tls *tls) {
    if (SSL_is_init_finished(tls->ssl))
        (void)SSL_shutdown(tls->ssl);
    ERR_clear_error();
    free_it(tls);
}

const struct load_tls_ops load_tls_openssl = {.init = init,
                                              .done = done,
                                              .open = open_it,
                                              .handshake = handshake,
                                              .write = write_it,
                                              .read = read_it,
                                              .facts = facts,
                                              .exporter = exporter,
                                              .close = close_it};
