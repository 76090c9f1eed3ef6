#include "cli/demo/refuse.h"

#include "cli/demo/gateway.h"
#include "cli/demo/keys.h"
#include "cli/demo/other_tls.h"
#include "cli/demo/own_gateway.h"
#include "cli/demo/relay.h"
#include "cli/demo/replay.h"
#include "cli/demo/user.h"
#include "cli/demo/verify_file.h"

/* The user at `address`: what it met. */
static enum bb_status meet(const char *address, const struct bb_policy *policy,
                           struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_user user;
    enum bb_status status = bb_demo_user_query(&user, address, policy, err);
    if (status == BB_OK)
        bb_demo_user_outcome(&user, out);
    bb_demo_user_done(&user);
    return status;
}

/* Adds what a real gateway took from clients; without a connection in its log nothing was tried. */
static void count_gateway(struct bb_demo_gateway *gateway, struct bb_demo_outcome *out) {
    struct bb_demo_gateway_log log;
    bb_demo_gateway_stop(gateway);
    bb_demo_gateway_read_log(gateway, &log);
    out->app_bytes += log.in;
    out->control_failed |= log.connections == 0;
}

/* ---- one function a way ---- */

static enum bb_status by_gateway(struct bb_demo_world *w, const char *defect,
                                 const struct bb_policy *policy, struct bb_demo_outcome *out,
                                 struct bb_error *err) {
    struct bb_demo_gateway gateway;
    BB_TRY(bb_demo_gateway_start(&w->place, w->upstream, defect, &gateway, err));
    enum bb_status status = meet(gateway.address, policy, out, err);
    count_gateway(&gateway, out);
    return status;
}

static enum bb_status by_defect(struct bb_demo_world *w, const struct bb_demo_row *row,
                                struct bb_demo_outcome *out, struct bb_error *err) {
    return by_gateway(w, row->argument, w->policy, out, err);
}

static enum bb_status by_policy(struct bb_demo_world *w, const struct bb_demo_row *row,
                                struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_policy *policy = NULL;
    BB_TRY(bb_demo_policy(&w->place, row->argument, &policy, err));
    enum bb_status status = by_gateway(w, NULL, policy, out, err);
    bb_policy_free(policy);
    return status;
}

static enum bb_status by_file(struct bb_demo_world *w, const struct bb_demo_row *row,
                              struct bb_demo_outcome *out, struct bb_error *err) {
    (void)row;
    return bb_demo_verify_file(&w->place, out, err);
}

static enum bb_status by_replay(struct bb_demo_world *w, const struct bb_demo_row *row,
                                struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_gateway gateway;
    struct bb_demo_replay replay = {.key = NULL};
    (void)row;
    BB_TRY(bb_demo_gateway_start(&w->place, w->upstream, NULL, &gateway, err));
    enum bb_status status = bb_demo_replay_start(&replay, w->policy, gateway.address, err);
    if (status == BB_OK)
        status = meet(replay.peer.address, w->policy, out, err);
    bb_demo_replay_stop(&replay);
    out->app_bytes += replay.peer.app_bytes;
    out->control_failed |= !replay.recorded;
    count_gateway(&gateway, out);
    return status;
}

/* The control: the same user at the same gateway, with nobody in between. */
static enum bb_status without_relay(struct bb_demo_world *w, const char *address,
                                    struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_user user;
    enum bb_status status = bb_demo_user_query(&user, address, w->policy, err);
    out->control_failed = user.answer[0] == '\0';
    out->control_bytes = user.sent;
    out->control_connections = user.open ? 1 : 0;
    bb_demo_user_done(&user);
    return status;
}

static enum bb_status through_relay(struct bb_demo_world *w, struct bb_demo_own_gateway *gateway,
                                    struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_relay relay = {.to = NULL};
    enum bb_status status = bb_demo_relay_start(&relay, gateway->tls, gateway->peer.address, err);
    if (status == BB_OK)
        status = meet(relay.peer.address, w->policy, out, err);
    bb_demo_relay_stop(&relay);
    out->app_bytes += relay.peer.app_bytes;
    out->control_failed |= !relay.relayed;
    return status;
}

static enum bb_status by_relay(struct bb_demo_world *w, const struct bb_demo_row *row,
                               struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_own_gateway gateway = {.upstream = NULL};
    (void)row;
    struct bb_demo_outcome direct = {0};
    enum bb_status status =
        bb_demo_own_gateway_start(&gateway, &w->place, w->app.peer.address, err);
    if (status == BB_OK)
        status = without_relay(w, gateway.peer.address, &direct, err);
    if (status == BB_OK)
        status = through_relay(w, &gateway, out, err);
    bb_demo_own_gateway_stop(&gateway);
    out->control_failed |= direct.control_failed;
    out->control_bytes = direct.control_bytes;
    out->control_connections = direct.control_connections;
    out->app_bytes += gateway.peer.app_bytes - direct.control_bytes;
    return status;
}

static enum bb_status by_tls(struct bb_demo_world *w, const struct bb_demo_row *row,
                             struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_other_tls server = {.alpn = NULL};
    enum bb_status status = bb_demo_other_tls_start(&server, row->argument, err);
    if (status == BB_OK)
        status = meet(server.peer.address, w->policy, out, err);
    bb_demo_other_tls_stop(&server);
    out->app_bytes += server.peer.app_bytes;
    out->control_failed |= !server.spoke;
    return status;
}

/* ---- the application's side ---- */

enum bb_status bb_demo_refuse(struct bb_demo_world *w, const struct bb_demo_row *row,
                              struct bb_demo_outcome *out, struct bb_error *err) {
    static enum bb_status (*const ways[])(struct bb_demo_world *, const struct bb_demo_row *,
                                          struct bb_demo_outcome *, struct bb_error *) = {
        [BB_DEMO_DEFECT] = by_defect, [BB_DEMO_POLICY] = by_policy, [BB_DEMO_FILE] = by_file,
        [BB_DEMO_REPLAY] = by_replay, [BB_DEMO_RELAY] = by_relay,   [BB_DEMO_TLS] = by_tls};
    struct bb_demo_counts before, after;
    *out = (struct bb_demo_outcome){0};
    BB_TRY(bb_demo_app_counts(&w->app, &before, err));
    BB_TRY(ways[row->how](w, row, out, err));
    BB_TRY(bb_demo_app_counts(&w->app, &after, err));
    out->app_bytes += after.bytes - before.bytes - out->control_bytes;
    out->app_connections = after.connections - before.connections - out->control_connections;
    return BB_OK;
}
