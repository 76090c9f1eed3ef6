#include "evidence/kinds.h"

#include "evidence/snp/report.h"

static bool starts(struct bb_span s, const char *prefix, size_t len) {
    return s.len >= len && memcmp(s.ptr, prefix, len) == 0;
}

static bool is_snp(struct bb_span s) { return s.len == BB_SNP_REPORT_SIZE; }

/* Azure's paravisor report: the TPM's NV index begins with this magic. */
static bool is_hcl(struct bb_span s) { return starts(s, "HCLA", 4); }

/* Intel quote header: u16 version, u16 attestation key type 2 or 3, u32 TEE type (0x81 TDX). */
static bool is_quote(struct bb_span s, uint32_t tee_type) {
    struct bb_reader r = bb_reader(s);
    uint32_t head = bb_read_u32le(&r);
    uint32_t version = head & 0xffff, key_type = head >> 16;
    uint32_t tee = bb_read_u32le(&r);
    enum { QUOTE_MIN = 436 };
    return !r.failed && s.len >= QUOTE_MIN && version >= 3 && version <= 5 &&
           (key_type == 2 || key_type == 3) && tee == tee_type;
}

static bool is_tdx(struct bb_span s) { return is_quote(s, 0x81); }
static bool is_sgx(struct bb_span s) { return is_quote(s, 0); }

/* A compact JWS: base64url of '{"'. */
static bool is_jwt(struct bb_span s) { return starts(s, "eyJ", 3) && memchr(s.ptr, '.', s.len); }

/* COSE_Sign1, tagged or as Nitro sends it: an array of four whose first is a byte string. */
static bool is_cose(struct bb_span s) {
    return s.len > 64 && (starts(s, "\xd2\x84", 2) || starts(s, "\x84\x44\xa1\x01", 4));
}

static const struct bb_evidence_form forms[] = {
    {"azure-hcl", "an Azure HCL report", is_hcl, false},
    {"tdx", "a TDX quote", is_tdx, false},
    {"sgx", "an SGX quote", is_sgx, false},
    {"jwt", "a signed token", is_jwt, false},
    {"cose", "a COSE document", is_cose, false},
    {"sev-snp", "an SEV-SNP report", is_snp, true}, /* known by its length alone: last */
};

const struct bb_evidence_form *bb_evidence_form(struct bb_span bytes) {
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (forms[i].looks_like(bytes))
            return &forms[i];
    return NULL;
}
