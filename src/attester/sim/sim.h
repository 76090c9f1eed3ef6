/* The simulated TEE: AMD's report format, signature and certificate algorithms under a root of its
 * own (O = "BlindBox Simulated TEE"). Its keys, certificates and counter live in one folder (mode
 * 0700) that several processes share. Keys are made when first needed. */
#ifndef BB_ATTESTER_SIM_SIM_H
#define BB_ATTESTER_SIM_SIM_H

#include "attester/sim/config.h"
#include "attester/sim/defects.h"

struct bb_sim;

/* DER, owned by the simulator until bb_sim_free(). An empty span: not given (a defect's choice). */
struct bb_sim_certs {
    struct bb_span vek, ask, ark, crl;
};

/* `dir` NULL: ${BLINDBOX_SIM_DIR:-$XDG_STATE_HOME/blindbox/sim}. Reads sim.json; without it the
 * defaults hold. Makes the folder if it is not there; refuses one that others can read or write. */
BB_MUST_USE enum bb_status bb_sim_open(const char *dir, struct bb_sim **out, struct bb_error *err);
void bb_sim_free(struct bb_sim *sim); /* NULL-safe */

const char *bb_sim_dir(const struct bb_sim *sim);
/* The configuration of this handle; changes are seen by later calls of this handle only. */
struct bb_sim_config *bb_sim_config(struct bb_sim *sim);
/* Writes sim.json. */
BB_MUST_USE enum bb_status bb_sim_save(struct bb_sim *sim, struct bb_error *err);

/* Makes and signs a report: one signature at a time among all processes of the folder, with the
 * configured latency and throttle. `defect` NULL: none. */
BB_MUST_USE enum bb_status bb_sim_sign(struct bb_sim *sim,
                                       const uint8_t report_data[BB_SNP_REPORT_DATA_SIZE],
                                       const struct bb_sim_defect *defect,
                                       uint8_t report[BB_SNP_REPORT_SIZE], struct bb_error *err);
/* The certificates and the CRL that go with reports of this configuration and defect. The first
 * call in a folder takes seconds (RSA-4096). */
BB_MUST_USE enum bb_status bb_sim_certs(struct bb_sim *sim, const struct bb_sim_defect *defect,
                                        struct bb_sim_certs *out, struct bb_error *err);
/* SHA-256 of the root's SubjectPublicKeyInfo: what a policy's "simulated_roots" lists. */
BB_MUST_USE enum bb_status bb_sim_root(struct bb_sim *sim, uint8_t spki_sha256[32],
                                       struct bb_error *err);
/* Signatures made in this folder since it exists. */
BB_MUST_USE enum bb_status bb_sim_count(struct bb_sim *sim, uint64_t *count, struct bb_error *err);
/* Malloced policy JSON that accepts this simulator's honest evidence and nothing else. */
BB_MUST_USE enum bb_status bb_sim_policy(struct bb_sim *sim, char **json, struct bb_error *err);

/* GHCB certificate table of the certificates, as the host would give it. Writes `len` bytes. */
BB_MUST_USE enum bb_status bb_sim_auxblob(const struct bb_sim_certs *certs,
                                          enum bb_snp_signer signer, uint8_t *out, size_t cap,
                                          size_t *len, struct bb_error *err);

#endif
