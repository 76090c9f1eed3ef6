/* The pinned roots: SHA-256 of the SubjectPublicKeyInfo of AMD's ARKs. */
#ifndef BB_EVIDENCE_SNP_ROOTS_H
#define BB_EVIDENCE_SNP_ROOTS_H

#include "evidence/snp/report.h"

/* The organisation in the simulator's certificates; it marks, it never grants. */
#define BB_SNP_SIMULATOR_O "BlindBox Simulated TEE"

/* The product whose root key has this hash, or UNKNOWN. */
enum bb_snp_product bb_snp_root_product(const uint8_t spki_sha256[32]);

#endif
