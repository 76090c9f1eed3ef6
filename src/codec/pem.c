#include "codec/pem.h"

#include "base/hex.h"

static const uint8_t *find(struct bb_span in, size_t from, const char *needle) {
    size_t n = strlen(needle);
    return from <= in.len ? memmem(in.ptr + from, in.len - from, needle, n) : NULL;
}

static enum bb_der_kind kind_of_label(struct bb_span label) {
    if (bb_span_equal(label, BB_SPAN_LIT("CERTIFICATE")) ||
        bb_span_equal(label, BB_SPAN_LIT("X509 CERTIFICATE")))
        return BB_DER_CERTIFICATE;
    return bb_span_equal(label, BB_SPAN_LIT("X509 CRL")) ? BB_DER_CRL : BB_DER_OTHER;
}

/* One block whose "-----BEGIN " ends at `label`; the next dashes after its body must be those of
 * its end, so that hostile text is read once. False if it is broken. */
static bool read_block(struct bb_span text, size_t label, size_t *end, enum bb_der_kind *kind,
                       uint8_t *out, size_t cap, size_t *len) {
    static const char ending[] = "-----END ", dashes[] = "-----";
    const uint8_t *label_end = find(text, label, dashes);
    if (label_end == NULL)
        return false;
    size_t body = (size_t)(label_end - text.ptr) + sizeof dashes - 1;
    const uint8_t *body_end = find(text, body, dashes);
    if (body_end == NULL)
        return false;
    *end = (size_t)(body_end - text.ptr);
    struct bb_span tail = bb_span_slice(text, *end, sizeof ending - 1);
    *kind = kind_of_label(bb_span(text.ptr + label, (size_t)(label_end - text.ptr) - label));
    return bb_span_equal(tail, BB_SPAN_LIT(ending)) &&
           bb_b64_decode(bb_span(text.ptr + body, *end - body), out, cap, len);
}

bool bb_pem_next(struct bb_span text, size_t *pos, enum bb_der_kind *kind, uint8_t *out, size_t cap,
                 size_t *len) {
    static const char begin[] = "-----BEGIN ";
    const uint8_t *head = NULL;
    while ((head = find(text, *pos, begin)) != NULL) {
        size_t label = (size_t)(head - text.ptr) + sizeof begin - 1;
        if (read_block(text, label, pos, kind, out, cap, len))
            return true;
        *pos = label; /* the block is broken; the next one may be whole */
    }
    *pos = text.len;
    return false;
}

void bb_pem_write_cert(struct bb_writer *w, struct bb_span der) {
    enum { LINE = 48 }; /* bytes that 64 characters hold */
    char line[BB_B64_SIZE(LINE)];
    bb_write_bytes(w, BB_SPAN_LIT("-----BEGIN CERTIFICATE-----\n"));
    for (size_t at = 0; at < der.len; at += LINE) {
        struct bb_span part = bb_span(der.ptr + at, der.len - at < LINE ? der.len - at : LINE);
        w->failed = !bb_b64_encode(part, line, sizeof line) || w->failed;
        bb_write_bytes(w, bb_span_str(line));
        bb_write_u8(w, '\n');
    }
    bb_write_bytes(w, BB_SPAN_LIT("-----END CERTIFICATE-----\n"));
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
    /* TBSCertList: [version INTEGER] algorithm SEQUENCE, issuer SEQUENCE, thisUpdate time. A
     * certificate of version 1: serial INTEGER, algorithm, issuer, validity SEQUENCE. */
    bool integer = tag == INTEGER;
    if (integer && !element(&r, &tag, &item))
        return BB_DER_OTHER;
    if (tag != SEQUENCE || !element(&r, &tag, &item) || tag != SEQUENCE ||
        !element(&r, &tag, &item))
        return BB_DER_OTHER;
    if (integer && tag == SEQUENCE)
        return BB_DER_CERTIFICATE;
    return tag == UTC_TIME || tag == GENERALIZED ? BB_DER_CRL : BB_DER_OTHER;
}

bool bb_der_looks_damaged(struct bb_span bytes) {
    enum { SEQUENCE = 0x30, TWO_LENGTH_BYTES = 0x82, SHORTEST = 64 };
    return bytes.len >= SHORTEST && bytes.ptr[0] == SEQUENCE && bytes.ptr[1] == TWO_LENGTH_BYTES;
}
