#include "channel/client.h"

#include <stdio.h>
#include <stdlib.h>

struct bb_client {
    uint8_t frame[BB_FRAME_HEAD_SIZE + BB_REQUEST_MAX]; /* the request, with its length */
    size_t frame_len;
    struct bb_request asked; /* points into `frame` */
    bool tls_checked;
    uint8_t spki[BB_SPKI_SIZE];
    uint8_t head[BB_FRAME_HEAD_SIZE];
    size_t head_len;
    uint8_t *body; /* the response */
    size_t body_size, body_len;
    bool done, is_bound;
    uint64_t retry_ms;
    struct bb_client_bound bound;
};

enum bb_status bb_client_wants_from(const struct bb_policy *policy,
                                    const struct bb_policy_verifier *verifier,
                                    struct bb_client_wants *out, struct bb_error *err) {
    struct bb_client_wants w = {.forms = policy->report_data_forms & 3U,
                                .wait_ms = BB_WAIT_MS_DEFAULT,
                                .apps = {"raw"},
                                .n_apps = 1,
                                .want = BB_WANT_EVIDENCE};
    if (verifier->mode == BB_MODE_PASSPORT) {
        w.want = bb_policy_needs_report(policy, verifier) ? BB_WANT_BOTH : BB_WANT_TOKEN;
        w.issuer = verifier->issuer;
    }
    if (policy->kind_sev_snp)
        w.kinds[w.n_kinds++] = BB_KIND_SEV_SNP;
    /* Also without permission: the verdict then says what is wrong, where "nothing in common" would
     * not. Asking for evidence is not taking it. */
    if (policy->kind_simulated || !policy->evidence_given)
        w.kinds[w.n_kinds++] = BB_KIND_SIMULATED;
    if (w.n_kinds == 0)
        return bb_fail(err, BB_UNSUPPORTED_EVIDENCE, "evidence", "sev-snp or simulated", "none",
                       "the policy allows no kind of evidence that this build verifies");
    *out = w;
    return BB_OK;
}

static enum bb_status build_request(struct bb_client *c, const struct bb_client_wants *wants,
                                    struct bb_error *err) {
    struct bb_request q = {.nonce = BB_SPAN_OF(wants->nonce),
                           .want = wants->want == 0 ? BB_WANT_EVIDENCE : wants->want,
                           .issuer = bb_span_str(wants->issuer == NULL ? "" : wants->issuer),
                           .wait_ms = wants->wait_ms,
                           .forms = wants->forms};
    bool fits = wants->n_kinds <= BB_KINDS_MAX && wants->n_apps <= BB_APPS_MAX &&
                wants->forms <= 3 && !bb_span_is_zero(q.nonce);
    for (size_t i = 0; fits && i < wants->n_kinds; i++) {
        fits = wants->kinds[i] == BB_KIND_SEV_SNP || wants->kinds[i] == BB_KIND_SIMULATED;
        q.kinds[q.n_kinds++] = wants->kinds[i];
    }
    for (size_t i = 0; fits && i < wants->n_apps; i++)
        q.apps[q.n_apps++] = bb_span_str(wants->apps[i]);
    struct bb_writer w = bb_writer(c->frame + BB_FRAME_HEAD_SIZE, BB_REQUEST_MAX);
    bb_request_build(&q, &w);
    /* Our own parser is the judge of what may be sent. */
    if (!fits || w.failed || !bb_request_parse(bb_writer_span(&w), &c->asked))
        return bb_fail(err, BB_USAGE, "request", NULL, NULL,
                       "kinds, forms, protocols, issuer, nonce or waiting time out of range");
    struct bb_writer head = bb_writer(c->frame, BB_FRAME_HEAD_SIZE);
    bb_write_u32be(&head, (uint32_t)w.len);
    c->frame_len = BB_FRAME_HEAD_SIZE + w.len;
    return BB_OK;
}

enum bb_status bb_client_new(const struct bb_client_wants *wants, struct bb_client **out,
                             struct bb_error *err) {
    struct bb_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return bb_fail_internal(err, "memory for a client");
    enum bb_status status = build_request(c, wants, err);
    if (status != BB_OK) {
        bb_client_free(c);
        return status;
    }
    *out = c;
    return BB_OK;
}

void bb_client_free(struct bb_client *c) {
    if (c == NULL)
        return;
    free(c->body);
    free(c);
}

static enum bb_status refuse_tls(struct bb_error *err, const char *field, const char *expected,
                                 const char *found, const char *text) {
    return bb_fail(err, BB_ATTESTATION_REFUSED, field, expected, found, "%s", text);
}

enum bb_status bb_client_check_tls(struct bb_client *c, const struct bb_client_tls *tls,
                                   struct bb_error *err) {
    char alpn[BB_VALUE_MAX] = "none";
    if (tls->alpn.len > 0)
        bb_escape(tls->alpn, alpn, sizeof alpn);
    if (!bb_span_equal(tls->alpn, BB_SPAN_LIT(BB_ALPN)))
        return refuse_tls(err, "ALPN", BB_ALPN, alpn, "the peer does not speak attested TLS");
    if (!tls->tls13)
        return refuse_tls(err, "TLS version", "1.3", "older", "the connection is not TLS 1.3");
    if (tls->resumed)
        return refuse_tls(err, "handshake", "full", "resumed", "the session was resumed");
    if (tls->early_data)
        return refuse_tls(err, "handshake", "no early data", "early data", "early data was used");
    if (!tls->x509 || !bb_spki_is_p256(tls->spki))
        return refuse_tls(err, "key", "X.509 with a P-256 key", tls->x509 ? "another key" : "none",
                          "the peer's key is not one that can be bound");
    memcpy(c->spki, tls->spki.ptr, sizeof c->spki);
    c->tls_checked = true;
    return BB_OK;
}

struct bb_span bb_client_request(const struct bb_client *c) {
    return bb_span(c->frame, c->frame_len);
}

static enum bb_status malformed(struct bb_error *err, const char *field, const char *text) {
    return bb_fail(err, BB_MALFORMED_EVIDENCE, field, NULL, NULL, "%s", text);
}

static enum bb_status head_complete(struct bb_client *c, struct bb_error *err) {
    struct bb_reader r = bb_reader(BB_SPAN_OF(c->head));
    uint32_t len = bb_read_u32be(&r);
    char found[16];
    (void)snprintf(found, sizeof found, "%u", len);
    if (len == 0 || len > BB_RESPONSE_MAX)
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "frame length", "1 to 262144", found,
                       "the response's length is out of bounds");
    c->body = malloc(len);
    if (c->body == NULL)
        return bb_fail_internal(err, "memory for a response");
    c->body_size = len;
    return BB_OK;
}

enum bb_status bb_client_feed(struct bb_client *c, struct bb_span in, bool *done,
                              struct bb_error *err) {
    size_t used = 0;
    *done = c->done;
    if (c->head_len < sizeof c->head) {
        used = bb_fill(c->head, sizeof c->head, &c->head_len, in);
        if (c->head_len < sizeof c->head)
            return BB_OK;
    }
    if (c->body == NULL) /* also after a refused length: it is refused again */
        BB_TRY(head_complete(c, err));
    used += bb_fill(c->body, c->body_size, &c->body_len, bb_span(in.ptr + used, in.len - used));
    if (used < in.len)
        return malformed(err, "frame", "bytes after the response, before the start");
    c->done = c->body_len == c->body_size;
    *done = c->done;
    return BB_OK;
}

enum bb_status bb_client_eof(const struct bb_client *c, struct bb_error *err) {
    char found[48];
    (void)snprintf(found, sizeof found, "%zu bytes", c->head_len + c->body_len);
    return bb_fail(err, BB_PEER_UNREACHABLE, "frame", "a whole response", found,
                   "the peer closed the connection before its response was complete");
}

enum bb_status bb_channel_status_class(unsigned status) {
    switch (status) {
    case BB_CHANNEL_BUSY:
    case BB_CHANNEL_DEADLINE:
    case BB_CHANNEL_SHUTTING_DOWN:
        return BB_TRY_AGAIN;
    case BB_CHANNEL_VERIFIER_UNAVAILABLE:
        return BB_VERIFIER_UNAVAILABLE;
    default:
        return BB_ATTESTATION_REFUSED; /* also every status that this build does not know */
    }
}

static enum bb_status refused(struct bb_client *c, const struct bb_response *p,
                              struct bb_error *err) {
    char found[BB_VALUE_MAX], text[96];
    bb_escape(p->text, text, sizeof text);
    (void)snprintf(found, sizeof found, "status %u: %s", p->status, text);
    c->retry_ms = p->retry_ms < BB_RETRY_MS_MAX ? p->retry_ms : BB_RETRY_MS_MAX;
    if (c->retry_ms > 0)
        return bb_fail(err, bb_channel_status_class(p->status), "status", "0", found,
                       "the gateway refused: %s; try again after %llu ms",
                       bb_channel_status_text(p->status), (unsigned long long)c->retry_ms);
    return bb_fail(err, bb_channel_status_class(p->status), "status", "0", found,
                   "the gateway refused: %s", bb_channel_status_text(p->status));
}

/* A token exactly if one was asked for: none that nobody looks at, and no verdict without it. */
static enum bb_status check_token(const struct bb_request *q, const struct bb_response *p,
                                  struct bb_error *err) {
    bool asked = (q->want & BB_WANT_TOKEN) != 0;
    if (p->token.len > 0 && !asked)
        return malformed(err, "token", "a token that was not asked for");
    if (p->token.len == 0 && asked)
        return bb_fail(err, BB_TOKEN_NOT_FOUND, "token", "the issuer's token", "none",
                       "the gateway sent no token");
    return BB_OK;
}

/* Step 4: only what was asked for. */
static enum bb_status check_choices(const struct bb_client *c, const struct bb_response *p,
                                    struct bb_error *err) {
    const struct bb_request *q = &c->asked;
    bool kind = false, app = false;
    char found[BB_VALUE_MAX];
    if (p->anchored)
        return bb_fail(err, BB_STALE_EVIDENCE, "signature", "fresh evidence", "anchored",
                       "the gateway refers to evidence that this client did not name");
    for (size_t i = 0; i < q->n_kinds; i++)
        kind = kind || q->kinds[i] == p->kind;
    (void)snprintf(found, sizeof found, "%u", p->kind);
    if (!kind)
        return bb_fail(err, p->kind == BB_KIND_SIMULATED ? BB_SIMULATED_TEE : BB_NOT_AN_ENCLAVE,
                       "kind", "a kind that was asked for", found,
                       "the evidence is of a kind that was not asked for");
    BB_TRY(check_token(q, p, err));
    (void)snprintf(found, sizeof found, "%u", p->form);
    if ((q->forms >> p->form & 1) == 0)
        return bb_fail(err, BB_ATTESTATION_REFUSED, "form", "a form that was asked for", found,
                       "the report data has a form that was not asked for");
    for (size_t i = 0; i < q->n_apps; i++)
        app = app || bb_span_equal(q->apps[i], p->app);
    bb_escape(p->app, found, sizeof found);
    if (!app)
        return bb_fail(err, BB_ATTESTATION_REFUSED, "application protocol",
                       "one that was asked for", found,
                       "the gateway chose an application protocol that was not asked for");
    return BB_OK;
}

/* What lies inside the response's byte strings. */
static enum bb_status check_parts(const struct bb_response *p, struct bb_cmw *cmw,
                                  struct bb_error *err) {
    char found[16];
    if ((p->flags & ~BB_FLAG_OUTSIDE_UPSTREAM) != 0) {
        (void)snprintf(found, sizeof found, "0x%04x", p->flags);
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "flags", "only bit 0", found,
                       "reserved flags are set");
    }
    if (!bb_config_is_valid(p->config))
        return malformed(err, "config", "the gateway's configuration is out of form");
    if (!bb_cmw_parse(p->cmw, cmw))
        return malformed(err, "cmw", "the collection of evidence is out of form");
    return BB_OK;
}

/* Steps 5 and 6. All from this connection's own values: the gateway sends neither leaf nor root. */
static enum bb_status compute(const struct bb_client *c, struct bb_client_bound *b,
                              bb_exporter_fn exporter, void *ctx, struct bb_error *err) {
    const struct bb_response *p = &b->response;
    uint8_t exported[BB_EXPORTED_SIZE];
    struct bb_span body = bb_span(c->frame + BB_FRAME_HEAD_SIZE, c->frame_len - BB_FRAME_HEAD_SIZE);
    if (!bb_binding_context(body, p->salt.ptr, b->context) ||
        !exporter(ctx, BB_SPAN_OF(b->context), exported) ||
        !bb_binding_leaf(BB_SPAN_OF(c->spki), exported, b->leaf) ||
        !bb_sha384(p->config, b->config_digest))
        return bb_fail(err, BB_CHANNEL_BINDING_MISMATCH, "leaf", NULL, NULL,
                       "this connection's own value could not be computed");
    b->path_good = bb_merkle_root_from_path(b->leaf, p->index, p->depth, p->path, b->root) &&
                   bb_spki_is_p256(p->binding_spki);
    if (!b->path_good)
        return BB_OK;
    struct bb_statement s = {.depth = p->depth,
                             .flags = p->flags,
                             .root = b->root,
                             .spki = BB_SPAN_OF(c->spki),
                             .binding_spki = p->binding_spki,
                             .config = p->config};
    if (!bb_binding_d(&s, b->d) || !bb_binding_report_data(b->d, p->form, b->report_data))
        return bb_fail(err, BB_CHANNEL_BINDING_MISMATCH, "statement", NULL, NULL,
                       "the batch's statement could not be computed");
    return BB_OK;
}

enum bb_status bb_client_bind(struct bb_client *c, bb_exporter_fn exporter, void *ctx,
                              struct bb_error *err) {
    struct bb_client_bound b = {0};
    if (!c->done || !c->tls_checked)
        return bb_fail_internal(err,
                                "binding before the handshake was checked and the response came");
    if (!bb_response_parse(bb_client_response(c), &b.response))
        return malformed(err, "response", "not a response of blindbox/1 in deterministic CBOR");
    if (b.response.status != BB_CHANNEL_OK)
        return refused(c, &b.response, err);
    BB_TRY(check_choices(c, &b.response, err));
    BB_TRY(check_parts(&b.response, &b.cmw, err));
    BB_TRY(compute(c, &b, exporter, ctx, err));
    c->bound = b;
    c->is_bound = true;
    return BB_OK;
}

const struct bb_client_bound *bb_client_bound(const struct bb_client *c) {
    return c->is_bound ? &c->bound : NULL;
}

struct bb_span bb_client_response(const struct bb_client *c) {
    return c->done ? bb_span(c->body, c->body_len) : bb_span(NULL, 0);
}

const struct bb_request *bb_client_asked(const struct bb_client *c) { return &c->asked; }

bool bb_client_runtime(const struct bb_client *c, char out[BB_RUNTIME_SIZE + 1]) {
    return c->is_bound && c->bound.path_good && bb_binding_runtime(c->bound.d, out);
}

uint64_t bb_client_retry_ms(const struct bb_client *c) { return c->retry_ms; }
