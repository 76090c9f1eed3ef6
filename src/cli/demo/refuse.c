#include "cli/demo/refuse.h"

#include "cli/demo/by_token.h"
#include "cli/demo/meet.h"
#include "cli/demo/other_tls.h"
#include "cli/demo/own_gateway.h"
#include "cli/demo/policies.h"
#include "cli/demo/relay.h"
#include "cli/demo/replay.h"
#include "cli/demo/verify_file.h"

/* ---- one function a way ---- */

static enum bb_status by_gateway(struct bb_demo_world *w, const char *defect,
                                 const struct bb_policy *policy, struct bb_demo_outcome *out,
                                 struct bb_error *err) {
    struct bb_demo_gateway gateway;
    BB_TRY(bb_demo_meet_gateway(w, defect, w->verifier.address, &gateway, err));
    enum bb_status status = bb_demo_meet(gateway.address, policy, out, err);
    bb_demo_count_gateway(&gateway, out);
    return status;
}

static enum bb_status by_defect(struct bb_demo_world *w, const struct bb_demo_row *row,
                                struct bb_demo_outcome *out, struct bb_error *err) {
    return by_gateway(w, row->argument, w->policy[row->mode], out, err);
}

static enum bb_status by_policy(struct bb_demo_world *w, const struct bb_demo_row *row,
                                struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_policy *policy = NULL;
    const struct bb_demo_policy what = {.mode = row->mode, .without = row->argument};
    BB_TRY(bb_demo_policy(&w->place, &what, &policy, err));
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
    const struct bb_policy *policy = w->policy[row->mode];
    struct bb_demo_gateway gateway;
    struct bb_demo_replay replay = {.key = NULL};
    BB_TRY(bb_demo_meet_gateway(w, NULL, w->verifier.address, &gateway, err));
    enum bb_status status = bb_demo_replay_start(&replay, policy, gateway.address, err);
    if (status == BB_OK)
        status = bb_demo_meet(replay.peer.address, policy, out, err);
    bb_demo_replay_stop(&replay);
    out->app_bytes += replay.peer.app_bytes;
    out->control_failed |= !replay.recorded;
    bb_demo_count_gateway(&gateway, out);
    return status;
}

static enum bb_status through_relay(const struct bb_policy *policy,
                                    struct bb_demo_own_gateway *gateway,
                                    struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_relay relay = {.to = NULL};
    enum bb_status status = bb_demo_relay_start(&relay, gateway->tls, gateway->peer.address, err);
    if (status == BB_OK)
        status = bb_demo_meet(relay.peer.address, policy, out, err);
    bb_demo_relay_stop(&relay);
    out->app_bytes += relay.peer.app_bytes;
    out->control_failed |= !relay.relayed;
    return status;
}

/* The control: the same user at the same gateway, with nobody in between. */
static enum bb_status by_relay(struct bb_demo_world *w, const struct bb_demo_row *row,
                               struct bb_demo_outcome *out, struct bb_error *err) {
    const struct bb_policy *policy = w->policy[row->mode];
    struct bb_demo_own_gateway gateway = {.upstream = NULL};
    struct bb_demo_outcome direct = {0};
    enum bb_status status =
        bb_demo_own_gateway_start(&gateway, &w->place, w->app.peer.address, err);
    if (status == BB_OK)
        status = bb_demo_meet_control(gateway.peer.address, policy, &direct, err);
    if (status == BB_OK)
        status = through_relay(policy, &gateway, out, err);
    bb_demo_own_gateway_stop(&gateway);
    bb_demo_with_control(out, &direct);
    out->app_bytes += gateway.peer.app_bytes - direct.control_bytes;
    return status;
}

static enum bb_status by_tls(struct bb_demo_world *w, const struct bb_demo_row *row,
                             struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_other_tls server = {.alpn = NULL};
    enum bb_status status = bb_demo_other_tls_start(&server, row->argument, err);
    if (status == BB_OK)
        status = bb_demo_meet(server.peer.address, w->policy[row->mode], out, err);
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
        [BB_DEMO_DEFECT] = by_defect,      [BB_DEMO_POLICY] = by_policy, [BB_DEMO_FILE] = by_file,
        [BB_DEMO_REPLAY] = by_replay,      [BB_DEMO_RELAY] = by_relay,   [BB_DEMO_TLS] = by_tls,
        [BB_DEMO_TOKEN] = bb_demo_by_token};
    struct bb_demo_counts before, after;
    *out = (struct bb_demo_outcome){0};
    BB_TRY(bb_demo_app_counts(&w->app, &before, err));
    BB_TRY(ways[row->how](w, row, out, err));
    BB_TRY(bb_demo_app_counts(&w->app, &after, err));
    out->app_bytes += after.bytes - before.bytes - out->control_bytes;
    out->app_connections = after.connections - before.connections - out->control_connections;
    return BB_OK;
}
