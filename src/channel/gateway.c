#include "channel/gateway.h"

#include <stdlib.h>

struct bb_gateway_conn {
    const struct bb_gateway_offer *offer;
    bb_exporter_fn exporter;
    void *ctx;
    enum bb_gateway_state state;
    int64_t deadline;
    uint8_t salt[BB_SALT_SIZE];
    uint8_t head[BB_FRAME_HEAD_SIZE];
    size_t head_len;
    uint8_t *body; /* the request; parsed spans point into it */
    size_t body_size, body_len;
    struct bb_request request;
    struct bb_span app;
    size_t issuer;
    uint8_t leaf[BB_MERKLE_NODE];
    uint8_t *out; /* the response frame */
    size_t out_len, out_pos;
    unsigned refused;
    uint8_t start[BB_START_FRAME_SIZE];
    size_t start_len;
};

static void close_conn(struct bb_gateway_conn *c) {
    c->state = BB_GATEWAY_CLOSED;
    c->deadline = INT64_MAX;
}

/* A connection that has its response keeps none of the exchange. */
static void drop_exchange(struct bb_gateway_conn *c) {
    free(c->body);
    free(c->out);
    c->body = c->out = NULL;
    c->out_len = c->out_pos = c->body_size = c->body_len = 0;
    c->request = (struct bb_request){0};
}

enum bb_status bb_gateway_conn_new(const struct bb_gateway_offer *offer,
                                   const uint8_t salt[BB_SALT_SIZE], bb_exporter_fn exporter,
                                   void *ctx, int64_t now_ms, struct bb_gateway_conn **out,
                                   struct bb_error *err) {
    struct bb_gateway_conn *c = calloc(1, sizeof *c);
    if (c == NULL)
        return bb_fail_internal(err, "memory for a connection");
    c->offer = offer;
    c->exporter = exporter;
    c->ctx = ctx;
    c->state = BB_GATEWAY_REQUEST;
    c->issuer = BB_NO_ISSUER;
    c->deadline = now_ms + BB_REQUEST_MS;
    memcpy(c->salt, salt, sizeof c->salt);
    *out = c;
    return BB_OK;
}

void bb_gateway_conn_free(struct bb_gateway_conn *c) {
    if (c == NULL)
        return;
    drop_exchange(c);
    free(c);
}

enum bb_gateway_state bb_gateway_conn_state(const struct bb_gateway_conn *c) { return c->state; }
const uint8_t *bb_gateway_conn_leaf(const struct bb_gateway_conn *c) { return c->leaf; }
int64_t bb_gateway_conn_deadline(const struct bb_gateway_conn *c) { return c->deadline; }
size_t bb_gateway_conn_issuer(const struct bb_gateway_conn *c) { return c->issuer; }
unsigned bb_gateway_conn_refused(const struct bb_gateway_conn *c) { return c->refused; }

/* Puts the length before the body that was written to `w` behind it. */
static void frame_done(struct bb_gateway_conn *c, uint8_t *frame, const struct bb_writer *w) {
    struct bb_writer head = bb_writer(frame, BB_FRAME_HEAD_SIZE);
    bb_write_u32be(&head, (uint32_t)w->len);
    c->out = frame;
    c->out_len = BB_FRAME_HEAD_SIZE + w->len;
    c->out_pos = 0;
    c->state = BB_GATEWAY_RESPONSE;
}

void bb_gateway_conn_refuse(struct bb_gateway_conn *c, unsigned status, uint64_t retry_ms) {
    enum { REFUSAL_MAX = 64 + BB_REFUSAL_TEXT_MAX };
    uint8_t *frame = NULL;
    if ((c->state == BB_GATEWAY_BATCH || c->state == BB_GATEWAY_REQUEST) && status != BB_CHANNEL_OK)
        frame = malloc(BB_FRAME_HEAD_SIZE + REFUSAL_MAX);
    if (frame == NULL) {
        close_conn(c);
        return;
    }
    struct bb_writer w = bb_writer(frame + BB_FRAME_HEAD_SIZE, REFUSAL_MAX);
    bb_refusal_build(status, retry_ms, &w);
    c->refused = status;
    frame_done(c, frame, &w);
}

/* The first protocol of the client's that the gateway carries. */
static bool choose_app(struct bb_gateway_conn *c) {
    for (size_t i = 0; i < c->request.n_apps; i++)
        for (size_t k = 0; k < c->offer->n_apps; k++)
            if (bb_span_equal(c->request.apps[i], bb_span_str(c->offer->apps[k]))) {
                c->app = bb_span_str(c->offer->apps[k]);
                return true;
            }
    return false;
}

/* True unless a token is asked for that this gateway cannot get. */
static bool choose_issuer(struct bb_gateway_conn *c) {
    if ((c->request.want & BB_WANT_TOKEN) == 0)
        return true;
    for (size_t i = 0; i < c->offer->n_issuers && c->issuer == BB_NO_ISSUER; i++)
        if (bb_span_equal(c->request.issuer, bb_span_str(c->offer->issuers[i])))
            c->issuer = i;
    return c->issuer != BB_NO_ISSUER;
}

/* The refusal that the request calls for, or BB_CHANNEL_OK. Key 7 is never a reason: the answer is
 * fresh, which is always right. */
static unsigned judge(struct bb_gateway_conn *c) {
    bool kind = false;
    if (!bb_request_parse(bb_span(c->body, c->body_len), &c->request))
        return BB_CHANNEL_MALFORMED;
    for (size_t i = 0; i < c->request.n_kinds; i++)
        kind = kind || c->request.kinds[i] == c->offer->kind;
    if (!kind || (c->request.forms >> c->offer->form & 1) == 0 || !choose_app(c))
        return BB_CHANNEL_NOTHING_IN_COMMON;
    if (!choose_issuer(c))
        return BB_CHANNEL_ISSUER_NOT_CONFIGURED;
    return BB_CHANNEL_OK;
}

static bool make_leaf(struct bb_gateway_conn *c) {
    uint8_t context[48], exported[BB_EXPORTED_SIZE];
    return bb_binding_context(bb_span(c->body, c->body_len), c->salt, context) &&
           c->exporter(c->ctx, BB_SPAN_OF(context), exported) &&
           bb_binding_leaf(c->offer->spki, exported, c->leaf);
}

static void request_complete(struct bb_gateway_conn *c, int64_t now_ms) {
    unsigned status = judge(c);
    if (status != BB_CHANNEL_OK) {
        /* The response's deadline: the client may have stated none that can be read. */
        c->deadline = now_ms + BB_REQUEST_MS;
        bb_gateway_conn_refuse(c, status, 0);
        return;
    }
    /* An exporter that fails ends the connection: nothing may be attested without it. */
    if (!make_leaf(c)) {
        close_conn(c);
        return;
    }
    c->state = BB_GATEWAY_BATCH;
    c->deadline = now_ms + c->request.wait_ms;
}

static void head_complete(struct bb_gateway_conn *c, int64_t now_ms) {
    struct bb_reader r = bb_reader(BB_SPAN_OF(c->head));
    uint32_t len = bb_read_u32be(&r);
    if (len == 0 || len > BB_REQUEST_MAX) {
        c->deadline = now_ms + BB_REQUEST_MS;
        bb_gateway_conn_refuse(c, BB_CHANNEL_MALFORMED, 0);
        return;
    }
    c->body = malloc(len);
    c->body_size = len;
    if (c->body == NULL)
        close_conn(c);
}

static size_t feed_request(struct bb_gateway_conn *c, struct bb_span in, int64_t now_ms) {
    size_t used = 0;
    if (c->head_len < sizeof c->head) {
        used = bb_fill(c->head, sizeof c->head, &c->head_len, in);
        if (c->head_len < sizeof c->head)
            return used;
        head_complete(c, now_ms);
        if (c->state != BB_GATEWAY_REQUEST)
            return used;
    }
    used += bb_fill(c->body, c->body_size, &c->body_len, bb_span(in.ptr + used, in.len - used));
    if (c->body_len == c->body_size)
        request_complete(c, now_ms);
    return used;
}

static size_t feed_start(struct bb_gateway_conn *c, struct bb_span in) {
    size_t used = bb_fill(c->start, sizeof c->start, &c->start_len, in);
    if (memcmp(c->start, BB_START_FRAME, c->start_len) != 0) {
        close_conn(c);
    } else if (c->start_len == sizeof c->start) {
        c->state = BB_GATEWAY_OPEN;
        c->deadline = INT64_MAX;
    }
    return used;
}

enum bb_gateway_state bb_gateway_conn_feed(struct bb_gateway_conn *c, struct bb_span in,
                                           int64_t now_ms, size_t *used) {
    *used = 0;
    if (in.len == 0)
        return c->state;
    switch (c->state) {
    case BB_GATEWAY_REQUEST:
        *used = feed_request(c, in, now_ms);
        /* A byte behind the request and before the response: close, unless the rest of a frame that
         * was refused by its length. */
        if (*used < in.len && c->refused == 0)
            close_conn(c);
        *used = in.len;
        break;
    case BB_GATEWAY_BATCH:
    case BB_GATEWAY_RESPONSE:
        close_conn(c);
        *used = in.len;
        break;
    case BB_GATEWAY_START:
        *used = feed_start(c, in);
        break;
    case BB_GATEWAY_OPEN:
    case BB_GATEWAY_CLOSED:
        break;
    }
    return c->state;
}

/* Room for everything in a fresh response but its four variable parts. */
enum { FRESH_OVERHEAD = 512 };

enum bb_status bb_gateway_conn_answer(struct bb_gateway_conn *c,
                                      const struct bb_gateway_evidence *e, struct bb_error *err) {
    bool token = c->issuer != BB_NO_ISSUER;
    struct bb_span cmw = c->request.want == BB_WANT_TOKEN ? e->cmw_report : e->cmw;
    size_t size = FRESH_OVERHEAD + cmw.len + e->config.len + e->path.len + e->token.len;
    if (c->state != BB_GATEWAY_BATCH)
        return bb_fail_internal(err, "an answer to a connection that waits for none");
    if (token && (e->token.len == 0 || e->token.len > BB_TOKEN_MAX)) {
        close_conn(c);
        return bb_fail_internal(err, "an answer without the token that was asked for");
    }
    uint8_t *frame = size > BB_RESPONSE_MAX ? NULL : malloc(BB_FRAME_HEAD_SIZE + size);
    if (frame == NULL) {
        close_conn(c);
        return bb_fail_internal(err, "memory for a response");
    }
    struct bb_response response = {.salt = BB_SPAN_OF(c->salt),
                                   .kind = e->kind,
                                   .cmw = cmw,
                                   .config = e->config,
                                   .binding_spki = e->binding_spki,
                                   .index = e->index,
                                   .depth = e->depth,
                                   .path = e->path,
                                   .app = c->app,
                                   .token = token ? e->token : bb_span(NULL, 0),
                                   .has_form = true,
                                   .form = e->form,
                                   .flags = e->flags};
    struct bb_writer w = bb_writer(frame + BB_FRAME_HEAD_SIZE, size);
    bb_response_build(&response, &w);
    if (w.failed) {
        free(frame);
        close_conn(c);
        return bb_fail_internal(err, "building a response");
    }
    frame_done(c, frame, &w);
    return BB_OK;
}

struct bb_span bb_gateway_conn_output(const struct bb_gateway_conn *c) {
    if (c->state != BB_GATEWAY_RESPONSE)
        return bb_span(NULL, 0);
    return bb_span(c->out + c->out_pos, c->out_len - c->out_pos);
}

enum bb_gateway_state bb_gateway_conn_wrote(struct bb_gateway_conn *c, size_t n, int64_t now_ms) {
    if (c->state != BB_GATEWAY_RESPONSE)
        return c->state;
    if (n > c->out_len - c->out_pos) { /* the caller's mistake: refuse to go on */
        close_conn(c);
        return c->state;
    }
    c->out_pos += n;
    if (c->out_pos < c->out_len)
        return c->state;
    if (c->refused != BB_CHANNEL_OK) {
        close_conn(c);
        return c->state;
    }
    drop_exchange(c);
    c->state = BB_GATEWAY_START;
    c->deadline = now_ms + BB_START_MS;
    return c->state;
}

enum bb_gateway_state bb_gateway_conn_expire(struct bb_gateway_conn *c, int64_t now_ms) {
    if (now_ms < c->deadline)
        return c->state;
    if (c->state == BB_GATEWAY_BATCH) {
        c->deadline = now_ms + BB_REQUEST_MS;
        bb_gateway_conn_refuse(c, BB_CHANNEL_DEADLINE, 0);
    } else {
        close_conn(c);
    }
    return c->state;
}
