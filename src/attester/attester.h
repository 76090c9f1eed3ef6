/* A provider of evidence on this machine: one const table of operations a kind. Verifiers never
 * link this layer. */
#ifndef BB_ATTESTER_ATTESTER_H
#define BB_ATTESTER_ATTESTER_H

#include "base/error.h"
#include "evidence/snp/report.h"

#define BB_ATTEST_REPORT_MAX 4096 /* the largest evidence of any kind (an HCL report has 2 600) */

/* Evidence for one report_data. The report is the caller's copy; the DER spans belong to the
 * attester and stay valid until bb_attester_free(). An empty span: not at hand. */
struct bb_attestation {
    unsigned kind; /* number of channel.md: 1 sev-snp, 255 simulated */
    uint8_t report[BB_ATTEST_REPORT_MAX];
    size_t report_len;
    struct bb_span vek, ask, ark, crl;
};

struct bb_attester;

struct bb_attester_ops {
    const char *name; /* "sim" */
    unsigned kind;
    /* Makes one report. May block (hardware: 8 ms to seconds); calls need no lock of the caller's.
     */
    enum bb_status (*get)(struct bb_attester *self,
                          const uint8_t report_data[BB_SNP_REPORT_DATA_SIZE],
                          struct bb_attestation *out, struct bb_error *err);
    void (*free)(struct bb_attester *self);
};

/* First member of every provider's own struct. */
struct bb_attester {
    const struct bb_attester_ops *ops;
};

/* TryAgain if throttled for long; `out` is written only on success. */
BB_MUST_USE enum bb_status bb_attester_get(struct bb_attester *attester,
                                           const uint8_t report_data[BB_SNP_REPORT_DATA_SIZE],
                                           struct bb_attestation *out, struct bb_error *err);
void bb_attester_free(struct bb_attester *attester); /* NULL-safe */

/* The simulated TEE in `dir` (NULL: the default folder). `defect`: a name of the defect table, or
 * NULL for honest evidence. Makes the keys and certificates first, so that get() is not slow once.
 */
BB_MUST_USE enum bb_status bb_attester_sim_new(const char *dir, const char *defect,
                                               struct bb_attester **out, struct bb_error *err);

#endif
