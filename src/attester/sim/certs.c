#include "attester/sim/certs.h"

#include "evidence/snp/roots.h"

#include <stdio.h>

#define AMD_ARC 0x2b, 0x06, 0x01, 0x04, 0x01, 0x9c, 0x78, 0x01
#define DAY INT64_C(86400)
#define YEAR (365 * DAY)

enum { EXTS_MAX = 13, EXT_VALUE_MAX = 72 };

struct exts {
    struct bb_issue_ext list[EXTS_MAX];
    uint8_t value[EXTS_MAX][EXT_VALUE_MAX];
    size_t n;
};

static void add(struct exts *e, const uint8_t *oid, size_t oid_len, const uint8_t *value,
                size_t len) {
    memcpy(e->value[e->n], value, len);
    e->list[e->n].oid = bb_span(oid, oid_len);
    e->list[e->n].value = bb_span(e->value[e->n], len);
    e->n++;
}

static void add_integer(struct exts *e, const uint8_t *oid, size_t oid_len, uint8_t v) {
    const uint8_t small[] = {0x02, 1, v}, large[] = {0x02, 2, 0, v};
    if (v < 0x80)
        add(e, oid, oid_len, small, sizeof small);
    else
        add(e, oid, oid_len, large, sizeof large);
}

static void add_text(struct exts *e, const uint8_t *oid, size_t oid_len, const char *text) {
    uint8_t der[EXT_VALUE_MAX] = {0x16};
    size_t len = strlen(text);
    if (len > EXT_VALUE_MAX - 2)
        len = EXT_VALUE_MAX - 2;
    der[1] = (uint8_t)len;
    memcpy(der + 2, text, len);
    add(e, oid, oid_len, der, len + 2);
}

static void tcb_extensions(struct exts *e, const struct bb_sim_config *c, uint8_t snp_more) {
    static const struct {
        uint8_t oid[10];
        int milan, turin; /* byte of TCB_VERSION; -1: absent */
    } rows[] = {{{AMD_ARC, 3, 1}, 0, 1}, {{AMD_ARC, 3, 2}, 1, 2}, {{AMD_ARC, 3, 4}, 2, -1},
                {{AMD_ARC, 3, 5}, 3, 4}, {{AMD_ARC, 3, 6}, 4, 5}, {{AMD_ARC, 3, 7}, 5, 6},
                {{AMD_ARC, 3, 3}, 6, 3}, {{AMD_ARC, 3, 8}, 7, 7}, {{AMD_ARC, 3, 9}, -1, 0}};
    bool turin = c->product == BB_SNP_PRODUCT_TURIN;
    int snp = bb_snp_tcb_index(c->product, BB_SNP_TCB_SNP);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int at = turin ? rows[i].turin : rows[i].milan;
        if (at >= 0)
            add_integer(e, rows[i].oid, sizeof rows[i].oid,
                        (uint8_t)(c->reported_tcb.raw[at] + (at == snp ? snp_more : 0)));
    }
}

static void vek_extensions(struct exts *e, const struct bb_sim_config *c,
                           enum bb_sim_defect_id defect) {
    static const uint8_t version[] = {AMD_ARC, 1}, name[] = {AMD_ARC, 2}, hwid[] = {AMD_ARC, 4},
                         csp[] = {AMD_ARC, 5};
    bool turin = c->product == BB_SNP_PRODUCT_TURIN;
    add_integer(e, version, sizeof version, turin ? 1 : 0);
    add_text(e, name, sizeof name, bb_snp_product_name(c->product));
    tcb_extensions(e, c, defect == BB_SIM_WRONG_TCB_CERT ? 1 : 0);
    if (c->signer == BB_SNP_SIGNER_VLEK) {
        add_text(e, csp, sizeof csp, c->csp_id);
        return;
    }
    uint8_t id[64];
    memcpy(id, c->chip_id, sizeof id);
    id[0] ^= defect == BB_SIM_WRONG_CHIP ? 1 : 0;
    add(e, hwid, sizeof hwid, id, turin ? 8 : 64);
}

struct names {
    char ark[32], ask[32];
    const char *o;
    uint64_t base; /* serial of the ARK: 0x10000, 0x20000, 0x30000 */
    uint64_t ask_serial;
};

static struct names names_for(const struct bb_sim_config *c, enum bb_sim_defect_id defect) {
    struct names n = {.o = defect == BB_SIM_AMD_NAMES_ROOT ? "Advanced Micro Devices"
                                                           : BB_SNP_SIMULATOR_O};
    const char *product = bb_snp_product_name(c->product);
    bool vlek = c->signer == BB_SNP_SIGNER_VLEK;
    (void)snprintf(n.ark, sizeof n.ark, "ARK-%s", product);
    (void)snprintf(n.ask, sizeof n.ask, vlek ? "SEV-VLEK-%s" : "SEV-%s", product);
    n.base = (uint64_t)c->product << 16;
    n.ask_serial = n.base + (vlek ? 0x101 : 0x1);
    return n;
}

static enum bb_status issue(const struct bb_issue_cert *spec, const struct bb_key *subject,
                            const struct bb_key *issuer, struct bb_sim_der *out,
                            struct bb_error *err) {
    return bb_issue_cert(spec, subject, issuer, out->data, sizeof out->data, &out->len, err);
}

static enum bb_status authorities(const struct bb_sim_keys *keys, const struct bb_key *ask,
                                  const struct names *n, int64_t now, struct bb_sim_chain *out,
                                  struct bb_error *err) {
    struct bb_issue_cert ark_spec = {.profile = BB_ISSUE_ROOT,
                                     .serial = n->base,
                                     .subject = {n->o, n->ark},
                                     .issuer = {n->o, n->ark},
                                     .not_before = now - YEAR,
                                     .not_after = now + 24 * YEAR};
    struct bb_issue_cert ask_spec = {.profile = BB_ISSUE_CA,
                                     .serial = n->ask_serial,
                                     .subject = {n->o, n->ask},
                                     .issuer = {n->o, n->ark},
                                     .not_before = now - YEAR,
                                     .not_after = now + 24 * YEAR};
    BB_TRY(issue(&ark_spec, keys->ark, keys->ark, &out->ark, err));
    return issue(&ask_spec, ask, keys->ark, &out->ask, err);
}

static enum bb_status crl(const struct bb_sim_keys *keys, const struct names *n,
                          enum bb_sim_defect_id defect, int64_t now, struct bb_sim_chain *out,
                          struct bb_error *err) {
    bool stale = defect == BB_SIM_CRL_EXPIRED;
    struct bb_issue_crl spec = {.issuer = {n->o, n->ark},
                                .number = 1,
                                .this_update = stale ? now - YEAR : now - DAY,
                                .next_update = stale ? now - DAY : now + 30 * DAY,
                                .revoked = &n->ask_serial,
                                .n_revoked = defect == BB_SIM_REVOKED ? 1 : 0};
    if (defect == BB_SIM_NO_CRL)
        return BB_OK;
    return bb_issue_crl(&spec, keys->ark, out->crl.data, sizeof out->crl.data, &out->crl.len, err);
}

enum bb_status bb_sim_issue(const struct bb_sim_keys *keys, const struct bb_sim_config *config,
                            enum bb_sim_defect_id defect, int64_t now, struct bb_sim_chain *out,
                            struct bb_error *err) {
    bool vlek = config->signer == BB_SNP_SIGNER_VLEK;
    const struct bb_key *ask = vlek ? keys->asvk : keys->ask;
    struct names n = names_for(config, defect);
    struct exts e = {.n = 0};
    *out = (struct bb_sim_chain){0};
    vek_extensions(&e, config, defect);
    int64_t begin = defect == BB_SIM_EXPIRED ? now - 2 * YEAR : now - DAY;
    struct bb_issue_cert leaf = {.profile = BB_ISSUE_LEAF,
                                 .serial = 0,
                                 .subject = {n.o, vlek ? "SEV-VLEK" : "SEV-VCEK"},
                                 .issuer = {n.o, n.ask},
                                 .not_before = begin,
                                 .not_after =
                                     defect == BB_SIM_EXPIRED ? now - DAY : begin + 7 * YEAR,
                                 .exts = e.list,
                                 .n_exts = e.n};
    BB_TRY(authorities(keys, ask, &n, now, out, err));
    /* "wrong issuer": signed by the key of the other intermediate. */
    const struct bb_key *signer = defect == BB_SIM_WRONG_ISSUER ? keys->ark : ask;
    BB_TRY(issue(&leaf, keys->vek, signer, &out->vek, err));
    return crl(keys, &n, defect, now, out, err);
}

enum bb_status bb_sim_auxblob(const struct bb_sim_certs *certs, enum bb_snp_signer signer,
                              uint8_t *out, size_t cap, size_t *len, struct bb_error *err) {
    static const uint8_t vcek[16] = {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
                                     0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd};
    static const uint8_t vlek[16] = {0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e,
                                     0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1};
    static const uint8_t ask[16] = {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
                                    0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82};
    static const uint8_t ark[16] = {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
                                    0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae};
    static const uint8_t crl_id[16] = {0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d,
                                       0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea};
    static const uint8_t end[24];
    const struct {
        const uint8_t *guid;
        struct bb_span der;
    } rows[] = {{signer == BB_SNP_SIGNER_VLEK ? vlek : vcek, certs->vek},
                {ask, certs->ask},
                {ark, certs->ark},
                {crl_id, certs->crl}};
    enum { ROWS = 4 };
    struct bb_writer w = bb_writer(out, cap);
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++)
        count += rows[i].der.len > 0 ? 1 : 0;
    size_t offset = (count + 1) * sizeof end;
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].der.len == 0)
            continue;
        bb_write_bytes(&w, bb_span(rows[i].guid, 16));
        bb_write_u32le(&w, (uint32_t)offset);
        bb_write_u32le(&w, (uint32_t)rows[i].der.len);
        offset += rows[i].der.len;
    }
    bb_write_bytes(&w, BB_SPAN_OF(end));
    for (size_t i = 0; i < ROWS; i++)
        bb_write_bytes(&w, rows[i].der);
    *len = w.len;
    return w.failed ? bb_fail_internal(err, "room for the certificate table") : BB_OK;
}
