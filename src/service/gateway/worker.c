/* The gateway's network worker: accepts, keeps the table of connections, and talks to the attester.
 */
#include "service/acceptor.h"
#include "service/gateway/attester_wire.h"
#include "service/clock.h"
#include "service/gateway/conn.h"
#include "service/gateway/passport.h"
#include "service/log.h"

#include "base/hex.h"
#include "channel/frame.h"
#include "crypto/issue.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ADDRESS_BUCKETS = 4096,
    BUCKET_KEY_SIZE = 16,
    V4_SIZE = 4,
    V6_NETWORK_SIZE = 8,
    TLS_CERT_MAX = 1024,
    SLOT_BITS = 16,
    ADDRESS_SHARE = 4,       /* a quarter of all places is the most that one address gets */
    REPORT_ALONE_MAX = 2048, /* a collection of a report and nothing else */
    TURNED_AWAY_MS = 1000    /* how often the log says so */
};

static const char *const apps[] = {"raw", "http/1.1", "h2"};
enum { N_APPS = sizeof apps / sizeof apps[0] };

struct worker {
    struct bb_conn_host host; /* first: callbacks get it */
    struct bb_gateway_offer offer;
    struct bb_gateway_options options;
    struct bb_upstream upstream;
    struct bb_key *key;
    int listener, control, link;  /* link: to the attester, -1 while there is none */
    bool link_ready;              /* READY was received */
    bool accepting;               /* and the parent was told so */
    bool retired;                 /* another worker accepts: ends with its last connection */
    struct bb_passport *passport; /* NULL: no verification service */
    const char *issuers[BB_GATEWAY_VERIFIERS_MAX];
    struct bb_acceptor acceptor;
    struct event *control_event, *link_event, *link_writable, *term, *drain_end;
    struct bb_conn *slot[BB_CONNECTIONS_MAX];
    uint64_t generation;
    size_t open, open_max, address_max;
    uint8_t bucket_key[BUCKET_KEY_SIZE];
    unsigned long turned_away; /* not told yet */
    int64_t told_ms;
    uint16_t per_address[ADDRESS_BUCKETS];
    uint64_t queue[BB_CONNECTIONS_MAX]; /* ids whose leaf is not yet at the attester */
    size_t queued;
    uint8_t binding_spki[BB_SPKI_SIZE];
    struct bb_wire_hello hello;
    struct bb_wire_leaves leaves;
    struct bb_wire_batch batch;          /* the last one: its proofs follow */
    struct bb_gateway_evidence evidence; /* of it, for every connection */
    uint8_t report_alone[REPORT_ALONE_MAX];
    union {
        uint8_t bytes[BB_WIRE_MESSAGE_MAX];
        uint32_t type;
        struct bb_wire_ready ready;
        struct bb_wire_batch batch;
        struct bb_wire_proofs proofs;
        struct bb_wire_denied denied;
    } in;
};

/* ---- table ---- */

static struct bb_conn *find(const struct worker *w, uint64_t id) {
    size_t slot = id & ((1U << SLOT_BITS) - 1);
    struct bb_conn *c = slot < BB_CONNECTIONS_MAX ? w->slot[slot] : NULL;
    return c != NULL && bb_conn_id(c) == id ? c : NULL;
}

/* What counts as one address: IPv4 whole, mapped into IPv6 or not; of IPv6 the network's 64 bits,
 * since a host has as many of the others as it likes. */
static struct bb_span who(const struct sockaddr_storage *peer) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
    if (peer->ss_family != AF_INET6)
        return bb_span(&((const struct sockaddr_in *)(const void *)peer)->sin_addr, V4_SIZE);
    return IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) ? bb_span(&v6->sin6_addr.s6_addr[12], V4_SIZE)
                                                : bb_span(&v6->sin6_addr, V6_NETWORK_SIZE);
}

/* Keyed, so that nobody can choose addresses that share another's bucket. */
static uint16_t *bucket(struct worker *w, const struct sockaddr_storage *peer) {
    uint8_t hash[BB_SHA384_SIZE] = {0};
    struct bb_span parts[] = {BB_SPAN_OF(w->bucket_key), who(peer)};
    (void)!bb_sha384_parts(parts, 2, hash);
    return &w->per_address[((size_t)hash[0] << 8 | hash[1]) % ADDRESS_BUCKETS];
}

static void on_gone(struct bb_conn_host *host, struct bb_conn *c) {
    struct worker *w = (struct worker *)(void *)host;
    size_t slot = bb_conn_id(c) & ((1U << SLOT_BITS) - 1);
    if (w->slot[slot] == c) {
        w->slot[slot] = NULL;
        w->open--;
        (*bucket(w, bb_conn_peer(c)))--;
    }
    if ((w->host.draining || w->retired) && w->open == 0)
        (void)event_base_loopbreak(w->host.base);
}

/* ---- attester ---- */

static void lose_link(struct worker *w);

static void flush_queue(struct worker *w) {
    while (w->link_ready && w->queued > 0) {
        struct bb_wire_leaves *m = &w->leaves;
        size_t taken = 0;
        m->type = BB_WIRE_LEAVES;
        m->n = 0;
        for (; taken < w->queued && m->n < BB_WIRE_LEAVES_MAX; taken++) {
            struct bb_conn *c = find(w, w->queue[taken]);
            const uint8_t *leaf = c == NULL ? NULL : bb_conn_leaf(c);
            if (leaf == NULL)
                continue; /* it left: its place is free */
            m->leaf[m->n].id = w->queue[taken];
            memcpy(m->leaf[m->n++].leaf, leaf, BB_MERKLE_NODE);
        }
        size_t len = offsetof(struct bb_wire_leaves, leaf) + m->n * sizeof m->leaf[0];
        if (m->n > 0 && send(w->link, m, len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)len) {
            if (errno == EAGAIN)
                (void)event_add(w->link_writable, NULL);
            else
                lose_link(w);
            return;
        }
        w->queued -= taken;
        memmove(w->queue, w->queue + taken, w->queued * sizeof w->queue[0]);
    }
}

static void on_link_writable(evutil_socket_t fd, short what, void *arg) {
    (void)fd;
    (void)what;
    flush_queue(arg);
}

/* Connections that left take no place: without an attester nothing else empties the queue. */
static void forget_gone(struct worker *w) {
    size_t kept = 0;
    for (size_t i = 0; i < w->queued; i++)
        if (find(w, w->queue[i]) != NULL)
            w->queue[kept++] = w->queue[i];
    w->queued = kept;
}

static void queue_leaf(struct worker *w, struct bb_conn *c) {
    if (w->queued == BB_CONNECTIONS_MAX)
        forget_gone(w);
    w->queue[w->queued++] = bb_conn_id(c);
    /* Sent at the end of this turn of the loop, together with the others that came in it. */
    if (w->link_writable != NULL)
        event_active(w->link_writable, EV_WRITE, 1);
}

/* Queued, kept back, or refused: by what the issuer's service can take, if a token is asked for. */
static unsigned admit(struct worker *w, struct bb_conn *c, uint64_t *retry_ms) {
    size_t issuer = bb_conn_issuer(c);
    enum bb_passport_turn turn =
        issuer == BB_NO_ISSUER ? BB_PASSPORT_NOW : bb_passport_turn(w->passport, issuer, retry_ms);
    bb_conn_keep_back(c, turn == BB_PASSPORT_LATER);
    if (turn == BB_PASSPORT_NOW)
        queue_leaf(w, c);
    return turn == BB_PASSPORT_NEVER ? BB_CHANNEL_VERIFIER_UNAVAILABLE : BB_CHANNEL_OK;
}

static unsigned on_leaf_ready(struct bb_conn_host *host, struct bb_conn *c, uint64_t *retry_ms) {
    return admit((struct worker *)(void *)host, c, retry_ms);
}

/* Everything that waits for the attester is denied: nothing is tried twice. */
static void lose_link(struct worker *w) {
    if (w->link < 0)
        return;
    event_free(w->link_event);
    event_free(w->link_writable);
    (void)close(w->link);
    w->link = -1;
    w->link_ready = false;
    w->link_event = w->link_writable = NULL;
    w->queued = 0;
    for (size_t i = 0; i < BB_CONNECTIONS_MAX; i++)
        if (w->slot[i] != NULL && bb_conn_leaf(w->slot[i]) != NULL)
            bb_conn_refuse(w->slot[i], BB_CHANNEL_BUSY, 1000);
    /* At the end of a generation nobody waits, and nothing is wrong. */
    if (!w->host.draining && !(w->retired && w->open == 0))
        bb_log("gateway: the attester is gone; waiting connections were refused");
}

static void begin_accepting(struct worker *w) {
    uint8_t ready = BB_CONTROL_READY;
    if (w->host.draining || w->retired || w->accepting)
        return;
    w->accepting = bb_acceptor_start(&w->acceptor);
    if (w->accepting && send(w->control, &ready, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
        bb_log("gateway: the parent does not hear that the worker is ready");
}

static bool take_ready(struct worker *w, size_t len) {
    if (len != sizeof w->in.ready)
        return false;
    w->offer.kind = w->in.ready.kind;
    memcpy(w->binding_spki, w->in.ready.binding_spki, sizeof w->binding_spki);
    w->link_ready = true;
    begin_accepting(w);
    flush_queue(w); /* what came while there was no attester */
    return true;
}

/* What the batch gives to each of its connections, but for the place. */
static bool describe_batch(struct worker *w) {
    struct bb_writer alone = bb_writer(w->report_alone, sizeof w->report_alone);
    struct bb_cmw cmw;
    w->evidence = (struct bb_gateway_evidence){
        .kind = w->offer.kind,
        .form = w->batch.form,
        .flags = (uint16_t)w->batch.flags,
        .cmw = bb_span(w->batch.cmw, w->batch.cmw_len),
        .config = bb_span(w->hello.config, w->hello.config_len),
        .binding_spki = BB_SPAN_OF(w->binding_spki),
        .depth = w->batch.depth,
    };
    if (!bb_cmw_parse(w->evidence.cmw, &cmw))
        return false;
    bb_cmw_build(&(struct bb_cmw){.report = cmw.report}, &alone);
    w->evidence.cmw_report = bb_writer_span(&alone);
    if (w->passport != NULL)
        bb_passport_batch(w->passport, &w->evidence, w->batch.d);
    return !alone.failed && w->batch.depth <= BB_MERKLE_DEPTH_MAX;
}

static bool take_batch(struct worker *w, size_t len) {
    const struct bb_wire_batch *b = &w->in.batch;
    char id[BB_HEX_SIZE(BB_BATCH_ID_SIZE)];
    if (len < offsetof(struct bb_wire_batch, cmw) || b->cmw_len > BB_WIRE_EVIDENCE_MAX ||
        len != offsetof(struct bb_wire_batch, cmw) + b->cmw_len)
        return false;
    memcpy(&w->batch, b, len);
    if (!describe_batch(w))
        return false;
    bb_hex_encode(bb_span(b->d, BB_BATCH_ID_SIZE), id, sizeof id);
    bb_log("batch=%s leaves=%u depth=%u report_us=%u", id, b->n, b->depth, b->report_us);
    return true;
}

static void take_place(struct worker *w, const struct bb_wire_place *place, struct bb_span path) {
    struct bb_conn *c = find(w, place->id);
    if (c == NULL || bb_conn_leaf(c) == NULL)
        return; /* it left meanwhile */
    size_t issuer = bb_conn_issuer(c);
    if (issuer != BB_NO_ISSUER) {
        bb_conn_placed(c);
        bb_passport_wait(w->passport, issuer, place->id, place->index, path);
        return;
    }
    struct bb_gateway_evidence e = w->evidence;
    e.index = place->index;
    e.path = path;
    bb_conn_answer(c, &e, w->batch.d);
}

static bool take_proofs(struct worker *w, size_t len) {
    const struct bb_wire_proofs *m = &w->in.proofs;
    size_t head = offsetof(struct bb_wire_proofs, places), path_len = 0;
    if (w->batch.depth > BB_MERKLE_DEPTH_MAX)
        return false;
    path_len = (size_t)w->batch.depth * BB_MERKLE_NODE;
    if (len < head || len > sizeof *m ||
        (len - head) != m->n * (sizeof(struct bb_wire_place) + path_len))
        return false;
    const uint8_t *at = m->places;
    for (uint32_t i = 0; i < m->n; i++, at += sizeof(struct bb_wire_place) + path_len) {
        struct bb_wire_place place;
        memcpy(&place, at, sizeof place);
        take_place(w, &place, bb_span(at + sizeof place, path_len));
    }
    return true;
}

static bool take_denied(struct worker *w, size_t len) {
    if (len != sizeof w->in.denied)
        return false;
    struct bb_conn *c = find(w, w->in.denied.id);
    if (c != NULL && bb_conn_leaf(c) != NULL)
        bb_conn_refuse(c, w->in.denied.status, w->in.denied.retry_ms);
    return true;
}

static bool take_message(struct worker *w, size_t len) {
    if (len < sizeof w->in.type)
        return false;
    switch (w->in.type) {
    case BB_WIRE_READY:
        return take_ready(w, len);
    case BB_WIRE_BATCH:
        return take_batch(w, len);
    case BB_WIRE_PROOFS:
        return take_proofs(w, len);
    case BB_WIRE_DENIED:
        return take_denied(w, len);
    default:
        return false;
    }
}

static void on_link(evutil_socket_t fd, short what, void *arg) {
    struct worker *w = arg;
    enum { MESSAGES_A_TURN = 8 }; /* some hundred answers: then the sockets' turn */
    (void)what;
    for (int i = 0; i < MESSAGES_A_TURN && w->link == fd; i++) {
        ssize_t n = recv(fd, w->in.bytes, sizeof w->in.bytes, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0 || !take_message(w, (size_t)n))
            lose_link(w);
    }
}

/* ---- tokens ---- */

static void on_token(void *ctx, uint64_t id, const struct bb_gateway_evidence *evidence,
                     const uint8_t d[BB_D_SIZE]) {
    struct bb_conn *c = find(ctx, id);
    if (c != NULL && bb_conn_waits(c))
        bb_conn_answer(c, evidence, d);
}

static void on_no_token(void *ctx, uint64_t id, unsigned status, uint64_t retry_ms) {
    struct bb_conn *c = find(ctx, id);
    if (c != NULL && bb_conn_waits(c))
        bb_conn_refuse(c, status, retry_ms);
}

/* Those that were kept back go into one batch, as many as there are. */
static void on_room(void *ctx, size_t issuer) {
    struct worker *w = ctx;
    for (size_t i = 0; i < BB_CONNECTIONS_MAX; i++) {
        struct bb_conn *c = w->slot[i];
        uint64_t retry_ms = 0;
        if (c == NULL || !bb_conn_is_kept_back(c) || bb_conn_leaf(c) == NULL ||
            bb_conn_issuer(c) != issuer)
            continue;
        unsigned status = admit(w, c, &retry_ms);
        if (status != BB_CHANNEL_OK)
            bb_conn_refuse(c, status, retry_ms);
    }
}

static enum bb_status make_passport(struct worker *w, struct bb_error *err) {
    const struct bb_gateway_verifiers *v = &w->options.verifiers;
    const struct bb_passport_calls calls = {
        .ctx = w, .answer = on_token, .refuse = on_no_token, .room = on_room};
    return v->n == 0 ? BB_OK : bb_passport_new(w->host.base, v, &calls, &w->passport, err);
}

/* ---- no more connections ---- */

static void close_listener(evutil_socket_t fd, short what, void *arg) {
    struct worker *w = arg;
    (void)fd;
    (void)what;
    (void)close(w->listener);
    w->listener = -1;
}

/* The socket is shared with the parent and other workers. It must leave the loop's kernel side
 * before it is closed here, or that goes on to report it; the loop tells the kernel at the begin of
 * its next turn, and timers come after that. (Without any time at all it would be called in this
 * turn.) */
static void stop_accepting(struct worker *w) {
    static const struct timeval next_turn = {.tv_usec = 1};
    if (w->acceptor.ready == NULL)
        return;
    bb_acceptor_close(&w->acceptor);
    (void)event_base_once(w->host.base, -1, EV_TIMEOUT, close_listener, w, &next_turn);
}

/* Another worker accepts by now. What this one has goes on as it began, with evidence and all; each
 * connection has its own deadlines. */
static void retire(struct worker *w) {
    if (w->retired)
        return;
    w->retired = true;
    bb_log("gateway: another worker accepts; %zu connections go on here", w->open);
    stop_accepting(w);
    if (w->open == 0)
        (void)event_base_loopbreak(w->host.base);
}

static void take_attester(struct worker *w, int fd) {
    lose_link(w);
    w->link = fd;
    w->link_event = event_new(w->host.base, w->link, EV_READ | EV_PERSIST, on_link, w);
    w->link_writable = event_new(w->host.base, w->link, EV_WRITE, on_link_writable, w);
    if (w->link_event == NULL || w->link_writable == NULL || event_add(w->link_event, NULL) != 0 ||
        send(w->link, &w->hello, sizeof w->hello, MSG_NOSIGNAL) != (ssize_t)sizeof w->hello)
        lose_link(w);
}

/* The parent hands over the socket of a new attester or fetcher, or says that another worker accepts. */
static void on_control(evutil_socket_t fd, short what, void *arg) {
    struct worker *w = arg;
    uint8_t byte = 0;
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } aux;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = aux.space,
                       .msg_controllen = sizeof aux.space};
    (void)what;
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    struct cmsghdr *c = n <= 0 ? NULL : CMSG_FIRSTHDR(&m);
    int link = -1;
    if (n > 0 && byte == BB_CONTROL_RETIRE) {
        retire(w);
        return;
    }
    if (c == NULL || c->cmsg_type != SCM_RIGHTS) { /* the parent is gone */
        (void)event_base_loopbreak(w->host.base);
        return;
    }
    memcpy(&link, CMSG_DATA(c), sizeof link);
    if (byte == BB_CONTROL_ATTESTER)
        take_attester(w, link);
    else if (byte == BB_CONTROL_FETCHER && w->passport != NULL)
        bb_passport_fetcher(w->passport, link);
    else
        (void)close(link);
}

/* ---- accepting ---- */

static void turn_away(struct worker *w, int fd) {
    int64_t now = bb_now_ms();
    (void)close(fd);
    w->turned_away++;
    if (now - w->told_ms < TURNED_AWAY_MS)
        return;
    bb_log("gateway: no place for %lu connections: %zu are open, an address has %zu at most",
           w->turned_away, w->open, w->address_max);
    w->turned_away = 0;
    w->told_ms = now;
}

static void on_accept(void *arg, int fd, const struct sockaddr_storage *peer) {
    struct worker *w = arg;
    uint16_t *count = bucket(w, peer);
    if (w->open >= w->open_max || *count >= w->address_max) {
        turn_away(w, fd);
        return;
    }
    size_t slot = w->generation % BB_CONNECTIONS_MAX;
    while (w->slot[slot] != NULL)
        slot = (slot + 1) % BB_CONNECTIONS_MAX;
    uint64_t id = ++w->generation << SLOT_BITS | slot;
    struct bb_conn *c = bb_conn_new(&w->host, fd, peer, id);
    if (c == NULL)
        return;
    w->slot[slot] = c;
    w->open++;
    (*count)++;
}

static void on_drain_end(evutil_socket_t fd, short what, void *arg) {
    struct worker *w = arg;
    (void)fd;
    (void)what;
    (void)event_base_loopbreak(w->host.base);
}

static void on_term(evutil_socket_t fd, short what, void *arg) {
    struct worker *w = arg;
    struct timeval limit = {.tv_sec = BB_DRAIN_MS / 1000};
    (void)fd;
    (void)what;
    if (w->host.draining)
        return;
    w->host.draining = true;
    bb_log("gateway: draining %zu connections", w->open);
    stop_accepting(w);
    for (size_t i = 0; i < BB_CONNECTIONS_MAX; i++)
        if (w->slot[i] != NULL)
            bb_conn_drain(w->slot[i]);
    if (w->open == 0)
        (void)event_base_loopbreak(w->host.base);
    else
        (void)event_add(w->drain_end, &limit);
}

/* ---- start ---- */

static enum bb_status make_identity(struct worker *w, struct bb_error *err) {
    uint8_t der[TLS_CERT_MAX];
    size_t len = 0;
    int64_t now = (int64_t)time(NULL);
    BB_TRY(bb_key_generate(BB_KEY_P256, &w->key, err));
    BB_TRY(bb_issue_tls(w->key, "blindbox", now - 3600, now + INT64_C(10) * 365 * 86400, der,
                        sizeof der, &len, err));
    BB_TRY(bb_tls_server_new(w->key, bb_span(der, len), &w->host.tls, err));
    struct bb_span spki = bb_key_spki(w->key);
    if (!bb_spki_is_p256(spki))
        return bb_fail_internal(err, "making a P-256 key");
    w->offer = (struct bb_gateway_offer){.kind = 0,
                                         .form = 1,
                                         .apps = apps,
                                         .n_apps = N_APPS,
                                         .issuers = w->issuers,
                                         .n_issuers = w->options.verifiers.n,
                                         .spki = spki};
    for (size_t i = 0; i < w->offer.n_issuers; i++)
        w->issuers[i] = w->options.verifiers.list[i].issuer;
    struct bb_writer config = bb_writer(w->hello.config, sizeof w->hello.config);
    bb_config_build(&(struct bb_config){.software = "blindbox " BB_VERSION,
                                        .upstream = w->upstream.uri,
                                        .issuers = w->issuers,
                                        .n_issuers = w->offer.n_issuers,
                                        .apps = apps,
                                        .n_apps = N_APPS},
                    &config);
    if (config.failed || !bb_config_is_valid(bb_writer_span(&config)))
        return bb_fail(err, BB_USAGE, "--upstream", "UTF-8 text", NULL,
                       "the configuration cannot be written: is the upstream's path UTF-8?");
    if (!bb_random(w->bucket_key, sizeof w->bucket_key))
        return bb_fail_internal(err, "making a key for the table of addresses");
    w->hello.type = BB_WIRE_HELLO;
    w->hello.flags = w->upstream.outside ? BB_FLAG_OUTSIDE_UPSTREAM : 0;
    w->hello.config_len = (uint32_t)config.len;
    memcpy(w->hello.spki, spki.ptr, sizeof w->hello.spki);
    return BB_OK;
}

/* Changes of what is waited for go to the kernel once a turn, and only those that are left by then:
 * most steps of a connection change their mind within one. Descriptors are never duplicated here.
 */
static struct event_base *make_base(void) {
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST) == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

static bool make_events(struct worker *w) {
    w->host.base = make_base();
    if (w->host.base == NULL)
        return false;
    w->control_event = event_new(w->host.base, w->control, EV_READ | EV_PERSIST, on_control, w);
    w->term = evsignal_new(w->host.base, SIGTERM, on_term, w);
    w->drain_end = evtimer_new(w->host.base, on_drain_end, w);
    /* Accepting begins when the attester said READY. */
    return bb_acceptor_open(&w->acceptor, w->host.base, w->listener, on_accept, w) &&
           w->control_event != NULL && w->term != NULL && w->drain_end != NULL &&
           event_add(w->control_event, NULL) == 0 && event_add(w->term, NULL) == 0;
}

static void worker_free(struct worker *w) {
    for (size_t i = 0; i < BB_CONNECTIONS_MAX; i++)
        if (w->slot[i] != NULL)
            bb_conn_abort(w->slot[i]);
    lose_link(w);
    bb_passport_free(w->passport);
    bb_acceptor_close(&w->acceptor);
    struct event *events[] = {w->control_event, w->term, w->drain_end};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i] != NULL)
            event_free(events[i]);
    if (w->host.base != NULL)
        event_base_free(w->host.base);
    bb_tls_context_free(w->host.tls);
    bb_key_free(w->key);
    free(w);
}

int bb_gateway_worker(const struct bb_gateway_options *options, int listener, int control) {
    struct bb_error err = {0};
    struct worker *w = calloc(1, sizeof *w);
    if (w == NULL)
        return 1;
    w->options = *options;
    w->listener = listener;
    w->control = control;
    w->link = -1;
    w->open_max = bb_connections_possible(BB_CONNECTIONS_MAX);
    w->address_max = w->open_max / ADDRESS_SHARE < BB_CONNECTIONS_PER_ADDRESS
                         ? w->open_max / ADDRESS_SHARE
                         : BB_CONNECTIONS_PER_ADDRESS;
    w->host.offer = &w->offer;
    w->host.options = &w->options;
    w->host.upstream = &w->upstream;
    w->host.leaf_ready = on_leaf_ready;
    w->host.gone = on_gone;
    int code = 1;
    if (bb_upstream_parse(options->upstream, &w->upstream, &err) == BB_OK &&
        make_identity(w, &err) == BB_OK && make_events(w) && make_passport(w, &err) == BB_OK) {
        (void)event_base_dispatch(w->host.base);
        code = 0;
    } else {
        bb_log("gateway: %s", err.text);
    }
    worker_free(w);
    return code;
}
