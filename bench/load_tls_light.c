/* A TLS 1.3 client (RFC 8446) that does what a server has to be loaded with, and little more: the
 * library's own client costs twice what its server does (it builds a decoder for every
 * certificate), so that one core of it cannot load one core of a server. Short cuts, none of which
 * a server can see: one X25519 key pair for the whole run, and the server's certificate parsed
 * once. CertificateVerify and Finished are checked on every connection. No HelloRetryRequest, no
 * KeyUpdate; a handshake message must lie within one record. */
#include "load_tls.h"
#include "tls_keys.h"

#include <openssl/rand.h>
#include <openssl/x509.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

enum { CHANGE_CIPHER_SPEC = 20, ALERT = 21, HANDSHAKE = 22, DATA = 23 };
enum {
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    TICKET = 4,
    ENCRYPTED_EXTENSIONS = 8,
    CERTIFICATE = 11,
    CERTIFICATE_VERIFY = 15,
    FINISHED = 20
};
enum { BUFFER = 2 * TLS_RECORD_MAX, CERTIFICATE_MAX = 4096, SPARE_MAX = 4096, HELLO_MAX = 512 };

struct shared {
    EVP_CIPHER *cipher;
    EVP_PKEY *key;
    EVP_PKEY_CTX *derive, *verify;
    uint8_t share[32];
    uint8_t derived[TLS_HASH]; /* Derive-Secret of the early secret: a constant without PSK */
    uint8_t certificate[CERTIFICATE_MAX]; /* the Certificate message that `verify` is for */
    size_t certificate_len;
    uint8_t spki[BB_SPKI_SIZE];
    struct load_tls *spare; /* freed connections: their contexts and buffers */
};

struct load_tls {
    struct load_tls_maker *maker;
    struct load_tls *next;
    int fd;
    bool sent_hello, encrypted, finished;
    SHA256_CTX transcript;
    uint8_t master[TLS_HASH], exporter[TLS_HASH];
    struct tls_half in, out;
    char alpn[32];
    size_t alpn_len;
    size_t start, end; /* of the bytes received and not used */
    uint8_t buffer[BUFFER];
};

static const struct bb_span nothing = {NULL, 0};

/* ---- shared ---- */

static bool init(struct load_tls_maker *maker) {
    static const uint8_t zero[TLS_HASH];
    struct shared *s = calloc(1, sizeof *s);
    uint8_t early[TLS_HASH], empty[TLS_HASH];
    struct bb_span ikm = BB_SPAN_OF(zero);
    size_t len = sizeof s->share;
    maker->state = s;
    if (s == NULL)
        return false;
    s->cipher = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    s->key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
    s->derive = s->key == NULL ? NULL : EVP_PKEY_CTX_new(s->key, NULL);
    (void)SHA256(NULL, 0, empty);
    tls_hmac(zero, &ikm, 1, early);
    tls_expand(early, "derived", BB_SPAN_OF(empty), s->derived, sizeof s->derived);
    return s->cipher != NULL && s->derive != NULL && EVP_PKEY_derive_init(s->derive) == 1 &&
           EVP_PKEY_get_raw_public_key(s->key, s->share, &len) == 1;
}

static void done(struct load_tls_maker *maker) {
    struct shared *s = maker->state;
    while (s->spare != NULL) {
        struct load_tls *tls = s->spare;
        s->spare = tls->next;
        EVP_CIPHER_CTX_free(tls->in.ctx);
        EVP_CIPHER_CTX_free(tls->out.ctx);
        free(tls);
    }
    EVP_PKEY_CTX_free(s->derive);
    EVP_PKEY_CTX_free(s->verify);
    EVP_PKEY_free(s->key);
    EVP_CIPHER_free(s->cipher);
    free(s);
}

static struct load_tls *open_it(struct load_tls_maker *maker, int fd) {
    struct shared *s = maker->state;
    struct load_tls *tls = s->spare;
    if (tls != NULL)
        s->spare = tls->next;
    else if ((tls = malloc(sizeof *tls)) != NULL)
        *tls = (struct load_tls){.in.ctx = EVP_CIPHER_CTX_new(), .out.ctx = EVP_CIPHER_CTX_new()};
    if (tls == NULL)
        return NULL;
    tls->maker = maker;
    tls->fd = fd;
    tls->sent_hello = tls->encrypted = tls->finished = false;
    tls->alpn_len = tls->start = tls->end = 0;
    (void)SHA256_Init(&tls->transcript);
    return tls;
}

/* ---- records ---- */

/* Small messages into an empty socket buffer: a short write is a failure. */
static enum load_io send_all(struct load_tls *tls, const uint8_t *data, size_t len) {
    return len > 0 && send(tls->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len ? LOAD_IO_OK
                                                                             : LOAD_IO_FAILED;
}

static enum load_io receive(struct load_tls *tls) {
    if (tls->start == tls->end)
        tls->start = tls->end = 0;
    if (tls->start > 0 && BUFFER - tls->end < TLS_RECORD_MAX) {
        memmove(tls->buffer, tls->buffer + tls->start, tls->end - tls->start);
        tls->end -= tls->start;
        tls->start = 0;
    }
    ssize_t n = recv(tls->fd, tls->buffer + tls->end, BUFFER - tls->end, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return LOAD_IO_WAIT;
    if (n <= 0)
        return LOAD_IO_FAILED;
    tls->end += (size_t)n;
    return LOAD_IO_OK;
}

/* One record, opened if records are encrypted by now; the data lie in the buffer. */
static enum load_io next_record(struct load_tls *tls, struct bb_span *data, uint8_t *type) {
    for (;;) {
        uint8_t *at = tls->buffer + tls->start;
        size_t have = tls->end - tls->start;
        size_t len =
            have < TLS_RECORD_HEAD ? SIZE_MAX : TLS_RECORD_HEAD + ((size_t)at[3] << 8 | at[4]);
        if (len != SIZE_MAX && len > TLS_RECORD_HEAD + TLS_RECORD_MAX)
            return LOAD_IO_FAILED;
        if (have >= len) {
            tls->start += len;
            if (at[0] == CHANGE_CIPHER_SPEC) /* middlebox compatibility: means nothing */
                continue;
            *type = at[0];
            *data = bb_span(at + TLS_RECORD_HEAD, len - TLS_RECORD_HEAD);
            return !tls->encrypted || tls_open(&tls->in, at, len, data, type) ? LOAD_IO_OK
                                                                              : LOAD_IO_FAILED;
        }
        enum load_io io = receive(tls);
        if (io != LOAD_IO_OK)
            return io;
    }
}

/* ---- hello ---- */

static void extension(struct bb_writer *w, uint16_t type, struct bb_span value) {
    bb_write_u16be(w, type);
    bb_write_u16be(w, (uint16_t)value.len);
    bb_write_bytes(w, value);
}

static void write_extensions(const struct load_tls *tls, struct bb_writer *w) {
    static const uint8_t versions[] = {2, 3, 4}, groups[] = {0, 2, 0, 0x1d},
                         algorithms[] = {0, 2, 4, 3}, share_head[] = {0, 36, 0, 0x1d, 0, 32};
    const struct shared *s = tls->maker->state;
    size_t alpn = strlen(tls->maker->alpn);
    extension(w, 43, BB_SPAN_OF(versions));
    extension(w, 10, BB_SPAN_OF(groups));
    extension(w, 13, BB_SPAN_OF(algorithms));
    bb_write_u16be(w, 51);
    bb_write_u16be(w, sizeof share_head + sizeof s->share);
    bb_write_bytes(w, BB_SPAN_OF(share_head));
    bb_write_bytes(w, BB_SPAN_OF(s->share));
    if (alpn == 0)
        return;
    bb_write_u16be(w, 16);
    bb_write_u16be(w, (uint16_t)(alpn + 3));
    bb_write_u16be(w, (uint16_t)(alpn + 1));
    bb_write_u8(w, (uint8_t)alpn);
    bb_write_bytes(w, bb_span_str(tls->maker->alpn));
}

static enum load_io send_hello(struct load_tls *tls) {
    uint8_t record[HELLO_MAX], random[32], extensions[HELLO_MAX];
    struct bb_writer e = bb_writer(extensions, sizeof extensions);
    struct bb_writer w = bb_writer(record, sizeof record);
    if (RAND_bytes(random, sizeof random) != 1)
        return LOAD_IO_FAILED;
    write_extensions(tls, &e);
    size_t body = 2 + 32 + 1 + 4 + 2 + 2 + e.len;
    bb_write_u8(&w, HANDSHAKE);
    bb_write_u16be(&w, 0x0301);
    bb_write_u16be(&w, (uint16_t)(body + 4));
    bb_write_u16be(&w, CLIENT_HELLO << 8);
    bb_write_u16be(&w, (uint16_t)body);
    bb_write_u16be(&w, 0x0303);
    bb_write_bytes(&w, BB_SPAN_OF(random));
    bb_write_u8(&w, 0); /* no session id: no middlebox messages */
    bb_write_u16be(&w, 2);
    bb_write_u16be(&w, 0x1301); /* TLS_AES_128_GCM_SHA256 */
    bb_write_u16be(&w, 0x0100); /* no compression */
    bb_write_u16be(&w, (uint16_t)e.len);
    bb_write_bytes(&w, bb_writer_span(&e));
    if (w.failed)
        return LOAD_IO_FAILED;
    (void)SHA256_Update(&tls->transcript, record + TLS_RECORD_HEAD, w.len - TLS_RECORD_HEAD);
    tls->sent_hello = true;
    return send_all(tls, record, w.len);
}

/* ---- key schedule ---- */

static void secret_of(const struct load_tls *tls, const uint8_t from[TLS_HASH], const char *label,
                      uint8_t out[TLS_HASH]) {
    uint8_t hash[TLS_HASH];
    tls_transcript(&tls->transcript, hash);
    tls_expand(from, label, BB_SPAN_OF(hash), out, TLS_HASH);
}

static bool handshake_keys(struct load_tls *tls, struct bb_span peer) {
    static const uint8_t zero[TLS_HASH];
    struct shared *s = tls->maker->state;
    uint8_t shared[32], handshake[TLS_HASH], derived[TLS_HASH], empty[TLS_HASH];
    size_t len = sizeof shared;
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer.ptr, peer.len);
    bool good = key != NULL && EVP_PKEY_derive_set_peer(s->derive, key) == 1 &&
                EVP_PKEY_derive(s->derive, shared, &len) == 1;
    EVP_PKEY_free(key);
    if (!good)
        return false;
    struct bb_span secret = BB_SPAN_OF(shared), none = BB_SPAN_OF(zero);
    tls_hmac(s->derived, &secret, 1, handshake);
    secret_of(tls, handshake, "c hs traffic", tls->out.secret);
    secret_of(tls, handshake, "s hs traffic", tls->in.secret);
    (void)SHA256(NULL, 0, empty);
    tls_expand(handshake, "derived", BB_SPAN_OF(empty), derived, sizeof derived);
    tls_hmac(derived, &none, 1, tls->master);
    return tls_half_start(&tls->in, s->cipher, false) && tls_half_start(&tls->out, s->cipher, true);
}

/* The Finished of the side whose handshake secret this is. */
static void finished_of(const struct load_tls *tls, const uint8_t secret[TLS_HASH],
                        uint8_t out[TLS_HASH]) {
    uint8_t key[TLS_HASH], hash[TLS_HASH] = {0};
    struct bb_span part = BB_SPAN_OF(hash);
    tls_expand(secret, "finished", nothing, key, sizeof key);
    tls_transcript(&tls->transcript, hash);
    tls_hmac(key, &part, 1, out);
}

/* ---- the server's messages ---- */

static bool server_hello(struct load_tls *tls, struct bb_span body) {
    struct bb_reader r = bb_reader(body);
    struct bb_span share = nothing;
    bool tls13 = false;
    (void)bb_read_bytes(&r, 2 + 32);
    (void)bb_read_bytes(&r, bb_read_u8(&r));
    bool suite = bb_read_u16be(&r) == 0x1301;
    (void)bb_read_u8(&r);
    (void)bb_read_u16be(&r);
    while (!r.failed && bb_reader_left(&r) > 0) {
        uint16_t type = bb_read_u16be(&r);
        struct bb_reader e = bb_reader(bb_read_bytes(&r, bb_read_u16be(&r)));
        if (type == 43)
            tls13 = bb_read_u16be(&e) == 0x0304;
        if (type == 51 && bb_read_u16be(&e) == 0x1d)
            share = bb_read_bytes(&e, bb_read_u16be(&e));
    }
    if (r.failed || !suite || !tls13 || share.len != 32 || !handshake_keys(tls, share))
        return false;
    tls->encrypted = true;
    return true;
}

static bool encrypted_extensions(struct load_tls *tls, struct bb_span body) {
    struct bb_reader r = bb_reader(body);
    (void)bb_read_u16be(&r);
    while (!r.failed && bb_reader_left(&r) > 0) {
        uint16_t type = bb_read_u16be(&r);
        struct bb_reader e = bb_reader(bb_read_bytes(&r, bb_read_u16be(&r)));
        if (type != 16)
            continue;
        (void)bb_read_u16be(&e);
        struct bb_span name = bb_read_bytes(&e, bb_read_u8(&e));
        if (name.len > sizeof tls->alpn)
            return false;
        memcpy(tls->alpn, name.ptr, name.len);
        tls->alpn_len = name.len;
    }
    return !r.failed;
}

static bool take_key(struct shared *s, X509 *cert) {
    uint8_t *at = s->spki;
    X509_PUBKEY *key = X509_get_X509_PUBKEY(cert);
    if (i2d_X509_PUBKEY(key, NULL) != (int)sizeof s->spki)
        return false;
    (void)i2d_X509_PUBKEY(key, &at);
    EVP_PKEY_CTX_free(s->verify);
    s->verify = EVP_PKEY_CTX_new(X509_get0_pubkey(cert), NULL);
    return s->verify != NULL && EVP_PKEY_verify_init(s->verify) == 1 &&
           EVP_PKEY_CTX_set_signature_md(s->verify, EVP_sha256()) == 1;
}

/* Parsed when it differs from the last connection's. */
static bool certificate(struct load_tls *tls, struct bb_span body) {
    struct shared *s = tls->maker->state;
    struct bb_reader r = bb_reader(body);
    if (body.len > CERTIFICATE_MAX)
        return false;
    if (s->verify != NULL && bb_span_equal(body, bb_span(s->certificate, s->certificate_len)))
        return true;
    (void)bb_read_bytes(&r, bb_read_u8(&r));
    (void)bb_read_bytes(&r, 3);
    size_t len = bb_read_u8(&r);
    len = len << 16 | bb_read_u16be(&r);
    struct bb_span der = bb_read_bytes(&r, len);
    const uint8_t *at = der.ptr;
    X509 *cert = r.failed ? NULL : d2i_X509(NULL, &at, (long)der.len);
    bool good = cert != NULL && take_key(s, cert);
    X509_free(cert);
    memcpy(s->certificate, body.ptr, body.len);
    s->certificate_len = good ? body.len : 0;
    return good;
}

static bool certificate_verify(struct load_tls *tls, struct bb_span body) {
    static const char label[] = "TLS 1.3, server CertificateVerify"; /* with its NUL */
    const struct shared *s = tls->maker->state;
    uint8_t text[64 + sizeof label + TLS_HASH], digest[TLS_HASH];
    struct bb_reader r = bb_reader(body);
    bool p256 = bb_read_u16be(&r) == 0x0403;
    struct bb_span signature = bb_read_bytes(&r, bb_read_u16be(&r));
    memset(text, ' ', 64);
    memcpy(text + 64, label, sizeof label);
    tls_transcript(&tls->transcript, text + 64 + sizeof label);
    (void)SHA256(text, sizeof text, digest);
    return !r.failed && p256 && s->verify != NULL &&
           EVP_PKEY_verify(s->verify, signature.ptr, signature.len, digest, sizeof digest) == 1;
}

/* The server's Finished: check it, send ours, and go over to the application's keys. */
static bool server_finished(struct load_tls *tls, struct bb_span whole, struct bb_span body) {
    const struct shared *s = tls->maker->state;
    uint8_t expected[TLS_HASH], message[4 + TLS_HASH] = {FINISHED, 0, 0, TLS_HASH}, record[128];
    uint8_t client[TLS_HASH];
    finished_of(tls, tls->in.secret, expected);
    if (!bb_span_equal(body, BB_SPAN_OF(expected)))
        return false;
    (void)SHA256_Update(&tls->transcript, whole.ptr, whole.len);
    finished_of(tls, tls->out.secret, message + 4);
    size_t len = tls_seal(&tls->out, HANDSHAKE, BB_SPAN_OF(message), record);
    secret_of(tls, tls->master, "c ap traffic", client);
    secret_of(tls, tls->master, "s ap traffic", tls->in.secret);
    secret_of(tls, tls->master, "exp master", tls->exporter);
    memcpy(tls->out.secret, client, sizeof client);
    tls->finished = true;
    return send_all(tls, record, len) == LOAD_IO_OK && tls_half_start(&tls->in, s->cipher, false) &&
           tls_half_start(&tls->out, s->cipher, true);
}

static bool take_message(struct load_tls *tls, uint8_t type, struct bb_span whole) {
    struct bb_span body = bb_span_slice(whole, 4, whole.len - 4);
    if (type == FINISHED)
        return server_finished(tls, whole, body);
    if (type == CERTIFICATE_VERIFY && !certificate_verify(tls, body))
        return false;
    (void)SHA256_Update(&tls->transcript, whole.ptr, whole.len);
    switch (type) {
    case SERVER_HELLO:
        return !tls->encrypted && server_hello(tls, body);
    case ENCRYPTED_EXTENSIONS:
        return encrypted_extensions(tls, body);
    case CERTIFICATE:
        return certificate(tls, body);
    case CERTIFICATE_VERIFY:
        return true;
    default:
        return false;
    }
}

static bool take_messages(struct load_tls *tls, struct bb_span data) {
    struct bb_reader r = bb_reader(data);
    while (bb_reader_left(&r) > 0) {
        size_t begin = r.pos;
        uint8_t type = bb_read_u8(&r);
        size_t len = bb_read_u8(&r);
        len = len << 16 | bb_read_u16be(&r);
        (void)bb_read_bytes(&r, len);
        if (r.failed || !take_message(tls, type, bb_span_slice(data, begin, len + 4)))
            return false;
    }
    return true;
}

static enum load_io handshake(struct load_tls *tls) {
    if (!tls->sent_hello && send_hello(tls) != LOAD_IO_OK)
        return LOAD_IO_FAILED;
    while (!tls->finished) {
        struct bb_span data = nothing;
        uint8_t type = 0;
        enum load_io io = next_record(tls, &data, &type);
        if (io != LOAD_IO_OK)
            return io;
        if (type != HANDSHAKE || !take_messages(tls, data))
            return LOAD_IO_FAILED;
    }
    return LOAD_IO_OK;
}

/* ---- the application's bytes ---- */

static enum load_io write_it(struct load_tls *tls, struct bb_span data, size_t *n) {
    uint8_t record[BB_REQUEST_MAX + 64];
    if (data.len > BB_REQUEST_MAX)
        return LOAD_IO_FAILED;
    *n = data.len;
    return send_all(tls, record, tls_seal(&tls->out, DATA, data, record));
}

static enum load_io read_it(struct load_tls *tls, uint8_t *buf, size_t cap, size_t *n) {
    for (;;) {
        struct bb_span data = nothing;
        uint8_t type = 0;
        enum load_io io = next_record(tls, &data, &type);
        if (io != LOAD_IO_OK)
            return io;
        if (type == HANDSHAKE && data.len > 0 && data.ptr[0] == TICKET) {
            tls->maker->tickets++;
            continue;
        }
        if (type != DATA || data.len > cap)
            return LOAD_IO_FAILED;
        memcpy(buf, data.ptr, data.len);
        *n = data.len;
        return LOAD_IO_OK;
    }
}

static void facts(struct load_tls *tls, struct bb_client_tls *out) {
    const struct shared *s = tls->maker->state;
    *out = (struct bb_client_tls){.tls13 = true,
                                  .x509 = true,
                                  .alpn = bb_span(tls->alpn, tls->alpn_len),
                                  .spki = BB_SPAN_OF(s->spki)};
}

static bool exporter(void *tls, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]) {
    const struct load_tls *self = tls;
    uint8_t empty[TLS_HASH], hash[TLS_HASH], secret[TLS_HASH];
    (void)SHA256(NULL, 0, empty);
    (void)SHA256(context.ptr, context.len, hash);
    tls_expand(self->exporter, BB_EXPORTER_LABEL, BB_SPAN_OF(empty), secret, sizeof secret);
    tls_expand(secret, "exporter", BB_SPAN_OF(hash), out, BB_EXPORTED_SIZE);
    return true;
}

static void close_it(struct load_tls *tls) {
    static const uint8_t close_notify[] = {1, 0};
    struct shared *s = tls->maker->state;
    uint8_t record[64];
    if (tls->finished)
        (void)send_all(tls, record, tls_seal(&tls->out, ALERT, BB_SPAN_OF(close_notify), record));
    tls->next = s->spare;
    s->spare = tls;
}

const struct load_tls_ops load_tls_light = {.init = init,
                                            .done = done,
                                            .open = open_it,
                                            .handshake = handshake,
                                            .write = write_it,
                                            .read = read_it,
                                            .facts = facts,
                                            .exporter = exporter,
                                            .close = close_it};
