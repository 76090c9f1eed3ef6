#include "cli/demo/meet.h"

#include "cli/demo/user.h"

/* A file of keys is read anew by each: no two rows can take each other's. */
static const struct bb_demo_net alone = {NULL, NULL};

enum bb_status bb_demo_meet(const char *address, const struct bb_policy *policy,
                            struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_user user;
    enum bb_status status = bb_demo_user_query(&user, address, policy, &alone, err);
    if (status == BB_OK)
        bb_demo_user_outcome(&user, out);
    bb_demo_user_done(&user);
    return status;
}

enum bb_status bb_demo_meet_control(const char *address, const struct bb_policy *policy,
                                    struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_user user;
    enum bb_status status = bb_demo_user_query(&user, address, policy, &alone, err);
    out->control_failed = user.answer[0] == '\0';
    out->control_bytes = user.sent;
    out->control_connections = user.open ? 1 : 0;
    bb_demo_user_done(&user);
    return status;
}

void bb_demo_with_control(struct bb_demo_outcome *out, const struct bb_demo_outcome *control) {
    out->control_failed |= control->control_failed;
    out->control_bytes = control->control_bytes;
    out->control_connections = control->control_connections;
}

enum bb_status bb_demo_meet_gateway(const struct bb_demo_world *w, const char *defect,
                                    const char *service, struct bb_demo_gateway *gateway,
                                    struct bb_error *err) {
    const struct bb_demo_gateway_options options = {
        .upstream = w->upstream, .service = service, .defect = defect};
    return bb_demo_gateway_start(&w->place, &options, gateway, err);
}

void bb_demo_count_gateway(struct bb_demo_gateway *gateway, struct bb_demo_outcome *out) {
    struct bb_demo_gateway_log log;
    bb_demo_gateway_stop(gateway);
    bb_demo_gateway_read_log(gateway, &log);
    out->app_bytes += log.in - out->control_bytes;
    out->control_failed |= log.connections <= out->control_connections;
}
