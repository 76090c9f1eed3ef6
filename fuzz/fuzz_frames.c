/* Frames, configurations and collections of evidence of any bytes, through the parsers and through
 * both engines. What a parser takes must be deterministic CBOR, and its spans must lie in the
 * input. */
#include "channel/client.h"
#include "channel/gateway.h"
#include "codec/cbor.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static void inside(struct bb_span part, struct bb_span whole) {
    must(part.len == 0 || (part.ptr >= whole.ptr && part.len <= whole.len &&
                           (size_t)(part.ptr - whole.ptr) <= whole.len - part.len));
}

static bool export_secret(void *ctx, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]) {
    (void)ctx;
    return bb_sha384(context, out);
}

/* A well-formed P-256 SubjectPublicKeyInfo as far as the engines look at it. */
static const uint8_t spki[BB_SPKI_SIZE] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                           0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                           0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

static void parsers(struct bb_span in) {
    struct bb_request q;
    struct bb_response p;
    struct bb_cmw cmw;
    bool deterministic = bb_cbor_is_deterministic(in);
    if (bb_request_parse(in, &q)) {
        must(deterministic && q.n_kinds > 0 && q.n_apps > 0 && q.forms > 0);
        inside(q.nonce, in);
        for (size_t i = 0; i < q.n_apps; i++)
            inside(q.apps[i], in);
    }
    if (bb_response_parse(in, &p)) {
        must(deterministic);
        inside(p.cmw, in);
        inside(p.path, in);
        inside(p.text, in);
    }
    if (bb_cmw_parse(in, &cmw)) {
        must(deterministic);
        inside(cmw.report, in);
        inside(cmw.crl, in);
    }
    if (bb_config_is_valid(in))
        must(deterministic);
}

static void gateway(struct bb_span in) {
    static const char *const apps[] = {"http/1.1", "raw"};
    static const uint8_t salt[BB_SALT_SIZE] = {1};
    const struct bb_gateway_offer offer = {
        .kind = 255, .form = 1, .apps = apps, .n_apps = 2, .spki = BB_SPAN_OF(spki)};
    struct bb_gateway_conn *conn = NULL;
    size_t used = 0;
    if (bb_gateway_conn_new(&offer, salt, export_secret, NULL, 0, &conn, NULL) != BB_OK)
        return;
    enum bb_gateway_state state = bb_gateway_conn_feed(conn, in, 0, &used);
    must(state != BB_GATEWAY_OPEN && state != BB_GATEWAY_START);
    if (state == BB_GATEWAY_BATCH)
        bb_gateway_conn_refuse(conn, BB_CHANNEL_BUSY, 1);
    (void)bb_gateway_conn_wrote(conn, bb_gateway_conn_output(conn).len, 0);
    (void)bb_gateway_conn_expire(conn, INT64_MAX - 1);
    must(bb_gateway_conn_state(conn) == BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
}

static void client(struct bb_span in) {
    struct bb_client_wants wants = {.nonce = {1},
                                    .kinds = {1, 255},
                                    .n_kinds = 2,
                                    .apps = {"http/1.1"},
                                    .n_apps = 1,
                                    .forms = 3,
                                    .wait_ms = BB_WAIT_MS_DEFAULT};
    struct bb_client_tls tls = {
        .tls13 = true, .x509 = true, .alpn = BB_SPAN_LIT(BB_ALPN), .spki = BB_SPAN_OF(spki)};
    struct bb_client *c = NULL;
    bool done = false;
    if (bb_client_new(&wants, &c, NULL) != BB_OK)
        return;
    must(bb_client_check_tls(c, &tls, NULL) == BB_OK);
    if (bb_client_feed(c, in, &done, NULL) == BB_OK && done &&
        bb_client_bind(c, export_secret, NULL, NULL) == BB_OK)
        must(bb_client_bound(c) != NULL);
    bb_client_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bb_span in = bb_span(data, size);
    parsers(in);
    /* The same bytes as a body behind its length would have been cut at the limit: they are given
     * as a frame whose length is right, so that the engines get past the head. */
    uint8_t *frame = malloc(size + BB_FRAME_HEAD_SIZE);
    if (frame == NULL)
        return 0;
    struct bb_writer w = bb_writer(frame, size + BB_FRAME_HEAD_SIZE);
    bb_write_u32be(&w, (uint32_t)size);
    bb_write_bytes(&w, in);
    gateway(bb_writer_span(&w));
    client(bb_writer_span(&w));
    gateway(in);
    client(in);
    free(frame);
    return 0;
}
