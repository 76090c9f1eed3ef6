/* EAT attestation results (draft-ietf-rats-ear) with the trustworthiness vector of AR4SI, in the
 * dialects that services speak; eat_profile says which. */
#include "token/appraise_token.h"

#include "base/hex.h"

#include <stdio.h>

#define HARDWARE_SIMULATED (-97) /* our verifier's: contraindicated to everybody else */
#define TRUST_CLAIM_MIN (-128)   /* AR4SI: an int8 */
#define TRUST_CLAIM_MAX 127

struct dialect {
    const char *profile;
    const char *label; /* of the submod that speaks of the SNP report; NULL: any, but only one */
    const char *status, *vector, *verifier_id;
};

#define DRAFT_NAMES "ear_status", "ear_trustworthiness_vector", "ear_verifier_id"
#define DOTTED_NAMES "ear.status", "ear.trustworthiness-vector", "ear.verifier-id"
static const struct dialect dialects[] = {
    {"tag:ietf.org,2026:rats/ear#04", "sev-snp", DRAFT_NAMES},
    {"tag:ietf.org,2026:rats/ear#03", NULL, DRAFT_NAMES},
    {"tag:github.com,2023:veraison/ear", NULL, DOTTED_NAMES},
    {"tag:github.com,2024:confidential-containers/Trustee", "cpu0", DOTTED_NAMES},
};

static const char ATTESTER_CLAIMS[] = "ear_attester_claims";
static const char *const tier_names[] = {"none", "affirming", "warning", "contraindicated"};

static bool refuse(struct bb_token_case *c, enum bb_claim_state state, const json_t *object,
                   const char *name, const char *expected) {
    bb_token_refuse_claim(c, BB_CHECK_TOKEN_TYPE, state, object, name, expected);
    return false;
}

static const struct dialect *dialect_of(struct bb_token_case *c) {
    const char *profile = NULL;
    char found[BB_VALUE_MAX];
    enum bb_claim_state state = bb_claim_text(c->claims, "eat_profile", &profile);
    if (state != BB_CLAIM_READ) {
        (void)refuse(c, state, c->claims, "eat_profile", "text");
        return NULL;
    }
    for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
        if (strcmp(profile, dialects[i].profile) == 0)
            return &dialects[i];
    bb_escape(bb_span_str(profile), found, sizeof found);
    bb_check_fail(c->r, BB_CHECK_TOKEN_TYPE, BB_UNSUPPORTED_EVIDENCE, "a known eat_profile", found,
                  "a profile of EAR that this build does not know");
    return NULL;
}

static bool read_verifier_id(struct bb_token_case *c, const struct dialect *d) {
    const json_t *id = json_object_get(c->claims, d->verifier_id);
    const char *text = NULL;
    if (id == NULL)
        return refuse(c, BB_CLAIM_ABSENT, c->claims, d->verifier_id, NULL);
    if (bb_claim_text(id, "developer", &text) != BB_CLAIM_READ ||
        bb_claim_text(id, "build", &text) != BB_CLAIM_READ)
        return refuse(c, BB_CLAIM_WRONG, c->claims, d->verifier_id, "developer and build");
    return true;
}

/* A text that names no tier is WRONG. */
static enum bb_claim_state read_status(const json_t *object, const char *name, enum bb_tier *out) {
    const char *text = NULL;
    enum bb_claim_state state = bb_claim_text(object, name, &text);
    if (state != BB_CLAIM_READ)
        return state;
    for (int i = 0; i < 4; i++)
        if (strcmp(text, tier_names[i]) == 0) {
            *out = (enum bb_tier)i;
            return BB_CLAIM_READ;
        }
    return BB_CLAIM_WRONG;
}

static enum bb_tier tier_of(int64_t value) {
    if (value >= -1 && value <= 1)
        return BB_TIER_NONE;
    if (value >= -32 && value <= 31)
        return BB_TIER_AFFIRMING;
    return value >= -96 && value <= 95 ? BB_TIER_WARNING : BB_TIER_CONTRAINDICATED;
}

/* What one submod's vector says as a whole, and in the places that rows ask for. */
struct vector {
    enum bb_tier worst, worst_but_hardware;
    int hardware, configuration, executables;
    char text[BB_VALUE_MAX], text_but_hardware[BB_VALUE_MAX]; /* the worst entry: "hardware 96" */
};

static void take_worst(enum bb_tier tier, const char *name, int value, enum bb_tier *worst,
                       char text[BB_VALUE_MAX]) {
    char shown[BB_FIELD_MAX];
    if (tier <= *worst)
        return;
    bb_escape(bb_span_str(name), shown, sizeof shown);
    (void)snprintf(text, BB_VALUE_MAX, "%s %d", shown, value);
    *worst = tier;
}

static void take_entry(struct vector *v, const char *name, int value) {
    enum bb_tier tier = tier_of(value);
    bool is_hardware = strcmp(name, "hardware") == 0;
    take_worst(tier, name, value, &v->worst, v->text);
    if (!is_hardware)
        take_worst(tier, name, value, &v->worst_but_hardware, v->text_but_hardware);
    if (is_hardware)
        v->hardware = value;
    else if (strcmp(name, "configuration") == 0)
        v->configuration = value;
    else if (strcmp(name, "executables") == 0)
        v->executables = value;
}

/* Every entry counts, those of categories that this build does not know too. A verifier may leave the
 * vector out; then it says nothing. */
static bool read_vector(struct bb_token_case *c, const struct dialect *d, const json_t *submod,
                        struct vector *out) {
    const json_t *vector = json_object_get(submod, d->vector);
    *out = (struct vector){0};
    if (vector == NULL)
        return true;
    if (!json_is_object(vector))
        return refuse(c, BB_CLAIM_WRONG, submod, d->vector, "an object");
    for (void *it = json_object_iter((json_t *)(uintptr_t)vector); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)vector, it)) {
        const char *name = json_object_iter_key(it);
        int64_t value = 0;
        if (bb_claim_integer(vector, name, TRUST_CLAIM_MIN, TRUST_CLAIM_MAX, &value) !=
            BB_CLAIM_READ)
            return refuse(c, BB_CLAIM_WRONG, submod, d->vector, "integers -128..127");
        take_entry(out, name, (int)value);
    }
    return true;
}

static bool contradicts(struct bb_token_case *c, const char *name, const json_t *object,
                        const char *than) {
    char found[BB_VALUE_MAX];
    bb_claim_show(object, name, found, sizeof found);
    bb_check_fail(c->r, BB_CHECK_TOKEN_TYPE, BB_MALFORMED_EVIDENCE, than, found,
                  "a status is more trusted than what it is made of");
    return false;
}

/* A submod's own status, checked against its vector. */
static bool read_submod(struct bb_token_case *c, const struct dialect *d, const json_t *submod,
                        enum bb_tier *status, struct vector *vector) {
    if (!json_is_object(submod))
        return refuse(c, BB_CLAIM_WRONG, c->claims, "submods", "submods that are objects");
    enum bb_claim_state state = read_status(submod, d->status, status);
    if (state != BB_CLAIM_READ)
        return refuse(c, state, submod, d->status, "a trustworthiness tier");
    if (!read_vector(c, d, submod, vector))
        return false;
    return *status >= vector->worst || contradicts(c, d->status, submod, vector->text);
}

/* A simulated TEE's status is contraindicated by its hardware; what the rest is worth is what its
 * policy asks for. */
static enum bb_tier counted(const struct vector *v, enum bb_tier status, bool simulated) {
    return simulated && v->hardware == HARDWARE_SIMULATED ? v->worst_but_hardware : status;
}

/* The entry that made the status, if one did: a service may judge worse than its vector. */
static void set_worst(struct bb_token_case *c, const struct vector *v, bool simulated) {
    bool made = c->ear.status == (simulated ? v->worst_but_hardware : v->worst);
    bb_copy_text(c->ear.worst, sizeof c->ear.worst,
                 !made       ? ""
                 : simulated ? v->text_but_hardware
                             : v->text);
}

/* A status that no entry made. */
static void make_status(struct bb_token_case *c, enum bb_tier status) {
    c->ear.status = status;
    c->ear.worst[0] = '\0';
}

/* All submods count: one that is not affirmed leaves the whole unaffirmed. */
static bool read_submods(struct bb_token_case *c, const struct dialect *d, const json_t *submods,
                         const json_t *own, bool *simulated) {
    enum bb_tier worst = BB_TIER_NONE, status = BB_TIER_NONE, top = BB_TIER_NONE;
    struct vector vector;
    c->ear = (struct bb_ear_view){0};
    bool unstated = false;
    for (void *it = json_object_iter((json_t *)(uintptr_t)submods); it != NULL;
         it = json_object_iter_next((json_t *)(uintptr_t)submods, it)) {
        const json_t *submod = json_object_iter_value(it);
        if (!read_submod(c, d, submod, &status, &vector))
            return false;
        bool is_simulated = submod == own && vector.hardware == HARDWARE_SIMULATED;
        worst = status > worst ? status : worst;
        if (submod == own) {
            *simulated |= is_simulated;
            c->ear.configuration = vector.configuration;
            c->ear.executables = vector.executables;
        }
        enum bb_tier tier = counted(&vector, status, is_simulated);
        unstated |= tier == BB_TIER_NONE;
        if (tier >= c->ear.status) {
            c->ear.status = tier;
            set_worst(c, &vector, is_simulated);
        }
    }
    enum bb_claim_state state = read_status(c->claims, d->status, &top);
    if (state == BB_CLAIM_WRONG)
        return refuse(c, state, c->claims, d->status, "a trustworthiness tier");
    if (state == BB_CLAIM_READ && top < worst)
        return contradicts(c, d->status, c->claims, "no better than the worst submod");
    if (state == BB_CLAIM_READ && !*simulated && top > c->ear.status)
        make_status(c, top);
    if (unstated && c->ear.status == BB_TIER_AFFIRMING)
        make_status(c, BB_TIER_NONE); /* a submod of which nothing is said */
    return true;
}

/* The submod of the SNP report; NULL: refused. */
static const json_t *own_submod(struct bb_token_case *c, const struct dialect *d,
                                const json_t *submods) {
    void *first = json_object_iter((json_t *)(uintptr_t)submods);
    const json_t *own =
        d->label == NULL ? json_object_iter_value(first) : json_object_get(submods, d->label);
    if (d->label == NULL && json_object_size(submods) > 1) {
        bb_check_fail(c->r, BB_CHECK_TOKEN_TYPE, BB_UNSUPPORTED_EVIDENCE, "one submod", "several",
                      "which submod is the TEE's cannot be told in this profile");
        return NULL;
    }
    if (own == NULL) {
        char found[BB_VALUE_MAX];
        bb_escape(bb_span_str(json_object_iter_key(first)), found, sizeof found);
        bb_check_fail(c->r, BB_CHECK_TOKEN_TYPE, BB_NOT_AN_ENCLAVE, d->label, found,
                      "the token has no submod %s", d->label);
    }
    return own;
}

bool bb_ear_type(struct bb_token_case *c) {
    bool simulated = false;
    const struct dialect *d = dialect_of(c);
    if (d == NULL || !read_verifier_id(c, d))
        return false;
    const json_t *submods = json_object_get(c->claims, "submods");
    if (submods == NULL || !json_is_object(submods) || json_object_size(submods) == 0)
        return refuse(c, submods == NULL ? BB_CLAIM_ABSENT : BB_CLAIM_WRONG, c->claims, "submods",
                      "an object with at least one submod");
    const json_t *own = own_submod(c, d, submods);
    if (own == NULL || !read_submods(c, d, submods, own, &simulated))
        return false;
    c->snp = json_object_get(own, ATTESTER_CLAIMS);
    if (c->snp != NULL && !json_is_object(c->snp))
        return refuse(c, BB_CLAIM_WRONG, own, ATTESTER_CLAIMS, "an object");
    if (!bb_token_read_simulated(c, c->snp, &simulated))
        return false;
    return bb_token_take_kind(c, BB_KIND_SEV_SNP, simulated);
}

/* eat_nonce is one text or a list of them. */
static enum bb_claim_state has_nonce(const json_t *claims, const char *text) {
    const json_t *v = json_object_get(claims, "eat_nonce");
    bool holds = false;
    if (v == NULL)
        return BB_CLAIM_ABSENT;
    if (json_is_string(v))
        return strcmp(json_string_value(v), text) == 0 ? BB_CLAIM_READ : BB_CLAIM_ABSENT;
    if (!json_is_array(v))
        return BB_CLAIM_WRONG;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        if (!json_is_string(item))
            return BB_CLAIM_WRONG;
        holds |= strcmp(json_string_value(item), text) == 0;
    }
    return holds ? BB_CLAIM_READ : BB_CLAIM_ABSENT;
}

static void runtime_row(struct bb_token_case *c) {
    const struct bb_token_expectation *e = c->expect;
    char expected[BB_B64URL_SIZE(48)], found[BB_VALUE_MAX];
    if (!e->has_d && e->runtime != NULL) {
        bb_token_refuse_claim(c, BB_CHECK_RUNTIME, BB_CLAIM_ABSENT, c->claims, "x-ms-runtime",
                              NULL);
        return;
    }
    if (!e->has_d) {
        if (!e->on_connection) /* there the binding is never optional */
            bb_check_note(c->r, BB_CHECK_RUNTIME, BB_OUTCOME_NOT_REQUESTED,
                          "no expected runtime was given");
        return;
    }
    if (!bb_b64url_encode(BB_SPAN_OF(e->d), expected, sizeof expected))
        return;
    bb_claim_show(c->claims, "eat_nonce", found, sizeof found);
    enum bb_claim_state state = has_nonce(c->claims, expected);
    if (state == BB_CLAIM_READ)
        bb_check_pass(c->r, BB_CHECK_RUNTIME, expected, found);
    else
        bb_check_fail(c->r, BB_CHECK_RUNTIME,
                      state == BB_CLAIM_WRONG ? BB_MALFORMED_EVIDENCE : bb_token_binding_class(c),
                      expected, found, "eat_nonce does not hold the digest of this statement");
}

void bb_ear_binding(struct bb_token_case *c) {
    const char *nonce = c->expect->nonce;
    char found[BB_VALUE_MAX];
    bb_token_report_data(c, !c->expect->has_d);
    runtime_row(c);
    bb_claim_show(c->claims, "eat_nonce", found, sizeof found);
    bb_token_nonce_row(c, nonce != NULL && has_nonce(c->claims, nonce) == BB_CLAIM_READ, found);
}

/* The row uvm holds the service's verdict as a whole; the code is named by the policy, or by a service
 * that says it approves of what was started (executables 2 or 3). */
void bb_ear_code(struct bb_token_case *c) {
    const struct bb_ear_view *ear = &c->ear;
    bool affirming = ear->status == BB_TIER_AFFIRMING;
    bool approved = bb_ear_approved(ear->executables);
    char found[BB_VALUE_MAX];
    (void)snprintf(found, sizeof found, "executables %d", ear->executables);
    if (affirming)
        bb_check_pass(c->r, BB_CHECK_UVM, "affirming", "affirming");
    else
        bb_check_fail(c->r, BB_CHECK_UVM, BB_NON_COMPLIANT_UVM, "affirming",
                      tier_names[ear->status], "the service does not affirm it%s%s",
                      ear->worst[0] == '\0' ? "" : ": ", ear->worst);
    if (bb_policy_names_code(c->policy))
        bb_check_pass(c->r, BB_CHECK_EXPECTED_CODE, NULL, NULL);
    else if (affirming && approved)
        bb_check_pass(c->r, BB_CHECK_EXPECTED_CODE, "executables 2 or 3", found);
    else if (affirming)
        bb_check_fail(c->r, BB_CHECK_EXPECTED_CODE, BB_MISSING_REFERENCE_VALUES,
                      "executables 2 or 3, or measurements", found,
                      "neither the policy nor the service names the code");
}
