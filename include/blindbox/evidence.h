/* BlindBox: appraising evidence that is at hand, without a network. */
#ifndef BLINDBOX_EVIDENCE_H
#define BLINDBOX_EVIDENCE_H

#include <blindbox/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One AMD SEV-SNP report and what goes with it. All memory stays the caller's and is read during
 * the call only. */
struct bb_evidence_input {
    struct bb_span report; /* 1 184 bytes, as the firmware made them */
    const struct bb_span
        *certs;     /* DER: VCEK or VLEK, ASK or ASVK, ARK, in any order; none trusted */
    size_t n_certs; /* at most 64 are looked at */
    const struct bb_span *crls; /* DER */
    size_t n_crls;
    const uint8_t *report_data; /* the 64 bytes it must have been made for; NULL: not requested */
    int64_t now; /* seconds since 1970; certificates and CRLs are judged at this time */
};

/* Appraises it: structure, certificate chain to a pinned root, revocation, signature, fit, binding,
 * policy. BB_OK is the only acceptance. A refusal's class is returned, and `err` (may be NULL) gets
 * the first check that failed as its field, with expected and found. `*json` (may be NULL) gets
 * every check as blindbox.evidence-result/1 in either case; free it with bb_free(). */
BB_API BB_MUST_USE enum bb_status bb_evidence_verify(const struct bb_evidence_input *in,
                                                     const struct bb_policy *policy, char **json,
                                                     struct bb_error *err);

/* Frees text that this library handed out. NULL-safe. */
BB_API void bb_free(char *text);

#ifdef __cplusplus
}
#endif
#endif
