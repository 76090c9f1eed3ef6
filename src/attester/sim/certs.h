/* The simulator's certificates: AMD's shape under the simulator's names. Internal to the simulator.
 */
#ifndef BB_ATTESTER_SIM_CERTS_H
#define BB_ATTESTER_SIM_CERTS_H

#include "attester/sim/sim.h"
#include "crypto/issue.h"

struct bb_sim_keys {
    struct bb_key *ark, *ask, *asvk, *vek;
};

struct bb_sim_der {
    uint8_t data[4096];
    size_t len;
};

struct bb_sim_chain {
    struct bb_sim_der vek, ask, ark, crl;
};

/* Makes all four for the configuration and defect (BB_SIM_DEFECT_NONE: honest). */
BB_MUST_USE enum bb_status bb_sim_issue(const struct bb_sim_keys *keys,
                                        const struct bb_sim_config *config,
                                        enum bb_sim_defect_id defect, int64_t now,
                                        struct bb_sim_chain *out, struct bb_error *err);

#endif
