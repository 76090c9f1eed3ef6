#include "cli/demo/policies.h"

#include "cli/demo/keys.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH "run-user-policy.json"
enum { POLICY_MAX = 16384 };

static const char *const modes[] = {[BB_MODE_LOCAL] = "local",
                                    [BB_MODE_PASSPORT] = "passport",
                                    [BB_MODE_BACKGROUND] = "background"};
enum { N_MODES = sizeof modes / sizeof modes[0] };

const char *bb_demo_mode_name(enum bb_verifier_mode mode) { return modes[mode]; }

bool bb_demo_mode_from_name(const char *name, enum bb_verifier_mode *out) {
    for (int i = 0; i < N_MODES; i++) {
        if (strcmp(name, modes[i]) != 0)
            continue;
        *out = (enum bb_verifier_mode)i;
        return true;
    }
    return false;
}

static enum bb_status sim_policy(const struct bb_demo_place *place, json_t **out,
                                 struct bb_error *err) {
    char text[POLICY_MAX];
    bb_demo_place_read(place, BB_DEMO_SIM_POLICY, text, sizeof text);
    *out = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    return *out == NULL ? bb_fail_internal(err, "reading the simulator's policy") : BB_OK;
}

static json_t *verifier(const struct bb_demo_policy *what) {
    const char *key_set = what->key_set == NULL ? BB_DEMO_KEY_SET : what->key_set;
    json_t *v = json_pack("{s:s}", "mode", modes[what->mode]);
    if (what->mode == BB_MODE_LOCAL)
        return v;
    (void)json_object_set_new(v, "issuer", json_string(BB_DEMO_ISSUER));
    (void)json_object_set_new(v, "jwks", json_string(key_set));
    if (what->mode == BB_MODE_BACKGROUND)
        (void)json_object_set_new(v, "url", json_sprintf("http://%s", what->service));
    return v;
}

/* Without what no token states: a policy that asks for it, as by default, asks for the report too. */
static void ask_token_alone(json_t *policy) {
    (void)json_object_del(policy, "minimum_tcb");
    (void)json_object_set_new(policy, "crl", json_string("if-present"));
    (void)json_object_set_new(policy, "provisional_firmware", json_true());
}

/* `object` is the simulator's policy. */
static enum bb_status change(json_t *object, const struct bb_demo_policy *what,
                             struct bb_error *err) {
    (void)json_object_set_new(object, "verifiers", json_pack("[o]", verifier(what)));
    if (what->token_alone)
        ask_token_alone(object);
    if (what->without == NULL || json_object_del(object, what->without) == 0)
        return BB_OK;
    return bb_fail(err, BB_INTERNAL, "demo", what->without, NULL, "the policy has no key %s",
                   what->without);
}

/* Takes `object`. */
static enum bb_status write_json(const struct bb_demo_place *place, const char *name,
                                 json_t *object, struct bb_error *err) {
    char *text = json_dumps(object, JSON_INDENT(2)), *line = NULL;
    json_decref(object);
    int n = text == NULL ? -1 : asprintf(&line, "%s\n", text);
    free(text);
    if (n < 0)
        return bb_fail_internal(err, "memory for a file");
    enum bb_status status = bb_demo_place_write(place, name, bb_span_str(line), err);
    free(line);
    return status;
}

/* By way of a file, which also finds the key set beside it. */
enum bb_status bb_demo_policy(const struct bb_demo_place *place, const struct bb_demo_policy *what,
                              struct bb_policy **out, struct bb_error *err) {
    char path[BB_DEMO_PATH_MAX], source[BB_DEMO_PATH_MAX];
    json_t *object = NULL;
    BB_TRY(sim_policy(place, &object, err));
    enum bb_status status = change(object, what, err);
    if (status == BB_OK)
        status = write_json(place, SCRATCH, json_incref(object), err);
    json_decref(object);
    if (status != BB_OK)
        return status;
    return bb_policy_load(bb_demo_path(place, SCRATCH, path), out, source, sizeof source, err);
}

enum bb_status bb_demo_policy_files(const struct bb_demo_place *place, struct bb_error *err) {
    const struct bb_demo_policy passport = {.mode = BB_MODE_PASSPORT};
    json_t *policy = NULL;
    BB_TRY(sim_policy(place, &policy, err));
    json_t *reference = json_pack("{s:s, s:O, s:O}", "schema", "blindbox.reference-values/1",
                                  "measurements", json_object_get(policy, "measurements"),
                                  "host_data", json_object_get(policy, "host_data"));
    enum bb_status status = change(policy, &passport, err);
    if (status == BB_OK)
        status = write_json(place, BB_DEMO_POLICY_FILE, json_incref(policy), err);
    json_decref(policy);
    if (status != BB_OK) {
        json_decref(reference);
        return status;
    }
    return write_json(place, BB_DEMO_REFERENCE, reference, err);
}
