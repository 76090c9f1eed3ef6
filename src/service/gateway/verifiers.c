#include "service/gateway/verifiers.h"

#include "codec/json.h"
#include "service/fetch/url.h"
#include "token/attest_request.h"

#include <string.h>

static enum bb_status wrong(struct bb_error *err, const char *expected, struct bb_span found) {
    char text[BB_VALUE_MAX];
    bb_escape(found, text, sizeof text);
    return bb_fail(err, BB_USAGE, "verifier", expected, text, "wrong verification service");
}

/* Printable, no spaces: these go into requests, configurations and logs. */
static enum bb_status take(char *out, size_t cap, struct bb_span value, struct bb_error *err) {
    for (size_t i = 0; i < value.len; i++)
        if (value.ptr[i] < 0x21 || value.ptr[i] > 0x7e)
            return wrong(err, "printable ASCII without spaces", value);
    if (value.len == 0 || value.len >= cap || out[0] != '\0')
        return wrong(err, "each value once, not empty, not too long", value);
    memcpy(out, value.ptr, value.len);
    out[value.len] = '\0';
    return BB_OK;
}

static enum bb_status take_profile(struct bb_gateway_verifier *v, struct bb_span value,
                                   struct bb_error *err) {
    bool ear = bb_span_equal(value, BB_SPAN_LIT("ear"));
    if (!ear && !bb_span_equal(value, BB_SPAN_LIT("maa")))
        return wrong(err, "profile maa or ear", value);
    v->profile = ear ? BB_PROFILE_EAR : BB_PROFILE_MAA;
    return BB_OK;
}

static enum bb_status take_member(struct bb_gateway_verifier *v, struct bb_span name,
                                  struct bb_span value, struct bb_error *err) {
    if (bb_span_equal(name, BB_SPAN_LIT("url")))
        return take(v->url, sizeof v->url, value, err);
    if (bb_span_equal(name, BB_SPAN_LIT("issuer")))
        return take(v->issuer, sizeof v->issuer, value, err);
    if (bb_span_equal(name, BB_SPAN_LIT("ca")))
        return take(v->ca, sizeof v->ca, value, err);
    if (bb_span_equal(name, BB_SPAN_LIT("profile")))
        return take_profile(v, value, err);
    return wrong(err, "url, issuer, profile or ca", name);
}

/* A URL that may never be asked ends the start, not each connection later. A password in it would
 * become an issuer, which stands in every response and in the log. */
static enum bb_status check_url(const char *url, struct bb_error *err) {
    struct bb_fetch_url joined;
    struct bb_error why = {0};
    if (bb_fetch_url_join(url, BB_ATTEST_PATH, &joined, &why) == BB_OK)
        return BB_OK;
    return wrong(err, why.expected, bb_span_str(url));
}

static enum bb_status append(struct bb_gateway_verifiers *all, struct bb_gateway_verifier *v,
                             struct bb_error *err) {
    size_t len = strlen(v->url);
    struct bb_span url = bb_span_str(v->url);
    BB_TRY(check_url(v->url, err));
    if (strncmp(v->url, "unix:", 5) != 0 && v->url[len - 1] == '/')
        v->url[len - 1] = '\0';
    if (v->issuer[0] == '\0')
        BB_TRY(take(v->issuer, sizeof v->issuer, bb_span_str(v->url), err));
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->list[i].issuer, v->issuer) == 0)
            return wrong(err, "each issuer once", bb_span_str(v->issuer));
    if (all->n == BB_GATEWAY_VERIFIERS_MAX)
        return wrong(err, "at most 4 services", url);
    all->list[all->n++] = *v;
    return BB_OK;
}

enum bb_status bb_gateway_verifiers_add(struct bb_gateway_verifiers *all, const char *text,
                                        struct bb_error *err) {
    struct bb_gateway_verifier v = {.profile = BB_PROFILE_MAA};
    size_t len = strcspn(text, ",");
    bool profile = false;
    BB_TRY(take(v.url, sizeof v.url, bb_span(text, len), err));
    for (text += len; *text == ','; text += len) {
        text++;
        len = strcspn(text, ",");
        size_t name = strcspn(text, "=,");
        if (name >= len)
            return wrong(err, "NAME=VALUE", bb_span(text, len));
        bool is_profile = bb_span_equal(bb_span(text, name), BB_SPAN_LIT("profile"));
        if (is_profile && profile)
            return wrong(err, "each value once", bb_span(text, len));
        profile = profile || is_profile;
        BB_TRY(take_member(&v, bb_span(text, name), bb_span(text + name + 1, len - name - 1), err));
    }
    return append(all, &v, err);
}

enum bb_status bb_gateway_verifiers_add_json(struct bb_gateway_verifiers *all, const json_t *object,
                                             struct bb_error *err) {
    static const char *const known[] = {"url", "issuer", "profile", "ca", NULL};
    struct bb_gateway_verifier v = {.profile = BB_PROFILE_MAA};
    if (!json_is_object(object) || json_object_get(object, "url") == NULL)
        return bb_fail(err, BB_USAGE, "verifiers", "objects with a url", NULL,
                       "wrong value in the configuration");
    BB_TRY(bb_json_known_keys(object, known, "verifiers", err));
    for (size_t i = 0; known[i] != NULL; i++) {
        const json_t *value = json_object_get(object, known[i]);
        if (value != NULL && !json_is_string(value))
            return bb_fail(err, BB_USAGE, "verifiers", "texts", known[i],
                           "wrong value in the configuration");
        if (value != NULL)
            BB_TRY(take_member(&v, bb_span_str(known[i]),
                               bb_span(json_string_value(value), json_string_length(value)), err));
    }
    return append(all, &v, err);
}
