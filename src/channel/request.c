#include "channel/frame.h"

#include "codec/cbor.h"

/* Keys of the map, and one past the last that is known. */
enum {
    K_VERSION = 1,
    K_NONCE,
    K_KINDS,
    K_WANT,
    K_ISSUER,
    K_HAVE,
    K_ANCHOR,
    K_WAIT,
    K_APPS,
    K_FORMS,
    K_END
};

static bool read_kinds(struct bb_reader *r, struct bb_request *q) {
    if (!bb_cbor_read_array(r, 1, BB_KINDS_MAX, &q->n_kinds))
        return false;
    for (size_t i = 0; i < q->n_kinds; i++) {
        uint64_t kind = 0;
        if (!bb_cbor_read_uint(r, 1, 255, &kind))
            return false;
        for (size_t k = 0; k < i; k++)
            if (q->kinds[k] == kind)
                return false;
        q->kinds[i] = (uint8_t)kind;
    }
    return true;
}

static bool read_have(struct bb_reader *r, struct bb_request *q) {
    if (!bb_cbor_read_array(r, 1, BB_HAVE_MAX, &q->n_have))
        return false;
    for (size_t i = 0; i < q->n_have; i++)
        if (!bb_cbor_read_bytes(r, BB_SHA256_SIZE, BB_SHA256_SIZE, &q->have[i]) ||
            (i > 0 && bb_span_compare(q->have[i - 1], q->have[i]) >= 0))
            return false;
    return true;
}

static bool read_apps(struct bb_reader *r, struct bb_request *q) {
    if (!bb_cbor_read_array(r, 1, BB_APPS_MAX, &q->n_apps))
        return false;
    for (size_t i = 0; i < q->n_apps; i++)
        if (!bb_cbor_read_text(r, 1, BB_APP_NAME_MAX, &q->apps[i]))
            return false;
    return true;
}

static bool read_forms(struct bb_reader *r, struct bb_request *q) {
    size_t n = 0;
    q->forms = 0;
    if (!bb_cbor_read_array(r, 1, 2, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        uint64_t form = 0;
        if (!bb_cbor_read_uint(r, 0, 1, &form) || (q->forms >> form & 1) != 0)
            return false;
        q->forms |= 1U << form;
    }
    return true;
}

static bool read_key(struct bb_reader *r, uint64_t key, struct bb_request *q) {
    uint64_t number = 0;
    switch (key) {
    case K_VERSION:
        return bb_cbor_read_uint(r, 1, 1, &number);
    case K_NONCE:
        return bb_cbor_read_bytes(r, BB_NONCE_SIZE, BB_NONCE_SIZE, &q->nonce);
    case K_KINDS:
        return read_kinds(r, q);
    case K_WANT:
        if (!bb_cbor_read_uint(r, BB_WANT_EVIDENCE, BB_WANT_BOTH, &number))
            return false;
        q->want = (unsigned)number;
        return true;
    case K_ISSUER:
        return bb_cbor_read_text(r, 1, 255, &q->issuer);
    case K_HAVE:
        return read_have(r, q);
    case K_ANCHOR:
        return bb_cbor_read_bytes(r, BB_D_SIZE, BB_D_SIZE, &q->anchor);
    case K_WAIT:
        if (!bb_cbor_read_uint(r, BB_WAIT_MS_MIN, BB_WAIT_MS_MAX, &number))
            return false;
        q->wait_ms = (uint32_t)number;
        return true;
    case K_APPS:
        return read_apps(r, q);
    case K_FORMS:
        return read_forms(r, q);
    default:
        return false; /* unknown and not negative: refuse */
    }
}

bool bb_request_parse(struct bb_span body, struct bb_request *out) {
    const unsigned required = 1U << K_VERSION | 1U << K_NONCE | 1U << K_KINDS | 1U << K_WANT |
                              1U << K_WAIT | 1U << K_APPS;
    struct bb_request q = {.forms = 1U << 1};
    struct bb_reader r = bb_reader(body);
    size_t pairs = 0;
    unsigned seen = 0;
    if (body.len > BB_REQUEST_MAX || !bb_cbor_is_deterministic(body) ||
        !bb_cbor_read_map(&r, &pairs))
        return false;
    for (size_t i = 0; i < pairs; i++) {
        struct bb_cbor_item key;
        if (!bb_cbor_next(&r, &key))
            return false;
        if (key.type == BB_CBOR_NINT) { /* an optional extension: hashed, not understood */
            if (!bb_cbor_skip(&r))
                return false;
            continue;
        }
        if (key.type != BB_CBOR_UINT || key.value >= K_END || !read_key(&r, key.value, &q))
            return false;
        seen |= 1U << key.value;
    }
    bool wants_token = (q.want & BB_WANT_TOKEN) != 0;
    if ((seen & required) != required || wants_token != ((seen >> K_ISSUER & 1) != 0))
        return false;
    *out = q;
    return true;
}

void bb_request_build(const struct bb_request *q, struct bb_writer *w) {
    size_t pairs =
        6U + (q->issuer.len > 0) + (q->n_have > 0) + (q->anchor.len > 0) + (q->forms != 1U << 1);
    bb_cbor_write_map(w, pairs);
    bb_cbor_write_uint(w, K_VERSION);
    bb_cbor_write_uint(w, 1);
    bb_cbor_write_uint(w, K_NONCE);
    bb_cbor_write_bytes(w, q->nonce);
    bb_cbor_write_uint(w, K_KINDS);
    bb_cbor_write_array(w, q->n_kinds);
    for (size_t i = 0; i < q->n_kinds; i++)
        bb_cbor_write_uint(w, q->kinds[i]);
    bb_cbor_write_uint(w, K_WANT);
    bb_cbor_write_uint(w, q->want);
    if (q->issuer.len > 0) {
        bb_cbor_write_uint(w, K_ISSUER);
        bb_cbor_write_text(w, q->issuer);
    }
    if (q->n_have > 0) {
        bb_cbor_write_uint(w, K_HAVE);
        bb_cbor_write_array(w, q->n_have);
        for (size_t i = 0; i < q->n_have; i++)
            bb_cbor_write_bytes(w, q->have[i]);
    }
    if (q->anchor.len > 0) {
        bb_cbor_write_uint(w, K_ANCHOR);
        bb_cbor_write_bytes(w, q->anchor);
    }
    bb_cbor_write_uint(w, K_WAIT);
    bb_cbor_write_uint(w, q->wait_ms);
    bb_cbor_write_uint(w, K_APPS);
    bb_cbor_write_array(w, q->n_apps);
    for (size_t i = 0; i < q->n_apps; i++)
        bb_cbor_write_text(w, q->apps[i]);
    if (q->forms == 1U << 1)
        return;
    bb_cbor_write_uint(w, K_FORMS);
    bb_cbor_write_array(w, (q->forms & 1U) + (q->forms >> 1 & 1U));
    for (unsigned form = 0; form <= 1; form++)
        if ((q->forms >> form & 1) != 0)
            bb_cbor_write_uint(w, form);
}
