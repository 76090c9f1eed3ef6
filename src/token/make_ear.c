/* EAR: the same facts, and what they are worth in the words of AR4SI. */
#include "token/json_build.h"
#include "token/make.h"

/* Values of AR4SI's trustworthiness vector. */
enum {
    AFFIRMING = 2,
    APPROVED_AT_BOOT = 3, /* executables: only approved ones were loaded at boot */
    WEAK_CONFIGURATION = 32,
    UNKNOWN_CODE = 33,
    CONTRAINDICATED = 96,
    SIMULATED_TEE = -97, /* hardware: none; ours, so that every other consumer refuses it */
};

struct vector {
    int hardware, executables, configuration, runtime_opaque, identity; /* 0: says nothing */
};

static struct vector judge(const struct bb_make_input *in) {
    uint64_t policy = in->report->policy;
    bool debug = (policy & BB_SNP_POLICY_DEBUG) != 0;
    /* The default policy lets these pass; that does not make them approved. */
    bool weak =
        !in->own_policy && ((policy & BB_SNP_POLICY_MIGRATE_MA) != 0 || in->report->vmpl != 0);
    struct vector v = {
        .hardware = in->result->simulated ? SIMULATED_TEE : AFFIRMING,
        .executables = in->known_code ? APPROVED_AT_BOOT : UNKNOWN_CODE,
        .configuration = debug  ? CONTRAINDICATED
                         : weak ? WEAK_CONFIGURATION
                                : AFFIRMING,
        .runtime_opaque = debug                   ? CONTRAINDICATED
                          : in->result->simulated ? 0
                                                  : AFFIRMING,
        .identity = in->known_chip ? AFFIRMING : 0,
    };
    return v;
}

/* 0 none, 1 affirming, 2 warning, 3 contraindicated. */
static unsigned tier(int value) {
    if (value >= -1 && value <= 1)
        return 0;
    if (value >= -32 && value <= 31)
        return 1;
    return value >= -96 && value <= 95 ? 2 : 3;
}

static const char *status_name(const struct vector *v) {
    static const char *const names[] = {"none", "affirming", "warning", "contraindicated"};
    const int all[] = {v->hardware, v->executables, v->configuration, v->runtime_opaque,
                       v->identity};
    unsigned worst = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        worst = tier(all[i]) > worst ? tier(all[i]) : worst;
    return names[worst];
}

static json_t *vector_json(const struct vector *v) {
    struct bb_build b = {.o = json_object()};
    bb_build_int(&b, "hardware", v->hardware);
    bb_build_int(&b, "executables", v->executables);
    bb_build_int(&b, "configuration", v->configuration);
    if (v->runtime_opaque != 0)
        bb_build_int(&b, "runtime-opaque", v->runtime_opaque);
    if (v->identity != 0)
        bb_build_int(&b, "instance-identity", v->identity);
    if (!b.failed)
        return b.o;
    json_decref(b.o);
    return NULL;
}

static json_t *attester_claims(const struct bb_make_input *in) {
    json_t *claims = json_object();
    if (claims != NULL && bb_make_snp_claims(claims, in))
        return claims;
    json_decref(claims);
    return NULL;
}

static json_t *appraisal(const struct bb_make_input *in, const struct vector *v) {
    char nonce[BB_B64URL_SIZE(BB_SNP_REPORT_DATA_SIZE)];
    struct bb_build b = {.o = json_object()};
    bb_build_text(&b, "ear_status", status_name(v));
    bb_build_value(&b, "ear_trustworthiness_vector", vector_json(v));
    bb_build_value(&b, "ear_appraisal_policy_ids", json_pack("[s]", in->policy_hash));
    bb_build_value(&b, "ear_attester_claims", attester_claims(in));
    b.failed = !bb_b64url_encode(in->report->report_data, nonce, sizeof nonce) || b.failed;
    bb_build_text(&b, "eat_nonce", nonce); /* what the guest had signed */
    if (!b.failed)
        return b.o;
    json_decref(b.o);
    return NULL;
}

static bool is_eat_nonce(const char *text) {
    size_t len = text == NULL ? 0 : strlen(text);
    return len >= BB_EAR_NONCE_MIN && len <= BB_EAR_NONCE_MAX;
}

/* The value of a runtime of exactly one member "blindbox-1"; else NULL. */
static const char *channel_nonce(const struct bb_attest_data *runtime) {
    if (runtime->type != BB_ATTEST_JSON || json_object_size(runtime->json) != 1)
        return NULL;
    const char *text = json_string_value(json_object_get(runtime->json, "blindbox-1"));
    return is_eat_nonce(text) ? text : NULL;
}

/* What the relying party sent: the batch that the evidence stands for, then its own nonce. */
static void top_nonce(struct bb_build *b, const struct bb_attest_request *request) {
    const char *batch = channel_nonce(&request->runtime), *own = request->nonce;
    if (batch != NULL && own != NULL)
        bb_build_value(b, "eat_nonce", json_pack("[s, s]", batch, own));
    else if (batch != NULL || own != NULL)
        bb_build_text(b, "eat_nonce", batch != NULL ? batch : own);
}

enum bb_status bb_make_ear(const struct bb_make_input *in, json_t **claims, struct bb_error *err) {
    if (in->result->verdict != BB_VERDICT_ACCEPTED)
        return bb_fail_internal(err, "a token without an acceptance");
    if (in->request->nonce != NULL && !is_eat_nonce(in->request->nonce))
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "nonce", "8 to 88 characters", "another length",
                       "an EAR cannot state a nonce of this length");
    const struct vector v = judge(in);
    struct bb_build b = {.o = json_object()};
    bb_build_text(&b, "eat_profile", BB_EAR_PROFILE);
    bb_build_int(&b, "iat", in->now);
    bb_build_int(&b, "exp", in->now + BB_TOKEN_LIFETIME_S);
    bb_build_text(&b, "iss", in->issuer);
    bb_build_value(
        &b, "ear_verifier_id",
        json_pack("{s:s, s:s}", "developer", "BlindBox", "build", "blindbox " BB_VERSION));
    bb_build_text(&b, "ear_status", status_name(&v));
    bb_build_value(&b, "submods", json_pack("{s:o}", BB_EAR_SUBMOD, appraisal(in, &v)));
    top_nonce(&b, in->request);
    if (b.failed) {
        json_decref(b.o);
        return bb_fail_internal(err, "memory for claims");
    }
    *claims = b.o;
    return BB_OK;
}
