/* Rows of token appraisals: a base, a patch of it, what is expected of it, and the answer. */
#ifndef BB_TESTS_TOKEN_CASES_H
#define BB_TESTS_TOKEN_CASES_H

#include "token_world.h"

static char issuer[] = ISS;

struct world {
    struct bb_key *key, *other;
    struct bb_jwks *jwks;
};

static inline int setup(void **state) {
    static struct world w;
    if (bb_key_generate(BB_KEY_P256, &w.key, NULL) != BB_OK ||
        bb_key_generate(BB_KEY_P256, &w.other, NULL) != BB_OK)
        return 1;
    w.jwks = key_set(w.key, "k1");
    *state = &w;
    return 0;
}

static inline int teardown(void **state) {
    struct world *w = *state;
    bb_jwks_free(w->jwks);
    bb_key_free(w->key);
    bb_key_free(w->other);
    return 0;
}

/* What the caller of a row expects. */
static inline void nothing(struct bb_token_expectation *e) { (void)e; }
static inline void data(struct bb_token_expectation *e) {
    e->has_report_data = bb_hex_decode_exact(H64, e->report_data, 64);
}
static inline void other_data(struct bb_token_expectation *e) {
    data(e);
    e->report_data[63] ^= 1;
}
static inline void d(struct bb_token_expectation *e) {
    e->has_d = true;
    memset(e->d, 0x5a, sizeof e->d);
}
static inline void other_d(struct bb_token_expectation *e) {
    d(e);
    e->d[0] ^= 1;
}
static inline void nonce(struct bb_token_expectation *e) { e->nonce = "n-1"; }
static inline void other_nonce(struct bb_token_expectation *e) { e->nonce = "n-2"; }
static inline void connection(struct bb_token_expectation *e) {
    data(e);
    d(e);
    e->on_connection = e->has_config_digest = true;
    e->kind = BB_KIND_SEV_SNP;
    memset(e->config_digest, 0x77, sizeof e->config_digest);
}
static inline void on_other_data(struct bb_token_expectation *e) {
    connection(e);
    e->report_data[0] ^= 1;
}
static inline void on_other_d(struct bb_token_expectation *e) {
    connection(e);
    e->d[47] ^= 1;
}
static inline void on_other_nonce(struct bb_token_expectation *e) {
    connection(e);
    e->nonce = "n-2";
}
static inline void unbound(struct bb_token_expectation *e) {
    connection(e);
    e->has_report_data = false;
}
static inline void no_d(struct bb_token_expectation *e) {
    connection(e);
    e->has_d = false;
}
static inline void outside(struct bb_token_expectation *e) {
    connection(e);
    e->outside_upstream = true;
}
static inline void no_config(struct bb_token_expectation *e) {
    connection(e);
    e->has_config_digest = false;
}
static inline void with_report(struct bb_token_expectation *e) {
    no_config(e);
    e->report_is_checked = true;
}
static inline void beside_report(struct bb_token_expectation *e) { e->report_is_checked = true; }
static inline void hcl(struct bb_token_expectation *e) { e->kind = BB_KIND_AZURE_HCL; }
static inline void simulated(struct bb_token_expectation *e) { e->kind = BB_KIND_SIMULATED; }
static inline void hardware(struct bb_token_expectation *e) { e->kind = BB_KIND_SEV_SNP; }

#define BAD BB_MALFORMED_EVIDENCE
#define GONE BB_TOKEN_CLAIM_MISSING
#define ENDS BB_TOKEN_EXPIRED
#define EARLY BB_TOKEN_NOT_YET_VALID
#define GUEST BB_GUEST_POLICY_REJECTED
#define OTHER BB_MEASUREMENT_MISMATCH
#define FALSE_ BB_FALSE_ATTESTATION_REPORT
#define UNBOUND BB_CHANNEL_BINDING_MISMATCH
#define LENIENT "'crl':'if-present','provisional_firmware':true"
#define ZEROS16 "00000000000000000000000000000000"

struct row {
    const char *claims; /* patch of the base */
    const char *policy; /* patch of the empty policy */
    void (*expect)(struct bb_token_expectation *e);
    enum bb_status status;
    enum bb_check_id id; /* of the first failure */
};

static inline void appraise(const struct world *w, const char *base, enum bb_token_profile profile,
                            const struct row *row, struct bb_result *result) {
    struct bb_policy_verifier verifier = {.profile = profile, .issuer = issuer};
    struct bb_token_expectation expect = {.verifier = &verifier, .jwks = w->jwks};
    struct bb_policy *policy = policy_of(row->policy);
    char *token =
        token_of(w->key, BB_SIG_ES256, "{'alg':'ES256','kid':'k1'}", patched(base, row->claims));
    row->expect(&expect);
    enum bb_status status = bb_token_appraise(bb_span_str(token), &expect, policy, NOW, result);
    assert_int_equal(status, result->status);
    free(token);
    bb_policy_free(policy);
}

static inline void check_rows(const struct world *w, const char *base,
                              enum bb_token_profile profile, const struct row *rows, size_t n) {
    struct bb_result result;
    for (size_t i = 0; i < n; i++) {
        appraise(w, base, profile, &rows[i], &result);
        if (result.status == rows[i].status &&
            (result.status == BB_OK || result.first_failed == rows[i].id))
            continue;
        fail_msg("row %zu: %s %s: %s in %s (%s), not %s in %s", i,
                 rows[i].claims == NULL ? "" : rows[i].claims,
                 rows[i].policy == NULL ? "" : rows[i].policy, bb_status_name(result.status),
                 bb_check_name(result.first_failed), result.checks[result.first_failed].reason,
                 bb_status_name(rows[i].status), bb_check_name(rows[i].id));
    }
}

#define CHECK_ROWS(state, base, profile, rows)                                                     \
    check_rows(*(state), base, profile, rows, sizeof(rows) / sizeof((rows)[0]))

#endif
