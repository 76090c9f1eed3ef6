#include "channel/frame.h"

#include "codec/cbor.h"

enum {
    K_VERSION = 1,
    K_STATUS,
    K_SALT,
    K_KIND,
    K_CMW,
    K_CONFIG,
    K_BINDING,
    K_PROOF,
    K_APP,
    K_TOKEN,
    K_FORM,
    K_FLAGS,
    K_SIGNATURE,
    K_TEXT,
    K_RETRY,
    K_END
};

#define BIT(key) (1U << (key))

const char *bb_channel_status_text(unsigned status) {
    static const char *const texts[] = {"ok",
                                        "malformed request",
                                        "nothing in common",
                                        "busy",
                                        "attester dead until reboot",
                                        "verifier unavailable",
                                        "issuer not configured",
                                        "own evidence refused",
                                        "deadline passed",
                                        "shutting down"};
    return status < sizeof texts / sizeof texts[0] ? texts[status] : "refused";
}

static bool read_proof(struct bb_reader *r, struct bb_response *p) {
    size_t n = 0;
    uint64_t index = 0, depth = 0;
    if (!bb_cbor_read_array(r, 3, 3, &n) || !bb_cbor_read_uint(r, 0, 65535, &index) ||
        !bb_cbor_read_uint(r, 0, BB_MERKLE_DEPTH_MAX, &depth) ||
        !bb_cbor_read_bytes(r, 0, (BB_MERKLE_DEPTH_MAX + 1) * BB_MERKLE_NODE, &p->path))
        return false;
    /* Whether index and path fit the depth is a question of the binding, not of the frame: it is
     * answered on the verified report (3.6). */
    p->index = (uint32_t)index;
    p->depth = (unsigned)depth;
    return true;
}

static bool read_number(struct bb_reader *r, uint64_t min, uint64_t max, unsigned *out) {
    uint64_t number = 0;
    if (!bb_cbor_read_uint(r, min, max, &number))
        return false;
    *out = (unsigned)number;
    return true;
}

static bool read_key(struct bb_reader *r, uint64_t key, struct bb_response *p) {
    unsigned number = 0;
    switch (key) {
    case K_VERSION:
        return read_number(r, 1, 1, &number);
    case K_STATUS:
        return read_number(r, 0, 255, &p->status);
    case K_SALT:
        return bb_cbor_read_bytes(r, BB_SALT_SIZE, BB_SALT_SIZE, &p->salt);
    case K_KIND:
        return read_number(r, 1, 255, &p->kind);
    case K_CMW:
        return bb_cbor_read_bytes(r, 1, BB_RESPONSE_MAX, &p->cmw);
    case K_CONFIG:
        return bb_cbor_read_bytes(r, 1, BB_CONFIG_MAX, &p->config);
    case K_BINDING:
        return bb_cbor_read_bytes(r, BB_SPKI_SIZE, BB_SPKI_SIZE, &p->binding_spki);
    case K_PROOF:
        return read_proof(r, p);
    case K_APP:
        return bb_cbor_read_text(r, 1, BB_APP_NAME_MAX, &p->app);
    case K_TOKEN:
        return bb_cbor_read_text(r, 1, BB_TOKEN_MAX, &p->token);
    case K_FORM:
        p->has_form = true;
        return read_number(r, 0, 1, &p->form);
    case K_FLAGS:
        if (!read_number(r, 0, UINT16_MAX, &number))
            return false;
        p->flags = (uint16_t)number;
        return true;
    case K_SIGNATURE:
        p->anchored = true;
        return bb_cbor_read_bytes(r, 64, 64, &p->anchor_signature);
    case K_TEXT:
        return bb_cbor_read_text(r, 0, BB_REFUSAL_TEXT_MAX, &p->text);
    case K_RETRY:
        return bb_cbor_read_uint(r, 0, UINT64_MAX, &p->retry_ms);
    default:
        return false;
    }
}

/* Which keys each of the three shapes must and may have: no key means two things. */
static bool shape_is_right(unsigned seen, const struct bb_response *p) {
    const unsigned head = BIT(K_VERSION) | BIT(K_STATUS);
    const unsigned fresh = head | BIT(K_SALT) | BIT(K_KIND) | BIT(K_CMW) | BIT(K_CONFIG) |
                           BIT(K_BINDING) | BIT(K_PROOF) | BIT(K_APP) | BIT(K_FLAGS);
    const unsigned anchored = head | BIT(K_SALT) | BIT(K_APP) | BIT(K_SIGNATURE);
    if (p->status != BB_CHANNEL_OK)
        return (seen & ~(BIT(K_TEXT) | BIT(K_RETRY))) == head;
    if ((seen & BIT(K_SIGNATURE)) != 0)
        return seen == anchored;
    return (seen & ~(BIT(K_TOKEN) | BIT(K_FORM))) == fresh && p->has_form == (p->kind != 2);
}

bool bb_response_parse(struct bb_span body, struct bb_response *out) {
    struct bb_response p = {0};
    struct bb_reader r = bb_reader(body);
    size_t pairs = 0;
    unsigned seen = 0;
    if (body.len > BB_RESPONSE_MAX || !bb_cbor_is_deterministic(body) ||
        !bb_cbor_read_map(&r, &pairs))
        return false;
    for (size_t i = 0; i < pairs; i++) {
        struct bb_cbor_item key;
        if (!bb_cbor_next(&r, &key))
            return false;
        if (key.type == BB_CBOR_NINT) {
            if (!bb_cbor_skip(&r))
                return false;
            continue;
        }
        if (key.type != BB_CBOR_UINT || key.value >= K_END || !read_key(&r, key.value, &p))
            return false;
        seen |= BIT(key.value);
    }
    if (!shape_is_right(seen, &p))
        return false;
    *out = p;
    return true;
}

static void write_bytes_key(struct bb_writer *w, unsigned key, struct bb_span value) {
    bb_cbor_write_uint(w, key);
    bb_cbor_write_bytes(w, value);
}

static void write_uint_key(struct bb_writer *w, unsigned key, uint64_t value) {
    bb_cbor_write_uint(w, key);
    bb_cbor_write_uint(w, value);
}

void bb_response_build(const struct bb_response *p, struct bb_writer *w) {
    bb_cbor_write_map(w, 10U + p->has_form + (p->token.len > 0));
    write_uint_key(w, K_VERSION, 1);
    write_uint_key(w, K_STATUS, BB_CHANNEL_OK);
    write_bytes_key(w, K_SALT, p->salt);
    write_uint_key(w, K_KIND, p->kind);
    write_bytes_key(w, K_CMW, p->cmw);
    write_bytes_key(w, K_CONFIG, p->config);
    write_bytes_key(w, K_BINDING, p->binding_spki);
    bb_cbor_write_uint(w, K_PROOF);
    bb_cbor_write_array(w, 3);
    bb_cbor_write_uint(w, p->index);
    bb_cbor_write_uint(w, p->depth);
    bb_cbor_write_bytes(w, p->path);
    bb_cbor_write_uint(w, K_APP);
    bb_cbor_write_text(w, p->app);
    if (p->token.len > 0) {
        bb_cbor_write_uint(w, K_TOKEN);
        bb_cbor_write_text(w, p->token);
    }
    if (p->has_form)
        write_uint_key(w, K_FORM, p->form);
    write_uint_key(w, K_FLAGS, p->flags);
}

void bb_refusal_build(unsigned status, uint64_t retry_ms, struct bb_writer *w) {
    bb_cbor_write_map(w, retry_ms > 0 ? 4 : 3);
    write_uint_key(w, K_VERSION, 1);
    write_uint_key(w, K_STATUS, status);
    bb_cbor_write_uint(w, K_TEXT);
    bb_cbor_write_text(w, bb_span_str(bb_channel_status_text(status)));
    if (retry_ms > 0)
        write_uint_key(w, K_RETRY, retry_ms);
}
