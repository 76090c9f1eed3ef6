#include "token/attest_request.h"

#include "base/hex.h"
#include "codec/json.h"
#include "codec/pem.h"
#include "crypto/cert.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define UINT64_TEXT "18446744073709551615"

static enum bb_status bad(struct bb_error *err, const char *field, const char *expected,
                          const char *found) {
    return bb_fail(err, BB_MALFORMED_EVIDENCE, field, expected, found, "%s is not %s", field,
                   expected);
}

static enum bb_status json_object_of(struct bb_span text, const char *field, json_t **out,
                                     struct bb_error *err) {
    struct bb_error why = {0};
    if (bb_json_parse_object(text, BB_ATTEST_BODY_MAX, field, out, &why) == BB_OK)
        return BB_OK;
    return bb_fail(err, BB_MALFORMED_EVIDENCE, field, why.expected, why.found, "%s", why.text);
}

/* Decodes base64url, with its padding or without, to the end of `w`. */
static enum bb_status decode(const json_t *member, const char *field, size_t max,
                             struct bb_writer *w, struct bb_span *out, struct bb_error *err) {
    size_t len = 0;
    if (!json_is_string(member))
        return bad(err, field, "a base64url string", member == NULL ? "nothing" : "another type");
    struct bb_span text = bb_span(json_string_value(member), json_string_length(member));
    /* Padding: one or two, and only where they fill a group of four. */
    size_t padding = 0;
    while (text.len % 4 == 0 && padding < 2 && padding < text.len &&
           text.ptr[text.len - 1 - padding] == '=')
        padding++;
    text.len -= padding;
    if (text.len / 4 * 3 > max)
        return bb_fail(err, BB_MALFORMED_EVIDENCE, field, NULL, NULL, "%s is larger than %zu bytes",
                       field, max);
    if (!bb_b64url_decode(text, w->buf + w->len, w->cap - w->len, &len) || len > max)
        return bad(err, field, "base64url", "other text");
    *out = bb_span(w->buf + w->len, len);
    w->len += len;
    return BB_OK;
}

static size_t count_blocks(struct bb_span text) {
    static const char begin[] = "-----BEGIN ";
    size_t n = 0;
    const uint8_t *at = text.ptr, *end = text.ptr + text.len;
    while (at != NULL && at < end &&
           (at = memmem(at, (size_t)(end - at), begin, sizeof begin - 1)) != NULL) {
        n++;
        at += sizeof begin - 1;
    }
    return n;
}

/* Certificates only, each block whole: one that is passed over here would be missed later, under
 * another name. */
static enum bb_status read_chain(struct bb_attest_request *q, struct bb_writer *w,
                                 struct bb_error *err) {
    static const char field[] = "VcekCertChain";
    size_t pos = 0, len = 0, blocks = count_blocks(q->chain);
    enum bb_der_kind kind = BB_DER_OTHER;
    if (blocks > BB_ATTEST_CERTS_MAX)
        return bad(err, field, "at most 8 certificates", "more");
    if (blocks == 0 && q->chain.len > 0)
        return bad(err, field, "certificates in PEM", "other text");
    while (q->n_certs < blocks) {
        size_t room = w->cap - w->len < BB_CERT_DER_MAX ? w->cap - w->len : BB_CERT_DER_MAX;
        if (!bb_pem_next(q->chain, &pos, &kind, w->buf + w->len, room, &len) ||
            kind != BB_DER_CERTIFICATE)
            return bad(err, field, "certificates in PEM", "a block that is none, or too large");
        q->certs[q->n_certs++] = bb_span(w->buf + w->len, len);
        w->len += len;
    }
    return BB_OK;
}

static bool is_absent(const json_t *member) { return member == NULL || json_is_null(member); }

/* Kept for who can judge them; no claim comes from them. */
static enum bb_status read_endorsements(const json_t *inner, struct bb_attest_request *q,
                                        struct bb_writer *w, struct bb_error *err) {
    static const char name[] = "Endorsements";
    const json_t *member = json_object_get(inner, name);
    if (is_absent(member) || (json_is_string(member) && json_string_length(member) == 0))
        return BB_OK;
    return decode(member, name, BB_ATTEST_BODY_MAX, w, &q->endorsements, err);
}

static enum bb_status read_inner(const json_t *inner, struct bb_attest_request *q,
                                 struct bb_writer *w, struct bb_error *err) {
    const json_t *chain = json_object_get(inner, "VcekCertChain");
    BB_TRY(read_endorsements(inner, q, w, err));
    BB_TRY(decode(json_object_get(inner, "SnpReport"), "SnpReport", BB_ATTEST_BODY_MAX, w,
                  &q->report, err));
    if (is_absent(chain)) /* the service may have the certificates itself */
        return BB_OK;
    BB_TRY(decode(chain, "VcekCertChain", BB_ATTEST_BODY_MAX, w, &q->chain, err));
    return read_chain(q, w, err);
}

static enum bb_status read_report(const json_t *request, struct bb_attest_request *q,
                                  struct bb_writer *w, struct bb_error *err) {
    struct bb_span text = bb_span(NULL, 0);
    json_t *inner = NULL;
    BB_TRY(decode(json_object_get(request, "report"), "report", BB_ATTEST_BODY_MAX, w, &text, err));
    BB_TRY(json_object_of(text, "report", &inner, err));
    enum bb_status status = read_inner(inner, q, w, err);
    json_decref(inner);
    return status;
}

static enum bb_status read_data(const json_t *request, const char *name, struct bb_attest_data *out,
                                struct bb_writer *w, struct bb_error *err) {
    const json_t *member = json_object_get(request, name);
    char field[BB_FIELD_MAX];
    if (is_absent(member))
        return BB_OK;
    if (!json_is_object(member))
        return bad(err, name, "an object", "another type");
    const json_t *data = json_object_get(member, "data");
    if (is_absent(data) || (json_is_string(data) && json_string_length(data) == 0))
        return BB_OK; /* some clients send the empty form of what they do not use */
    (void)snprintf(field, sizeof field, "%s.data", name);
    BB_TRY(decode(data, field, BB_ATTEST_RUNTIME_MAX, w, &out->bytes, err));
    const char *type = json_string_value(json_object_get(member, "dataType"));
    if (type != NULL && strcmp(type, "Binary") == 0) {
        out->type = BB_ATTEST_BINARY;
        return BB_OK;
    }
    if (type == NULL || strcmp(type, "JSON") != 0) {
        (void)snprintf(field, sizeof field, "%s.dataType", name);
        return bad(err, field, "\"JSON\" or \"Binary\"", "another value");
    }
    out->type = BB_ATTEST_JSON;
    return json_object_of(out->bytes, field, &out->json, err);
}

static enum bb_status bad_nonce(struct bb_error *err) {
    return bad(err, "nonce", "a string or an integer of 0 to " UINT64_TEXT, "another value");
}

static enum bb_status read_nonce(const json_t *request, struct bb_attest_request *q,
                                 struct bb_error *err) {
    const json_t *member = json_object_get(request, "nonce");
    char number[24];
    const char *text = json_string_value(member);
    if (is_absent(member) || (text != NULL && text[0] == '\0'))
        return BB_OK;
    if (json_is_integer(member) && json_integer_value(member) >= 0) {
        (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(member));
        text = number;
    }
    if (text == NULL)
        return bad_nonce(err);
    if (strlen(text) > BB_ATTEST_NONCE_MAX)
        return bad(err, "nonce", "at most 1024 bytes", "more");
    q->nonce = strdup(text);
    return q->nonce == NULL ? bb_fail_internal(err, "memory for a nonce") : BB_OK;
}

/* A draft policy would make a token that proves nothing. */
static enum bb_status no_draft(const json_t *request, struct bb_error *err) {
    static const char name[] = "draftPolicyForAttestation";
    const json_t *member = json_object_get(request, name);
    if (is_absent(member) || (json_is_string(member) && json_string_length(member) == 0))
        return BB_OK;
    return bb_fail(err, BB_UNSUPPORTED_EVIDENCE, name, "nothing", "a policy",
                   "a request cannot bring its own policy here");
}

static enum bb_status read_all(const json_t *request, struct bb_attest_request *q,
                               struct bb_writer *w, struct bb_error *err) {
    BB_TRY(no_draft(request, err));
    BB_TRY(read_nonce(request, q, err));
    BB_TRY(read_report(request, q, w, err));
    BB_TRY(read_data(request, "runtimeData", &q->runtime, w, err));
    return read_data(request, "initTimeData", &q->init, w, err);
}

/* ---- a nonce that is a large number ----
 * Existing clients send 64 random bits as a JSON number, and the parser refuses those above 2^63-1.
 * The digits are found before it runs, and quoted in a copy. */

static size_t skip_space(struct bb_span in, size_t at) {
    while (at < in.len &&
           (in.ptr[at] == ' ' || in.ptr[at] == '\t' || in.ptr[at] == '\r' || in.ptr[at] == '\n'))
        at++;
    return at;
}

/* The end of the string that begins at `at`, behind its quote. */
static size_t skip_string(struct bb_span in, size_t at) {
    struct bb_span rest = bb_span(in.ptr + at + 1, in.len - at - 1);
    const uint8_t *quote = rest.len == 0 ? NULL : memchr(rest.ptr, '"', rest.len);
    size_t len = quote == NULL ? 0 : (size_t)(quote - rest.ptr);
    if (quote != NULL && memchr(rest.ptr, '\\', len) == NULL)
        return at + len + 2; /* nearly every string, and they are long */
    for (at++; at < in.len && in.ptr[at] != '"'; at++)
        if (in.ptr[at] == '\\')
            at++;
    return at + 1;
}

/* Digits behind `"nonce" :` at `at`; empty if there is something else. */
static struct bb_span number_behind(struct bb_span in, size_t key, size_t at) {
    static const char name[] = "\"nonce\"";
    if (!bb_span_equal(bb_span_slice(in, key, at < in.len ? at - key : 0), BB_SPAN_LIT(name)))
        return bb_span(NULL, 0);
    at = skip_space(in, at);
    if (at >= in.len || in.ptr[at] != ':')
        return bb_span(NULL, 0);
    size_t from = skip_space(in, at + 1), to = from;
    while (to < in.len && in.ptr[to] >= '0' && in.ptr[to] <= '9')
        to++;
    bool ends = to < in.len && strchr(" \t\r\n,}", in.ptr[to]) != NULL && in.ptr[to] != '\0';
    bool zero = to > from + 1 && in.ptr[from] == '0'; /* no number of JSON */
    return ends && !zero ? bb_span(in.ptr + from, to - from) : bb_span(NULL, 0);
}

static struct bb_span find_number(struct bb_span in) {
    unsigned depth = 0;
    for (size_t at = 0; at < in.len;) {
        uint8_t c = in.ptr[at];
        size_t next = c == '"' ? skip_string(in, at) : at + 1;
        depth += c == '{' || c == '[' ? 1U : 0U;
        depth -= (c == '}' || c == ']') && depth > 0 ? 1U : 0U;
        struct bb_span found =
            c == '"' && depth == 1 ? number_behind(in, at, next) : bb_span(NULL, 0);
        if (found.len > 0)
            return found;
        at = next;
    }
    return bb_span(NULL, 0);
}

static bool fits_64_bits(struct bb_span digits) {
    size_t most = sizeof UINT64_TEXT - 1;
    return digits.len < most || (digits.len == most && memcmp(digits.ptr, UINT64_TEXT, most) <= 0);
}

static enum bb_status parse_body(struct bb_span body, json_t **out, struct bb_error *err) {
    struct bb_span digits = find_number(body);
    if (digits.len == 0)
        return json_object_of(body, "request", out, err);
    if (!fits_64_bits(digits))
        return bad_nonce(err);
    uint8_t *copy = malloc(body.len + 2);
    if (copy == NULL)
        return bb_fail_internal(err, "memory for a request");
    struct bb_writer w = bb_writer(copy, body.len + 2);
    size_t from = (size_t)(digits.ptr - body.ptr), to = from + digits.len;
    bb_write_bytes(&w, bb_span(body.ptr, from));
    bb_write_u8(&w, '"');
    bb_write_bytes(&w, digits);
    bb_write_u8(&w, '"');
    bb_write_bytes(&w, bb_span(body.ptr + to, body.len - to));
    enum bb_status status = json_object_of(bb_writer_span(&w), "request", out, err);
    free(copy);
    return status;
}

enum bb_status bb_attest_request_parse(struct bb_span body, struct bb_attest_request *out,
                                       struct bb_error *err) {
    json_t *request = NULL;
    struct bb_attest_request q = {.n_certs = 0};
    if (body.len > BB_ATTEST_BODY_MAX)
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "request", "at most 262144 bytes", NULL,
                       "the request is too large");
    BB_TRY(parse_body(body, &request, err));
    /* What is decoded twice (report, then its chain or endorsements, then the chain's certificates)
     * shrinks each time by a quarter: 3/4 + 9/16 + 27/64 < 2. */
    size_t cap = 2 * body.len + 16;
    q.memory = malloc(cap);
    struct bb_writer w = bb_writer(q.memory, cap);
    enum bb_status status = q.memory == NULL ? bb_fail_internal(err, "memory for a request")
                                             : read_all(request, &q, &w, err);
    json_decref(request);
    if (status != BB_OK) {
        bb_attest_request_done(&q);
        return status;
    }
    *out = q;
    return BB_OK;
}

void bb_attest_request_done(struct bb_attest_request *q) {
    json_decref(q->runtime.json);
    json_decref(q->init.json);
    free(q->nonce);
    free(q->memory);
    *q = (struct bb_attest_request){.n_certs = 0};
}
