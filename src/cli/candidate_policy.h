/* A policy that would accept a peer: for a person to read and decide on. Never trusted by itself.
 */
#ifndef BB_CLI_CANDIDATE_POLICY_H
#define BB_CLI_CANDIDATE_POLICY_H

#include "service/session.h"

/* Malloced JSON: the code, host data and firmware that the peer's report states; everything else as
 * by default, so a debug VM's candidate still refuses debug. MalformedEvidence without a readable
 * report and root. */
BB_MUST_USE enum bb_status bb_candidate_policy(const struct bb_client_bound *bound, char **json,
                                               struct bb_error *err);

#endif
