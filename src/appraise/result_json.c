#include "appraise/result_json.h"

#include "base/hex.h"

#include <inttypes.h>
#include <stdio.h>

static json_t *hex(struct bb_span s) {
    char text[BB_HEX_SIZE(64)];
    bb_hex_encode(s, text, sizeof text);
    return json_string(text);
}

static json_t *number_hex(uint64_t value) {
    char text[24];
    (void)snprintf(text, sizeof text, "0x%" PRIx64, value);
    return json_string(text);
}

static json_t *tcb(struct bb_snp_tcb value, enum bb_snp_product product) {
    json_t *o = json_object();
    (void)json_object_set_new(o, "raw", hex(BB_SPAN_OF(value.raw)));
    for (int p = 0; p < BB_SNP_TCB_PARTS; p++) {
        uint8_t v = 0;
        if (bb_snp_tcb_part(value, product, (enum bb_snp_tcb_part)p, &v))
            (void)json_object_set_new(o, bb_snp_tcb_part_name((enum bb_snp_tcb_part)p),
                                      json_integer(v));
    }
    return o;
}

static json_t *fw_version(struct bb_snp_fw_version v) {
    char text[24];
    (void)snprintf(text, sizeof text, "%u.%u.%u", v.major, v.minor, v.build);
    return json_string(text);
}

static void add_identity(json_t *o, const struct bb_snp_report *r) {
    (void)json_object_set_new(o, "version", json_integer(r->version));
    (void)json_object_set_new(o, "guest_svn", json_integer(r->guest_svn));
    (void)json_object_set_new(o, "policy", number_hex(r->policy));
    (void)json_object_set_new(o, "debug", json_boolean((r->policy & BB_SNP_POLICY_DEBUG) != 0));
    (void)json_object_set_new(o, "migration",
                              json_boolean((r->policy & BB_SNP_POLICY_MIGRATE_MA) != 0));
    (void)json_object_set_new(o, "smt", json_boolean((r->policy & BB_SNP_POLICY_SMT) != 0));
    (void)json_object_set_new(o, "family_id", hex(r->family_id));
    (void)json_object_set_new(o, "image_id", hex(r->image_id));
    (void)json_object_set_new(o, "vmpl", json_integer(r->vmpl));
    (void)json_object_set_new(o, "signature_algo", json_integer(r->signature_algo));
    (void)json_object_set_new(o, "platform_info", number_hex(r->platform_info));
    (void)json_object_set_new(o, "flags", number_hex(r->flags));
    (void)json_object_set_new(o, "author_key_en", json_boolean(r->author_key_en));
    (void)json_object_set_new(o, "signer",
                              json_string(r->signer == BB_SNP_SIGNER_VLEK ? "vlek" : "vcek"));
}

json_t *bb_report_to_json(const struct bb_snp_report *r) {
    json_t *o = json_object();
    add_identity(o, r);
    (void)json_object_set_new(o, "report_data", hex(r->report_data));
    (void)json_object_set_new(o, "measurement", hex(r->measurement));
    (void)json_object_set_new(o, "host_data", hex(r->host_data));
    (void)json_object_set_new(o, "id_key_digest", hex(r->id_key_digest));
    (void)json_object_set_new(o, "author_key_digest", hex(r->author_key_digest));
    (void)json_object_set_new(o, "report_id", hex(r->report_id));
    (void)json_object_set_new(o, "report_id_ma", hex(r->report_id_ma));
    (void)json_object_set_new(
        o, "product", r->has_cpuid ? json_string(bb_snp_product_name(r->product)) : json_null());
    if (r->has_cpuid) {
        (void)json_object_set_new(o, "cpuid_family", json_integer(r->cpuid_family));
        (void)json_object_set_new(o, "cpuid_model", json_integer(r->cpuid_model));
        (void)json_object_set_new(o, "cpuid_stepping", json_integer(r->cpuid_stepping));
    }
    (void)json_object_set_new(o, "chip_id", hex(r->chip_id));
    (void)json_object_set_new(o, "current_tcb", tcb(r->current_tcb, r->product));
    (void)json_object_set_new(o, "reported_tcb", tcb(r->reported_tcb, r->product));
    (void)json_object_set_new(o, "committed_tcb", tcb(r->committed_tcb, r->product));
    (void)json_object_set_new(o, "launch_tcb", tcb(r->launch_tcb, r->product));
    (void)json_object_set_new(o, "current_version", fw_version(r->current));
    (void)json_object_set_new(o, "committed_version", fw_version(r->committed));
    if (r->has_mitigations) {
        (void)json_object_set_new(o, "launch_mit_vector", number_hex(r->launch_mit_vector));
        (void)json_object_set_new(o, "current_mit_vector", number_hex(r->current_mit_vector));
    }
    (void)json_object_set_new(o, "signature_r", hex(bb_span(r->signature_rs, 48)));
    (void)json_object_set_new(o, "signature_s", hex(bb_span(r->signature_rs + 48, 48)));
    return o;
}

json_t *bb_json_text(const char *text) {
    json_t *plain = json_string(text);
    char escaped[1024];
    if (plain != NULL)
        return plain;
    bb_escape(bb_span_str(text), escaped, sizeof escaped);
    return json_string(escaped);
}

static json_t *text_or_null(const char *text) {
    return text[0] == '\0' ? json_null() : bb_json_text(text);
}

static json_t *checks(const struct bb_result *r) {
    json_t *list = json_array();
    for (int i = 0; i < BB_CHECK_COUNT; i++) {
        const struct bb_check *c = &r->checks[i];
        if (c->outcome == BB_OUTCOME_NONE)
            continue;
        json_t *o = json_object();
        (void)json_object_set_new(o, "id", json_string(bb_check_name((enum bb_check_id)i)));
        (void)json_object_set_new(o, "outcome", json_string(bb_outcome_name(c->outcome)));
        (void)json_object_set_new(o, "expected", text_or_null(c->expected));
        (void)json_object_set_new(o, "found", text_or_null(c->found));
        (void)json_object_set_new(o, "reason", text_or_null(c->reason));
        if (c->outcome == BB_OUTCOME_FAILED)
            (void)json_object_set_new(o, "class", json_string(bb_status_name(c->status)));
        (void)json_array_append_new(list, o);
    }
    return list;
}

const char *bb_result_kind(const struct bb_result *result, bool parsed) {
    if (!parsed)
        return "unknown";
    return result->simulated ? "simulated" : "sev-snp";
}

json_t *bb_result_to_json(const struct bb_result_view *v) {
    const struct bb_result *r = v->result;
    bool accepted = r->verdict == BB_VERDICT_ACCEPTED;
    json_t *o = json_object();
    json_t *policy = json_object();
    (void)json_object_set_new(o, "schema", json_string(v->schema));
    (void)json_object_set_new(o, "verdict", json_string(accepted ? "accepted" : "refused"));
    (void)json_object_set_new(o, "class",
                              accepted ? json_null() : json_string(bb_status_name(r->status)));
    (void)json_object_set_new(o, "exit", json_integer(accepted ? 0 : bb_status_exit(r->status)));
    (void)json_object_set_new(o, "kind", json_string(v->kind));
    (void)json_object_set_new(o, "simulated", json_boolean(r->simulated));
    (void)json_object_set_new(policy, "source", bb_json_text(v->policy_source));
    (void)json_object_set_new(policy, "sha256",
                              v->policy == NULL || bb_span_is_zero(BB_SPAN_OF(v->policy->sha256))
                                  ? json_null() /* no text that could be hashed */
                                  : hex(BB_SPAN_OF(v->policy->sha256)));
    (void)json_object_set_new(o, "policy", policy);
    (void)json_object_set_new(o, "checks", checks(r));
    (void)json_object_set_new(o, "claims",
                              v->report == NULL ? json_object() : bb_report_to_json(v->report));
    return o;
}

void bb_result_json_error(json_t *o, const struct bb_error *err) {
    (void)json_object_set_new(o, "error", bb_json_text(err->text));
    (void)json_object_set_new(o, "field", text_or_null(err->field));
    (void)json_object_set_new(o, "expected", text_or_null(err->expected));
    (void)json_object_set_new(o, "found", text_or_null(err->found));
}
