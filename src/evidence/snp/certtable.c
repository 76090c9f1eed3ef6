#include "evidence/snp/certtable.h"

enum { ENTRY_SIZE = 24, GUID_SIZE = 16 };

static const struct {
    enum bb_snp_certtable_kind kind;
    uint8_t guid[GUID_SIZE];
} known[] = {
    {BB_SNP_CERTTABLE_VCEK, /* 63da758d-e664-4564-adc5-f4b93be8accd */
     {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac,
      0xcd}},
    {BB_SNP_CERTTABLE_VLEK, /* a8074bc2-a25a-483e-aae6-39c045a0b8a1 */
     {0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8,
      0xa1}},
    {BB_SNP_CERTTABLE_ASK, /* 4ab7b379-bbac-4fe4-a02f-05aef327c782 */
     {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7,
      0x82}},
    {BB_SNP_CERTTABLE_ARK, /* c0b406a4-a803-4952-9743-3fb6014cd0ae */
     {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0,
      0xae}},
    {BB_SNP_CERTTABLE_CRL, /* 92f81bc3-5811-4d3d-97ff-d19f88dc67ea */
     {0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d, 0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67,
      0xea}},
};

static enum bb_snp_certtable_kind kind_of(struct bb_span guid) {
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (bb_span_equal(guid, BB_SPAN_OF(known[i].guid)))
            return known[i].kind;
    return BB_SNP_CERTTABLE_OTHER;
}

static enum bb_status malformed(struct bb_error *err, size_t offset, const char *text) {
    return bb_fail_at(err, BB_MALFORMED_EVIDENCE, offset, "certificate table", NULL, NULL, "%s",
                      text);
}

static bool has_kind(const struct bb_snp_certtable *t, enum bb_snp_certtable_kind kind) {
    for (size_t i = 0; i < t->count; i++)
        if (kind != BB_SNP_CERTTABLE_OTHER && t->entry[i].kind == kind)
            return true;
    return false;
}

/* First pass: where the header ends; data must not lie inside it. */
static enum bb_status header_size(struct bb_span raw, size_t *size, struct bb_error *err) {
    struct bb_reader r = bb_reader(raw);
    for (size_t n = 0; n <= BB_SNP_CERTTABLE_ENTRIES; n++) {
        struct bb_span entry = bb_read_bytes(&r, ENTRY_SIZE);
        if (r.failed)
            return malformed(err, r.pos, "the table has no ending entry");
        if (bb_span_is_zero(entry)) {
            *size = r.pos;
            return BB_OK;
        }
    }
    return malformed(err, r.pos, "too many entries");
}

enum bb_status bb_snp_certtable_parse(struct bb_span raw, struct bb_snp_certtable *out,
                                      struct bb_error *err) {
    struct bb_snp_certtable table = {0};
    size_t header = 0;
    if (raw.len > BB_SNP_CERTTABLE_MAX)
        return malformed(err, 0, "the table is too large");
    if (raw.len > 0)
        BB_TRY(header_size(raw, &header, err));
    struct bb_reader r = bb_reader(raw);
    while (r.pos + ENTRY_SIZE < header) {
        size_t at = r.pos;
        struct bb_span guid = bb_read_bytes(&r, GUID_SIZE);
        uint32_t offset = bb_read_u32le(&r);
        uint32_t length = bb_read_u32le(&r);
        struct bb_span data = bb_span_slice(raw, offset, length);
        if (offset < header || data.ptr == NULL)
            return malformed(err, at, "an entry points outside the data");
        enum bb_snp_certtable_kind kind = kind_of(guid);
        if (has_kind(&table, kind))
            return malformed(err, at, "the same id stands there twice");
        table.entry[table.count].kind = kind;
        table.entry[table.count].guid = guid;
        table.entry[table.count++].data = data;
    }
    *out = table;
    return BB_OK;
}
