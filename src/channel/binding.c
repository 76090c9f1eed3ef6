#include "channel/binding.h"

#include "base/hex.h"
#include "token/report_data.h"

#include <stdio.h>

/* SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point (RFC 5480). */
static const uint8_t p256_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

bool bb_spki_is_p256(struct bb_span spki) {
    return spki.len == BB_SPKI_SIZE && memcmp(spki.ptr, p256_head, sizeof p256_head) == 0;
}

bool bb_binding_context(struct bb_span request, const uint8_t salt[BB_SALT_SIZE], uint8_t out[48]) {
    struct bb_span parts[] = {request, bb_span(salt, BB_SALT_SIZE)};
    return bb_sha384_parts(parts, 2, out);
}

bool bb_binding_binder(struct bb_span spki, const uint8_t exported[BB_EXPORTED_SIZE],
                       uint8_t out[48]) {
    struct bb_span parts[] = {spki, bb_span(exported, BB_EXPORTED_SIZE)};
    return bb_spki_is_p256(spki) && bb_sha384_parts(parts, 2, out);
}

bool bb_binding_leaf(struct bb_span spki, const uint8_t exported[BB_EXPORTED_SIZE],
                     uint8_t out[48]) {
    static const uint8_t prefix = 0x00;
    uint8_t binder[48];
    struct bb_span parts[] = {bb_span(&prefix, 1), BB_SPAN_LIT("blindbox/1 leaf"),
                              BB_SPAN_OF(binder)};
    return bb_binding_binder(spki, exported, binder) && bb_sha384_parts(parts, 3, out);
}

bool bb_binding_statement(const struct bb_statement *s, uint8_t out[BB_STATEMENT_SIZE]) {
    enum { ROLE_SERVER = 1 };
    static const char label[] = "blindbox/1 statement"; /* its NUL is part of the statement */
    uint8_t digest[48];
    struct bb_writer w = bb_writer(out, BB_STATEMENT_SIZE);
    if (s->depth > BB_MERKLE_DEPTH_MAX || (s->flags & ~BB_FLAG_OUTSIDE_UPSTREAM) != 0)
        return false;
    bb_write_bytes(&w, bb_span(label, sizeof label));
    bb_write_u8(&w, ROLE_SERVER);
    bb_write_u8(&w, (uint8_t)s->depth);
    bb_write_u16be(&w, s->flags);
    bb_write_bytes(&w, bb_span(s->root, BB_MERKLE_NODE));
    const struct bb_span hashed[] = {s->spki, s->binding_spki, s->config};
    for (size_t i = 0; i < 3; i++) {
        if (!bb_sha384(hashed[i], digest))
            return false;
        bb_write_bytes(&w, BB_SPAN_OF(digest));
    }
    return !w.failed && w.len == BB_STATEMENT_SIZE;
}

bool bb_binding_d(const struct bb_statement *s, uint8_t out[BB_D_SIZE]) {
    uint8_t statement[BB_STATEMENT_SIZE];
    return bb_binding_statement(s, statement) && bb_sha384(BB_SPAN_OF(statement), out);
}

bool bb_binding_runtime(const uint8_t d[BB_D_SIZE], char out[BB_RUNTIME_SIZE + 1]) {
    char text[BB_B64URL_SIZE(BB_D_SIZE)];
    if (!bb_b64url_encode(bb_span(d, BB_D_SIZE), text, sizeof text))
        return false;
    int n = snprintf(out, BB_RUNTIME_SIZE + 1, "{\"blindbox-1\":\"%s\"}", text);
    return n == BB_RUNTIME_SIZE;
}

bool bb_binding_report_data(const uint8_t d[BB_D_SIZE], unsigned form,
                            uint8_t out[BB_REPORT_DATA_SIZE]) {
    char runtime[BB_RUNTIME_SIZE + 1];
    if (form > 1 || !bb_binding_runtime(d, runtime) ||
        !bb_sha256(bb_span(runtime, BB_RUNTIME_SIZE), out))
        return false;
    return bb_report_data_tail(form, out + 32);
}

bool bb_binding_extra_data(const uint8_t d[BB_D_SIZE], uint8_t out[BB_EXTRA_DATA_SIZE]) {
    static const char label[] = "blindbox/1 tpm-quote"; /* with its NUL */
    uint8_t buf[sizeof label + BB_RUNTIME_SIZE];
    char runtime[BB_RUNTIME_SIZE + 1];
    struct bb_writer w = bb_writer(buf, sizeof buf);
    if (!bb_binding_runtime(d, runtime))
        return false;
    bb_write_bytes(&w, bb_span(label, sizeof label));
    bb_write_bytes(&w, bb_span(runtime, BB_RUNTIME_SIZE));
    return !w.failed && bb_sha256(bb_writer_span(&w), out);
}

bool bb_binding_hcl_user_data(struct bb_span spki, struct bb_span binding_spki,
                              uint8_t out[BB_HCL_USER_DATA_SIZE]) {
    static const char label[] = "blindbox/1 hcl"; /* with its NUL */
    uint8_t buf[sizeof label + 96], digest[48];
    struct bb_writer w = bb_writer(buf, sizeof buf);
    const struct bb_span keys[] = {spki, binding_spki};
    bb_write_bytes(&w, bb_span(label, sizeof label));
    for (size_t i = 0; i < 2; i++) {
        if (!bb_spki_is_p256(keys[i]) || !bb_sha384(keys[i], digest))
            return false;
        bb_write_bytes(&w, BB_SPAN_OF(digest));
    }
    return !w.failed && bb_sha512(bb_writer_span(&w), out);
}

void bb_binding_anchored_input(const uint8_t d[BB_D_SIZE], const uint8_t binder[48],
                               uint8_t out[BB_ANCHORED_INPUT_SIZE]) {
    static const char label[] = "blindbox/1 anchored"; /* with its NUL */
    struct bb_writer w = bb_writer(out, BB_ANCHORED_INPUT_SIZE);
    _Static_assert(sizeof label + 96 == BB_ANCHORED_INPUT_SIZE, "label || 0x00 || D || binder");
    bb_write_bytes(&w, bb_span(label, sizeof label));
    bb_write_bytes(&w, bb_span(d, BB_D_SIZE));
    bb_write_bytes(&w, bb_span(binder, 48));
}
