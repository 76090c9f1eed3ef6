#include "cli/demo/by_token.h"

#include "cli/demo/meet.h"
#include "cli/demo/policies.h"
#include "cli/demo/service.h"

#include <stdlib.h>

#define OWN_KEY_SET "run-own-keys.json"

/* What the service does before, for the control, and then. */
static const struct setup {
    const char *name; /* the row's argument */
    enum bb_demo_trick before, after;
    bool own_keys;       /* the user has pinned this service's own keys */
    bool token_alone;    /* the user's policy needs no report beside the token */
    bool unknown_vm;     /* the real service then has no reference values */
    bool down;           /* the service is then gone */
    const char *without; /* what the user's policy then does not have */
} setups[] = {
    {.name = "uvm", .unknown_vm = true},
    {.name = "tampered", .after = BB_DEMO_TAMPERED},
    {.name = "other-key", .after = BB_DEMO_OTHER_KEY},
    {.name = "unsigned", .after = BB_DEMO_UNSIGNED},
    {.name = "other-name", .after = BB_DEMO_OTHER_NAME},
    {.name = "expired", BB_DEMO_RESIGNED, BB_DEMO_EXPIRED, .own_keys = true},
    {.name = "replayed", .after = BB_DEMO_REPLAYED},
    {.name = "down", .down = true},
    {.name = "marked", .token_alone = true, .without = "allow_simulated"},
    {.name = "laundered",
     BB_DEMO_RESIGNED,
     BB_DEMO_LAUNDERED,
     .own_keys = true,
     .without = "allow_simulated"},
};

static const struct setup *find(const char *name) {
    for (size_t i = 0; i < sizeof setups / sizeof setups[0]; i++)
        if (strcmp(setups[i].name, name) == 0)
            return &setups[i];
    return NULL;
}

struct stage {
    struct bb_demo_world *w;
    const struct setup *setup;
    struct bb_demo_service service;
    struct bb_demo_verifier other; /* without reference values */
    struct bb_demo_gateway gateway;
    struct bb_policy *before, *after;
};

static enum bb_status pin_own_keys(const struct stage *s, struct bb_error *err) {
    char *text = bb_demo_own_key_set(s->service.key);
    if (text == NULL)
        return bb_fail_internal(err, "making a key set");
    enum bb_status status = bb_demo_place_write(&s->w->place, OWN_KEY_SET, bb_span_str(text), err);
    free(text);
    return status;
}

static enum bb_status set_stage(struct stage *s, struct bb_error *err) {
    const struct setup *is = s->setup;
    struct bb_demo_policy policy = {.mode = BB_MODE_PASSPORT,
                                    .key_set = is->own_keys ? OWN_KEY_SET : NULL,
                                    .token_alone = is->token_alone};
    BB_TRY(bb_demo_service_start(&s->service, s->w->verifier.address, err));
    atomic_store(&s->service.trick, (int)is->before);
    BB_TRY(pin_own_keys(s, err));
    BB_TRY(bb_demo_policy(&s->w->place, &policy, &s->before, err));
    policy.without = is->without;
    BB_TRY(bb_demo_policy(&s->w->place, &policy, &s->after, err));
    if (is->unknown_vm)
        BB_TRY(bb_demo_verifier_start(&s->w->place, false, &s->other, err));
    return bb_demo_meet_gateway(s->w, NULL, s->service.peer.address, &s->gateway, err);
}

static void make_trouble(struct stage *s) {
    atomic_store(&s->service.trick, (int)s->setup->after);
    if (s->setup->unknown_vm)
        s->service.to = s->other.address;
    if (s->setup->down)
        bb_demo_peer_stop(&s->service.peer);
}

/* Each of the two got a token of its own, or the trouble was not what the user met. */
static bool tokens_were_given(const struct stage *s) {
    return atomic_load(&s->service.answered) == (s->setup->down ? 1 : 2);
}

static enum bb_status play(struct stage *s, struct bb_demo_outcome *out, struct bb_error *err) {
    struct bb_demo_outcome control = {0};
    BB_TRY(set_stage(s, err));
    BB_TRY(bb_demo_meet_control(s->gateway.address, s->before, &control, err));
    make_trouble(s);
    BB_TRY(bb_demo_meet(s->gateway.address, s->after, out, err));
    bb_demo_with_control(out, &control);
    out->control_failed |= !tokens_were_given(s);
    bb_demo_count_gateway(&s->gateway, out);
    return BB_OK;
}

enum bb_status bb_demo_by_token(struct bb_demo_world *world, const struct bb_demo_row *row,
                                struct bb_demo_outcome *out, struct bb_error *err) {
    struct stage s = {.w = world, .setup = find(row->argument)};
    if (s.setup == NULL)
        return bb_fail_internal(err, "finding the service of a row");
    enum bb_status status = play(&s, out, err);
    bb_demo_gateway_stop(&s.gateway);
    bb_demo_service_stop(&s.service);
    bb_demo_verifier_stop(&s.other);
    bb_policy_free(s.before);
    bb_policy_free(s.after);
    return status;
}
