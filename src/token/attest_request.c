#include "token/attest_request.h"

#include "base/hex.h"
#include "codec/jws.h"
#include "codec/pem.h"

#include <stdlib.h>

/* Malloced base64url; NULL without memory. */
static char *b64url(struct bb_span in) {
    size_t cap = BB_B64URL_SIZE(in.len);
    char *out = malloc(cap);
    if (out != NULL && bb_b64url_encode(in, out, cap))
        return out;
    free(out);
    return NULL;
}

/* A member whose value is base64url. */
static bool set_b64url(json_t *object, const char *name, struct bb_span in) {
    char *text = b64url(in);
    bool good = text != NULL && json_object_set_new(object, name, json_string(text)) == 0;
    free(text);
    return good;
}

/* VcekCertChain: one PEM text. */
static bool set_chain(json_t *object, const struct bb_attest_evidence *e) {
    size_t cap = 0;
    for (size_t i = 0; i < e->n_certs; i++)
        cap += BB_PEM_SIZE(e->certs[i].len);
    uint8_t *pem = malloc(cap + 1);
    struct bb_writer w = bb_writer(pem, cap);
    for (size_t i = 0; pem != NULL && i < e->n_certs; i++)
        if (e->certs[i].len > 0)
            bb_pem_write_cert(&w, e->certs[i]);
    bool good = pem != NULL && !w.failed && set_b64url(object, "VcekCertChain", bb_writer_span(&w));
    free(pem);
    return good;
}

/* The evidence, which goes as a text inside the request. */
static bool set_report(json_t *request, const struct bb_attest_evidence *e) {
    json_t *inner = json_object();
    char *text = NULL;
    if (inner != NULL && set_b64url(inner, "SnpReport", e->report) && set_chain(inner, e))
        text = json_dumps(inner, JSON_COMPACT | JSON_SORT_KEYS);
    bool good = text != NULL && set_b64url(request, "report", bb_span_str(text));
    free(text);
    json_decref(inner);
    return good;
}

static bool set_runtime(json_t *request, struct bb_span runtime) {
    json_t *data = json_object();
    bool good = data != NULL && set_b64url(data, "data", runtime) &&
                json_object_set_new(data, "dataType", json_string("JSON")) == 0 &&
                json_object_set(request, "runtimeData", data) == 0;
    json_decref(data);
    return good;
}

char *bb_attest_request_build(const struct bb_attest_evidence *evidence) {
    json_t *request = json_object();
    char *out = NULL;
    if (request != NULL && set_report(request, evidence) &&
        set_runtime(request, evidence->runtime) &&
        (evidence->nonce == NULL ||
         json_object_set_new(request, "nonce", json_string(evidence->nonce)) == 0))
        out = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(request);
    return out;
}

static enum bb_status no_token(struct bb_error *err, const char *found) {
    return bb_fail(err, BB_TOKEN_NOT_FOUND, "token", "a token", found,
                   "the service's answer holds no token: %s", found);
}

/* Characters of a compact token; what else is in it, its parser says. */
static bool looks_compact(struct bb_span text) {
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
            c != '-' && c != '_' && c != '.')
            return false;
    }
    return text.len > 0 && text.len <= BB_JWS_MAX;
}

static enum bb_status give(struct bb_span text, char **token, struct bb_error *err) {
    if (text.len > BB_JWS_MAX)
        return no_token(err, "its token is too large");
    if (!looks_compact(text))
        return no_token(err, "no compact JWS");
    char *copy = malloc(text.len + 1); /* a span has no end of text */
    if (copy == NULL)
        return bb_fail_internal(err, "memory for a token");
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *token = copy;
    return BB_OK;
}

/* {"token": "..."}; other members do not count. */
static enum bb_status of_json(struct bb_span body, char **token, struct bb_error *err) {
    json_t *answer = NULL;
    struct bb_error why = {0};
    if (bb_json_parse_object(body, BB_ATTEST_BODY_MAX, "answer", &answer, &why) != BB_OK)
        return no_token(err, why.text);
    const json_t *member = json_object_get(answer, "token");
    enum bb_status status =
        json_is_string(member)
            ? give(bb_span(json_string_value(member), json_string_length(member)), token, err)
            : no_token(err, "no string \"token\"");
    json_decref(answer);
    return status;
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

enum bb_status bb_attest_answer_token(struct bb_span body, bool ear, char **token,
                                      struct bb_error *err) {
    while (body.len > 0 && is_space(body.ptr[body.len - 1]))
        body.len--; /* a line end after a token, as many servers send it */
    if (ear && (body.len == 0 || body.ptr[0] != '{'))
        return give(body, token, err);
    return of_json(body, token, err);
}
