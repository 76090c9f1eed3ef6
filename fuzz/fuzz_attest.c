/* The body of an attestation request, or of a service's answer: parsing is total, what is refused
 * says why, and what is taken stays inside its limits. */
#include "codec/jws.h"
#include "crypto/cert.h"
#include "token/attest_request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static void check_data(const struct bb_attest_data *d) {
    must(d->bytes.len <= BB_ATTEST_RUNTIME_MAX);
    must((d->type == BB_ATTEST_NO_DATA) == (d->bytes.len == 0));
    must((d->type == BB_ATTEST_JSON) == (d->json != NULL));
}

static void check_answer(struct bb_span body, bool ear) {
    char *token = NULL;
    struct bb_error err = {0};
    if (bb_attest_answer_token(body, ear, &token, &err) == BB_OK)
        must(token[0] != '\0' && strlen(token) <= BB_JWS_MAX);
    else
        must(token == NULL && err.status == BB_TOKEN_NOT_FOUND);
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bb_attest_request q = {0};
    struct bb_error err = {0};
    enum bb_status status = bb_attest_request_parse(bb_span(data, size), &q, &err);
    must(status == err.status);
    check_answer(bb_span(data, size), false);
    check_answer(bb_span(data, size), true);
    if (status != BB_OK) {
        must(q.memory == NULL && err.field[0] != '\0');
        return 0;
    }
    must(q.n_certs <= BB_ATTEST_CERTS_MAX);
    for (size_t i = 0; i < q.n_certs; i++)
        must(q.certs[i].len > 0 && q.certs[i].len <= BB_CERT_DER_MAX);
    must(q.nonce == NULL || (q.nonce[0] != '\0' && strlen(q.nonce) <= BB_ATTEST_NONCE_MAX));
    check_data(&q.runtime);
    check_data(&q.init);
    bb_attest_request_done(&q);
    return 0;
}
