#include "evidence/snp/chain.h"

#include "evidence/snp/roots.h"

#include <stdlib.h>

enum issued { ISSUED_UNKNOWN = 0, ISSUED_YES, ISSUED_NO };

struct bb_snp_certs {
    size_t n, n_crls, n_unreadable;
    struct bb_cert *cert[BB_SNP_CERTS_MAX];
    enum bb_snp_cert_role role[BB_SNP_CERTS_MAX];
    struct bb_snp_vek vek[BB_SNP_CERTS_MAX];     /* what a VEK certificate says */
    struct bb_error vek_error[BB_SNP_CERTS_MAX]; /* or why it cannot be read */
    struct bb_crl *crl[BB_SNP_CERTS_MAX];
    uint8_t issued[BB_SNP_CERTS_MAX][BB_SNP_CERTS_MAX];     /* [subject][issuer] */
    uint8_t crl_issued[BB_SNP_CERTS_MAX][BB_SNP_CERTS_MAX]; /* [crl][issuer] */
};

/* A certificate that does not parse is only counted: it is at hand, and fits nothing. */
enum bb_status bb_snp_certs_new(const struct bb_span *certs, size_t n_certs,
                                const struct bb_span *crls, size_t n_crls,
                                struct bb_snp_certs **out, struct bb_error *err) {
    struct bb_snp_certs *set = calloc(1, sizeof *set);
    if (set == NULL)
        return bb_fail_internal(err, "memory for certificates");
    for (size_t i = 0; i < n_certs && set->n < BB_SNP_CERTS_MAX; i++) {
        struct bb_error ignored = {0};
        if (bb_cert_parse(certs[i], &set->cert[set->n], &ignored) != BB_OK) {
            set->n_unreadable++;
            continue;
        }
        set->role[set->n] = bb_snp_cert_role(set->cert[set->n]);
        if (set->role[set->n] == BB_SNP_CERT_VCEK || set->role[set->n] == BB_SNP_CERT_VLEK)
            (void)!bb_snp_vek_read(set->cert[set->n], &set->vek[set->n], &set->vek_error[set->n]);
        set->n++;
    }
    for (size_t i = 0; i < n_crls && set->n_crls < BB_SNP_CERTS_MAX; i++) {
        struct bb_error ignored = {0};
        if (bb_crl_parse(crls[i], &set->crl[set->n_crls], &ignored) == BB_OK)
            set->n_crls++;
    }
    *out = set;
    return BB_OK;
}

void bb_snp_certs_free(struct bb_snp_certs *set) {
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->n; i++)
        bb_cert_free(set->cert[i]);
    for (size_t i = 0; i < set->n_crls; i++)
        bb_crl_free(set->crl[i]);
    free(set);
}

static bool issued_by(struct bb_snp_certs *set, size_t subject, size_t issuer) {
    uint8_t *memo = &set->issued[subject][issuer];
    if (*memo == ISSUED_UNKNOWN)
        *memo = bb_cert_issued_by(set->cert[subject], set->cert[issuer]) ? ISSUED_YES : ISSUED_NO;
    return *memo == ISSUED_YES;
}

static bool listed(const struct bb_snp_need *need, const uint8_t spki_sha256[32]) {
    for (size_t i = 0; i < need->n_simulated_roots; i++)
        if (memcmp(need->simulated_roots + 32 * i, spki_sha256, 32) == 0)
            return true;
    return false;
}

/* The CN carries the product of a CA certificate: "ARK-Milan", "SEV-Milan", "SEV-VLEK-Milan". */
static bool names_product(const struct bb_cert *cert, enum bb_snp_product product) {
    const char *cn = bb_cert_subject_cn(cert);
    const char *dash = strrchr(cn, '-');
    return dash != NULL && strcmp(dash + 1, bb_snp_product_name(product)) == 0;
}

static enum bb_snp_root_trust root_trust(struct bb_snp_certs *set, size_t at,
                                         const struct bb_snp_need *need,
                                         enum bb_snp_product product) {
    const struct bb_cert *root = set->cert[at];
    const uint8_t *hash = bb_cert_spki_sha256(root);
    bool simulator = strcmp(bb_cert_subject_o(root), BB_SNP_SIMULATOR_O) == 0;
    enum bb_snp_product pinned = bb_snp_root_product(hash);
    if (pinned != BB_SNP_PRODUCT_UNKNOWN)
        return pinned == product && issued_by(set, at, at) ? BB_SNP_ROOT_VENDOR
                                                           : BB_SNP_ROOT_UNKNOWN;
    if (!simulator || !names_product(root, product) || !issued_by(set, at, at))
        return simulator ? BB_SNP_ROOT_SIMULATOR : BB_SNP_ROOT_UNKNOWN;
    return listed(need, hash) ? BB_SNP_ROOT_SIMULATED : BB_SNP_ROOT_SIMULATOR;
}

static bool in_window(const struct bb_cert *cert, int64_t now) {
    return bb_cert_not_before(cert) <= now && now <= bb_cert_not_after(cert);
}

static void read_fit(const struct bb_snp_certs *set, size_t vek, const struct bb_snp_need *need,
                     struct bb_snp_path *path) {
    const struct bb_snp_report *rep = need->report;
    path->info = set->vek[vek];
    path->vek_error = &set->vek_error[vek];
    path->fit.readable = path->vek_error->status == BB_OK;
    if (!path->fit.readable)
        return;
    if (rep == NULL) {
        path->fit.tcb = path->fit.chip_id = path->fit.product = true;
        return;
    }
    path->fit.tcb = memcmp(path->info.tcb.raw, rep->reported_tcb.raw, 8) == 0;
    /* Version 2 has no CPUID: the certificate alone says which product it is. */
    path->fit.product = !rep->has_cpuid || path->info.product == rep->product;
    /* A masked (all-zero) chip id matches nothing: it is no wildcard. */
    path->fit.chip_id = path->info.signer == BB_SNP_SIGNER_VLEK
                            ? true
                            : !bb_span_is_zero(rep->chip_id) &&
                                  bb_span_equal(rep->chip_id, BB_SPAN_OF(path->info.chip_id));
}

/* Higher is better; the order of the weights is the order in which the checks are listed. */
static unsigned score(struct bb_snp_certs *set, const struct bb_snp_path *p,
                      const struct bb_snp_need *need) {
    unsigned s = 0;
    s += p->fit.readable ? 1U << 12 : 0;
    s += p->fit.product ? 1U << 11 : 0;
    s += p->fit.chip_id ? 1U << 10 : 0;
    s += p->fit.tcb ? 1U << 9 : 0;
    s += p->ask != NULL && p->vek_signed ? 1U << 8 : 0;
    s += p->ark != NULL && p->ask_signed ? 1U << 7 : 0;
    s += (unsigned)p->root << 4;
    s += p->vek != NULL && in_window(p->vek, need->now) ? 1U << 3 : 0;
    s += p->ask != NULL && in_window(p->ask, need->now) ? 1U << 2 : 0;
    s += p->ark != NULL && in_window(p->ark, need->now) ? 1U << 1 : 0;
    /* Of two intermediates with one key, say, the one that is not revoked. */
    s += p->ask != NULL && p->ark != NULL &&
                 bb_snp_certs_crl(set, p, need->now, NULL) != BB_SNP_CRL_REVOKED
             ? 1U
             : 0;
    return s;
}

struct search {
    struct bb_snp_certs *set;
    const struct bb_snp_need *need;
    struct bb_snp_path *best;
    unsigned best_score;
};

static void offer(struct search *s, const struct bb_snp_path *candidate) {
    unsigned value = score(s->set, candidate, s->need) + 1;
    if (value > s->best_score) {
        s->best_score = value;
        *s->best = *candidate;
    }
}

static void try_roots(struct search *s, struct bb_snp_path candidate, size_t ask) {
    bool any = false;
    for (size_t k = 0; k < s->set->n; k++) {
        if (s->set->role[k] != BB_SNP_CERT_ARK)
            continue;
        any = true;
        candidate.ark = s->set->cert[k];
        candidate.ask_signed = candidate.ask != NULL && issued_by(s->set, ask, k);
        candidate.root = root_trust(s->set, k, s->need, candidate.info.product);
        offer(s, &candidate);
    }
    if (!any)
        offer(s, &candidate);
}

static bool is_intermediate(enum bb_snp_cert_role role) {
    return role == BB_SNP_CERT_ASK || role == BB_SNP_CERT_ASVK;
}

static void try_intermediates(struct search *s, struct bb_snp_path candidate, size_t vek) {
    enum bb_snp_cert_role right =
        s->need->signer == BB_SNP_SIGNER_VLEK ? BB_SNP_CERT_ASVK : BB_SNP_CERT_ASK;
    for (size_t j = 0; j < s->set->n; j++) {
        if (!is_intermediate(s->set->role[j]))
            continue;
        candidate.ask = s->set->cert[j];
        candidate.vek_signed = s->set->role[j] == right &&
                               names_product(candidate.ask, candidate.info.product) &&
                               issued_by(s->set, vek, j);
        try_roots(s, candidate, j);
    }
    if (candidate.ask == NULL)
        try_roots(s, candidate, 0);
}

static void count(const struct bb_snp_certs *set, enum bb_snp_cert_role vek_role,
                  struct bb_snp_path *out) {
    for (size_t i = 0; i < set->n; i++) {
        out->n_veks += set->role[i] == vek_role ? 1 : 0;
        out->n_asks += is_intermediate(set->role[i]) ? 1 : 0;
    }
}

void bb_snp_certs_choose(struct bb_snp_certs *set, const struct bb_snp_need *need,
                         struct bb_snp_path *out) {
    enum bb_snp_cert_role vek_role =
        need->signer == BB_SNP_SIGNER_VLEK ? BB_SNP_CERT_VLEK : BB_SNP_CERT_VCEK;
    struct bb_snp_path counts = {0};
    count(set, vek_role, &counts);
    *out = (struct bb_snp_path){0};
    struct search s = {.set = set, .need = need, .best = out, .best_score = 0};
    for (size_t i = 0; i < set->n; i++) {
        if (set->role[i] != vek_role)
            continue;
        struct bb_snp_path candidate = {.vek = set->cert[i]};
        read_fit(set, i, need, &candidate);
        try_intermediates(&s, candidate, i);
    }
    out->n_veks = counts.n_veks;
    out->n_asks = counts.n_asks;
    out->n_unreadable = set->n_unreadable;
}

static size_t index_of(const struct bb_snp_certs *set, const struct bb_cert *cert) {
    size_t i = 0;
    while (i < set->n && set->cert[i] != cert)
        i++;
    return i;
}

static bool crl_issued_by(struct bb_snp_certs *set, size_t crl, size_t issuer) {
    uint8_t *memo = &set->crl_issued[crl][issuer];
    if (*memo == ISSUED_UNKNOWN)
        *memo = bb_crl_issued_by(set->crl[crl], set->cert[issuer]) ? ISSUED_YES : ISSUED_NO;
    return *memo == ISSUED_YES;
}

enum bb_snp_crl_state bb_snp_certs_crl(struct bb_snp_certs *set, const struct bb_snp_path *path,
                                       int64_t now, const struct bb_crl **used) {
    enum bb_snp_crl_state state = BB_SNP_CRL_NONE;
    size_t root = index_of(set, path->ark);
    if (used != NULL)
        *used = NULL;
    for (size_t i = 0; i < set->n_crls && root < set->n; i++) {
        const struct bb_crl *crl = set->crl[i];
        if (!crl_issued_by(set, i, root))
            continue;
        if (now < bb_crl_this_update(crl) || now >= bb_crl_next_update(crl)) {
            if (state == BB_SNP_CRL_NONE)
                state = BB_SNP_CRL_NOT_IN_WINDOW;
            continue;
        }
        if (used != NULL && *used == NULL)
            *used = crl;
        if (bb_crl_lists(crl, path->ask) || bb_crl_lists(crl, path->ark))
            return BB_SNP_CRL_REVOKED;
        state = BB_SNP_CRL_GOOD;
    }
    return state;
}
