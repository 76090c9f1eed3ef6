/* Evidence as a CMW collection: {label: [media type, bytes, indicator]}. */
#include "channel/frame.h"

#include "codec/cbor.h"
#include "evidence/snp/report.h"

#include <stddef.h>

enum { IND_ENDORSEMENT = 2, IND_EVIDENCE = 4, LABELS = 6, DER_MAX = 65536 };

/* In the order of their encoding: shorter texts first. */
static const struct {
    const char *label, *media;
    unsigned indicator;
    size_t offset; /* of the span in struct bb_cmw */
} labels[LABELS] = {
    {"ark", "application/pkix-cert", IND_ENDORSEMENT, offsetof(struct bb_cmw, ark)},
    {"ask", "application/pkix-cert", IND_ENDORSEMENT, offsetof(struct bb_cmw, ask)},
    {"crl", "application/pkix-crl", IND_ENDORSEMENT, offsetof(struct bb_cmw, crl)},
    {"uvm", "application/cose", IND_ENDORSEMENT, offsetof(struct bb_cmw, uvm)},
    {"vek", "application/pkix-cert", IND_ENDORSEMENT, offsetof(struct bb_cmw, vek)},
    {"report", "application/vnd.amd.sev-snp.attestation-report", IND_EVIDENCE,
     offsetof(struct bb_cmw, report)},
};

static struct bb_span *slot(struct bb_cmw *cmw, size_t i) {
    return (struct bb_span *)(void *)((char *)cmw + labels[i].offset);
}

static bool read_record(struct bb_reader *r, size_t i, struct bb_cmw *out) {
    size_t n = 0;
    uint64_t indicator = 0;
    struct bb_span media;
    return bb_cbor_read_array(r, 3, 3, &n) && bb_cbor_read_text(r, 1, 128, &media) &&
           bb_span_equal(media, bb_span_str(labels[i].media)) &&
           bb_cbor_read_bytes(r, 1, DER_MAX, slot(out, i)) &&
           bb_cbor_read_uint(r, 0, UINT32_MAX, &indicator) && indicator == labels[i].indicator;
}

bool bb_cmw_parse(struct bb_span in, struct bb_cmw *out) {
    struct bb_cmw cmw = {0};
    struct bb_reader r = bb_reader(in);
    size_t pairs = 0;
    if (!bb_cbor_is_deterministic(in) || !bb_cbor_read_map(&r, &pairs))
        return false;
    for (size_t k = 0; k < pairs; k++) {
        struct bb_span label;
        size_t i = 0;
        if (!bb_cbor_read_text(&r, 1, 32, &label))
            return false;
        while (i < LABELS && !bb_span_equal(label, bb_span_str(labels[i].label)))
            i++;
        if (i == LABELS || !read_record(&r, i, &cmw))
            return false; /* an unknown label is refused */
    }
    if (cmw.report.len != BB_SNP_REPORT_SIZE)
        return false;
    *out = cmw;
    return true;
}

void bb_cmw_build(const struct bb_cmw *cmw, struct bb_writer *w) {
    struct bb_cmw copy = *cmw;
    size_t pairs = 0;
    for (size_t i = 0; i < LABELS; i++)
        pairs += slot(&copy, i)->len > 0 ? 1 : 0;
    bb_cbor_write_map(w, pairs);
    for (size_t i = 0; i < LABELS; i++) {
        if (slot(&copy, i)->len == 0)
            continue;
        bb_cbor_write_text(w, bb_span_str(labels[i].label));
        bb_cbor_write_array(w, 3);
        bb_cbor_write_text(w, bb_span_str(labels[i].media));
        bb_cbor_write_bytes(w, *slot(&copy, i));
        bb_cbor_write_uint(w, labels[i].indicator);
    }
}
