#include "service/session.h"

#include "service/clock.h"
#include "service/verify_step.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK = 16384, GRACE_MS = 1000 };

struct bb_session {
    struct bb_session_options options;
    struct bb_fetcher *own_fetcher; /* where the caller gave none */
    struct bb_keysets *own_keysets;
    struct bb_session_attempt attempts[BB_POLICY_VERIFIERS_MAX];
    size_t verifier; /* the policy's one at work: as many attempts failed before */
    struct bb_verify_step *verify;
    enum bb_session_state state;
    size_t address; /* the one being tried */
    int fd;
    unsigned dials;
    struct bb_tls *tls;
    struct bb_client *client;
    size_t sent; /* bytes of the request, then of the start frame */
    int64_t deadline, step_began;
    int64_t dial_ends; /* of all addresses and the TLS handshake together */
    uint32_t wait_ms;
    struct bb_session_times times;
    struct bb_error error;
    struct bb_result result;
    char text[96];
};

static enum bb_session_state next_verifier(struct bb_session *s);

/* Only a service that cannot be had leads on to the next one: a refusal is the answer. */
static enum bb_session_state refuse(struct bb_session *s) {
    if (s->tls != NULL)
        (void)bb_tls_close_notify(s->tls);
    if (s->state == BB_SESSION_VERIFYING)
        s->dials++;
    s->state = BB_SESSION_REFUSED;
    s->deadline = INT64_MAX;
    if (s->error.status == BB_VERIFIER_UNAVAILABLE &&
        s->verifier + 1 < s->options.policy->n_verifiers)
        return next_verifier(s);
    return s->state;
}

static void enter(struct bb_session *s, enum bb_session_state state, int64_t limit_ms,
                  int64_t *took) {
    int64_t now = bb_now_us();
    if (took != NULL)
        *took = now - s->step_began;
    s->step_began = now;
    s->state = state;
    s->deadline = now / 1000 + limit_ms;
}

/* ---- dialling ---- */

static void hang_up(struct bb_session *s) {
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

/* Only the last address's failure is the connection's. */
static void unreachable(struct bb_session *s, const char *why) {
    if (s->address + 1 >= s->options.target->count)
        (void)bb_fail(&s->error, BB_PEER_UNREACHABLE, "address", NULL, s->text,
                      "cannot connect to %s: %s", s->text, why);
    hang_up(s);
}

/* The time that is left, shared by the addresses that are. */
static int64_t share_of_time(const struct bb_session *s) {
    int64_t now = bb_now_ms(), left = s->dial_ends - now;
    return now + left / (int64_t)(s->options.target->count - s->address);
}

/* Begins with the present address, or the next one that can be dialled at all. */
static enum bb_session_state dial(struct bb_session *s) {
    const struct bb_target *t = s->options.target;
    int one = 1;
    for (; s->address < t->count; s->address++) {
        const struct sockaddr_storage *a = &t->address[s->address];
        s->fd = socket(a->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        s->dials++;
        bb_address_text(a, s->text, sizeof s->text);
        if (s->fd >= 0 && (connect(s->fd, (const struct sockaddr *)a, t->len[s->address]) == 0 ||
                           errno == EINPROGRESS)) {
            (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            s->state = BB_SESSION_CONNECTING;
            s->deadline = share_of_time(s);
            return s->state;
        }
        unreachable(s, strerror(errno));
    }
    return refuse(s);
}

static enum bb_session_state dial_next(struct bb_session *s, const char *why) {
    unreachable(s, why);
    s->address++;
    return dial(s);
}

static bool connecting(struct bb_session *s, unsigned *want) {
    int why = 0;
    socklen_t len = sizeof why;
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof peer;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0 || why != 0)
        return dial_next(s, strerror(why == 0 ? errno : why)) == BB_SESSION_CONNECTING;
    if (getpeername(s->fd, (struct sockaddr *)&peer, &peer_len) != 0) {
        *want = BB_IO_WRITE;
        return false;
    }
    if (bb_tls_new(s->options.tls, s->fd, s->options.target->host, &s->tls, &s->error) != BB_OK) {
        (void)refuse(s);
        return false;
    }
    enter(s, BB_SESSION_HANDSHAKE, 0, &s->times.connect);
    s->deadline = s->dial_ends;
    return true;
}

/* ---- the exchange ---- */

/* Anything but attested TLS: a plain server, another protocol, a cut. */
static void handshake_failed(struct bb_session *s, enum bb_tls_io io) {
    const char *why = bb_tls_failure(s->tls);
    if (io == BB_TLS_FAILED)
        (void)bb_fail(&s->error, BB_ATTESTATION_REFUSED, "TLS", "TLS 1.3 with ALPN " BB_ALPN,
                      why[0] == '\0' ? "a protocol error" : why,
                      "the peer does not speak attested TLS");
    else
        (void)bb_fail(&s->error, BB_PEER_UNREACHABLE, "TLS", "a finished handshake", "a cut",
                      "the connection was cut in the TLS handshake");
    (void)refuse(s);
}

static bool handshake(struct bb_session *s, unsigned *want) {
    struct bb_client_tls facts;
    enum bb_tls_io io = bb_tls_handshake(s->tls);
    if (bb_tls_waits(io, want))
        return false;
    if (io != BB_TLS_OK) {
        handshake_failed(s, io);
        return false;
    }
    bb_tls_facts(s->tls, &facts);
    if (bb_client_check_tls(s->client, &facts, &s->error) != BB_OK) {
        (void)refuse(s);
        return false;
    }
    /* The gateway answers within the time we state; the wire takes some more. */
    enter(s, BB_SESSION_EXCHANGE, (int64_t)s->wait_ms + GRACE_MS, &s->times.handshake);
    return true;
}

/* The peer left before its response was whole. */
static bool lost(struct bb_session *s) {
    (void)!bb_client_eof(s->client, &s->error);
    (void)refuse(s);
    return false;
}

/* Sends what is left of `data`; true when all of it is sent. */
static bool send_all(struct bb_session *s, struct bb_span data, unsigned *want) {
    while (s->sent < data.len) {
        size_t n = 0;
        enum bb_tls_io io =
            bb_tls_write(s->tls, bb_span(data.ptr + s->sent, data.len - s->sent), &n);
        if (bb_tls_waits(io, want))
            return false;
        if (io != BB_TLS_OK)
            return lost(s);
        s->sent += n;
    }
    return true;
}

/* ---- the verdict ---- */

static struct bb_client_appraisal appraisal(const struct bb_session *s) {
    struct bb_client_appraisal in = {.policy = s->options.policy,
                                     .verifier = bb_session_verifier(s),
                                     .more = s->options.more,
                                     .now = (int64_t)time(NULL),
                                     .skip = s->options.skip};
    if (s->verify != NULL)
        bb_verify_step_fill(s->verify, &in);
    return in;
}

static void verdict(struct bb_session *s) {
    const struct bb_client_appraisal in = appraisal(s);
    if (bb_client_appraise(s->client, &in, &s->result) != BB_OK) {
        s->times.verdict = bb_now_us() - s->step_began;
        (void)refuse(s);
        return;
    }
    enter(s, BB_SESSION_ACCEPTED, BB_START_MS, &s->times.verdict);
}

/* What asks the network: the caller's, or what this connection has of its own. */
static enum bb_status tools(struct bb_session *s) {
    const struct bb_policy_verifier *v = bb_session_verifier(s);
    bool files_only = v->mode == BB_MODE_PASSPORT && v->jwks_is_file;
    if (s->options.fetcher == NULL && !files_only) {
        bb_keysets_free(s->own_keysets); /* of files only */
        s->own_keysets = s->options.keysets = NULL;
        BB_TRY(bb_fetcher_new(&s->own_fetcher, &s->error));
        s->options.fetcher = s->own_fetcher;
    }
    if (s->options.keysets == NULL) {
        BB_TRY(bb_keysets_new(s->options.fetcher, NULL, &s->own_keysets, &s->error));
        s->options.keysets = s->own_keysets;
    }
    return BB_OK;
}

static enum bb_status ask_service(struct bb_session *s) {
    BB_TRY(tools(s));
    struct bb_verify_input in = {.verifier = bb_session_verifier(s),
                                 .client = s->client,
                                 .fetcher = s->options.fetcher,
                                 .keysets = s->options.keysets,
                                 .turn = s->options.turns == NULL ? NULL
                                                                  : &s->options.turns[s->verifier],
                                 .ends_ms = bb_now_ms() + BB_SESSION_VERIFY_MS};
    BB_TRY(bb_verify_step_new(&in, &s->verify, &s->error));
    s->dials++;
    enter(s, BB_SESSION_VERIFYING, BB_SESSION_VERIFY_MS, NULL);
    return BB_OK;
}

/* A path that leads nowhere is refused without asking anybody. */
static bool needs_service(const struct bb_session *s) {
    return bb_session_verifier(s)->mode != BB_MODE_LOCAL && bb_client_bound(s->client)->path_good;
}

/* The response is whole. */
static void answered(struct bb_session *s) {
    enter(s, BB_SESSION_EXCHANGE, BB_START_MS, &s->times.evidence);
    enum bb_status status = bb_client_bind(s->client, bb_tls_export, s->tls, &s->error);
    if (status == BB_OK && needs_service(s))
        status = ask_service(s);
    else if (status == BB_OK)
        verdict(s);
    if (status != BB_OK)
        (void)refuse(s);
}

static bool verifying(struct bb_session *s, unsigned *want) {
    bool done = false;
    int before = bb_verify_step_fd(s->verify);
    if (bb_verify_step_go(s->verify, &done, &s->error) != BB_OK) {
        (void)refuse(s);
        return false;
    }
    if (!done) {
        *want = BB_IO_READ;
        if (bb_verify_step_fd(s->verify) != before)
            s->dials++;
        return false;
    }
    s->dials++; /* the connection's own socket again */
    enter(s, BB_SESSION_EXCHANGE, BB_START_MS, &s->times.token);
    verdict(s);
    return true;
}

static bool exchange(struct bb_session *s, unsigned *want) {
    uint8_t block[BLOCK];
    size_t n = 0;
    bool done = false;
    if (!send_all(s, bb_client_request(s->client), want))
        return false;
    enum bb_tls_io io = bb_tls_read(s->tls, block, sizeof block, &n);
    if (bb_tls_waits(io, want))
        return false;
    if (io != BB_TLS_OK)
        return lost(s);
    if (bb_client_feed(s->client, bb_span(block, n), &done, &s->error) != BB_OK) {
        (void)refuse(s);
        return false;
    }
    if (done)
        answered(s);
    return !done || s->state == BB_SESSION_VERIFYING;
}

static bool starting(struct bb_session *s, unsigned *want) {
    if (!send_all(s, bb_span(BB_START_FRAME, BB_START_FRAME_SIZE), want))
        return false;
    enter(s, BB_SESSION_OPEN, 0, NULL);
    s->deadline = INT64_MAX;
    return false;
}

enum bb_session_state bb_session_step(struct bb_session *s, unsigned *want) {
    bool more = true;
    size_t verifier = s->verifier;
    while (more || s->verifier != verifier) { /* another one: another connection */
        verifier = s->verifier;
        *want = 0;
        switch (s->state) {
        case BB_SESSION_CONNECTING:
            more = connecting(s, want);
            break;
        case BB_SESSION_HANDSHAKE:
            more = handshake(s, want);
            break;
        case BB_SESSION_EXCHANGE:
            more = exchange(s, want);
            break;
        case BB_SESSION_VERIFYING:
            more = verifying(s, want);
            break;
        case BB_SESSION_STARTING:
            more = starting(s, want);
            break;
        case BB_SESSION_REFUSED:
        case BB_SESSION_ACCEPTED:
        case BB_SESSION_OPEN:
            more = false;
            break;
        }
    }
    return s->state;
}

enum bb_session_state bb_session_expire(struct bb_session *s) {
    if (bb_now_ms() < s->deadline)
        return s->state;
    if (s->state == BB_SESSION_CONNECTING)
        return dial_next(s, "no answer");
    if (s->state == BB_SESSION_VERIFYING)
        (void)bb_fail(&s->error, BB_VERIFIER_UNAVAILABLE, "service.time", NULL, NULL,
                      "the verification service did not answer in time");
    (void)bb_fail(&s->error, BB_PEER_UNREACHABLE, "time", NULL, NULL,
                  "the peer did not answer in time");
    return refuse(s);
}

void bb_session_start(struct bb_session *s) {
    if (s->state != BB_SESSION_ACCEPTED)
        return;
    s->sent = 0;
    enter(s, BB_SESSION_STARTING, BB_START_MS, NULL);
}

/* ---- making, asking ---- */

static enum bb_status prepare(struct bb_session *s, struct bb_error *err) {
    struct bb_client_wants wants;
    BB_TRY(bb_client_wants_from(s->options.policy, bb_session_verifier(s), &wants, err));
    if (s->options.app != NULL)
        wants.apps[0] = s->options.app;
    if (s->options.wait_ms != 0)
        wants.wait_ms = s->options.wait_ms;
    s->wait_ms = wants.wait_ms;
    if (!bb_random(wants.nonce, sizeof wants.nonce))
        return bb_fail_internal(err, "making a nonce");
    return bb_client_new(&wants, &s->client, err);
}

/* Nothing of a connection is left for the next one. */
static void let_go(struct bb_session *s) {
    bb_verify_step_free(s->verify);
    bb_tls_free(s->tls);
    bb_client_free(s->client);
    s->verify = NULL;
    s->tls = NULL;
    s->client = NULL;
    hang_up(s);
}

/* With a connection, nonce and handshake of its own. */
static enum bb_session_state next_verifier(struct bb_session *s) {
    s->attempts[s->verifier] =
        (struct bb_session_attempt){.verifier = bb_session_verifier(s), .error = s->error};
    let_go(s);
    s->verifier++;
    s->error = (struct bb_error){0};
    s->result = (struct bb_result){0};
    s->times = (struct bb_session_times){0};
    s->address = 0;
    s->sent = 0;
    s->step_began = bb_now_us();
    s->dial_ends = bb_now_ms() + BB_HANDSHAKE_MS;
    return prepare(s, &s->error) == BB_OK ? dial(s) : refuse(s);
}

enum bb_status bb_session_new(const struct bb_session_options *options, struct bb_session **out,
                              struct bb_error *err) {
    struct bb_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return bb_fail_internal(err, "memory for a connection");
    s->options = *options;
    s->fd = -1;
    s->step_began = bb_now_us();
    s->dial_ends = bb_now_ms() + BB_HANDSHAKE_MS;
    enum bb_status status = prepare(s, err);
    if (status != BB_OK) {
        bb_session_free(s);
        return status;
    }
    (void)dial(s);
    *out = s;
    return BB_OK;
}

void bb_session_free(struct bb_session *s) {
    if (s == NULL)
        return;
    if (s->state == BB_SESSION_ACCEPTED)
        (void)bb_tls_close_notify(s->tls);
    let_go(s);
    bb_keysets_free(s->own_keysets);
    bb_fetcher_free(s->own_fetcher);
    free(s);
}

int bb_session_fd(const struct bb_session *s) {
    return s->state == BB_SESSION_VERIFYING ? bb_verify_step_fd(s->verify) : s->fd;
}
unsigned bb_session_dials(const struct bb_session *s) { return s->dials; }
int64_t bb_session_deadline(const struct bb_session *s) { return s->deadline; }
struct bb_tls *bb_session_tls(struct bb_session *s) {
    return s->tls;
}
const struct bb_error *bb_session_error(const struct bb_session *s) { return &s->error; }
const struct bb_result *bb_session_result(const struct bb_session *s) { return &s->result; }
const struct bb_session_times *bb_session_times(const struct bb_session *s) { return &s->times; }
const struct bb_target *bb_session_target(const struct bb_session *s) { return s->options.target; }
const char *bb_session_address(const struct bb_session *s) { return s->text; }
const struct bb_policy_verifier *bb_session_verifier(const struct bb_session *s) {
    return &s->options.policy->verifiers[s->verifier];
}
const struct bb_session_attempt *bb_session_attempts(const struct bb_session *s, size_t *n) {
    *n = s->verifier;
    return s->attempts;
}
uint64_t bb_session_retry_ms(const struct bb_session *s) {
    return s->client == NULL ? 0 : bb_client_retry_ms(s->client);
}

const struct bb_client_bound *bb_session_bound(const struct bb_session *s) {
    return s->client == NULL ? NULL : bb_client_bound(s->client);
}

struct bb_span bb_session_token(const struct bb_session *s) {
    const struct bb_client_appraisal in = appraisal(s);
    return s->client == NULL ? bb_span(NULL, 0) : bb_client_token(s->client, &in);
}

enum bb_status bb_session_appraise(const struct bb_session *s, const struct bb_policy *policy,
                                   struct bb_result *result) {
    struct bb_client_appraisal in = appraisal(s);
    in.policy = policy;
    in.verifier = &policy->verifiers[0];
    return bb_client_appraise(s->client, &in, result);
}

enum bb_status bb_session_status(const struct bb_session *s) {
    if (s->error.status != BB_OK)
        return s->error.status;
    return s->result.verdict == BB_VERDICT_REFUSED ? s->result.status : BB_OK;
}

enum bb_status bb_session_run(struct bb_session *s, bool start) {
    for (;;) {
        unsigned want = 0;
        enum bb_session_state state = bb_session_step(s, &want);
        if (state == BB_SESSION_ACCEPTED && start) {
            bb_session_start(s);
            continue;
        }
        if (state == BB_SESSION_REFUSED)
            return bb_session_status(s) == BB_OK ? BB_INTERNAL : bb_session_status(s);
        if (state == BB_SESSION_ACCEPTED || state == BB_SESSION_OPEN)
            return BB_OK;
        int64_t left = s->deadline - bb_now_ms();
        struct pollfd p = {.fd = bb_session_fd(s),
                           .events = (short)(((want & BB_IO_READ) != 0 ? POLLIN : 0) |
                                             ((want & BB_IO_WRITE) != 0 ? POLLOUT : 0))};
        if (left <= 0 || poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left) == 0)
            (void)bb_session_expire(s);
    }
}
