#include "cli/candidate_policy.h"

#include "base/hex.h"
#include "crypto/cert.h"
#include "evidence/snp/vek.h"

#include <jansson.h>

static json_t *hex_list(struct bb_span value) {
    char text[BB_HEX_SIZE(64)];
    bb_hex_encode(value, text, sizeof text);
    return json_pack("[s]", text);
}

/* The product by CPUID, or in version 2 by the certificate. */
static enum bb_snp_product product_of(const struct bb_client_bound *b,
                                      const struct bb_snp_report *report) {
    struct bb_cert *cert = NULL;
    struct bb_snp_vek vek = {0};
    if (report->has_cpuid)
        return report->product;
    if (bb_cert_parse(b->cmw.vek, &cert, NULL) != BB_OK)
        return BB_SNP_PRODUCT_UNKNOWN;
    bool read = bb_snp_vek_read(cert, &vek, NULL) == BB_OK;
    bb_cert_free(cert);
    return read ? vek.product : BB_SNP_PRODUCT_UNKNOWN;
}

static json_t *minimum(struct bb_snp_tcb tcb, enum bb_snp_product product) {
    json_t *parts = json_object();
    for (int p = 0; p < BB_SNP_TCB_PARTS; p++) {
        uint8_t value = 0;
        if (bb_snp_tcb_part(tcb, product, (enum bb_snp_tcb_part)p, &value))
            (void)json_object_set_new(parts, bb_snp_tcb_part_name((enum bb_snp_tcb_part)p),
                                      json_integer(value));
    }
    return json_pack("{s:o}", bb_snp_product_name(product), parts);
}

static enum bb_status add_simulator(json_t *o, const struct bb_client_bound *b,
                                    struct bb_error *err) {
    struct bb_cert *root = NULL;
    if (b->response.kind != BB_KIND_SIMULATED)
        return BB_OK;
    BB_TRY(bb_cert_parse(b->cmw.ark, &root, err));
    (void)json_object_set_new(o, "allow_simulated", json_true());
    (void)json_object_set_new(o, "simulated_roots",
                              hex_list(bb_span(bb_cert_spki_sha256(root), BB_SHA256_SIZE)));
    bb_cert_free(root);
    return BB_OK;
}

static enum bb_status fill(json_t *o, const struct bb_client_bound *b, struct bb_error *err) {
    struct bb_snp_report report;
    BB_TRY(bb_snp_report_parse(b->cmw.report, &report, err));
    bool simulated = b->response.kind == BB_KIND_SIMULATED;
    enum bb_snp_product product = product_of(b, &report);
    (void)json_object_set_new(o, "schema", json_string("blindbox.policy/1"));
    (void)json_object_set_new(o, "evidence", json_pack("[s]", simulated ? "simulated" : "sev-snp"));
    BB_TRY(add_simulator(o, b, err));
    (void)json_object_set_new(o, "measurements", hex_list(report.measurement));
    if (!bb_span_is_zero(report.host_data))
        (void)json_object_set_new(o, "host_data", hex_list(report.host_data));
    if (product != BB_SNP_PRODUCT_UNKNOWN)
        (void)json_object_set_new(o, "minimum_tcb", minimum(report.reported_tcb, product));
    if ((b->response.flags & BB_FLAG_OUTSIDE_UPSTREAM) != 0)
        (void)json_object_set_new(o, "config_digests", hex_list(BB_SPAN_OF(b->config_digest)));
    return BB_OK;
}

enum bb_status bb_candidate_policy(const struct bb_client_bound *bound, char **json,
                                   struct bb_error *err) {
    json_t *o = json_object();
    if (o == NULL)
        return bb_fail_internal(err, "memory for a policy");
    enum bb_status status = fill(o, bound, err);
    char *text = status == BB_OK ? json_dumps(o, JSON_INDENT(2)) : NULL;
    json_decref(o);
    if (status == BB_OK && text == NULL)
        return bb_fail_internal(err, "memory for a policy");
    *json = text;
    return status;
}
