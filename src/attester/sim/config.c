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
    BYTES(measurement), BYTES(host_data),    BYTES(id_key_digest), BYTES(author_key_digest),
    BYTES(family_id),   BYTES(image_id),     BYTES(report_id),     BYTES(report_id_ma),
    BYTES(current_tcb), BYTES(reported_tcb), BYTES(committed_tcb), BYTES(launch_tcb),
};

static const struct {
    const char *key;
    size_t offset, size;
    uint64_t max; /* JSON's integers end at INT64_MAX */
} number_keys[] = {
#define NAMED(key, field, max)                                                                     \
    { key, offsetof(struct bb_sim_config, field), sizeof(((struct bb_sim_config *)0)->field), max }
#define NUMBER(field, max) NAMED(#field, field, max)
    NUMBER(version, UINT32_MAX),
    NUMBER(guest_svn, UINT32_MAX),
    NUMBER(policy, INT64_MAX),
    NUMBER(vmpl, UINT32_MAX),
    NUMBER(platform_info, INT64_MAX),
    NUMBER(cpuid_family, UINT8_MAX),
    NUMBER(cpuid_model, UINT8_MAX),
    NUMBER(cpuid_stepping, UINT8_MAX),
    NAMED("current_build", current.build, UINT8_MAX),
    NAMED("current_minor", current.minor, UINT8_MAX),
    NAMED("current_major", current.major, UINT8_MAX),
    NAMED("committed_build", committed.build, UINT8_MAX),
    NAMED("committed_minor", committed.minor, UINT8_MAX),
    NAMED("committed_major", committed.major, UINT8_MAX),
    NUMBER(launch_mit_vector, INT64_MAX),
    NUMBER(current_mit_vector, INT64_MAX),
    NUMBER(latency_ms, BB_SIM_LATENCY_MS_MAX),
    NAMED("throttle_burst", throttle.burst, 1000000),
    NAMED("throttle_per_second", throttle.per_second, 1000000),
    NAMED("throttle_stall_ms", throttle.stall_ms, BB_SIM_LATENCY_MS_MAX),
};

enum {
    N_BYTES = sizeof bytes_keys / sizeof bytes_keys[0],
    N_NUMBERS = sizeof number_keys / sizeof number_keys[0]
};

static void *field(struct bb_sim_config *c, size_t offset) { return (char *)c + offset; }

static void put_number(struct bb_sim_config *c, size_t i, uint64_t v) {
    void *at = field(c, number_keys[i].offset);
    if (number_keys[i].size == sizeof(uint8_t))
        *(uint8_t *)at = (uint8_t)v;
    else if (number_keys[i].size == sizeof(uint32_t))
        *(uint32_t *)at = (uint32_t)v;
    else
        *(uint64_t *)at = v;
}

static uint64_t get_number(struct bb_sim_config *c, size_t i) {
    const void *at = field(c, number_keys[i].offset);
    if (number_keys[i].size == sizeof(uint8_t))
        return *(const uint8_t *)at;
    return number_keys[i].size == sizeof(uint32_t) ? *(const uint32_t *)at : *(const uint64_t *)at;
}

static enum bb_status wrong(struct bb_error *err, const char *key) {
    return bb_fail(err, BB_USAGE, key, NULL, NULL,
                   "wrong value of '%s' in the simulator's configuration", key);
}

static enum bb_status read_values(const json_t *o, struct bb_sim_config *c, struct bb_error *err) {
    for (size_t i = 0; i < N_BYTES; i++) {
        const json_t *v = json_object_get(o, bytes_keys[i].key);
        if (v != NULL && (!json_is_string(v) ||
                          !bb_hex_decode_exact(json_string_value(v), field(c, bytes_keys[i].offset),
                                               bytes_keys[i].size)))
            return wrong(err, bytes_keys[i].key);
    }
    for (size_t i = 0; i < N_NUMBERS; i++) {
        const json_t *v = json_object_get(o, number_keys[i].key);
        if (v == NULL)
            continue;
        json_int_t n = json_integer_value(v);
        if (!json_is_integer(v) || n < 0 || (uint64_t)n > number_keys[i].max)
            return wrong(err, number_keys[i].key);
        put_number(c, i, (uint64_t)n);
    }
    const json_t *v = json_object_get(o, "signer");
    const char *signer = v == NULL ? "vcek" : json_string_value(v);
    if (signer == NULL || (strcmp(signer, "vcek") != 0 && strcmp(signer, "vlek") != 0))
        return wrong(err, "signer");
    c->signer = strcmp(signer, "vlek") == 0 ? BB_SNP_SIGNER_VLEK : BB_SNP_SIGNER_VCEK;
    v = json_object_get(o, "author_key_en");
    if (v != NULL && !json_is_boolean(v))
        return wrong(err, "author_key_en");
    c->author_key_en = json_is_true(v);
    v = json_object_get(o, "chip_id");
    c->has_chip_id = v != NULL && !json_is_null(v);
    if (c->has_chip_id &&
        (!json_is_string(v) ||
         !bb_hex_decode_exact(json_string_value(v), c->chip_id, sizeof c->chip_id)))
        return wrong(err, "chip_id");
    return BB_OK;
}

enum bb_status bb_sim_config_parse(struct bb_span json, struct bb_sim_config *out,
                                   struct bb_error *err) {
    static const char *const others[] = {"product", "signer", "author_key_en", "chip_id"};
    enum { N_OTHERS = sizeof others / sizeof others[0] };
    const char *known[N_BYTES + N_NUMBERS + N_OTHERS + 1] = {NULL};
    json_t *o = NULL;
    struct bb_sim_config c;
    memcpy(known, others, sizeof others);
    for (size_t i = 0; i < N_BYTES; i++)
        known[N_OTHERS + i] = bytes_keys[i].key;
    for (size_t i = 0; i < N_NUMBERS; i++)
        known[N_OTHERS + N_BYTES + i] = number_keys[i].key;
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
    (void)json_object_set_new(o, "author_key_en", json_boolean(copy.author_key_en));
    for (size_t i = 0; i < N_BYTES; i++) {
        char text[BB_HEX_SIZE(64)];
        bb_hex_encode(bb_span(field(&copy, bytes_keys[i].offset), bytes_keys[i].size), text,
                      sizeof text);
        (void)json_object_set_new(o, bytes_keys[i].key, json_string(text));
    }
    char chip[BB_HEX_SIZE(64)];
    bb_hex_encode(BB_SPAN_OF(copy.chip_id), chip, sizeof chip);
    (void)json_object_set_new(o, "chip_id", copy.has_chip_id ? json_string(chip) : json_null());
    for (size_t i = 0; i < N_NUMBERS; i++)
        (void)json_object_set_new(o, number_keys[i].key,
                                  json_integer((json_int_t)get_number(&copy, i)));
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
