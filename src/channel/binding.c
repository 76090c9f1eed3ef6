#include "channel/binding.h"

#include "base/hex.h"

#include <stdio.h>

/* SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point (RFC 5480). */
static const uint8_t p256_head[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                    0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04};

bool bb_spki_is_p256(struct bb_span spki) {
    return spki.len == BB_SPKI_SIZE && memcmp(spki.ptr, p256_head, sizeof p256_head) == 0;
}

bool bb_binding_context(struct bb_span request, const uint8_t salt[BB_SALT_SIZE],
                        uint8_t out[48]) {
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

bool bb_binding_d(const struct bb_statement *s, uint8_t out[BB_D_SIZE]) {
    enum { ROLE_SERVER = 1 };
    static const char label[] = "blindbox/1 statement"; /* its NUL is part of the statement */
    uint8_t buf[BB_STATEMENT_SIZE], digest[48];
    struct bb_writer w = bb_writer(buf, sizeof buf);
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
    return !w.failed && w.len == BB_STATEMENT_SIZE && s->depth <= BB_MERKLE_DEPTH_MAX &&
           bb_sha384(bb_writer_span(&w), out);
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
    memset(out + 32, 0, 32);
    /* Form 1's tail is one that no other maker of reports uses. */
    return form == 0 || bb_sha256(BB_SPAN_LIT("blindbox/1 report_data"), out + 32);
}
