/* ATTESTATION_REPORT of SEV-SNP, versions 2 to 5: a parsed view. Offsets and names are those of
 * AMD's SEV-SNP ABI specification (56860), table ATTESTATION_REPORT. */
#ifndef BB_EVIDENCE_SNP_REPORT_H
#define BB_EVIDENCE_SNP_REPORT_H

#include "base/error.h"

#define BB_SNP_REPORT_SIZE 1184
#define BB_SNP_SIGNED_SIZE 672
#define BB_SNP_REPORT_DATA_SIZE 64
#define BB_SNP_MEASUREMENT_SIZE 48
#define BB_SNP_VERSION_MIN 2
#define BB_SNP_VERSION_MAX 5

#define BB_SNP_POLICY_SMT (UINT64_C(1) << 16)
#define BB_SNP_POLICY_RESERVED_ONE (UINT64_C(1) << 17)
#define BB_SNP_POLICY_MIGRATE_MA (UINT64_C(1) << 18)
#define BB_SNP_POLICY_DEBUG (UINT64_C(1) << 19)
#define BB_SNP_POLICY_SINGLE_SOCKET (UINT64_C(1) << 20)
#define BB_SNP_POLICY_CXL_ALLOW (UINT64_C(1) << 21)
#define BB_SNP_POLICY_MEM_AES_256_XTS (UINT64_C(1) << 22)
#define BB_SNP_POLICY_RAPL_DIS (UINT64_C(1) << 23)
#define BB_SNP_POLICY_CIPHERTEXT_HIDING (UINT64_C(1) << 24)
#define BB_SNP_POLICY_PAGE_SWAP_DISABLE (UINT64_C(1) << 25)

enum bb_snp_signer { BB_SNP_SIGNER_VCEK = 0, BB_SNP_SIGNER_VLEK = 1 };

enum bb_snp_product {
    BB_SNP_PRODUCT_UNKNOWN = 0, /* version 2 has no CPUID: the certificate says */
    BB_SNP_PRODUCT_MILAN,
    BB_SNP_PRODUCT_GENOA, /* with Bergamo and Siena */
    BB_SNP_PRODUCT_TURIN,
    BB_SNP_PRODUCT_COUNT
};

/* Components of a TCB_VERSION, in one numbering for all products. */
enum bb_snp_tcb_part {
    BB_SNP_TCB_FMC, /* Turin only */
    BB_SNP_TCB_BOOTLOADER,
    BB_SNP_TCB_TEE,
    BB_SNP_TCB_SNP,
    BB_SNP_TCB_MICROCODE,
    BB_SNP_TCB_PARTS
};

/* TCB_VERSION as the eight bytes of the report; meaning depends on the product. */
struct bb_snp_tcb {
    uint8_t raw[8];
};

struct bb_snp_fw_version {
    uint8_t build, minor, major;
};

/* Every field. Spans point into the report that was parsed. */
struct bb_snp_report {
    struct bb_span raw;     /* 1184 bytes */
    struct bb_span signed_; /* raw[0..672) */
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
    struct bb_span family_id; /* 16 */
    struct bb_span image_id;  /* 16 */
    uint32_t vmpl;
    uint32_t signature_algo;
    struct bb_snp_tcb current_tcb;
    uint64_t platform_info;
    uint32_t flags;
    bool author_key_en;
    enum bb_snp_signer signer;
    struct bb_span report_data;       /* 64 */
    struct bb_span measurement;       /* 48 */
    struct bb_span host_data;         /* 32 */
    struct bb_span id_key_digest;     /* 48 */
    struct bb_span author_key_digest; /* 48 */
    struct bb_span report_id;         /* 32 */
    struct bb_span report_id_ma;      /* 32 */
    struct bb_snp_tcb reported_tcb;
    bool has_cpuid; /* version 3 and later */
    uint8_t cpuid_family, cpuid_model, cpuid_stepping;
    struct bb_span chip_id; /* 64 */
    struct bb_snp_tcb committed_tcb;
    struct bb_snp_fw_version current, committed;
    struct bb_snp_tcb launch_tcb;
    bool has_mitigations; /* version 5 and later */
    uint64_t launch_mit_vector, current_mit_vector;
    uint8_t signature_rs[96];    /* r || s, big-endian */
    enum bb_snp_product product; /* from CPUID; UNKNOWN in version 2 or for another CPU */
};

/* Parses exactly 1184 bytes and makes every structural check: version 2-5 and SIGNATURE_ALGO 1
 * (else UnsupportedEvidence), reserved bytes and bits zero, POLICY bit 17 set, signing key VCEK or
 * VLEK, chip key not masked, r and s padding zero (else MalformedEvidence). `raw` must outlive
 * `out`. */
BB_MUST_USE enum bb_status bb_snp_report_parse(struct bb_span raw, struct bb_snp_report *out,
                                               struct bb_error *err);

const char *bb_snp_product_name(enum bb_snp_product product); /* "Milan"; "unknown" */
enum bb_snp_product bb_snp_product_from_name(const char *name);
enum bb_snp_product bb_snp_product_from_cpuid(uint8_t family, uint8_t model);
/* "fmc", "bootloader", "tee", "snp", "microcode". */
const char *bb_snp_tcb_part_name(enum bb_snp_tcb_part part);
/* One component; false where the product has none (FMC on Milan and Genoa). */
bool bb_snp_tcb_part(struct bb_snp_tcb tcb, enum bb_snp_product product, enum bb_snp_tcb_part part,
                     uint8_t *value);
/* Byte index of a component in TCB_VERSION, or -1. */
int bb_snp_tcb_index(enum bb_snp_product product, enum bb_snp_tcb_part part);

#endif
