/* BlindBox: judging a verification service's token that is at hand, without a network. */
#ifndef BLINDBOX_TOKEN_H
#define BLINDBOX_TOKEN_H

#include <blindbox/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A signed attestation result: a token of Microsoft Azure Attestation, or of a service that speaks like
 * it, or an EAR (draft-ietf-rats-ear). All memory stays the caller's and is read during the call only.
 * Strings may be NULL where it is said. */
struct bb_token_input {
    struct bb_span token; /* compact JWS, ASCII; nothing around it; at most 65 536 bytes */
    struct bb_span
        jwks; /* the service's key set (RFC 7517, JSON), from where you trust it: never from
                            where the token points to; at most 262 144 bytes */
    const char
        *issuer; /* who must have made it; NULL: the policy's first verifier that is a service */
    const char *profile;        /* "maa" or "ear"; NULL: that verifier's, or without one "maa" */
    const uint8_t *report_data; /* the 64 bytes that the report must hold; NULL: not requested */
    const char *nonce;          /* the one sent with the request; NULL: none was */
    int64_t now;                /* seconds since 1970; validity is judged at this time */
};

/* Verifies the signature by a pinned key, issuer, validity, then the claims against the policy. The
 * header's jku, x5u, jwk and x5c are not read. A policy that names no code is answered by the service's
 * own word: Microsoft's compliance status, or an EAR's executables. BB_OK is the only acceptance. A
 * refusal's class is returned, and `err` (may be NULL) gets the first check that failed as its field.
 * `*json` (may be NULL) gets every check as blindbox.token-result/1 in either case, NULL without
 * memory; free it with bb_free(). UsageError: no issuer, an unknown profile; MalformedEvidence with
 * field "keys": a key set that is none. */
BB_API BB_MUST_USE enum bb_status bb_token_verify(const struct bb_token_input *in,
                                                  const struct bb_policy *policy, char **json,
                                                  struct bb_error *err);

#ifdef __cplusplus
}
#endif
#endif
