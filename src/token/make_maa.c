/* Tokens of Microsoft's shape, with every SEV-SNP claim under its name and in its encoding. */
#include "token/json_build.h"
#include "token/make.h"

/* Runtime and init data of type JSON are stated as the objects they are; of other data the report
 * has the digest, and the token says no more. */
static void data_claim(struct bb_build *b, const char *name, const struct bb_attest_data *data) {
    if (data->type == BB_ATTEST_JSON)
        bb_build_value(b, name, json_incref(data->json));
}

enum bb_status bb_make_maa(const struct bb_make_input *in, json_t **claims, struct bb_error *err) {
    char jti[BB_HEX_SIZE(BB_JTI_SIZE)];
    if (in->result->verdict != BB_VERDICT_ACCEPTED)
        return bb_fail_internal(err, "a token without an acceptance");
    struct bb_build b = {.o = json_object()};
    bb_hex_encode(BB_SPAN_OF(in->jti), jti, sizeof jti);
    bb_build_int(&b, "exp", in->now + BB_TOKEN_LIFETIME_S);
    bb_build_int(&b, "iat", in->now);
    bb_build_int(&b, "nbf", in->now);
    bb_build_text(&b, "iss", in->issuer);
    bb_build_text(&b, "jti", jti);
    if (in->request->nonce != NULL)
        bb_build_text(&b, "nonce", in->request->nonce);
    bb_build_text(&b, "x-ms-ver", "1.0");
    bb_build_text(&b, "x-ms-attestation-type", "sevsnpvm");
    bb_build_text(&b, "x-ms-policy-hash", in->policy_hash);
    if (in->compliant) /* absent is the word for everything else */
        bb_build_text(&b, "x-ms-compliance-status", "azure-compliant-uvm");
    data_claim(&b, "x-ms-runtime", &in->request->runtime);
    data_claim(&b, "x-ms-inittime", &in->request->init);
    if (b.failed || !bb_make_snp_claims(b.o, in)) {
        json_decref(b.o);
        return bb_fail_internal(err, "memory for claims");
    }
    *claims = b.o;
    return BB_OK;
}
