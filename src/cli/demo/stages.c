#include "cli/demo/stages.h"

#include "base/hex.h"
#include "evidence/snp/chain.h"

#include <stdio.h>
#include <time.h>

struct stages {
    struct bb_session *session;
    const struct bb_client_bound *bound;
    const struct bb_policy *policy;
    struct bb_snp_report report;
    struct bb_snp_certs *certs;
    struct bb_snp_path path;
    int64_t now;
    char text[160], value[160]; /* of the stage just made */
};

static int64_t now_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool structure(struct stages *s) {
    bool good = bb_snp_report_parse(s->bound->cmw.report, &s->report, NULL) == BB_OK;
    (void)snprintf(s->text, sizeof s->text, "version %u, %d bytes, reserved bits zero",
                   s->report.version, BB_SNP_REPORT_SIZE);
    return good;
}

static bool chain(struct stages *s) {
    const struct bb_span certs[] = {s->bound->cmw.vek, s->bound->cmw.ask, s->bound->cmw.ark};
    struct bb_snp_need need = {.signer = s->report.signer,
                               .report = &s->report,
                               .simulated_roots = s->policy->simulated_roots.data,
                               .n_simulated_roots = s->policy->simulated_roots.count,
                               .now = s->now};
    if (bb_snp_certs_new(certs, 3, &s->bound->cmw.crl, 1, &s->certs, NULL) != BB_OK)
        return false;
    bb_snp_certs_choose(s->certs, &need, &s->path);
    if (s->path.ark == NULL || !s->path.vek_signed || !s->path.ask_signed ||
        s->path.root != BB_SNP_ROOT_SIMULATED)
        return false;
    bb_hex_encode(bb_span(bb_cert_spki_sha256(s->path.ark), 32), s->value, sizeof s->value);
    (void)snprintf(s->text, sizeof s->text, "%s <- ASK <- pinned root %.8s..",
                   bb_snp_signer_name(s->report.signer), s->value);
    return true;
}

static bool revocation(struct stages *s) {
    const struct bb_crl *used = NULL;
    if (bb_snp_certs_crl(s->certs, &s->path, s->now, &used) != BB_SNP_CRL_GOOD)
        return false;
    bb_copy_text(s->text, sizeof s->text, "the root's current CRL revokes none of them");
    return true;
}

static bool signature(struct stages *s) {
    (void)snprintf(s->text, sizeof s->text, "ECDSA P-384 with SHA-384 over %d bytes: good",
                   BB_SNP_SIGNED_SIZE);
    return bb_cert_verify_p384(s->path.vek, s->report.signed_, s->report.signature_rs);
}

static bool fit(struct stages *s) {
    struct bb_snp_vek vek;
    bb_copy_text(s->text, sizeof s->text, "certificate is for this chip, TCB and product");
    return bb_snp_vek_read(s->path.vek, &vek, NULL) == BB_OK && s->path.fit.tcb &&
           s->path.fit.chip_id && s->path.fit.product;
}

/* The report data from this connection's own exporter and key; nothing of it comes from the peer.
 */
static bool binding(struct stages *s) {
    const struct bb_client_bound *b = s->bound;
    const struct bb_response *p = &b->response;
    uint8_t exported[BB_EXPORTED_SIZE], leaf[48], root[48], d[BB_D_SIZE], data[BB_REPORT_DATA_SIZE];
    struct bb_client_tls facts;
    bb_tls_facts(bb_session_tls(s->session), &facts);
    struct bb_statement statement = {.depth = p->depth,
                                     .flags = p->flags,
                                     .root = root,
                                     .spki = facts.spki,
                                     .binding_spki = p->binding_spki,
                                     .config = p->config};
    if (!bb_tls_export(bb_session_tls(s->session), BB_SPAN_OF(b->context), exported) ||
        !bb_binding_leaf(facts.spki, exported, leaf) ||
        !bb_merkle_root_from_path(leaf, p->index, p->depth, p->path, root) ||
        !bb_binding_d(&statement, d) || !bb_binding_report_data(d, p->form, data))
        return false;
    bb_hex_encode(BB_SPAN_OF(data), s->value, sizeof s->value);
    (void)snprintf(s->text, sizeof s->text, "report data %.8s.. is this connection's own",
                   s->value);
    return bb_span_equal(BB_SPAN_OF(data), s->report.report_data);
}

static enum bb_status run(struct stages *s, struct bb_demo_step *step, struct bb_error *err) {
    static const struct {
        const char *name;
        bool (*made)(struct stages *s);
    } stages[] = {{"structure", structure}, {"chain", chain}, {"revocation", revocation},
                  {"signature", signature}, {"fit", fit},     {"binding", binding}};
    for (size_t i = 0; i < sizeof stages / sizeof stages[0]; i++) {
        s->value[0] = '\0';
        int64_t began = now_ns();
        if (!stages[i].made(s))
            return bb_fail(err, BB_INTERNAL, stages[i].name, NULL, NULL,
                           "a stage that the client had passed does not hold");
        int64_t took = now_ns() - began;
        struct bb_demo_fact *fact = bb_demo_fact_add(step, stages[i].name, "%s", s->text);
        bb_copy_text(fact->value, sizeof fact->value, s->value);
        fact->ns = took;
    }
    return BB_OK;
}

enum bb_status bb_demo_stages(struct bb_session *session, const struct bb_policy *policy,
                              struct bb_demo_step *step, struct bb_error *err) {
    struct stages s = {.session = session,
                       .bound = bb_session_bound(session),
                       .policy = policy,
                       .now = (int64_t)time(NULL)};
    enum bb_status status = run(&s, step, err);
    bb_snp_certs_free(s.certs);
    return status;
}
