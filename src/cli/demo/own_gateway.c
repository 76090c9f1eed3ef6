#include "cli/demo/own_gateway.h"

#include "channel/batch.h"
#include "cli/demo/keys.h"
#include "crypto/issue.h"
#include "service/clock.h"
#include "service/relay.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { CERT_MAX = 1024, DAY = 86400 };
static const char *const apps[] = {"raw"};

/* ---- one exchange ---- */

/* Feeds what comes until the engine leaves `state`. `rest` gets bytes after the exchange. */
static bool feed(struct bb_demo_line *line, struct bb_gateway_conn *conn,
                 enum bb_gateway_state state, uint8_t *buf, size_t cap, struct bb_span *rest) {
    while (bb_gateway_conn_state(conn) == state) {
        size_t n = 0, used = 0;
        if (!bb_demo_line_read(line, buf, cap, &n))
            return false;
        (void)bb_gateway_conn_feed(conn, bb_span(buf, n), bb_now_ms(), &used);
        *rest = bb_span(buf + used, n - used);
    }
    return true;
}

/* A batch of this one leaf, signed and given back. */
static enum bb_status attest(struct bb_demo_own_gateway *g, struct bb_gateway_conn *conn,
                             struct bb_batch **batch) {
    struct bb_attestation made;
    struct bb_span config = bb_span(g->config, g->config_len);
    struct bb_span binding = bb_key_spki(g->binding_key);
    struct bb_batch_input in = {.leaves = bb_gateway_conn_leaf(conn),
                                .n = 1,
                                .form = 1,
                                .spki = bb_key_spki(g->key),
                                .binding_spki = binding,
                                .config = config};
    BB_TRY(bb_batch_new(&in, bb_random, batch, NULL));
    BB_TRY(bb_attester_get(g->attester, (*batch)->report_data, &made, NULL));
    struct bb_cmw cmw = {.report = bb_span(made.report, made.report_len),
                         .vek = made.vek,
                         .ask = made.ask,
                         .ark = made.ark,
                         .crl = made.crl};
    struct bb_writer w = bb_writer(g->cmw, sizeof g->cmw);
    bb_cmw_build(&cmw, &w);
    struct bb_gateway_evidence evidence = {.kind = made.kind,
                                           .form = 1,
                                           .cmw = bb_writer_span(&w),
                                           .config = config,
                                           .binding_spki = binding};
    return bb_gateway_conn_answer(conn, &evidence, NULL);
}

static bool respond(struct bb_demo_line *line, struct bb_gateway_conn *conn) {
    struct bb_span out = bb_gateway_conn_output(conn);
    return out.len > 0 && bb_demo_line_write(line, out) &&
           bb_gateway_conn_wrote(conn, out.len, bb_now_ms()) == BB_GATEWAY_START;
}

/* ---- the application's bytes ---- */

static void pump(struct bb_demo_line *line, struct bb_relay *relay, int up) {
    bool moved = true;
    unsigned tls_want = 0, up_want = 0;
    while (bb_relay_step(relay, &tls_want, &up_want, &moved) == BB_RELAY_RUNNING) {
        if (!moved &&
            !bb_demo_peer_wait_two(line->peer, line->fd, tls_want, up, up_want, line->deadline))
            return;
    }
}

static void carry(struct bb_demo_own_gateway *g, struct bb_demo_line *line, struct bb_span rest) {
    struct bb_relay *relay = NULL;
    int up = bb_demo_dial(g->upstream);
    if (up >= 0 && bb_demo_peer_wait(&g->peer, up, BB_IO_WRITE, line->deadline) &&
        bb_relay_new(line->tls, rest, bb_span(NULL, 0), &relay, NULL) == BB_OK) {
        bb_relay_attach(relay, up);
        pump(line, relay, up);
        g->peer.app_bytes += bb_relay_from_tls(relay);
    }
    bb_relay_free(relay);
    if (up >= 0)
        (void)close(up);
}

static void exchange(struct bb_demo_own_gateway *g, struct bb_demo_line *line) {
    uint8_t salt[BB_SALT_SIZE], buf[BB_REQUEST_MAX];
    struct bb_gateway_conn *conn = NULL;
    struct bb_batch *batch = NULL;
    struct bb_span rest = {0};
    if (bb_random(salt, sizeof salt) &&
        bb_gateway_conn_new(&g->offer, salt, bb_tls_export, line->tls, bb_now_ms(), &conn, NULL) ==
            BB_OK &&
        feed(line, conn, BB_GATEWAY_REQUEST, buf, sizeof buf, &rest) &&
        bb_gateway_conn_state(conn) == BB_GATEWAY_BATCH && attest(g, conn, &batch) == BB_OK &&
        respond(line, conn) && feed(line, conn, BB_GATEWAY_START, buf, sizeof buf, &rest) &&
        bb_gateway_conn_state(conn) == BB_GATEWAY_OPEN)
        carry(g, line, rest);
    bb_batch_free(batch);
    bb_gateway_conn_free(conn);
}

static void serve(struct bb_demo_peer *peer, int fd) {
    struct bb_demo_own_gateway *g = peer->ctx;
    struct bb_demo_line line;
    struct bb_client_tls facts;
    if (bb_demo_line_open(&line, peer, g->tls, fd)) {
        bb_tls_facts(line.tls, &facts);
        if (bb_span_equal(facts.alpn, BB_SPAN_LIT(BB_ALPN)))
            exchange(g, &line);
    }
    bb_demo_line_done(&line);
}

/* ---- making ---- */

enum bb_status bb_demo_server_new(struct bb_key **key, struct bb_tls_context **tls,
                                  struct bb_error *err) {
    uint8_t cert[CERT_MAX];
    size_t len = 0;
    int64_t now = (int64_t)time(NULL);
    BB_TRY(bb_key_generate(BB_KEY_P256, key, err));
    BB_TRY(bb_issue_tls(*key, "blindbox", now - DAY, now + DAY, cert, sizeof cert, &len, err));
    return bb_tls_server_new(*key, bb_span(cert, len), tls, err);
}

enum bb_status bb_demo_own_gateway_start(struct bb_demo_own_gateway *g,
                                         const struct bb_demo_place *place, const char *upstream,
                                         struct bb_error *err) {
    char dir[BB_DEMO_PATH_MAX];
    struct bb_writer w = bb_writer(g->config, sizeof g->config);
    g->upstream = upstream;
    BB_TRY(bb_demo_server_new(&g->key, &g->tls, err));
    BB_TRY(bb_key_generate(BB_KEY_P256, &g->binding_key, err));
    BB_TRY(bb_attester_sim_new(bb_demo_path(place, BB_DEMO_SIM, dir), NULL, &g->attester, err));
    bb_config_build(
        &(struct bb_config){
            .software = "blindbox demo", .upstream = "tcp:127.0.0.1", .apps = apps, .n_apps = 1},
        &w);
    g->config_len = w.len;
    g->offer = (struct bb_gateway_offer){.kind = g->attester->ops->kind,
                                         .form = 1,
                                         .apps = apps,
                                         .n_apps = 1,
                                         .spki = bb_key_spki(g->key)};
    g->peer.serve = serve;
    g->peer.ctx = g;
    return bb_demo_peer_start(&g->peer, "127.0.0.1:0", err);
}

void bb_demo_own_gateway_stop(struct bb_demo_own_gateway *g) {
    bb_demo_peer_stop(&g->peer);
    bb_attester_free(g->attester);
    bb_tls_context_free(g->tls);
    bb_key_free(g->binding_key);
    bb_key_free(g->key);
}
