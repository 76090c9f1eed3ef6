/* Tokens of Microsoft Azure Attestation, and of services that speak like it: /attest/SevSnpVm, and the
 * guest attestation of confidential VMs (azurevm), whose SNP claims are nested. */
#include "token/appraise_token.h"

#include "base/hex.h"

static const char TYPE[] = "x-ms-attestation-type";
static const char ISOLATION[] = "x-ms-isolation-tee";
static const char RUNTIME[] = "x-ms-runtime";
static const char COMPLIANCE[] = "x-ms-compliance-status";

static bool refuse_type(struct bb_token_case *c, enum bb_status status, const char *found,
                        const char *text) {
    char shown[BB_VALUE_MAX];
    bb_escape(bb_span_str(found), shown, sizeof shown);
    bb_check_fail(c->r, BB_CHECK_TOKEN_TYPE, status, "sevsnpvm", shown, "%s", text);
    return false;
}

/* The type of one set of claims; NULL: refused. */
static const char *type_of(struct bb_token_case *c, const json_t *claims) {
    const char *type = NULL;
    enum bb_claim_state state = bb_claim_text(claims, TYPE, &type);
    if (state == BB_CLAIM_READ)
        return type;
    bb_token_refuse_claim(c, BB_CHECK_TOKEN_TYPE, state, claims, TYPE, "text");
    return NULL;
}

/* A guest attestation token: about a VM; only one with the hardware's claims is about a TEE. On a
 * connection its binding is a TPM quote's, which is not part of protocol blindbox/1. */
static bool nested(struct bb_token_case *c) {
    const json_t *inner = json_object_get(c->claims, ISOLATION);
    if (c->expect->on_connection)
        return refuse_type(c, BB_UNSUPPORTED_EVIDENCE, "azurevm",
                           "a guest attestation token is not bound to a connection");
    if (inner == NULL)
        return refuse_type(c, BB_NOT_AN_ENCLAVE, "azurevm",
                           "the token is about a VM without a TEE (trusted launch)");
    if (!json_is_object(inner)) {
        bb_token_refuse_claim(c, BB_CHECK_TOKEN_TYPE, BB_CLAIM_WRONG, c->claims, ISOLATION,
                              "an object");
        return false;
    }
    const char *type = type_of(c, inner);
    if (type == NULL)
        return false;
    if (strcmp(type, "sevsnpvm") != 0)
        return refuse_type(c, BB_NOT_AN_ENCLAVE, type, "the VM's TEE is of another kind");
    c->snp = inner;
    return true;
}

bool bb_maa_type(struct bb_token_case *c) {
    enum bb_evidence_kind kind =
        c->expect->kind == BB_KIND_AZURE_HCL ? BB_KIND_AZURE_HCL : BB_KIND_SEV_SNP;
    bool simulated = false;
    const char *type = type_of(c, c->claims);
    if (type == NULL)
        return false;
    if (strcmp(type, "azurevm") == 0) {
        if (!nested(c))
            return false;
        kind = BB_KIND_AZURE_HCL;
    } else if (strcmp(type, "sevsnpvm") == 0) {
        c->snp = c->claims;
    } else {
        return refuse_type(c, BB_NOT_AN_ENCLAVE, type, "the token is about another kind of TEE");
    }
    if (!bb_token_read_simulated(c, c->claims, &simulated) ||
        !bb_token_read_simulated(c, c->snp, &simulated))
        return false;
    return bb_token_take_kind(c, kind, simulated);
}

/* By structure, never by bytes: the service writes the runtime anew, its members sorted. */
static bool is_runtime_of(const json_t *runtime, const uint8_t d[48]) {
    char expected[BB_B64URL_SIZE(48)];
    const char *text = NULL;
    return json_is_object(runtime) && json_object_size(runtime) == 1 &&
           bb_claim_text(runtime, "blindbox-1", &text) == BB_CLAIM_READ &&
           bb_b64url_encode(bb_span(d, 48), expected, sizeof expected) &&
           strcmp(text, expected) == 0;
}

static void runtime_row(struct bb_token_case *c) {
    const struct bb_token_expectation *e = c->expect;
    const json_t *runtime = json_object_get(c->snp, RUNTIME);
    char expected[BB_B64URL_SIZE(48)] = "the given runtime", found[BB_VALUE_MAX];
    if (!e->has_d && e->runtime == NULL) {
        /* On a connection the binding is never optional: left unmade, it refuses. */
        if (!e->on_connection)
            bb_check_note(c->r, BB_CHECK_RUNTIME, BB_OUTCOME_NOT_REQUESTED,
                          "no expected runtime was given");
        return;
    }
    if (e->has_d)
        (void)bb_b64url_encode(BB_SPAN_OF(e->d), expected, sizeof expected);
    if ((!e->has_d || is_runtime_of(runtime, e->d)) &&
        (e->runtime == NULL || json_equal(runtime, e->runtime))) {
        bb_check_pass(c->r, BB_CHECK_RUNTIME, expected, expected);
        return;
    }
    bb_claim_show(c->snp, RUNTIME, found, sizeof found);
    bb_check_fail(c->r, BB_CHECK_RUNTIME, bb_token_binding_class(c), expected, found,
                  "the token's runtime is not the expected one");
}

void bb_maa_binding(struct bb_token_case *c) {
    const char *nonce = NULL;
    char found[BB_VALUE_MAX];
    bb_token_report_data(c, true);
    runtime_row(c);
    bb_claim_show(c->claims, "nonce", found, sizeof found);
    bool holds = c->expect->nonce != NULL &&
                 bb_claim_text(c->claims, "nonce", &nonce) == BB_CLAIM_READ &&
                 strcmp(nonce, c->expect->nonce) == 0;
    bb_token_nonce_row(c, holds, found);
}

/* Microsoft endorses the utility VM of containers and the paravisor of confidential VMs under
 * different names; a token for the one does not stand for the other. */
static bool is_listed(const struct bb_token_case *c, const char *status) {
    const struct bb_policy_verifier *v = c->expect->verifier;
    if (v->n_compliance == 0)
        return strcmp(status, c->kind == BB_KIND_AZURE_HCL ? "azure-compliant-cvm"
                                                           : "azure-compliant-uvm") == 0;
    for (size_t i = 0; i < v->n_compliance; i++)
        if (strcmp(status, v->compliance[i]) == 0)
            return true;
    return false;
}

void bb_maa_code(struct bb_token_case *c) {
    const char *status = NULL;
    char found[BB_VALUE_MAX];
    enum bb_claim_state state = bb_claim_text(c->snp, COMPLIANCE, &status);
    bool good = state == BB_CLAIM_READ && is_listed(c, status);
    bb_claim_show(c->snp, COMPLIANCE, found, sizeof found);
    if (state == BB_CLAIM_WRONG)
        bb_token_refuse_claim(c, BB_CHECK_UVM, state, c->snp, COMPLIANCE, "text");
    else if (!good)
        bb_check_fail(c->r, BB_CHECK_UVM, BB_NON_COMPLIANT_UVM, "a listed compliance status", found,
                      "the service does not say that this VM's software is endorsed");
    else
        bb_check_pass(c->r, BB_CHECK_UVM, found, found);
    /* Left unmade otherwise: without the status, skipped or not, nothing names the code. */
    if (bb_policy_names_code(c->policy) || good)
        bb_check_pass(c->r, BB_CHECK_EXPECTED_CODE, NULL, good ? found : NULL);
}
