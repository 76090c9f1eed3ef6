/* Certificate sets that were verified before: a gateway sends the same chain with every report, and
 * its RSA signatures are then checked once. A set is used by one thread at a time: it is taken out
 * and given back, so that requests with one chain do not wait for each other. */
#ifndef BB_SERVICE_VERIFIER_CHAINS_H
#define BB_SERVICE_VERIFIER_CHAINS_H

#include "appraise/appraise.h"
#include "evidence/snp/chain.h"

#define BB_CHAINS_MAX 256 /* sets that are kept: memory, about 60 KiB each */

struct bb_chains;

/* `own`: certificates and CRLs of the operator, part of every set; borrowed. */
struct bb_chains *bb_chains_new(const struct bb_collateral *own);
void bb_chains_free(struct bb_chains *chains); /* NULL-safe */

struct bb_chain {
    uint8_t id[32]; /* SHA-256 of the PEM text */
    struct bb_snp_certs *certs;
};

/* A set of `certs` and the operator's own, kept or new. Threads may call. Give it back. */
BB_MUST_USE enum bb_status bb_chains_take(struct bb_chains *chains, struct bb_span pem,
                                          const struct bb_span *certs, size_t n,
                                          struct bb_chain *out, struct bb_error *err);
void bb_chains_give(struct bb_chains *chains, const struct bb_chain *chain);
/* Sets that were found, and made. */
void bb_chains_counts(struct bb_chains *chains, uint64_t *found, uint64_t *made);

#endif
