#include "codec/pem.h"

#include "base/hex.h"

static const uint8_t *find(struct bb_span in, size_t from, const char *needle) {
    size_t n = strlen(needle);
    return from <= in.len ? memmem(in.ptr + from, in.len - from, needle, n) : NULL;
}

bool bb_pem_next(struct bb_span text, size_t *pos, enum bb_der_kind *kind, uint8_t *out, size_t cap,
                 size_t *len) {
    static const char begin[] = "-----BEGIN ", end[] = "-----END ", dashes[] = "-----";
    const uint8_t *head = find(text, *pos, begin);
    if (head == NULL)
        return false;
    size_t label = (size_t)(head - text.ptr) + sizeof begin - 1;
    const uint8_t *label_end = find(text, label, dashes);
    *pos = text.len;
    if (label_end == NULL)
        return false;
    size_t body = (size_t)(label_end - text.ptr) + sizeof dashes - 1;
    const uint8_t *tail = find(text, body, end);
    if (tail == NULL)
        return false;
    size_t body_end = (size_t)(tail - text.ptr);
    struct bb_span name = bb_span(text.ptr + label, (size_t)(label_end - text.ptr) - label);
    *kind = BB_DER_OTHER;
    if (bb_span_equal(name, BB_SPAN_LIT("CERTIFICATE")))
        *kind = BB_DER_CERTIFICATE;
    else if (bb_span_equal(name, BB_SPAN_LIT("X509 CRL")))
        *kind = BB_DER_CRL;
    if (!bb_b64_decode(bb_span(text.ptr + body, body_end - body), out, cap, len))
        return false;
    *pos = body_end + sizeof end - 1;
    return true;
}

/* One DER head: tag and content; false if the content is not all there. */
static bool element(struct bb_reader *r, uint8_t *tag, struct bb_span *content) {
    *tag = bb_read_u8(r);
    size_t len = bb_read_u8(r);
    if (len >= 0x80) {
        size_t bytes = len & 0x7f;
        if (bytes == 0 || bytes > 3)
            return false;
        for (len = 0; bytes > 0; bytes--)
            len = len << 8 | bb_read_u8(r);
    }
    *content = bb_read_bytes(r, len);
    return !r->failed;
}

enum bb_der_kind bb_der_kind(struct bb_span der) {
    enum { SEQUENCE = 0x30, INTEGER = 0x02, VERSION = 0xa0, UTC_TIME = 0x17, GENERALIZED = 0x18 };
    struct bb_span outer, tbs, item;
    uint8_t tag = 0;
    struct bb_reader r = bb_reader(der);
    if (!element(&r, &tag, &outer) || tag != SEQUENCE || !bb_reader_done(&r))
        return BB_DER_OTHER;
    r = bb_reader(outer);
    if (!element(&r, &tag, &tbs) || tag != SEQUENCE)
        return BB_DER_OTHER;
    r = bb_reader(tbs);
    if (!element(&r, &tag, &item))
        return BB_DER_OTHER;
    if (tag == VERSION)
        return BB_DER_CERTIFICATE;
    /* TBSCertList: [version INTEGER] algorithm SEQUENCE, issuer SEQUENCE, thisUpdate time. */
    if (tag == INTEGER && !element(&r, &tag, &item))
        return BB_DER_OTHER;
    if (tag != SEQUENCE || !element(&r, &tag, &item) || tag != SEQUENCE ||
        !element(&r, &tag, &item))
        return BB_DER_OTHER;
    return tag == UTC_TIME || tag == GENERALIZED ? BB_DER_CRL : BB_DER_OTHER;
}
