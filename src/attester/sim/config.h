/* What the simulated TEE says: every field of its reports, and how fast it signs. */
#ifndef BB_ATTESTER_SIM_CONFIG_H
#define BB_ATTESTER_SIM_CONFIG_H

#include "base/error.h"
#include "evidence/snp/report.h"

#define BB_SIM_CONFIG_JSON_MAX 16384
#define BB_SIM_LATENCY_MS_MAX 60000
#define BB_SIM_LATENCY_MS_DEFAULT 8 /* what hardware takes */

/* Token bucket of the signer; burst 0: no throttle. */
struct bb_sim_throttle {
    uint32_t burst;      /* signatures in a row */
    uint32_t per_second; /* refill */
    uint32_t stall_ms;   /* how long a signature waits when the bucket is empty */
};

struct bb_sim_config {
    enum bb_snp_product product;
    enum bb_snp_signer signer;
    uint32_t version;
    uint32_t guest_svn;
    uint64_t policy;
    uint8_t family_id[16], image_id[16];
    uint32_t vmpl;
    uint64_t platform_info;
    bool author_key_en;
    uint8_t measurement[48], host_data[32], id_key_digest[48], author_key_digest[48];
    uint8_t report_id[32], report_id_ma[32];
    struct bb_snp_tcb current_tcb, reported_tcb, committed_tcb, launch_tcb;
    uint8_t cpuid_family, cpuid_model, cpuid_stepping;
    bool has_chip_id; /* false (chip_id null): derived from the VEK's key */
    uint8_t chip_id[64];
    struct bb_snp_fw_version current, committed;
    uint64_t launch_mit_vector, current_mit_vector;
    char csp_id[64]; /* VLEK */
    uint32_t latency_ms;
    struct bb_sim_throttle throttle;
};

/* A good platform of that product: production VM, current firmware, report version 3 (Turin: 5). */
void bb_sim_config_default(struct bb_sim_config *config, enum bb_snp_product product);
/* Strict: unknown keys, wrong types and lengths are UsageError. Keys that are absent keep the
 * product's default. */
BB_MUST_USE enum bb_status bb_sim_config_parse(struct bb_span json, struct bb_sim_config *out,
                                               struct bb_error *err);
/* Malloced JSON text, or NULL without memory. */
char *bb_sim_config_json(const struct bb_sim_config *config);
/* The bytes a report signs, and the rest zero: everything but the signature. */
void bb_sim_report_build(const struct bb_sim_config *config,
                         const uint8_t report_data[BB_SNP_REPORT_DATA_SIZE],
                         uint8_t report[BB_SNP_REPORT_SIZE]);

#endif
