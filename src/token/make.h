/* Making tokens: what a verification service states of evidence that it accepted. Pure: time,
 * random numbers and keys are arguments. */
#ifndef BB_TOKEN_MAKE_H
#define BB_TOKEN_MAKE_H

#include "appraise/result.h"
#include "crypto/key.h"
#include "evidence/snp/report.h"
#include "token/attest_request.h"

#define BB_TOKEN_LIFETIME_S 28800 /* exp - iat, as Microsoft's service has it */
#define BB_JTI_SIZE 32
#define BB_EAR_PROFILE "tag:ietf.org,2026:rats/ear#04"
#define BB_EAR_SUBMOD "sev-snp"
#define BB_EAR_NONCE_MIN 8 /* characters of an eat_nonce in JSON (RFC 9711 4.1) */
#define BB_EAR_NONCE_MAX 88

/* What a token is made of. Everything is borrowed. */
struct bb_make_input {
    const struct bb_snp_report *report;
    enum bb_snp_product product;             /* of the certificate: version 2 has no CPUID */
    const struct bb_result *result;          /* of the appraisal; accepted */
    const struct bb_attest_request *request; /* its runtime and init data, which were compared with
                                                the report, and its nonce */
    const char *issuer;
    const char *policy_hash;
    bool own_policy; /* the operator's own, not the default one that allows everything */
    bool known_code; /* a reference value or the policy names the measurement or id key */
    bool compliant;  /* reference values name measurement and host data */
    bool known_chip; /* the policy lists the chip */
    int64_t now;
    uint8_t jti[BB_JTI_SIZE]; /* fresh random numbers */
};

/* The SEV-SNP claims of Microsoft's tokens, added to `claims`; true unless memory is short. */
BB_MUST_USE bool bb_make_snp_claims(json_t *claims, const struct bb_make_input *in);

/* Claims of a token of Microsoft's shape. New reference. InternalError for a result that does not
 * accept, and without memory. */
BB_MUST_USE enum bb_status bb_make_maa(const struct bb_make_input *in, json_t **claims,
                                       struct bb_error *err);
/* Claims of an EAR (draft-ietf-rats-ear, profile #04). MalformedEvidence also for a nonce that an
 * EAR cannot state: of less than 8 or more than 88 characters. */
BB_MUST_USE enum bb_status bb_make_ear(const struct bb_make_input *in, json_t **claims,
                                       struct bb_error *err);

struct bb_make_header {
    enum bb_sig_alg alg;
    const char *kid;
    const char *typ;
    const char *issuer; /* jku = issuer "/certs"; NULL: no jku */
};

/* Signs; members in the order of the alphabet at every depth. `token` is malloced. MalformedEvidence
 * for runtime or init data that makes the token larger, or deeper, than readers take. */
BB_MUST_USE enum bb_status bb_make_token(const json_t *claims, const struct bb_make_header *header,
                                         const struct bb_key *key, char **token,
                                         struct bb_error *err);

#endif
