#include "attester/sim/defects.h"

static void debug(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_DEBUG; }
static void measurement(struct bb_sim_config *c) { c->measurement[0] ^= 1; }
static void host_data(struct bb_sim_config *c) { c->host_data[0] ^= 1; }
static void migration(struct bb_sim_config *c) { c->policy |= BB_SNP_POLICY_MIGRATE_MA; }
static void vmpl(struct bb_sim_config *c) { c->vmpl = 2; }
static void provisional(struct bb_sim_config *c) { c->committed.build--; }

static void old_tcb(struct bb_sim_config *c) {
    int at = bb_snp_tcb_index(c->product, BB_SNP_TCB_SNP);
    c->reported_tcb.raw[at]--;
}

static void other_nonce(uint8_t *report) { report[0x50] ^= 1; }
static void forge(uint8_t *report) { report[0x140] ^= 1; } /* REPORT_ID, after signing */
static void mask_key(uint8_t *report) { report[0x48] |= 2; }
static void unknown_version(uint8_t *report) { report[0] = 6; }
static void reserved(uint8_t *report) { report[0x4c] = 1; }

/* The head of a TDX quote: version 4, ECDSA key, TEE type 0x81. */
static void not_snp(uint8_t *report) {
    static const uint8_t head[8] = {4, 0, 2, 0, 0x81, 0, 0, 0};
    memcpy(report, head, sizeof head);
}

static const struct bb_sim_defect defects[] = {
    {BB_SIM_DEBUG, "debug", "the guest policy allows debug", BB_DEBUG_MODE, BB_DEBUG_MODE, "debug",
     debug, NULL, NULL},
    {BB_SIM_MEASUREMENT, "measurement", "another image was started", BB_MEASUREMENT_MISMATCH,
     BB_MEASUREMENT_MISMATCH, "measurement", measurement, NULL, NULL},
    {BB_SIM_HOST_DATA, "host-data", "another container policy was given", BB_INVALID_ENCLAVE_CODE,
     BB_INVALID_ENCLAVE_CODE, "host-data", host_data, NULL, NULL},
    {BB_SIM_NONCE, "nonce", "the report was made for other report data",
     BB_FALSE_ATTESTATION_REPORT, BB_CHANNEL_BINDING_MISMATCH, "report-data", NULL, other_nonce,
     NULL},
    {BB_SIM_TCB, "tcb", "the reported firmware is below the minimum", BB_TCB_TOO_OLD,
     BB_TCB_TOO_OLD, "minimum-tcb", old_tcb, NULL, NULL},
    {BB_SIM_PROVISIONAL, "provisional", "the host has not committed its firmware",
     BB_PROVISIONAL_FIRMWARE, BB_PROVISIONAL_FIRMWARE, "provisional", provisional, NULL, NULL},
    {BB_SIM_VMPL, "vmpl", "the report was asked for at VMPL 2", BB_GUEST_POLICY_REJECTED,
     BB_GUEST_POLICY_REJECTED, "vmpl", vmpl, NULL, NULL},
    {BB_SIM_MIGRATION, "migration", "a migration agent may move the VM", BB_GUEST_POLICY_REJECTED,
     BB_GUEST_POLICY_REJECTED, "guest-policy", migration, NULL, NULL},
    {BB_SIM_FORGED_SIGNATURE, "forged-signature", "a signed byte was changed afterwards",
     BB_REPORT_SIGNATURE_INVALID, BB_REPORT_SIGNATURE_INVALID, "signature", NULL, NULL, forge},
    {BB_SIM_AMD_NAMES_ROOT, "amd-names-root", "a self-made root with AMD's names",
     BB_CERTIFICATE_CHAIN_INVALID, BB_CERTIFICATE_CHAIN_INVALID, "root", NULL, NULL, NULL},
    {BB_SIM_REVOKED, "revoked", "the root revoked the intermediate", BB_CERTIFICATE_REVOKED,
     BB_CERTIFICATE_REVOKED, "crl", NULL, NULL, NULL},
    {BB_SIM_CRL_EXPIRED, "crl-expired", "the revocation list is out of its window",
     BB_CRL_UNAVAILABLE, BB_CRL_UNAVAILABLE, "crl", NULL, NULL, NULL},
    {BB_SIM_NO_CRL, "no-crl", "no revocation list is sent", BB_CRL_UNAVAILABLE, BB_CRL_UNAVAILABLE,
     "crl", NULL, NULL, NULL},
    {BB_SIM_NOT_SNP, "not-snp", "the evidence is of another kind", BB_NOT_AN_ENCLAVE,
     BB_NOT_AN_ENCLAVE, "format", NULL, NULL, not_snp},
    {BB_SIM_MASKED_KEY, "masked-key", "the firmware was told not to sign", BB_MALFORMED_EVIDENCE,
     BB_MALFORMED_EVIDENCE, "format", NULL, mask_key, NULL},
    {BB_SIM_VERSION, "version", "a report version that does not exist", BB_UNSUPPORTED_EVIDENCE,
     BB_UNSUPPORTED_EVIDENCE, "version", NULL, unknown_version, NULL},
    {BB_SIM_RESERVED, "reserved", "a reserved byte is not zero", BB_MALFORMED_EVIDENCE,
     BB_MALFORMED_EVIDENCE, "format", NULL, reserved, NULL},
    {BB_SIM_WRONG_CHIP, "wrong-chip", "the certificate is another chip's",
     BB_CERTIFICATE_CHAIN_INVALID, BB_CERTIFICATE_CHAIN_INVALID, "collateral", NULL, NULL, NULL},
    {BB_SIM_WRONG_TCB_CERT, "wrong-tcb-cert", "the certificate is for another TCB",
     BB_CERTIFICATE_CHAIN_INVALID, BB_CERTIFICATE_CHAIN_INVALID, "collateral", NULL, NULL, NULL},
    {BB_SIM_WRONG_ISSUER, "wrong-issuer", "the intermediate did not sign the certificate",
     BB_CERTIFICATE_CHAIN_INVALID, BB_CERTIFICATE_CHAIN_INVALID, "chain", NULL, NULL, NULL},
    {BB_SIM_EXPIRED, "expired", "the certificate is out of its validity", BB_COLLATERAL_UNAVAILABLE,
     BB_COLLATERAL_UNAVAILABLE, "validity", NULL, NULL, NULL},
};

enum { N_DEFECTS = sizeof defects / sizeof defects[0] };
_Static_assert(N_DEFECTS == BB_SIM_DEFECT_COUNT - 1, "one row a defect");

const struct bb_sim_defect *bb_sim_defect_find(const char *name) {
    for (size_t i = 0; i < N_DEFECTS; i++)
        if (strcmp(defects[i].name, name) == 0)
            return &defects[i];
    return NULL;
}

const struct bb_sim_defect *bb_sim_defect_at(size_t i) {
    return i < N_DEFECTS ? &defects[i] : NULL;
}
