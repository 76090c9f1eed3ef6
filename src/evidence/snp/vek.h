/* What a VCEK or VLEK certificate says: AMD's extensions below 1.3.6.1.4.1.3704.1 ("Versioned Chip
 * Endorsement Key (VCEK) Certificate and KDS Interface Specification", AMD 57230). */
#ifndef BB_EVIDENCE_SNP_VEK_H
#define BB_EVIDENCE_SNP_VEK_H

#include "crypto/cert.h"
#include "evidence/snp/report.h"

struct bb_snp_vek {
    enum bb_snp_signer signer;
    enum bb_snp_product product;
    struct bb_snp_tcb tcb; /* in the product's layout of TCB_VERSION */
    bool has_chip_id;      /* VCEK only */
    uint8_t chip_id[64];   /* as CHIP_ID of a report: Turin's 8 bytes, then zeros */
};

/* What a certificate of AMD's authorities is, by its subject's CN. */
enum bb_snp_cert_role {
    BB_SNP_CERT_OTHER = 0,
    BB_SNP_CERT_VCEK,
    BB_SNP_CERT_VLEK,
    BB_SNP_CERT_ASK,
    BB_SNP_CERT_ASVK,
    BB_SNP_CERT_ARK,
};

enum bb_snp_cert_role bb_snp_cert_role(const struct bb_cert *cert);
/* "VCEK" or "VLEK". */
const char *bb_snp_signer_name(enum bb_snp_signer signer);

/* Reads a VEK certificate. Every AMD extension of the product must stand there exactly once, in its
 * exact encoding; key P-384; issuer, product name, structVersion and kind must agree. Fails with
 * CertificateChainInvalid. */
BB_MUST_USE enum bb_status bb_snp_vek_read(const struct bb_cert *cert, struct bb_snp_vek *out,
                                           struct bb_error *err);

#endif
