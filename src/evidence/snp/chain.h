/* Certificates at hand for one report: parsed once, the best path chosen, signatures remembered.
 * The set may be kept and used for many reports (a cached chain costs no RSA). Not thread-safe. */
#ifndef BB_EVIDENCE_SNP_CHAIN_H
#define BB_EVIDENCE_SNP_CHAIN_H

#include "evidence/snp/vek.h"

/* Certificates, and CRLs, that one set looks at; more are ignored: time and memory. */
#define BB_SNP_CERTS_MAX 64

struct bb_snp_certs;

BB_MUST_USE enum bb_status bb_snp_certs_new(const struct bb_span *certs, size_t n_certs,
                                            const struct bb_span *crls, size_t n_crls,
                                            struct bb_snp_certs **out, struct bb_error *err);
void bb_snp_certs_free(struct bb_snp_certs *set); /* NULL-safe */

/* What a report needs of its certificate; `report` NULL means any (a certificate on its own). */
struct bb_snp_need {
    enum bb_snp_signer signer;
    const struct bb_snp_report *report;
    /* SPKI hashes that a simulator's root may have, and how many. */
    const uint8_t *simulated_roots;
    size_t n_simulated_roots;
    int64_t now;
};

enum bb_snp_root_trust {
    BB_SNP_ROOT_ABSENT = 0, /* no root certificate at hand */
    BB_SNP_ROOT_UNKNOWN,    /* a root that nobody pinned, or whose self-signature fails */
    BB_SNP_ROOT_SIMULATOR,  /* the simulator's kind, not among the allowed ones */
    BB_SNP_ROOT_SIMULATED,  /* the simulator's kind, allowed */
    BB_SNP_ROOT_VENDOR,     /* pinned */
};

/* In which respects a VEK certificate fits a report. */
struct bb_snp_fit {
    bool readable, tcb, chip_id, product;
};

/* The path that was chosen: borrowed certificates, NULL where none was at hand. */
struct bb_snp_path {
    const struct bb_cert *vek, *ask, *ark;
    struct bb_snp_vek info;           /* what `vek` says; zeroed if it is not readable */
    const struct bb_error *vek_error; /* why it is not readable; owned by the set */
    struct bb_snp_fit fit;
    bool vek_signed, ask_signed; /* by the next one, names chaining, product agreeing */
    enum bb_snp_root_trust root;
    size_t n_veks;       /* certificates of the signer's kind at hand */
    size_t n_asks;       /* intermediates of any kind at hand */
    size_t n_unreadable; /* certificates at hand that do not parse: damaged, of whatever kind */
};

/* Chooses the best path there is: one that fits and verifies if there is one, else the one that
 * fails latest, so that the failure named is the real one. */
void bb_snp_certs_choose(struct bb_snp_certs *set, const struct bb_snp_need *need,
                         struct bb_snp_path *out);

enum bb_snp_crl_state {
    BB_SNP_CRL_NONE = 0,      /* no CRL of this root at hand */
    BB_SNP_CRL_NOT_IN_WINDOW, /* some of this root, none covers `now` */
    BB_SNP_CRL_GOOD,
    BB_SNP_CRL_REVOKED, /* one that counts lists the intermediate or the root */
};

/* Judges the CRLs at hand for a path whose root is trusted. A CRL counts if the root signed it and
 * thisUpdate <= now < nextUpdate; the first that counts is returned in `used` (may be NULL). */
enum bb_snp_crl_state bb_snp_certs_crl(struct bb_snp_certs *set, const struct bb_snp_path *path,
                                       int64_t now, const struct bb_crl **used);

#endif
