#include "appraise/policy_verifiers.h"

#include "codec/json.h"

#include <stdio.h>
#include <stdlib.h>

static enum bb_status wrong(struct bb_error *err, const char *member, const char *expected,
                            const char *found) {
    char field[BB_FIELD_MAX];
    (void)snprintf(field, sizeof field, "verifiers.%s", member);
    return bb_fail(err, BB_USAGE, field, expected, found, "wrong value in the policy");
}

/* Copies a text member; `*out` stays NULL if it is absent. */
static enum bb_status take_text(const json_t *o, const char *member, char **out,
                                struct bb_error *err) {
    const json_t *v = json_object_get(o, member);
    const char *text = json_string_value(v);
    if (v == NULL)
        return BB_OK;
    if (text == NULL || text[0] == '\0' || strlen(text) != json_string_length(v) ||
        strlen(text) > BB_POLICY_URL_MAX)
        return wrong(err, member, "text of 1 to 1024 bytes", NULL);
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x21 || *c == 0x7f)
            return wrong(err, member, "no spaces or control characters", NULL);
    *out = strdup(text);
    return *out != NULL ? BB_OK : bb_fail_internal(err, "memory for a policy");
}

static enum bb_status take_word(const json_t *o, const char *member, const char *const *words,
                                const char *expected, unsigned *out, struct bb_error *err) {
    const json_t *v = json_object_get(o, member);
    const char *text = json_string_value(v);
    if (v == NULL)
        return BB_OK;
    for (unsigned i = 0; text != NULL && words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0) {
            *out = i;
            return BB_OK;
        }
    return wrong(err, member, expected, text);
}

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

/* Which of them may be asked is decided where they are asked: here only what they look like. */
static bool is_url(const char *text) {
    return starts(text, "https://") || starts(text, "http://") || starts(text, "unix:/");
}

static enum bb_status take_compliance(const json_t *o, struct bb_policy_verifier *v,
                                      struct bb_error *err) {
    const json_t *list = json_object_get(o, "compliance");
    size_t i = 0;
    const json_t *item = NULL;
    if (list == NULL)
        return BB_OK;
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > BB_POLICY_COMPLIANCE_MAX)
        return wrong(err, "compliance", "a list of 1 to 8 values", NULL);
    json_array_foreach(list, i, item) {
        const char *text = json_string_value(item);
        if (text == NULL || text[0] == '\0' || strlen(text) != json_string_length(item))
            return wrong(err, "compliance", "text", NULL);
        v->compliance[i] = strdup(text);
        if (v->compliance[i] == NULL)
            return bb_fail_internal(err, "memory for a policy");
        v->n_compliance++;
    }
    return BB_OK;
}

/* "https://host/" is the same service as "https://host". */
static void cut_slash(char *url) {
    size_t n = url == NULL ? 0 : strlen(url);
    if (n > 0 && url[n - 1] == '/' && !starts(url, "unix:"))
        url[n - 1] = '\0';
}

/* What is left out follows from what is there: a service's issuer is its URL, and its keys stand
 * below the issuer, where TLS names the host. */
static enum bb_status complete(struct bb_policy_verifier *v, struct bb_error *err) {
    if (v->issuer == NULL && v->url != NULL && starts(v->url, "https://"))
        v->issuer = strdup(v->url);
    if (v->issuer == NULL)
        return wrong(err, "issuer", "the issuer that tokens must name", "absent");
    if (v->jwks == NULL && starts(v->issuer, "https://") &&
        asprintf(&v->jwks, "%s/certs", v->issuer) < 0)
        v->jwks = NULL;
    if (v->jwks == NULL)
        return wrong(err, "jwks", "a file or URL of the issuer's keys", "absent");
    v->jwks_is_file = !is_url(v->jwks);
    return BB_OK;
}

static enum bb_status check_mode(struct bb_policy_verifier *v, size_t members,
                                 struct bb_error *err) {
    if (v->mode == BB_MODE_LOCAL)
        return members == 1 ? BB_OK : wrong(err, "mode", "\"local\" alone", "other members");
    if (v->mode == BB_MODE_PASSPORT && v->url != NULL)
        return wrong(err, "url", "none: in passport mode the gateway asks its own service", v->url);
    if (v->mode == BB_MODE_BACKGROUND && (v->url == NULL || !is_url(v->url)))
        return wrong(err, "url", "https://..., http://LOOPBACK... or unix:/SOCKET",
                     v->url == NULL ? "absent" : v->url);
    cut_slash(v->url);
    BB_TRY(complete(v, err));
    if (v->mode == BB_MODE_PASSPORT && strlen(v->issuer) > BB_POLICY_PASSPORT_ISSUER_MAX)
        return wrong(err, "issuer", "at most 255 bytes: a gateway is asked by that name",
                     v->issuer);
    return BB_OK;
}

static enum bb_status take_one(const json_t *o, struct bb_policy_verifier *v,
                               struct bb_error *err) {
    static const char *const known[] = {"mode", "url",     "issuer",     "jwks",
                                        "ca",   "profile", "compliance", NULL};
    static const char *const modes[] = {"local", "passport", "background", NULL};
    static const char *const profiles[] = {"maa", "ear", NULL};
    unsigned mode = UINT32_MAX, profile = BB_PROFILE_MAA;
    if (!json_is_object(o))
        return wrong(err, "mode", "a list of objects", NULL);
    BB_TRY(bb_json_known_keys(o, known, "verifiers", err));
    BB_TRY(take_word(o, "mode", modes, "local, passport or background", &mode, err));
    if (mode == UINT32_MAX)
        return wrong(err, "mode", "local, passport or background", "absent");
    BB_TRY(take_word(o, "profile", profiles, "maa or ear", &profile, err));
    v->mode = (enum bb_verifier_mode)mode;
    v->profile = (enum bb_token_profile)profile;
    BB_TRY(take_text(o, "url", &v->url, err));
    BB_TRY(take_text(o, "issuer", &v->issuer, err));
    BB_TRY(take_text(o, "jwks", &v->jwks, err));
    BB_TRY(take_text(o, "ca", &v->ca, err));
    BB_TRY(take_compliance(o, v, err));
    return check_mode(v, json_object_size(o), err);
}

enum bb_status bb_policy_take_verifiers(struct bb_policy *policy, const json_t *list,
                                        struct bb_error *err) {
    size_t i = 0;
    const json_t *item = NULL;
    if (!json_is_array(list) || json_array_size(list) == 0 ||
        json_array_size(list) > BB_POLICY_VERIFIERS_MAX)
        return bb_fail(err, BB_USAGE, "verifiers", "a list of 1 to 8 verifiers", NULL,
                       "wrong value in the policy");
    policy->n_verifiers = 0; /* the default one holds no memory */
    json_array_foreach(list, i, item) {
        struct bb_policy_verifier *v = &policy->verifiers[policy->n_verifiers++];
        *v = (struct bb_policy_verifier){0};
        BB_TRY(take_one(item, v, err));
    }
    return BB_OK;
}
