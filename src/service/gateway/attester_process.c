#include "service/gateway/attester_process.h"

#include "channel/batch.h"
#include "channel/frame.h"
#include "crypto/key.h"
#include "service/gateway/attester_wire.h"
#include "service/clock.h"
#include "service/log.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct process {
    struct bb_attester *attester;
    struct bb_key *binding_key;
    int fd;
    struct bb_wire_hello hello;
    uint64_t batches;
    size_t n; /* leaves that wait */
    uint64_t id[BB_BATCH_LEAVES_MAX];
    uint8_t leaf[BB_BATCH_LEAVES_MAX][BB_MERKLE_NODE];
    union {
        uint8_t bytes[BB_WIRE_MESSAGE_MAX];
        uint32_t type;
        struct bb_wire_leaves leaves;
        struct bb_wire_hello hello;
    } in;
    struct bb_wire_batch out;
    struct bb_wire_proofs proofs;
};

static bool send_message(const struct process *p, const void *message, size_t len) {
    ssize_t n = 0;
    do
        n = send(p->fd, message, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}

/* One datagram; 0 when the worker is gone. */
static size_t receive(struct process *p) {
    ssize_t n = 0;
    do
        n = recv(p->fd, p->in.bytes, sizeof p->in.bytes, 0);
    while (n < 0 && errno == EINTR);
    return n <= 0 ? 0 : (size_t)n;
}

static bool take_leaves(struct process *p, size_t len) {
    const struct bb_wire_leaves *m = &p->in.leaves;
    size_t head = offsetof(struct bb_wire_leaves, leaf);
    if (len < head || m->type != BB_WIRE_LEAVES || m->n > BB_WIRE_LEAVES_MAX ||
        len != head + m->n * sizeof m->leaf[0])
        return false;
    for (uint32_t i = 0; i < m->n; i++) {
        p->id[p->n] = m->leaf[i].id;
        memcpy(p->leaf[p->n++], m->leaf[i].leaf, BB_MERKLE_NODE);
    }
    return true;
}

/* Waits for the first leaf, then takes all that are there: the rest of the socket belongs to the
 * next batch. False when the worker is gone or broken. */
static bool collect(struct process *p) {
    struct pollfd ready = {.fd = p->fd, .events = POLLIN};
    size_t len = receive(p);
    p->n = 0;
    if (len == 0 || !take_leaves(p, len))
        return false;
    while (p->n + BB_WIRE_LEAVES_MAX <= BB_BATCH_LEAVES_MAX && poll(&ready, 1, 0) == 1) {
        len = receive(p);
        if (len == 0 || !take_leaves(p, len))
            return false;
    }
    return true;
}

static bool deny_all(struct process *p, unsigned status, uint64_t retry_ms) {
    for (size_t i = 0; i < p->n; i++) {
        struct bb_wire_denied m = {
            .type = BB_WIRE_DENIED, .status = status, .id = p->id[i], .retry_ms = retry_ms};
        if (!send_message(p, &m, sizeof m))
            return false;
    }
    return true;
}

static bool flush_proofs(struct process *p, size_t len) {
    size_t head = offsetof(struct bb_wire_proofs, places);
    return p->proofs.n == 0 || send_message(p, &p->proofs, head + len);
}

/* Many to a message: a datagram for each would cost more than the proof. */
static bool send_proofs(struct process *p, const struct bb_batch *batch) {
    struct bb_wire_proofs *m = &p->proofs;
    size_t path_len = (size_t)batch->depth * BB_MERKLE_NODE, len = 0;
    m->type = BB_WIRE_PROOFS;
    m->n = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct bb_wire_place place = {.id = p->id[i]};
        if (len + sizeof place + path_len > sizeof m->places) {
            if (!flush_proofs(p, len))
                return false;
            m->n = 0;
            len = 0;
        }
        bb_batch_proof(batch, i, &place.index, m->places + len + sizeof place);
        memcpy(m->places + len, &place, sizeof place);
        len += sizeof place + path_len;
        m->n++;
    }
    return flush_proofs(p, len);
}

static bool send_batch(struct process *p, const struct bb_batch *batch,
                       const struct bb_attestation *made, int64_t took_us) {
    struct bb_wire_batch *m = &p->out;
    struct bb_writer w = bb_writer(m->cmw, sizeof m->cmw);
    struct bb_cmw cmw = {.report = bb_span(made->report, made->report_len),
                         .vek = made->vek,
                         .ask = made->ask,
                         .ark = made->ark,
                         .crl = made->crl};
    bb_cmw_build(&cmw, &w);
    if (w.failed)
        return deny_all(p, BB_CHANNEL_OWN_EVIDENCE_REFUSED, 0);
    m->type = BB_WIRE_BATCH;
    m->depth = batch->depth;
    m->form = batch->form;
    m->flags = batch->flags;
    m->number = ++p->batches;
    m->report_us = (uint32_t)took_us;
    m->n = (uint32_t)p->n;
    memcpy(m->d, batch->d, sizeof m->d);
    m->cmw_len = (uint32_t)w.len;
    return send_message(p, m, offsetof(struct bb_wire_batch, cmw) + w.len) && send_proofs(p, batch);
}

/* One batch: sealed, signed, answered. A failure of the hardware fails the batch's connections with
 * one status; the same leaves are never tried again. */
static bool serve_batch(struct process *p) {
    struct bb_error err = {0};
    struct bb_batch *batch = NULL;
    struct bb_attestation made;
    struct bb_batch_input in = {.leaves = p->leaf[0],
                                .n = p->n,
                                .form = 1,
                                .flags = (uint16_t)p->hello.flags,
                                .spki = BB_SPAN_OF(p->hello.spki),
                                .binding_spki = bb_key_spki(p->binding_key),
                                .config = bb_span(p->hello.config, p->hello.config_len)};
    if (bb_batch_new(&in, bb_random, &batch, &err) != BB_OK) {
        bb_log("attester: %s", err.text);
        return deny_all(p, BB_CHANNEL_OWN_EVIDENCE_REFUSED, 0);
    }
    int64_t t0 = bb_now_us();
    enum bb_status status = bb_attester_get(p->attester, batch->report_data, &made, &err);
    bool good = false;
    if (status == BB_OK)
        good = send_batch(p, batch, &made, bb_now_us() - t0);
    else {
        bb_log("attester: %s: %s", bb_status_name(status), err.text);
        good = deny_all(p, status == BB_TRY_AGAIN ? BB_CHANNEL_BUSY : BB_CHANNEL_ATTESTER_DEAD,
                        status == BB_TRY_AGAIN ? 2000 : 0);
    }
    bb_batch_free(batch);
    return good;
}

static bool greet(struct process *p) {
    struct bb_wire_ready ready = {.type = BB_WIRE_READY, .kind = p->attester->ops->kind};
    size_t len = receive(p);
    if (len != sizeof p->hello || p->in.type != BB_WIRE_HELLO ||
        p->in.hello.config_len > BB_CONFIG_MAX)
        return false;
    p->hello = p->in.hello;
    struct bb_span spki = bb_key_spki(p->binding_key);
    if (spki.len != sizeof ready.binding_spki)
        return false;
    memcpy(ready.binding_spki, spki.ptr, spki.len);
    return send_message(p, &ready, sizeof ready);
}

int bb_attester_process(struct bb_attester *attester, int fd) {
    struct bb_error err = {0};
    struct process *p = calloc(1, sizeof *p);
    bool good = p != NULL;
    if (good) {
        p->attester = attester;
        p->fd = fd;
        good = bb_key_generate(BB_KEY_P256, &p->binding_key, &err) == BB_OK && greet(p);
    }
    while (good && collect(p))
        if (!serve_batch(p))
            break;
    if (p != NULL)
        bb_key_free(p->binding_key);
    free(p);
    bb_attester_free(attester);
    return good ? 0 : 1;
}
