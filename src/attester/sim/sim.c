#include "attester/sim/sim.h"

#include "attester/attester.h"
#include "attester/sim/store.h"
#include "base/hex.h"
#include "crypto/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct bb_sim {
    struct bb_sim_store store;
    struct bb_sim_config config;
    struct bb_sim_keys keys;
    struct bb_key *fake_root; /* of the root with AMD's names */
    struct bb_sim_chain chain;
};

enum bb_status bb_sim_open(const char *dir, struct bb_sim **out, struct bb_error *err) {
    struct bb_sim *sim = calloc(1, sizeof *sim);
    uint8_t text[BB_SIM_CONFIG_JSON_MAX];
    size_t len = 0;
    if (sim == NULL)
        return bb_fail_internal(err, "memory for the simulator");
    bb_sim_config_default(&sim->config, BB_SNP_PRODUCT_MILAN);
    enum bb_status status = bb_sim_store_open(&sim->store, dir, err);
    if (status == BB_OK && bb_sim_store_read(&sim->store, "sim.json", text, sizeof text, &len))
        status = bb_sim_config_parse(bb_span(text, len), &sim->config, err);
    else if (status == BB_OK && bb_sim_store_has(&sim->store, "sim.json"))
        status = bb_fail(err, BB_USAGE, "sim.json", NULL, NULL,
                         "%s/sim.json cannot be read or is too large", sim->store.dir);
    if (status != BB_OK) {
        bb_sim_free(sim);
        return status;
    }
    *out = sim;
    return BB_OK;
}

void bb_sim_free(struct bb_sim *sim) {
    if (sim == NULL)
        return;
    bb_key_free(sim->keys.ark);
    bb_key_free(sim->keys.ask);
    bb_key_free(sim->keys.asvk);
    bb_key_free(sim->keys.vek);
    bb_key_free(sim->fake_root);
    free(sim);
}

const char *bb_sim_dir(const struct bb_sim *sim) { return sim->store.dir; }
struct bb_sim_config *bb_sim_config(struct bb_sim *sim) {
    return &sim->config;
}

enum bb_status bb_sim_save(struct bb_sim *sim, struct bb_error *err) {
    char *text = bb_sim_config_json(&sim->config);
    if (text == NULL)
        return bb_fail_internal(err, "memory for sim.json");
    enum bb_status status = bb_sim_store_write(&sim->store, "sim.json", bb_span_str(text), err);
    free(text);
    return status;
}

static enum bb_status need_key(struct bb_sim *sim, const char *name, enum bb_key_type type,
                               struct bb_key **key, struct bb_error *err) {
    return *key != NULL ? BB_OK : bb_sim_store_key(&sim->store, name, type, key, err);
}

/* The chip id follows from the key, so that one folder is one chip; a VLEK belongs to none. */
static bool chip_id(const struct bb_sim *sim, struct bb_sim_config *c) {
    memset(c->chip_id, 0, sizeof c->chip_id);
    if (c->signer == BB_SNP_SIGNER_VLEK)
        return true;
    if (!bb_sha512(bb_key_spki(sim->keys.vek), c->chip_id))
        return false;
    if (c->product == BB_SNP_PRODUCT_TURIN)
        memset(c->chip_id + 8, 0, 56);
    return true;
}

static enum bb_status prepare(struct bb_sim *sim, const struct bb_sim_defect *defect,
                              struct bb_sim_config *c, struct bb_error *err) {
    BB_TRY(need_key(sim, "vek.key", BB_KEY_P384, &sim->keys.vek, err));
    *c = sim->config;
    if (!c->has_chip_id && !chip_id(sim, c))
        return bb_fail_internal(err, "SHA-512");
    if (defect != NULL && defect->configure != NULL)
        defect->configure(c);
    return BB_OK;
}

static void to_little_endian(const uint8_t be[48], uint8_t *le) {
    for (size_t i = 0; i < 48; i++)
        le[i] = be[47 - i];
}

enum bb_status bb_sim_sign(struct bb_sim *sim, const uint8_t report_data[BB_SNP_REPORT_DATA_SIZE],
                           const struct bb_sim_defect *defect, uint8_t report[BB_SNP_REPORT_SIZE],
                           struct bb_error *err) {
    struct bb_sim_config c;
    uint8_t rs[96];
    BB_TRY(prepare(sim, defect, &c, err));
    bb_sim_report_build(&c, report_data, report);
    if (defect != NULL && defect->alter_body != NULL)
        defect->alter_body(report);
    BB_TRY(bb_sim_store_take_turn(&sim->store, c.latency_ms, &c.throttle, err));
    BB_TRY(
        bb_key_sign_ecdsa(sim->keys.vek, bb_span(report, BB_SNP_SIGNED_SIZE), rs, sizeof rs, err));
    to_little_endian(rs, report + 0x2a0);
    to_little_endian(rs + 48, report + 0x2a0 + 72);
    if (defect != NULL && defect->alter_report != NULL)
        defect->alter_report(report);
    return BB_OK;
}

enum bb_status bb_sim_certs(struct bb_sim *sim, const struct bb_sim_defect *defect,
                            struct bb_sim_certs *out, struct bb_error *err) {
    struct bb_sim_config c;
    enum bb_sim_defect_id id = defect == NULL ? BB_SIM_DEFECT_NONE : defect->id;
    BB_TRY(prepare(sim, defect, &c, err));
    bool vlek = c.signer == BB_SNP_SIGNER_VLEK;
    BB_TRY(need_key(sim, "ark.key", BB_KEY_RSA4096, &sim->keys.ark, err));
    BB_TRY(need_key(sim, vlek ? "asvk.key" : "ask.key", BB_KEY_RSA4096,
                    vlek ? &sim->keys.asvk : &sim->keys.ask, err));
    struct bb_sim_keys keys = sim->keys;
    if (id == BB_SIM_AMD_NAMES_ROOT) {
        BB_TRY(need_key(sim, "self-made-root.key", BB_KEY_RSA4096, &sim->fake_root, err));
        keys.ark = sim->fake_root;
    }
    BB_TRY(bb_sim_issue(&keys, &c, id, (int64_t)time(NULL), &sim->chain, err));
    const struct bb_sim_chain *chain = &sim->chain;
    *out = (struct bb_sim_certs){.vek = bb_span(chain->vek.data, chain->vek.len),
                                 .ask = bb_span(chain->ask.data, chain->ask.len),
                                 .ark = bb_span(chain->ark.data, chain->ark.len),
                                 .crl = bb_span(chain->crl.data, chain->crl.len)};
    return BB_OK;
}

enum bb_status bb_sim_root(struct bb_sim *sim, uint8_t spki_sha256[32], struct bb_error *err) {
    BB_TRY(need_key(sim, "ark.key", BB_KEY_RSA4096, &sim->keys.ark, err));
    return bb_sha256(bb_key_spki(sim->keys.ark), spki_sha256) ? BB_OK
                                                              : bb_fail_internal(err, "SHA-256");
}

enum bb_status bb_sim_count(struct bb_sim *sim, uint64_t *count, struct bb_error *err) {
    return bb_sim_store_count(&sim->store, count, err);
}

enum bb_status bb_sim_policy(struct bb_sim *sim, char **json, struct bb_error *err) {
    uint8_t root[32];
    char root_hex[BB_HEX_SIZE(32)], measurement[BB_HEX_SIZE(48)], host_data[BB_HEX_SIZE(32)];
    char minimum[160] = "", *text = NULL;
    const struct bb_sim_config *c = &sim->config;
    BB_TRY(bb_sim_root(sim, root, err));
    bb_hex_encode(BB_SPAN_OF(root), root_hex, sizeof root_hex);
    bb_hex_encode(BB_SPAN_OF(c->measurement), measurement, sizeof measurement);
    bb_hex_encode(BB_SPAN_OF(c->host_data), host_data, sizeof host_data);
    size_t at = 0;
    for (int p = 0; p < BB_SNP_TCB_PARTS; p++) {
        uint8_t v = 0;
        if (bb_snp_tcb_part(c->reported_tcb, c->product, (enum bb_snp_tcb_part)p, &v))
            at += (size_t)snprintf(minimum + at, sizeof minimum - at, "%s\"%s\": %u",
                                   at == 0 ? "" : ", ",
                                   bb_snp_tcb_part_name((enum bb_snp_tcb_part)p), v);
    }
    int n = asprintf(&text,
                     "{\n  \"schema\": \"blindbox.policy/1\",\n  \"evidence\": [\"simulated\"],\n"
                     "  \"allow_simulated\": true,\n  \"simulated_roots\": [\"%s\"],\n"
                     "  \"measurements\": [\"%s\"],\n  \"host_data\": [\"%s\"],\n"
                     "  \"minimum_tcb\": {\"%s\": {%s}}\n}\n",
                     root_hex, measurement, host_data, bb_snp_product_name(c->product), minimum);
    if (n < 0)
        return bb_fail_internal(err, "memory for a policy");
    *json = text;
    return BB_OK;
}

struct sim_attester {
    struct bb_attester base;
    struct bb_sim *sim;
    const struct bb_sim_defect *defect;
    struct bb_sim_certs certs;
};

static enum bb_status sim_get(struct bb_attester *self,
                              const uint8_t report_data[BB_SNP_REPORT_DATA_SIZE],
                              struct bb_attestation *out, struct bb_error *err) {
    struct sim_attester *a = (struct sim_attester *)(void *)self;
    struct bb_attestation made = {.kind = a->base.ops->kind,
                                  .report_len = BB_SNP_REPORT_SIZE,
                                  .vek = a->certs.vek,
                                  .ask = a->certs.ask,
                                  .ark = a->certs.ark,
                                  .crl = a->certs.crl};
    BB_TRY(bb_sim_sign(a->sim, report_data, a->defect, made.report, err));
    *out = made;
    return BB_OK;
}

static void sim_free(struct bb_attester *self) {
    struct sim_attester *a = (struct sim_attester *)(void *)self;
    bb_sim_free(a->sim);
    free(a);
}

static const struct bb_attester_ops sim_ops = {
    .name = "sim", .kind = 255, .get = sim_get, .free = sim_free};

enum bb_status bb_attester_sim_new(const char *dir, const char *defect, struct bb_attester **out,
                                   struct bb_error *err) {
    const struct bb_sim_defect *row = defect == NULL ? NULL : bb_sim_defect_find(defect);
    if (defect != NULL && row == NULL)
        return bb_fail(err, BB_USAGE, "defect", "a name that 'blindbox sim show' lists", defect,
                       "the simulator has no defect '%s'", defect);
    struct sim_attester *a = calloc(1, sizeof *a);
    if (a == NULL)
        return bb_fail_internal(err, "memory for an attester");
    a->base.ops = &sim_ops;
    a->defect = row;
    enum bb_status status = bb_sim_open(dir, &a->sim, err);
    if (status == BB_OK)
        status = bb_sim_certs(a->sim, row, &a->certs, err);
    if (status != BB_OK) {
        sim_free(&a->base);
        return status;
    }
    *out = &a->base;
    return BB_OK;
}
