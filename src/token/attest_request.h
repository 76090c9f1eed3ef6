/* The body of POST /attest/SevSnpVm, Microsoft's attestation REST: built by gateway and client, read
 * by the verifier. */
#ifndef BB_TOKEN_ATTEST_REQUEST_H
#define BB_TOKEN_ATTEST_REQUEST_H

#include "base/error.h"

#include <jansson.h>

#define BB_ATTEST_BODY_MAX 262144   /* a whole body: memory */
#define BB_ATTEST_RUNTIME_MAX 65536 /* runtimeData or initTimeData, decoded: memory */
#define BB_ATTEST_NONCE_MAX 1024    /* bytes of a nonce: it is echoed into a token */
#define BB_ATTEST_CERTS_MAX 8       /* certificates of one chain: one signature check each */

#define BB_ATTEST_PATH "/attest/SevSnpVm?api-version=2022-08-01"
#define BB_MEDIA_JWT "application/json"    /* the answer of MAA: {"token": "..."} */
#define BB_MEDIA_EAR "application/eat+jwt" /* the answer is the EAR itself */

struct bb_attest_evidence {
    struct bb_span report;   /* 1 184 bytes */
    struct bb_span certs[4]; /* DER: VEK, ASK, ARK; empty ones are left out */
    size_t n_certs;
    struct bb_span runtime; /* JSON text, sent as runtimeData of type JSON */
    const char *nonce;      /* NULL: none */
};

/* Malloced JSON text; NULL without memory. The certificates go as one PEM chain in their order. */
char *bb_attest_request_build(const struct bb_attest_evidence *evidence);

/* The token in an answer's body: of {"token": "..."} or, for `ear`, of the body itself, which may
 * also be {"token": "..."}. Malloced. TokenNotFound for any other body. */
BB_MUST_USE enum bb_status bb_attest_answer_token(struct bb_span body, bool ear, char **token,
                                                  struct bb_error *err);

enum bb_attest_data_type { BB_ATTEST_NO_DATA = 0, BB_ATTEST_JSON, BB_ATTEST_BINARY };

/* runtimeData or initTimeData. Nothing, null and empty data are the same: not sent. */
struct bb_attest_data {
    enum bb_attest_data_type type;
    struct bb_span bytes; /* what was hashed into the report */
    json_t *json;         /* type JSON: the object that the bytes are; else NULL */
};

/* A request as it was read; nothing in it is verified. Spans belong to it. */
struct bb_attest_request {
    struct bb_span report;                     /* of any length: its own parser judges it */
    struct bb_span chain;                      /* VcekCertChain: PEM; empty if none was sent */
    struct bb_span certs[BB_ATTEST_CERTS_MAX]; /* its certificates, DER */
    size_t n_certs;
    struct bb_span
        endorsements; /* Endorsements, decoded: JSON of the service's authors; empty: none */
    struct bb_attest_data runtime, init;
    char *nonce; /* a number as its decimal text; NULL: none */
    uint8_t *memory;
};

/* MalformedEvidence names the member: no JSON object, a member twice, a wrong type or size, bad
 * base64url (padded and unpadded are fine), a chain with anything but whole certificates, data of
 * type JSON that is no JSON object, a nonce that is neither a string nor an integer of 0 to 2^64-1.
 * UnsupportedEvidence: draftPolicyForAttestation. Members that are not known are passed over: they
 * can add nothing to a token. `out` is written only on success; free with bb_attest_request_done().
 */
BB_MUST_USE enum bb_status
bb_attest_request_parse(struct bb_span body, struct bb_attest_request *out, struct bb_error *err);
void bb_attest_request_done(struct bb_attest_request *request); /* zeroed memory is fine */

#endif
