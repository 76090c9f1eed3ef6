#include "attester/sim/config.h"

#include "base/hex.h"
#include "codec/json.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static struct bb_snp_tcb tcb(enum bb_snp_product product) {
    static const struct bb_snp_tcb milan = {{4, 0, 0, 0, 0, 0, 24, 219}};
    static const struct bb_snp_tcb genoa = {{10, 0, 0, 0, 0, 0, 23, 84}};
    static const struct bb_snp_tcb turin = {{1, 1, 1, 4, 0, 0, 0, 81}};
    if (product == BB_SNP_PRODUCT_TURIN)
        return turin;
    return product == BB_SNP_PRODUCT_GENOA ? genoa : milan;
}

void bb_sim_config_default(struct bb_sim_config *c, enum bb_snp_product product) {
    static const uint8_t cpuid[BB_SNP_PRODUCT_COUNT][2] = {
        [BB_SNP_PRODUCT_MILAN] = {0x19, 0x01},
        [BB_SNP_PRODUCT_GENOA] = {0x19, 0x11},
        [BB_SNP_PRODUCT_TURIN] = {0x1a, 0x02},
    };
    *c = (struct bb_sim_config){.product = product,
                                .version = product == BB_SNP_PRODUCT_TURIN ? 5 : 3,
                                .policy = BB_SNP_POLICY_RESERVED_ONE | BB_SNP_POLICY_SMT | 0x1f,
                                .platform_info = 0x25,
                                .cpuid_family = cpuid[product][0],
                                .cpuid_model = cpuid[product][1],
                                .cpuid_stepping = 1,
                                .current = {29, 55, 1},
                                .committed = {29, 55, 1},
                                .latency_ms = BB_SIM_LATENCY_MS_DEFAULT};
    c->current_tcb = c->reported_tcb = c->committed_tcb = c->launch_tcb = tcb(product);
    memset(c->measurement, 0xb1, sizeof c->measurement);
    memset(c->host_data, 0xd0, sizeof c->host_data);
    memset(c->report_id, 0x1d, sizeof c->report_id);
    memset(c->report_id_ma, 0xff, sizeof c->report_id_ma);
    bb_copy_text(c->csp_id, sizeof c->csp_id, "CN=simulated.blindbox.test");
    if (c->version >= 5)
        c->launch_mit_vector = c->current_mit_vector = 0x3f;
}

static const struct {
    const char *key;
    size_t offset, size;
} bytes_keys[] = {
#define BYTES(field)                                                                               \
    { #field, offsetof(struct bb_sim_config, field), sizeof(((struct bb_sim_config *)0)->field) }
    BYTES(measurement),  BYTES(host_data),     BYTES(id_key_digest), BYTES(author_key_digest),
    BYTES(family_id),    BYTES(image_id),      BYTES(report_id),     BYTES(current_tcb),
    BYTES(reported_tcb), BYTES(committed_tcb), BYTES(launch_tcb),
};

static const struct {
    const char *key;
    size_t offset;
    uint32_t max;
} u32_keys[] = {
#define U32(field, max)                                                                            \
    { #field, offsetof(struct bb_sim_config, field), max }
    U32(version, UINT32_MAX),
    U32(guest_svn, UINT32_MAX),
    U32(vmpl, UINT32_MAX),
    U32(latency_ms, BB_SIM_LATENCY_MS_MAX),
    {"throttle_burst", offsetof(struct bb_sim_config, throttle.burst), 1000000},
    {"throttle_per_second", offsetof(struct bb_sim_config, throttle.per_second), 1000000},
    {"throttle_stall_ms", offsetof(struct bb_sim_config, throttle.stall_ms), BB_SIM_LATENCY_MS_MAX},
};

enum {
    N_BYTES = sizeof bytes_keys / sizeof bytes_keys[0],
    N_U32 = sizeof u32_keys / sizeof u32_keys[0]
};

static void *field(struct bb_sim_config *c, size_t offset) { return (char *)c + offset; }

static enum bb_status wrong(struct bb_error *err, const char *key) {
    return bb_fail(err, BB_USAGE, key, NULL, NULL, "wrong value of '%s' in the simulator's file",
                   key);
}

static enum bb_status read_values(const json_t *o, struct bb_sim_config *c, struct bb_error *err) {
    for (size_t i = 0; i < N_BYTES; i++) {
        const json_t *v = json_object_get(o, bytes_keys[i].key);
        if (v != NULL && (!json_is_string(v) ||
                          !bb_hex_decode_exact(json_string_value(v), field(c, bytes_keys[i].offset),
                                               bytes_keys[i].size)))
            return wrong(err, bytes_keys[i].key);
    }
    for (size_t i = 0; i < N_U32; i++) {
        const json_t *v = json_object_get(o, u32_keys[i].key);
        if (v == NULL)
            continue;
        json_int_t n = json_integer_value(v);
        if (!json_is_integer(v) || n < 0 || n > (json_int_t)u32_keys[i].max)
            return wrong(err, u32_keys[i].key);
        *(uint32_t *)field(c, u32_keys[i].offset) = (uint32_t)n;
    }
    const json_t *v = json_object_get(o, "signer");
    const char *signer = v == NULL ? "vcek" : json_string_value(v);
    if (signer == NULL || (strcmp(signer, "vcek") != 0 && strcmp(signer, "vlek") != 0))
        return wrong(err, "signer");
    c->signer = strcmp(signer, "vlek") == 0 ? BB_SNP_SIGNER_VLEK : BB_SNP_SIGNER_VCEK;
    v = json_object_get(o, "chip_id");
    if (v != NULL && (!json_is_string(v) ||
                      !bb_hex_decode_exact(json_string_value(v), c->chip_id, sizeof c->chip_id)))
        return wrong(err, "chip_id");
    c->has_chip_id = v != NULL;
    v = json_object_get(o, "policy");
    if (v != NULL && (!json_is_integer(v) || json_integer_value(v) < 0))
        return wrong(err, "policy");
    if (v != NULL)
        c->policy = (uint64_t)json_integer_value(v);
    v = json_object_get(o, "platform_info");
    if (v != NULL && (!json_is_integer(v) || json_integer_value(v) < 0))
        return wrong(err, "platform_info");
    if (v != NULL)
        c->platform_info = (uint64_t)json_integer_value(v);
    return BB_OK;
}

enum bb_status bb_sim_config_parse(struct bb_span json, struct bb_sim_config *out,
                                   struct bb_error *err) {
    static const char *const others[] = {"product", "signer", "policy", "platform_info", "chip_id"};
    enum { N_OTHERS = sizeof others / sizeof others[0] };
    const char *known[N_BYTES + N_U32 + N_OTHERS + 1] = {NULL};
    json_t *o = NULL;
    struct bb_sim_config c;
    memcpy(known, others, sizeof others);
    for (size_t i = 0; i < N_BYTES; i++)
        known[N_OTHERS + i] = bytes_keys[i].key;
    for (size_t i = 0; i < N_U32; i++)
        known[N_OTHERS + N_BYTES + i] = u32_keys[i].key;
    BB_TRY(bb_json_parse_object(json, BB_SIM_CONFIG_JSON_MAX, "sim.json", &o, err));
    enum bb_status status = bb_json_known_keys(o, known, "", err);
    const json_t *product = json_object_get(o, "product");
    enum bb_snp_product p = BB_SNP_PRODUCT_UNKNOWN;
    if (product == NULL)
        p = BB_SNP_PRODUCT_MILAN;
    else if (json_is_string(product))
        p = bb_snp_product_from_name(json_string_value(product));
    if (status == BB_OK && p == BB_SNP_PRODUCT_UNKNOWN)
        status = wrong(err, "product");
    if (status == BB_OK) {
        bb_sim_config_default(&c, p);
        status = read_values(o, &c, err);
    }
    json_decref(o);
    if (status == BB_OK)
        *out = c;
    return status;
}

char *bb_sim_config_json(const struct bb_sim_config *config) {
    struct bb_sim_config copy = *config;
    json_t *o = json_object();
    (void)json_object_set_new(o, "product", json_string(bb_snp_product_name(copy.product)));
    (void)json_object_set_new(o, "signer",
                              json_string(copy.signer == BB_SNP_SIGNER_VLEK ? "vlek" : "vcek"));
    (void)json_object_set_new(o, "policy", json_integer((json_int_t)copy.policy));
    (void)json_object_set_new(o, "platform_info", json_integer((json_int_t)copy.platform_info));
    for (size_t i = 0; i < N_BYTES; i++) {
        char text[BB_HEX_SIZE(64)];
        bb_hex_encode(bb_span(field(&copy, bytes_keys[i].offset), bytes_keys[i].size), text,
                      sizeof text);
        (void)json_object_set_new(o, bytes_keys[i].key, json_string(text));
    }
    if (copy.has_chip_id) {
        char text[BB_HEX_SIZE(64)];
        bb_hex_encode(BB_SPAN_OF(copy.chip_id), text, sizeof text);
        (void)json_object_set_new(o, "chip_id", json_string(text));
    }
    for (size_t i = 0; i < N_U32; i++)
        (void)json_object_set_new(o, u32_keys[i].key,
                                  json_integer(*(uint32_t *)field(&copy, u32_keys[i].offset)));
    char *text = json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    return text;
}

static void write_fw(struct bb_writer *w, struct bb_snp_fw_version v) {
    bb_write_u8(w, v.build);
    bb_write_u8(w, v.minor);
    bb_write_u8(w, v.major);
    bb_write_u8(w, 0);
}

void bb_sim_report_build(const struct bb_sim_config *c,
                         const uint8_t report_data[BB_SNP_REPORT_DATA_SIZE],
                         uint8_t report[BB_SNP_REPORT_SIZE]) {
    static const uint8_t none[32];
    struct bb_writer w = bb_writer(report, BB_SNP_REPORT_SIZE);
    memset(report, 0, BB_SNP_REPORT_SIZE);
    bb_write_u32le(&w, c->version);
    bb_write_u32le(&w, c->guest_svn);
    bb_write_u64le(&w, c->policy);
    bb_write_bytes(&w, BB_SPAN_OF(c->family_id));
    bb_write_bytes(&w, BB_SPAN_OF(c->image_id));
    bb_write_u32le(&w, c->vmpl);
    bb_write_u32le(&w, 1); /* ECDSA P-384 with SHA-384 */
    bb_write_bytes(&w, BB_SPAN_OF(c->current_tcb.raw));
    bb_write_u64le(&w, c->platform_info);
    bb_write_u32le(&w, (c->author_key_en ? 1U : 0U) | (uint32_t)c->signer << 2);
    bb_write_u32le(&w, 0);
    bb_write_bytes(&w, bb_span(report_data, BB_SNP_REPORT_DATA_SIZE));
    bb_write_bytes(&w, BB_SPAN_OF(c->measurement));
    bb_write_bytes(&w, BB_SPAN_OF(c->host_data));
    bb_write_bytes(&w, BB_SPAN_OF(c->id_key_digest));
    bb_write_bytes(&w, BB_SPAN_OF(c->author_key_digest));
    bb_write_bytes(&w, BB_SPAN_OF(c->report_id));
    bb_write_bytes(&w, BB_SPAN_OF(c->report_id_ma));
    bb_write_bytes(&w, BB_SPAN_OF(c->reported_tcb.raw));
    bool cpuid = c->version >= 3;
    bb_write_u8(&w, cpuid ? c->cpuid_family : 0);
    bb_write_u8(&w, cpuid ? c->cpuid_model : 0);
    bb_write_u8(&w, cpuid ? c->cpuid_stepping : 0);
    bb_write_bytes(&w, bb_span(none, 21));
    bb_write_bytes(&w, BB_SPAN_OF(c->chip_id));
    bb_write_bytes(&w, BB_SPAN_OF(c->committed_tcb.raw));
    write_fw(&w, c->current);
    write_fw(&w, c->committed);
    bb_write_bytes(&w, BB_SPAN_OF(c->launch_tcb.raw));
    bb_write_u64le(&w, c->version >= 5 ? c->launch_mit_vector : 0);
    bb_write_u64le(&w, c->version >= 5 ? c->current_mit_vector : 0);
}
