/* The blocking connection of the public interface. */
#include "service/clock.h"
#include "service/session_json.h"

#include <blindbox/connect.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct bb_connection {
    struct bb_target target;
    struct bb_tls_context *tls;
    struct bb_policy *own_policy; /* where the caller gave none */
    char policy_source[512];
    struct bb_session *session;
    int64_t ends_ms; /* max_connection_age */
    unsigned io_ms;
    bool write_closed, broken; /* broken: a call failed; no goodbye may make that look whole */
};

static enum bb_status open_session(struct bb_connection *c, const char *address,
                                   const struct bb_connect_options *o, struct bb_error *err) {
    const struct bb_policy *policy = o->policy;
    bb_copy_text(c->policy_source, sizeof c->policy_source, "given by the program");
    if (policy == NULL) {
        BB_TRY(
            bb_policy_load(NULL, &c->own_policy, c->policy_source, sizeof c->policy_source, err));
        policy = c->own_policy;
    }
    BB_TRY(bb_tls_client_new(&c->tls, err));
    BB_TRY(bb_target_resolve(address, &c->target, err));
    struct bb_session_options options = {.target = &c->target,
                                         .tls = c->tls,
                                         .policy = policy,
                                         .app = o->app,
                                         .wait_ms = o->wait_ms};
    BB_TRY(bb_session_new(&options, &c->session, err));
    c->io_ms = o->io_ms;
    c->ends_ms = bb_now_ms() + (int64_t)policy->max_connection_age * 1000;
    return bb_session_run(c->session, true);
}

static void explain(const struct bb_session *s, struct bb_error *err) {
    if (err->status == BB_OK && bb_session_error(s)->status != BB_OK)
        *err = *bb_session_error(s);
    else
        bb_result_error(bb_session_result(s), err);
}

static char *result_text(const struct bb_connection *c, const struct bb_policy *policy,
                         const struct bb_error *err) {
    json_t *o = c->session != NULL ? bb_session_to_json(c->session, policy, c->policy_source)
                                   : bb_connection_failed_to_json(err, policy, c->policy_source);
    char *text = o == NULL ? NULL : json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    return text;
}

enum bb_status bb_connect(const char *address, const struct bb_connect_options *options,
                          struct bb_connection **out, struct bb_error *err) {
    static const struct bb_connect_options defaults;
    const struct bb_connect_options *o = options == NULL ? &defaults : options;
    struct bb_error own = {0};
    if (o->result != NULL)
        *o->result = NULL;
    if (address == NULL)
        return bb_fail(err, BB_USAGE, "address", "HOST[:PORT]", "NULL", "no address");
    struct bb_connection *c = calloc(1, sizeof *c);
    if (c == NULL)
        return bb_fail_internal(err, "memory for a connection");
    enum bb_status status = open_session(c, address, o, &own);
    if (status != BB_OK && c->session != NULL)
        explain(c->session, &own);
    if (o->result != NULL)
        *o->result = result_text(c, o->policy == NULL ? c->own_policy : o->policy, &own);
    if (status == BB_OK) {
        *out = c;
        return BB_OK;
    }
    if (err != NULL && err->status == BB_OK)
        *err = own;
    bb_close(c);
    return status;
}

static enum bb_status check_age(const struct bb_connection *c, struct bb_error *err) {
    if (bb_now_ms() < c->ends_ms)
        return BB_OK;
    return bb_fail(err, BB_STALE_EVIDENCE, "max_connection_age", NULL, NULL,
                   "the connection is older than the policy allows");
}

/* Waits as the TLS layer wishes; a failure when the time of this call, or of the connection, is up.
 */
static enum bb_status wait_for(const struct bb_connection *c, unsigned want, int64_t until_ms,
                               struct bb_error *err) {
    struct pollfd p = {.fd = bb_session_fd(c->session),
                       .events = (short)(((want & BB_IO_READ) != 0 ? POLLIN : 0) |
                                         ((want & BB_IO_WRITE) != 0 ? POLLOUT : 0))};
    int64_t left = (until_ms < c->ends_ms ? until_ms : c->ends_ms) - bb_now_ms();
    if (left > 0 && poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left) != 0)
        return BB_OK;
    BB_TRY(check_age(c, err));
    if (bb_now_ms() < until_ms)
        return BB_OK;
    return bb_fail(err, BB_TRY_AGAIN, "time", NULL, NULL, "the peer did not answer in time");
}

static int64_t call_ends(const struct bb_connection *c) {
    return c->io_ms == 0 ? INT64_MAX : bb_now_ms() + c->io_ms;
}

static enum bb_status broken(struct bb_error *err) {
    return bb_fail(err, BB_PEER_UNREACHABLE, "connection", NULL, NULL,
                   "the connection was cut: what came before may not be all");
}

/* The first failure is the connection's: what follows it would be out of order. */
static enum bb_status usable(struct bb_connection *c, struct bb_error *err) {
    if (c->broken)
        return broken(err);
    enum bb_status status = check_age(c, err);
    c->broken = status != BB_OK;
    return status;
}

/* A read that was late can be made again; of a write nobody knows how much went out. */
static enum bb_status done(struct bb_connection *c, enum bb_status status, bool again) {
    if (status != BB_OK && !(again && status == BB_TRY_AGAIN))
        c->broken = true;
    return status;
}

static enum bb_status read_some(struct bb_connection *c, void *buf, size_t cap, size_t *n,
                                struct bb_error *err) {
    int64_t until = call_ends(c);
    for (;;) {
        unsigned want = 0;
        enum bb_tls_io io = bb_tls_read(bb_session_tls(c->session), buf, cap, n);
        if (io == BB_TLS_OK || io == BB_TLS_EOF)
            return BB_OK;
        *n = 0;
        if (!bb_tls_waits(io, &want))
            return broken(err);
        BB_TRY(wait_for(c, want, until, err));
    }
}

enum bb_status bb_read(struct bb_connection *c, void *buf, size_t cap, size_t *n,
                       struct bb_error *err) {
    *n = 0;
    if (cap == 0)
        return bb_fail(err, BB_USAGE, "bb_read", "room for a byte", "0", "there is no room");
    BB_TRY(usable(c, err));
    return done(c, read_some(c, buf, cap, n, err), true);
}

static enum bb_status write_all(struct bb_connection *c, struct bb_span left,
                                struct bb_error *err) {
    int64_t until = call_ends(c);
    while (left.len > 0) {
        unsigned want = 0;
        size_t n = 0;
        enum bb_tls_io io = bb_tls_write(bb_session_tls(c->session), left, &n);
        if (io == BB_TLS_OK)
            left = bb_span(left.ptr + n, left.len - n);
        else if (!bb_tls_waits(io, &want))
            return broken(err);
        else
            BB_TRY(wait_for(c, want, until, err));
    }
    return BB_OK;
}

enum bb_status bb_write(struct bb_connection *c, const void *data, size_t len,
                        struct bb_error *err) {
    if (c->write_closed)
        return bb_fail(err, BB_USAGE, "bb_write", NULL, NULL, "this side was closed for writing");
    BB_TRY(usable(c, err));
    return done(c, write_all(c, bb_span(data, len), err), false);
}

static enum bb_status say_goodbye(struct bb_connection *c, struct bb_error *err) {
    int64_t until = call_ends(c);
    for (;;) {
        unsigned want = 0;
        enum bb_tls_io io = bb_tls_close_notify(bb_session_tls(c->session));
        if (io == BB_TLS_OK)
            return BB_OK;
        if (!bb_tls_waits(io, &want))
            return broken(err);
        BB_TRY(wait_for(c, want, until, err));
    }
}

enum bb_status bb_close_write(struct bb_connection *c, struct bb_error *err) {
    BB_TRY(usable(c, err));
    c->write_closed = true;
    return done(c, say_goodbye(c, err), false);
}

void bb_close(struct bb_connection *c) {
    if (c == NULL)
        return;
    if (c->session != NULL && bb_session_tls(c->session) != NULL && !c->write_closed && !c->broken)
        (void)bb_tls_close_notify(bb_session_tls(c->session));
    bb_session_free(c->session);
    bb_tls_context_free(c->tls);
    bb_policy_free(c->own_policy);
    free(c);
}
