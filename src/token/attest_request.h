/* The body of POST /attest/SevSnpVm, Microsoft's attestation REST: built by gateway and client, read
 * by the verifier. */
#ifndef BB_TOKEN_ATTEST_REQUEST_H
#define BB_TOKEN_ATTEST_REQUEST_H

#include "base/error.h"

#define BB_ATTEST_BODY_MAX 262144   /* a whole body: memory */
#define BB_ATTEST_RUNTIME_MAX 65536 /* runtimeData or initTimeData, decoded: memory */
#define BB_ATTEST_NONCE_MAX 1024

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

#endif
