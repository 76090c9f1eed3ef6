/* A signed attestation result: the token of a verification service, read strictly. Two profiles:
 * MAA (Microsoft Azure Attestation, SEV-SNP) and EAR (draft-ietf-rats-ear). */
#ifndef BB_TOKEN_TOKEN_H
#define BB_TOKEN_TOKEN_H

#include "appraise/appraise.h"
#include "codec/jws.h"
#include "token/jwks.h"

#define BB_TOKEN_SKEW_S 60 /* clocks that differ */

/* A parsed token; not verified. */
struct bb_token {
    struct bb_jws jws;
    json_t *claims;  /* object, no member twice, no number out of 64 bits; NULL: not read yet */
    const char *iss; /* NULL if absent */
};

/* Structure only: bb_jws_parse(), and claims that are a JSON object. MalformedEvidence,
 * UnsupportedEvidence, TokenSignatureInvalid for a token without a signature. Spans of the token's
 * text must outlive it. Free with bb_token_done(). */
BB_MUST_USE enum bb_status bb_token_parse(struct bb_span text, struct bb_token *out,
                                          struct bb_error *err);
/* The claims of a token whose `jws` is parsed, for who verifies the signature before he reads what
 * anybody may have written. */
BB_MUST_USE enum bb_status bb_token_read_claims(struct bb_token *token, struct bb_error *err);
void bb_token_done(struct bb_token *token); /* zeroed memory is fine */

/* What the token must be for. Zeroed = nothing. */
struct bb_token_expectation {
    const struct bb_policy_verifier *verifier; /* issuer, profile, accepted compliance values */
    const struct bb_jwks *jwks;                /* pinned */
    bool on_connection;                        /* binding failures are ChannelBindingMismatch; else
                                FalseAttestationReport */
    bool has_report_data;                      /* MAA reportdata is exactly this */
    uint8_t report_data[64];
    bool has_d; /* MAA: x-ms-runtime is exactly {"blindbox-1": b64url(d)};
                                EAR: eat_nonce is, or holds, b64url(d) */
    uint8_t d[48];
    const json_t *runtime; /* NULL, or MAA: x-ms-runtime is this value (members in any order) */
    const char *nonce;     /* this client's own, as sent; NULL: none was */
    /* On a connection: SHA-384 of the gateway's config, which D covers, and bit 0 of its flags. Without
     * it the token's config row refuses, unless the report is checked too. */
    bool has_config_digest, outside_upstream;
    uint8_t config_digest[48];
    enum bb_evidence_kind kind; /* 0: a file; the token's own kind decides */
    bool report_is_checked; /* the same policy is appraised on the report too (want 3, background):
                                what the token has no claim for is left to it */
    uint64_t skip;          /* bit n: check n is left out; never token, token-signature, issuer */
};

/* Verifies and appraises: structure, signature by a pinned key, claims, issuer, validity, type,
 * binding, claims against the policy. Claims are read only once a pinned key has signed them, but for
 * the issuer that a token with an unknown kid names. Fills `result` (rows of tokens) always; returns its class. Never
 * follows anything in the token: jku, x5u, jwk and x5c of its header are not read. */
BB_MUST_USE enum bb_status bb_token_appraise(struct bb_span text,
                                             const struct bb_token_expectation *expect,
                                             const struct bb_policy *policy, int64_t now,
                                             struct bb_result *result);

/* The checks of a token that no caller can leave out: without them its claims are anybody's. */
bool bb_token_check_is_fixed(enum bb_check_id id);

/* Of which kind of evidence the claims speak: "sev-snp", "azure-hcl", "unknown". Judges nothing. */
const char *bb_token_kind_name(const json_t *claims, enum bb_token_profile profile);

/* True if the policy asks for something that no token of this profile states (chip_ids, CRL,
 * platform bits ...; the defaults of crl and provisional_firmware too): such a policy needs the
 * report beside the token. */
bool bb_policy_needs_report(const struct bb_policy *policy,
                            const struct bb_policy_verifier *verifier);

#endif
