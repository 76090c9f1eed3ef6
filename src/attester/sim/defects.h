/* The defects that the simulated TEE can show: one table, used by `blindbox sim`, the demo and the
 * tests. Each says what is wrong, and which class a verifier must answer when its policy is the one
 * that `sim init --policy-out` writes. */
#ifndef BB_ATTESTER_SIM_DEFECTS_H
#define BB_ATTESTER_SIM_DEFECTS_H

#include "attester/sim/config.h"

enum bb_sim_defect_id {
    BB_SIM_DEFECT_NONE = 0,
    BB_SIM_DEBUG,
    BB_SIM_MEASUREMENT,
    BB_SIM_HOST_DATA,
    BB_SIM_NONCE,
    BB_SIM_TCB,
    BB_SIM_PROVISIONAL,
    BB_SIM_VMPL,
    BB_SIM_MIGRATION,
    BB_SIM_FORGED_SIGNATURE,
    BB_SIM_AMD_NAMES_ROOT,
    BB_SIM_REVOKED,
    BB_SIM_CRL_EXPIRED,
    BB_SIM_NO_CRL,
    BB_SIM_NOT_SNP,
    BB_SIM_MASKED_KEY,
    BB_SIM_VERSION,
    BB_SIM_RESERVED,
    BB_SIM_WRONG_CHIP,
    BB_SIM_WRONG_TCB_CERT,
    BB_SIM_WRONG_ISSUER,
    BB_SIM_EXPIRED,
    BB_SIM_DEFECT_COUNT
};

struct bb_sim_defect {
    enum bb_sim_defect_id id;
    const char *name;                                /* "debug" */
    const char *explanation;                         /* what is wrong, one sentence */
    enum bb_status file;                             /* class for `evidence verify` */
    enum bb_status connection;                       /* class on a connection */
    const char *check;                               /* id of the check that refuses: "debug" */
    void (*configure)(struct bb_sim_config *config); /* before the report is built; or NULL */
    void (*alter_body)(uint8_t *report);             /* before it is signed; or NULL */
    void (*alter_report)(uint8_t *report);           /* after it is signed; or NULL */
};

/* The row of that name, or NULL. "none" gives NULL too. */
const struct bb_sim_defect *bb_sim_defect_find(const char *name);
/* Row `i` of BB_SIM_DEFECT_COUNT - 1, from 0; NULL past the end. */
const struct bb_sim_defect *bb_sim_defect_at(size_t i);

#endif
