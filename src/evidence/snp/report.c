#include "evidence/snp/report.h"

#include "base/hex.h"

#include <stdio.h>

enum {
    SIGNATURE_ALGO_ECDSA_P384_SHA384 = 1,
    COMPONENT_SIZE = 72, /* r and s: little-endian, low 48 bytes used */
    COMPONENT_USED = 48,
};

#define FLAG_AUTHOR_KEY_EN 0x1U
#define FLAG_MASK_CHIP_KEY 0x2U
#define FLAG_SIGNING_KEY_SHIFT 2
#define FLAG_SIGNING_KEY_MASK 0x7U
#define FLAG_RESERVED 0xffffffe0U
#define POLICY_RESERVED_ZERO UINT64_C(0xfffffffffc000000) /* bits 63:26 */

/* Byte ranges that must be zero, with the versions for which they are reserved. Non-zero bytes
 * there mean that the firmware says something that this build would not understand. */
static const struct {
    uint16_t offset, size;
    uint8_t version_first, version_last;
    const char *name;
} reserved[] = {
    {0x04c, 4, 2, 5, "reserved at 0x4C"},
    {0x188, 24, 2, 2, "reserved at 0x188"},
    {0x18b, 21, 3, 5, "reserved at 0x18B"},
    {0x1eb, 1, 2, 5, "reserved at 0x1EB"},
    {0x1ef, 1, 2, 5, "reserved at 0x1EF"},
    {0x1f8, 168, 2, 4, "reserved at 0x1F8"},
    {0x208, 152, 5, 5, "reserved at 0x208"},
    {0x2a0 + COMPONENT_USED, COMPONENT_SIZE - COMPONENT_USED, 2, 5, "SIGNATURE.R padding"},
    {0x2a0 + COMPONENT_SIZE + COMPONENT_USED, COMPONENT_SIZE - COMPONENT_USED, 2, 5,
     "SIGNATURE.S padding"},
    {0x330, 368, 2, 5, "SIGNATURE reserved"},
};

static void read_tcb(struct bb_reader *r, struct bb_snp_tcb *tcb) {
    struct bb_span s = bb_read_bytes(r, sizeof tcb->raw);
    if (s.len == sizeof tcb->raw)
        memcpy(tcb->raw, s.ptr, s.len);
}

static void read_fw_version(struct bb_reader *r, struct bb_snp_fw_version *v) {
    v->build = bb_read_u8(r);
    v->minor = bb_read_u8(r);
    v->major = bb_read_u8(r);
    (void)bb_read_u8(r);
}

static void read_component(struct bb_reader *r, uint8_t out[COMPONENT_USED]) {
    struct bb_span le = bb_read_bytes(r, COMPONENT_SIZE);
    for (size_t i = 0; le.len == COMPONENT_SIZE && i < COMPONENT_USED; i++)
        out[i] = le.ptr[COMPONENT_USED - 1 - i];
}

/* Field by field in the order of the table; no meaning yet. */
static void read_fields(struct bb_reader *r, struct bb_snp_report *out) {
    out->version = bb_read_u32le(r);
    out->guest_svn = bb_read_u32le(r);
    out->policy = bb_read_u64le(r);
    out->family_id = bb_read_bytes(r, 16);
    out->image_id = bb_read_bytes(r, 16);
    out->vmpl = bb_read_u32le(r);
    out->signature_algo = bb_read_u32le(r);
    read_tcb(r, &out->current_tcb);
    out->platform_info = bb_read_u64le(r);
    out->flags = bb_read_u32le(r);
    (void)bb_read_u32le(r);
    out->report_data = bb_read_bytes(r, BB_SNP_REPORT_DATA_SIZE);
    out->measurement = bb_read_bytes(r, BB_SNP_MEASUREMENT_SIZE);
    out->host_data = bb_read_bytes(r, 32);
    out->id_key_digest = bb_read_bytes(r, 48);
    out->author_key_digest = bb_read_bytes(r, 48);
    out->report_id = bb_read_bytes(r, 32);
    out->report_id_ma = bb_read_bytes(r, 32);
    read_tcb(r, &out->reported_tcb);
    out->cpuid_family = bb_read_u8(r);
    out->cpuid_model = bb_read_u8(r);
    out->cpuid_stepping = bb_read_u8(r);
    (void)bb_read_bytes(r, 21);
    out->chip_id = bb_read_bytes(r, 64);
    read_tcb(r, &out->committed_tcb);
    read_fw_version(r, &out->current);
    read_fw_version(r, &out->committed);
    read_tcb(r, &out->launch_tcb);
    out->launch_mit_vector = bb_read_u64le(r);
    out->current_mit_vector = bb_read_u64le(r);
    (void)bb_read_bytes(r, 152);
    read_component(r, out->signature_rs);
    read_component(r, out->signature_rs + COMPONENT_USED);
    (void)bb_read_bytes(r, 368);
}

static enum bb_status unsupported(struct bb_error *err, size_t offset, const char *field,
                                  const char *expected, uint32_t found) {
    char text[16];
    (void)snprintf(text, sizeof text, "%u", found);
    return bb_fail_at(err, BB_UNSUPPORTED_EVIDENCE, offset, field, expected, text,
                      "%s %u is not known to this build", field, found);
}

static enum bb_status check_reserved(const struct bb_snp_report *rep, struct bb_error *err) {
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        struct bb_span s = bb_span_slice(rep->raw, reserved[i].offset, reserved[i].size);
        if (rep->version < reserved[i].version_first || rep->version > reserved[i].version_last ||
            bb_span_is_zero(s))
            continue;
        char found[32];
        bb_hex_short(s, found, sizeof found);
        return bb_fail_at(err, BB_MALFORMED_EVIDENCE, reserved[i].offset, reserved[i].name, "zero",
                          found, "reserved bytes are not zero");
    }
    return BB_OK;
}

static enum bb_status malformed_bits(struct bb_error *err, size_t offset, const char *field,
                                     const char *expected, uint64_t found, const char *text) {
    char hex[24];
    (void)snprintf(hex, sizeof hex, "0x%llx", (unsigned long long)found);
    return bb_fail_at(err, BB_MALFORMED_EVIDENCE, offset, field, expected, hex, "%s", text);
}

static enum bb_status check_flags(struct bb_snp_report *rep, struct bb_error *err) {
    enum { OFFSET = 0x48 };
    uint32_t signing_key = rep->flags >> FLAG_SIGNING_KEY_SHIFT & FLAG_SIGNING_KEY_MASK;
    if ((rep->flags & FLAG_RESERVED) != 0)
        return malformed_bits(err, OFFSET, "FLAGS", "bits 31:5 zero", rep->flags,
                              "reserved bits are not zero");
    if ((rep->flags & FLAG_MASK_CHIP_KEY) != 0)
        return malformed_bits(err, OFFSET, "FLAGS.MASK_CHIP_KEY", "0", rep->flags,
                              "the firmware was told not to sign");
    if (signing_key > BB_SNP_SIGNER_VLEK)
        return malformed_bits(err, OFFSET, "FLAGS.SIGNING_KEY", "0 (VCEK) or 1 (VLEK)", signing_key,
                              "no known signing key");
    rep->signer = signing_key == 0 ? BB_SNP_SIGNER_VCEK : BB_SNP_SIGNER_VLEK;
    rep->author_key_en = (rep->flags & FLAG_AUTHOR_KEY_EN) != 0;
    return BB_OK;
}

static enum bb_status check_policy(const struct bb_snp_report *rep, struct bb_error *err) {
    enum { OFFSET = 0x08 };
    if ((rep->policy & BB_SNP_POLICY_RESERVED_ONE) == 0)
        return malformed_bits(err, OFFSET, "POLICY", "bit 17 set", rep->policy,
                              "a bit that is always one is zero");
    if ((rep->policy & POLICY_RESERVED_ZERO) != 0)
        return malformed_bits(err, OFFSET, "POLICY", "bits 63:26 zero", rep->policy,
                              "reserved bits are not zero");
    return BB_OK;
}

enum bb_status bb_snp_report_parse(struct bb_span raw, struct bb_snp_report *out,
                                   struct bb_error *err) {
    struct bb_snp_report rep = {.raw = raw};
    if (raw.len != BB_SNP_REPORT_SIZE) {
        char found[24];
        (void)snprintf(found, sizeof found, "%zu", raw.len);
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "length", "1184", found,
                       "a report has exactly 1184 bytes");
    }
    struct bb_reader r = bb_reader(raw);
    read_fields(&r, &rep);
    if (!bb_reader_done(&r))
        return bb_fail_internal(err, "reading the fields of a report");
    if (rep.version < BB_SNP_VERSION_MIN || rep.version > BB_SNP_VERSION_MAX)
        return unsupported(err, 0, "VERSION", "2, 3, 4 or 5", rep.version);
    if (rep.signature_algo != SIGNATURE_ALGO_ECDSA_P384_SHA384)
        return unsupported(err, 0x34, "SIGNATURE_ALGO", "1 (ECDSA P-384 with SHA-384)",
                           rep.signature_algo);
    BB_TRY(check_flags(&rep, err));
    BB_TRY(check_policy(&rep, err));
    BB_TRY(check_reserved(&rep, err));
    rep.signed_ = bb_span_slice(raw, 0, BB_SNP_SIGNED_SIZE);
    rep.has_cpuid = rep.version >= 3;
    rep.has_mitigations = rep.version >= 5;
    rep.product = rep.has_cpuid ? bb_snp_product_from_cpuid(rep.cpuid_family, rep.cpuid_model)
                                : BB_SNP_PRODUCT_UNKNOWN;
    *out = rep;
    return BB_OK;
}
