#include "evidence/snp/vek.h"

#include "base/hex.h"

/* Content octets of the OID 1.3.6.1.4.1.3704.1, then one or two arcs. */
#define AMD_ARC 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01

enum extension {
    EXT_STRUCT_VERSION,
    EXT_PRODUCT_NAME,
    EXT_BL,
    EXT_TEE,
    EXT_SNP,
    EXT_SPL4,
    EXT_SPL5,
    EXT_SPL6,
    EXT_SPL7,
    EXT_UCODE,
    EXT_FMC,
    EXT_HWID,
    EXT_CSP_ID,
    EXT_COUNT
};

static const struct {
    const char *name;
    uint8_t oid[10];
    uint8_t oid_len;
    int8_t tcb_milan; /* byte of TCB_VERSION on Milan and Genoa; -1: must be absent; -2: no SPL */
    int8_t tcb_turin;
} extensions[EXT_COUNT] = {
    [EXT_STRUCT_VERSION] = {"structVersion", {AMD_ARC, 1}, 9, -2, -2},
    [EXT_PRODUCT_NAME] = {"productName", {AMD_ARC, 2}, 9, -2, -2},
    [EXT_BL] = {"blSPL", {AMD_ARC, 3, 1}, 10, 0, 1},
    [EXT_TEE] = {"teeSPL", {AMD_ARC, 3, 2}, 10, 1, 2},
    [EXT_SNP] = {"snpSPL", {AMD_ARC, 3, 3}, 10, 6, 3},
    [EXT_SPL4] = {"spl_4", {AMD_ARC, 3, 4}, 10, 2, -1},
    [EXT_SPL5] = {"spl_5", {AMD_ARC, 3, 5}, 10, 3, 4},
    [EXT_SPL6] = {"spl_6", {AMD_ARC, 3, 6}, 10, 4, 5},
    [EXT_SPL7] = {"spl_7", {AMD_ARC, 3, 7}, 10, 5, 6},
    [EXT_UCODE] = {"ucodeSPL", {AMD_ARC, 3, 8}, 10, 7, 7},
    [EXT_FMC] = {"fmcSPL", {AMD_ARC, 3, 9}, 10, -1, 0},
    [EXT_HWID] = {"hwID", {AMD_ARC, 4}, 9, -2, -2},
    [EXT_CSP_ID] = {"CSP_ID", {AMD_ARC, 5}, 9, -2, -2},
};

static enum bb_status bad(struct bb_error *err, const char *field, const char *expected,
                          const char *text) {
    return bb_fail(err, BB_CERTIFICATE_CHAIN_INVALID, field, expected, NULL, "%s", text);
}

/* True if it stands there exactly once. */
static bool once(const struct bb_cert *cert, enum extension e, struct bb_span *value) {
    size_t count = 0;
    bb_cert_extension(cert, bb_span(extensions[e].oid, extensions[e].oid_len), value, &count);
    return count == 1;
}

static bool absent(const struct bb_cert *cert, enum extension e) {
    struct bb_span value;
    size_t count = 0;
    bb_cert_extension(cert, bb_span(extensions[e].oid, extensions[e].oid_len), &value, &count);
    return count == 0;
}

/* DER INTEGER of 0..255 in its shortest form and nothing after it: 02 01 xx, or 02 02 00 xx where
 * the top bit is set. Anything else is no security patch level. */
static bool small_integer(struct bb_span der, uint8_t *value) {
    if (der.len == 3 && der.ptr[0] == 0x02 && der.ptr[1] == 1 && der.ptr[2] < 0x80)
        *value = der.ptr[2];
    else if (der.len == 4 && der.ptr[0] == 0x02 && der.ptr[1] == 2 && der.ptr[2] == 0 &&
             der.ptr[3] >= 0x80)
        *value = der.ptr[3];
    else
        return false;
    return true;
}

/* DER IA5String with a short length. */
static bool ia5_string(struct bb_span der, struct bb_span *text) {
    if (der.len < 2 || der.ptr[0] != 0x16 || der.ptr[1] >= 0x80 || der.ptr[1] != der.len - 2)
        return false;
    *text = bb_span(der.ptr + 2, der.len - 2);
    return true;
}

static bool has_prefix(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

enum bb_snp_cert_role bb_snp_cert_role(const struct bb_cert *cert) {
    const char *cn = bb_cert_subject_cn(cert);
    if (strcmp(cn, "SEV-VCEK") == 0)
        return BB_SNP_CERT_VCEK;
    if (strcmp(cn, "SEV-VLEK") == 0)
        return BB_SNP_CERT_VLEK;
    if (has_prefix(cn, "SEV-VLEK-"))
        return BB_SNP_CERT_ASVK;
    if (has_prefix(cn, "SEV-"))
        return BB_SNP_CERT_ASK;
    /* A root by any name is a root: an unknown one is to be told from none. */
    bool own_issuer = strcmp(cn, bb_cert_issuer_cn(cert)) == 0 && bb_cert_is_ca(cert);
    return has_prefix(cn, "ARK-") || own_issuer ? BB_SNP_CERT_ARK : BB_SNP_CERT_OTHER;
}

const char *bb_snp_signer_name(enum bb_snp_signer signer) {
    return signer == BB_SNP_SIGNER_VLEK ? "VLEK" : "VCEK";
}

/* Kind and product from the names; the product name extension must agree ("Milan-B0", "Genoa"). */
static enum bb_status read_names(const struct bb_cert *cert, struct bb_snp_vek *out,
                                 struct bb_error *err) {
    enum bb_snp_cert_role role = bb_snp_cert_role(cert);
    if (role != BB_SNP_CERT_VCEK && role != BB_SNP_CERT_VLEK)
        return bad(err, "subject CN", "SEV-VCEK or SEV-VLEK", "not a VCEK or VLEK certificate");
    out->signer = role == BB_SNP_CERT_VLEK ? BB_SNP_SIGNER_VLEK : BB_SNP_SIGNER_VCEK;
    const char *prefix = role == BB_SNP_CERT_VLEK ? "SEV-VLEK-" : "SEV-";
    const char *issuer = bb_cert_issuer_cn(cert);
    if (!has_prefix(issuer, prefix))
        return bad(err, "issuer CN", prefix, "the issuer is not one for this kind of key");
    out->product = bb_snp_product_from_name(issuer + strlen(prefix));
    if (out->product == BB_SNP_PRODUCT_UNKNOWN)
        return bad(err, "issuer CN", "Milan, Genoa or Turin", "unknown product line");
    struct bb_span der, text;
    const char *name = bb_snp_product_name(out->product);
    size_t len = strlen(name);
    if (!once(cert, EXT_PRODUCT_NAME, &der) || !ia5_string(der, &text) || text.len < len ||
        memcmp(text.ptr, name, len) != 0 || (text.len > len && text.ptr[len] != '-'))
        return bad(err, "productName", name, "product name and issuer disagree");
    return BB_OK;
}

static enum bb_status read_tcb(const struct bb_cert *cert, struct bb_snp_vek *out,
                               struct bb_error *err) {
    bool turin = out->product == BB_SNP_PRODUCT_TURIN;
    struct bb_span der;
    uint8_t version = 0;
    if (!once(cert, EXT_STRUCT_VERSION, &der) || !small_integer(der, &version) ||
        version != (turin ? 1 : 0))
        return bad(err, "structVersion", turin ? "1" : "0", "wrong version of the TCB structure");
    for (int e = 0; e < EXT_COUNT; e++) {
        int at = turin ? extensions[e].tcb_turin : extensions[e].tcb_milan;
        if (at == -2)
            continue;
        if (at == -1) {
            if (!absent(cert, (enum extension)e))
                return bad(err, extensions[e].name, "absent", "this product has no such component");
            continue;
        }
        if (!once(cert, (enum extension)e, &der) || !small_integer(der, &out->tcb.raw[at]))
            return bad(err, extensions[e].name, "exactly one INTEGER 0..255",
                       "a security patch level is missing, repeated or malformed");
    }
    return BB_OK;
}

/* hwID stands there raw, without a DER tag (and may begin with any byte): the length decides first.
 * AMD's announced form wraps 64 bytes in an OCTET STRING. */
static bool read_hwid(struct bb_span value, size_t want, uint8_t out[64]) {
    if (value.len == want + 2 && value.ptr[0] == 0x04 && value.ptr[1] == want)
        value = bb_span(value.ptr + 2, want);
    if (value.len != want)
        return false;
    memset(out, 0, 64);
    memcpy(out, value.ptr, want);
    return true;
}

static enum bb_status read_identity(const struct bb_cert *cert, struct bb_snp_vek *out,
                                    struct bb_error *err) {
    struct bb_span value, text;
    if (out->signer == BB_SNP_SIGNER_VLEK) {
        if (!absent(cert, EXT_HWID))
            return bad(err, "hwID", "absent", "a VLEK belongs to no chip");
        if (!once(cert, EXT_CSP_ID, &value) || !ia5_string(value, &text))
            return bad(err, "CSP_ID", "one IA5String", "a VLEK names its cloud provider");
        return BB_OK;
    }
    size_t want = out->product == BB_SNP_PRODUCT_TURIN ? 8 : 64;
    if (!absent(cert, EXT_CSP_ID))
        return bad(err, "CSP_ID", "absent", "a VCEK names no cloud provider");
    if (!once(cert, EXT_HWID, &value) || !read_hwid(value, want, out->chip_id))
        return bad(err, "hwID", want == 8 ? "8 bytes" : "64 bytes", "chip id missing or malformed");
    out->has_chip_id = true;
    return BB_OK;
}

enum bb_status bb_snp_vek_read(const struct bb_cert *cert, struct bb_snp_vek *out,
                               struct bb_error *err) {
    struct bb_snp_vek vek = {0};
    if (bb_cert_flaw(cert) != NULL)
        return bad(err, "certificate", "a sound certificate", bb_cert_flaw(cert));
    if (!bb_cert_key_is_p384(cert))
        return bad(err, "public key", "P-384", "the key is not on the curve P-384");
    if (bb_cert_is_ca(cert))
        return bad(err, "basicConstraints", "no CA", "a VEK must not issue certificates");
    BB_TRY(read_names(cert, &vek, err));
    BB_TRY(read_tcb(cert, &vek, err));
    BB_TRY(read_identity(cert, &vek, err));
    *out = vek;
    return BB_OK;
}
