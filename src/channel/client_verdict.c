/* The client's steps 7 to 11: what the response says, appraised as the policy's verifier asks. */
#include "channel/client.h"

#include "base/hex.h"

#include <stdio.h>

enum { BINDING_STAGE = 6 }; /* of checks.def */

/* The response's certificates first, then the caller's, as many as one appraisal looks at. */
static size_t gather(const struct bb_span *own, size_t n_own, const struct bb_span *more,
                     size_t n_more, struct bb_span out[BB_COLLATERAL_MAX]) {
    size_t n = 0;
    for (size_t i = 0; i < n_own; i++)
        if (own[i].len > 0)
            out[n++] = own[i];
    for (size_t i = 0; i < n_more && n < BB_COLLATERAL_MAX; i++)
        out[n++] = more[i];
    return n;
}

/* ---- what a result says ---- */

uint64_t bb_client_never_skipped(void) {
    uint64_t bits = 0;
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        if (bb_check_stage((enum bb_check_id)i) == BINDING_STAGE ||
            bb_token_check_is_fixed((enum bb_check_id)i))
            bits |= UINT64_C(1) << i;
    return bits;
}

static bool is_of(int i, enum bb_subject subject) {
    return (bb_check_subject((enum bb_check_id)i) & subject) != 0;
}

bool bb_client_authentic(const struct bb_result *r) {
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        if (bb_check_stage((enum bb_check_id)i) < BINDING_STAGE && is_of(i, BB_OF_EVIDENCE) &&
            r->checks[i].outcome == BB_OUTCOME_FAILED)
            return false;
    return r->checks[BB_CHECK_ROOT].outcome == BB_OUTCOME_PASSED &&
           r->checks[BB_CHECK_CHAIN].outcome == BB_OUTCOME_PASSED &&
           r->checks[BB_CHECK_SIGNATURE].outcome == BB_OUTCOME_PASSED;
}

bool bb_client_token_authentic(const struct bb_result *r) {
    return r->checks[BB_CHECK_TOKEN_SIGNATURE].outcome == BB_OUTCOME_PASSED &&
           r->checks[BB_CHECK_ISSUER].outcome == BB_OUTCOME_PASSED;
}

/* A token of a profile without report data still binds: by D. */
static bool binds(const struct bb_result *r, int i) {
    enum bb_outcome outcome = r->checks[i].outcome;
    if (is_of(i, BB_OF_TOKEN))
        return outcome != BB_OUTCOME_FAILED &&
               (i != BB_CHECK_REPORT_DATA || r->subject == BB_OF_TOKEN ||
                outcome == BB_OUTCOME_PASSED);
    return outcome == BB_OUTCOME_PASSED;
}

bool bb_client_is_bound_by(const struct bb_result *r) {
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        if (bb_check_stage((enum bb_check_id)i) == BINDING_STAGE && !binds(r, i))
            return false;
    return true;
}

/* Values that nobody vouches for are not repeated: rows of binding and policy keep their outcome and
 * class only. */
static void hide_unverified(struct bb_result *r, bool authentic) {
    for (int i = 0; i < BB_CHECK_COUNT && !authentic; i++)
        if (bb_check_stage((enum bb_check_id)i) >= BINDING_STAGE)
            r->checks[i].found[0] = '\0';
}

/* No root could be computed: report and token cannot be this connection's, whatever they say. */
static void path_failed(const struct bb_response *p, bool show, struct bb_result *r) {
    char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    bool key = bb_spki_is_p256(p->binding_spki);
    (void)snprintf(expected, sizeof expected, "index < %u, %u bytes", 1U << p->depth,
                   p->depth * BB_MERKLE_NODE);
    (void)snprintf(found, sizeof found, "index %u, %zu bytes", p->index, p->path.len);
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        if (bb_check_stage((enum bb_check_id)i) == BINDING_STAGE && i != BB_CHECK_NONCE)
            r->checks[i] = (struct bb_check){.outcome = BB_OUTCOME_NONE};
    if (key)
        bb_check_fail(r, BB_CHECK_PATH, BB_CHANNEL_BINDING_MISMATCH, expected, show ? found : "",
                      "index or path do not fit the tree's depth");
    else
        bb_check_fail(r, BB_CHECK_KEY, BB_CHANNEL_BINDING_MISMATCH, "P-256, uncompressed",
                      show ? "another key" : "", "the binding key is not one that can be bound");
    bb_result_close(r);
}

/* ---- the evidence ---- */

static struct bb_expectation expectation(const struct bb_client_bound *b,
                                         const struct bb_client_appraisal *in) {
    struct bb_expectation expect = {
        .on_connection = true,
        .has_report_data = true,
        .outside_upstream = (b->response.flags & BB_FLAG_OUTSIDE_UPSTREAM) != 0,
        .has_config_digest = true,
        .code_by_token = in->verifier->mode != BB_MODE_LOCAL,
        .kind = (enum bb_evidence_kind)b->response.kind,
    };
    memcpy(expect.report_data, b->report_data, sizeof expect.report_data);
    memcpy(expect.config_digest, b->config_digest, sizeof expect.config_digest);
    return expect;
}

static void appraise_report(const struct bb_client_bound *b, const struct bb_client_appraisal *in,
                            struct bb_result *result) {
    struct bb_span certs[BB_COLLATERAL_MAX], crls[BB_COLLATERAL_MAX];
    const struct bb_span own[] = {b->cmw.vek, b->cmw.ask, b->cmw.ark};
    const struct bb_collateral none = {0};
    const struct bb_collateral *more = in->more == NULL ? &none : in->more;
    const struct bb_expectation expect = expectation(b, in);
    struct bb_collateral all = {
        .certs = certs,
        .n_certs = gather(own, 3, more->certs, more->n_certs, certs),
        .crls = crls,
        .n_crls = gather(&b->cmw.crl, 1, more->crls, more->n_crls, crls),
    };
    (void)!bb_appraise_snp(b->cmw.report, &all, in->policy, in->now, &expect,
                           in->skip & ~bb_client_never_skipped(), result);
    hide_unverified(result, bb_client_authentic(result));
}

/* ---- the token ---- */

struct bb_span bb_client_token(const struct bb_client *c, const struct bb_client_appraisal *in) {
    const struct bb_client_bound *b = bb_client_bound(c);
    switch (in->verifier->mode) {
    case BB_MODE_LOCAL:
        break;
    case BB_MODE_PASSPORT:
        return b == NULL ? bb_span(NULL, 0) : b->response.token;
    case BB_MODE_BACKGROUND:
        return in->token;
    }
    return bb_span(NULL, 0);
}

static void appraise_token(const struct bb_client_bound *b, const struct bb_client_appraisal *in,
                           struct bb_span token, bool report_too, struct bb_result *result) {
    struct bb_token_expectation expect = {
        .verifier = in->verifier,
        .jwks = in->jwks,
        .on_connection = true,
        .has_report_data = true,
        .has_d = true,
        .nonce = in->verifier->mode == BB_MODE_BACKGROUND ? in->nonce : NULL,
        .has_config_digest = true,
        .outside_upstream = (b->response.flags & BB_FLAG_OUTSIDE_UPSTREAM) != 0,
        .kind = (enum bb_evidence_kind)b->response.kind,
        .report_is_checked = report_too,
        .skip = in->skip & ~bb_client_never_skipped(),
    };
    memcpy(expect.report_data, b->report_data, sizeof expect.report_data);
    memcpy(expect.d, b->d, sizeof expect.d);
    memcpy(expect.config_digest, b->config_digest, sizeof expect.config_digest);
    *result = (struct bb_result){.verdict = BB_VERDICT_REFUSED, .status = BB_INTERNAL};
    (void)!bb_token_appraise(token, &expect, in->policy, in->now, result);
    hide_unverified(result, bb_client_token_authentic(result));
}

/* Of a report whose signature nobody checked here: that it is one, and says what it must. */
static void look_at_report(const struct bb_client_bound *b, struct bb_result *r) {
    struct bb_snp_report report;
    struct bb_error err = {0};
    char expected[BB_HEX_SIZE(BB_REPORT_DATA_SIZE)];
    enum bb_status status = bb_snp_report_parse(b->cmw.report, &report, &err);
    if (status != BB_OK) {
        bb_check_fail(r, status == BB_UNSUPPORTED_EVIDENCE ? BB_CHECK_VERSION : BB_CHECK_FORMAT,
                      status, err.expected, err.found, "%s at offset 0x%zx: %s", err.field,
                      err.offset, err.text);
        return;
    }
    bb_check_pass(r, BB_CHECK_FORMAT, NULL, NULL);
    bb_check_pass(r, BB_CHECK_VERSION, "2 to 5", NULL);
    bb_hex_encode(BB_SPAN_OF(b->report_data), expected, sizeof expected);
    if (!bb_span_equal(report.report_data, BB_SPAN_OF(b->report_data)))
        bb_check_fail(r, BB_CHECK_REPORT_DATA, BB_CHANNEL_BINDING_MISMATCH, expected, NULL,
                      "the report was made for something else");
}

/* The token's runtime is built from this connection's own leaf, path and key: where it fits, all
 * three do. Left unmade they refuse. */
static void bind_by_token(const struct bb_result *token, struct bb_result *r) {
    bool bound = token->checks[BB_CHECK_RUNTIME].outcome == BB_OUTCOME_PASSED;
    for (int id = BB_CHECK_LEAF; id <= BB_CHECK_KEY; id++) {
        if (bound)
            bb_check_pass(r, (enum bb_check_id)id, NULL, NULL);
        else if (token->verdict != BB_VERDICT_ACCEPTED)
            bb_check_note(r, (enum bb_check_id)id, BB_OUTCOME_NOT_APPLICABLE,
                          "decided on a token that counts");
    }
}

/* want 2: the service looked at certificates and signature, and its token stands for them. */
static void token_alone(const struct bb_client_bound *b, const struct bb_client_appraisal *in,
                        struct bb_result *result) {
    struct bb_result token;
    appraise_token(b, in, b->response.token, false, &token);
    *result = (struct bb_result){0};
    look_at_report(b, result);
    bind_by_token(&token, result);
    for (int i = 0; i < BB_CHECK_COUNT; i++) {
        bool own = i >= BB_CHECK_LEAF && i <= BB_CHECK_KEY;
        if (result->checks[i].outcome == BB_OUTCOME_NONE && !own && is_of(i, BB_OF_EVIDENCE))
            bb_check_note(result, (enum bb_check_id)i, BB_OUTCOME_NOT_APPLICABLE,
                          "the service's token stands for it");
    }
    hide_unverified(result, bb_client_token_authentic(&token));
    bb_result_close(result);
    bb_result_join(result, &token);
    result->subject = BB_OF_TOKEN;
}

static void both(const struct bb_client_bound *b, const struct bb_client_appraisal *in,
                 struct bb_span token_text, struct bb_result *result) {
    struct bb_result token;
    appraise_report(b, in, result);
    appraise_token(b, in, token_text, true, &token);
    bb_result_join(result, &token);
}

/* ---- the verdict ---- */

/* What was asked for is what the verifier needs. */
static bool goes_with(const struct bb_client *c, const struct bb_policy_verifier *v) {
    unsigned want = bb_client_asked(c)->want;
    switch (v->mode) {
    case BB_MODE_LOCAL:
    case BB_MODE_BACKGROUND:
        return want == BB_WANT_EVIDENCE;
    case BB_MODE_PASSPORT:
        return (want & BB_WANT_TOKEN) != 0 && v->issuer != NULL &&
               bb_span_equal(bb_client_asked(c)->issuer, bb_span_str(v->issuer));
    }
    return false;
}

/* A path that leads nowhere is no connection's: neither is a token then looked at. */
enum bb_status bb_client_appraise(const struct bb_client *c, const struct bb_client_appraisal *in,
                                  struct bb_result *result) {
    const struct bb_client_bound *b = bb_client_bound(c);
    unsigned want = bb_client_asked(c)->want;
    *result = (struct bb_result){.verdict = BB_VERDICT_REFUSED, .status = BB_INTERNAL};
    if (b == NULL || in->verifier == NULL || !goes_with(c, in->verifier))
        return BB_INTERNAL;
    bool service = in->verifier->mode != BB_MODE_LOCAL, alone = want == BB_WANT_TOKEN;
    if (service && b->path_good &&
        (in->jwks == NULL || (in->verifier->mode == BB_MODE_BACKGROUND && in->nonce == NULL)))
        return BB_INTERNAL;
    if (!service || (!b->path_good && !alone))
        appraise_report(b, in, result);
    else if (!b->path_good)
        *result = (struct bb_result){.subject = BB_OF_TOKEN};
    else if (alone)
        token_alone(b, in, result);
    else
        both(b, in, bb_client_token(c, in), result);
    if (!b->path_good && (alone || result->status != BB_INTERNAL))
        path_failed(&b->response, bb_client_authentic(result), result);
    return result->status;
}
