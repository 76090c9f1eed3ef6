#include "load.h"

#include "evidence/snp/chain.h"
#include <blindbox/policy.h>

#include <stdlib.h>
#include <time.h>

/* Batches of which connections may still be under way; far more than two are never needed. */
enum { REMEMBERED = 64 };

struct load_verdicts {
    struct bb_policy *policy;
    bool every;
    struct bb_snp_certs *certs; /* of `certs_digest` */
    uint8_t certs_digest[BB_SHA384_SIZE];
    uint8_t good[REMEMBERED][BB_SHA384_SIZE]; /* signed bytes that were accepted */
    uint64_t batches;
};

enum bb_status load_verdicts_new(const char *policy, bool every, struct load_verdicts **out,
                                 struct bb_error *err) {
    char source[4096];
    struct load_verdicts *v = calloc(1, sizeof *v);
    if (v == NULL)
        return bb_fail_internal(err, "memory for verdicts");
    enum bb_status status = bb_policy_load(policy, &v->policy, source, sizeof source, err);
    if (status != BB_OK) {
        load_verdicts_free(v);
        return status;
    }
    v->every = every;
    *out = v;
    return BB_OK;
}

void load_verdicts_free(struct load_verdicts *v) {
    if (v == NULL)
        return;
    bb_snp_certs_free(v->certs);
    bb_policy_free(v->policy);
    free(v);
}

uint64_t load_verdicts_batches(const struct load_verdicts *v) { return v->batches; }
const struct bb_policy *load_verdicts_policy(const struct load_verdicts *v) { return v->policy; }

static bool seen(const struct load_verdicts *v, const uint8_t digest[BB_SHA384_SIZE]) {
    for (size_t i = 0; i < REMEMBERED; i++)
        if (memcmp(v->good[i], digest, BB_SHA384_SIZE) == 0)
            return true;
    return false;
}

/* The set of certificates is kept for as long as the gateway sends the same ones. */
static bool take_certs(struct load_verdicts *v, const struct bb_cmw *cmw) {
    const struct bb_span certs[] = {cmw->vek, cmw->ask, cmw->ark, cmw->crl};
    uint8_t digest[BB_SHA384_SIZE];
    if (!bb_sha384_parts(certs, 4, digest))
        return false;
    if (v->certs != NULL && memcmp(digest, v->certs_digest, sizeof digest) == 0)
        return true;
    bb_snp_certs_free(v->certs);
    v->certs = NULL;
    memcpy(v->certs_digest, digest, sizeof digest);
    return bb_snp_certs_new(certs, 3, certs + 3, cmw->crl.len > 0 ? 1 : 0, &v->certs, NULL) ==
           BB_OK;
}

static bool appraise(struct load_verdicts *v, const struct bb_client_bound *b,
                     const uint8_t digest[BB_SHA384_SIZE]) {
    struct bb_result result;
    struct bb_expectation expect = {.on_connection = true,
                                    .has_report_data = true,
                                    .outside_upstream =
                                        (b->response.flags & BB_FLAG_OUTSIDE_UPSTREAM) != 0,
                                    .has_config_digest = true,
                                    .kind = (enum bb_evidence_kind)b->response.kind};
    memcpy(expect.report_data, b->report_data, sizeof expect.report_data);
    memcpy(expect.config_digest, b->config_digest, sizeof expect.config_digest);
    if (!take_certs(v, &b->cmw) ||
        bb_appraise_snp_with(b->cmw.report, v->certs, v->policy, (int64_t)time(NULL), &expect, 0,
                             &result) != BB_OK)
        return false;
    memcpy(v->good[v->batches++ % REMEMBERED], digest, BB_SHA384_SIZE);
    return true;
}

bool load_verdicts_accept(struct load_verdicts *v, const struct bb_client *client) {
    const struct bb_client_bound *b = bb_client_bound(client);
    struct bb_result result;
    uint8_t digest[BB_SHA384_SIZE];
    struct bb_snp_report report;
    if (b == NULL || !b->path_good)
        return false;
    if (v->every) {
        v->batches++;
        const struct bb_client_appraisal in = {
            .policy = v->policy, .verifier = &v->policy->verifiers[0], .now = (int64_t)time(NULL)};
        return bb_client_appraise(client, &in, &result) == BB_OK;
    }
    if (!bb_sha384(bb_span_slice(b->cmw.report, 0, BB_SNP_SIGNED_SIZE), digest))
        return false;
    if (!seen(v, digest))
        return appraise(v, b, digest);
    /* Signed, and appraised with another connection's report_data: it must be this one's too. */
    return bb_snp_report_parse(b->cmw.report, &report, NULL) == BB_OK &&
           bb_span_equal(report.report_data, BB_SPAN_OF(b->report_data));
}
