/* blindbox policy lint|show. */
#include "cli/commands.h"
#include "cli/print_result.h"

#include "base/hex.h"
#include "appraise/policy.h"

#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: blindbox policy lint FILE [--json]\n"
    "       blindbox policy show [FILE] [--json]\n"
    "\n"
    "lint checks a policy and warns of what weakens it (exit 1 if it is not valid);\n"
    "'-' is standard input;\n"
    "show explains what the policy that would be used asks for, defaults included.\n";

struct finding {
    bool (*holds)(const struct bb_policy *p);
    const char *text;
};

static bool no_code(const struct bb_policy *p) {
    return !bb_policy_names_code(p) && !bb_policy_services_name_code(p);
}
static bool host_data_alone(const struct bb_policy *p) {
    return no_code(p) && (p->host_data.given || p->cce_policy_file != NULL);
}
static bool no_minimum(const struct bb_policy *p) { return !p->minimum_tcb.given; }
static bool simulated(const struct bb_policy *p) { return p->allow_simulated; }
static bool no_sim_roots(const struct bb_policy *p) {
    return p->allow_simulated && p->simulated_roots.count == 0;
}
static bool crl_optional(const struct bb_policy *p) { return !p->crl_required; }
static bool form_zero(const struct bb_policy *p) { return (p->report_data_forms & 1) != 0; }
static bool debug_allowed(const struct bb_policy *p) { return p->guest.debug_allowed; }
static bool migration_allowed(const struct bb_policy *p) { return p->guest.migration_allowed; }
static bool other_vmpl(const struct bb_policy *p) { return (p->vmpl & ~1U) != 0; }
static bool provisional(const struct bb_policy *p) { return p->provisional_allowed; }
static bool empty(const struct bb_policy_digests *list) { return list->given && list->count == 0; }
static bool names_no_product(const struct bb_policy_minimum_tcb *m) {
    bool any = false;
    for (int i = 0; i < BB_SNP_PRODUCT_COUNT; i++)
        any |= m->has_product[i];
    return m->given && !any;
}
static bool nothing_allowed(const struct bb_policy *p) {
    return p->vmpl == 0 || p->products == 0 || p->signers == 0 || p->report_versions == 0 ||
           p->report_data_forms == 0 || empty(&p->measurements) || empty(&p->id_key_digests) ||
           empty(&p->author_key_digests) || empty(&p->host_data) || empty(&p->config_digests) ||
           empty(&p->chip_ids) || empty(&p->family_ids) || empty(&p->image_ids) ||
           names_no_product(&p->minimum_tcb) || names_no_product(&p->minimum_launch_tcb) ||
           (p->evidence_given && !p->kind_sev_snp && !p->kind_azure_hcl && !p->kind_simulated);
}

static const struct finding findings[] = {
    {no_code,
     "it names no expected code (measurements, id_key_digests): everything is refused with "
     "MissingReferenceValues"},
    {host_data_alone, "host_data alone is not code: the host sets it"},
    {no_minimum, "no minimum_tcb: firmware with known flaws is accepted"},
    {simulated, "allow_simulated: a simulated TEE proves nothing about hardware"},
    {no_sim_roots, "allow_simulated without simulated_roots accepts no simulator"},
    {crl_optional, "crl if-present: a revoked certificate may go unseen"},
    {form_zero,
     "report_data_forms with 0: other programs in the VM may be able to make such reports"},
    {debug_allowed, "guest_policy.debug: the host can read the VM's memory"},
    {migration_allowed, "guest_policy.migration: a migration agent can move the VM"},
    {other_vmpl, "vmpl other than 0: less privileged software may ask for reports"},
    {provisional, "provisional_firmware: the host can roll its firmware back"},
    {nothing_allowed, "an empty list accepts nothing"},
};

static int lint(const struct bb_policy *p, const char *source, bool json) {
    json_t *warnings = json_array();
    for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++) {
        if (!findings[i].holds(p))
            continue;
        (void)json_array_append_new(warnings, json_string(findings[i].text));
        if (!json)
            (void)fprintf(stderr, "warning: %s\n", findings[i].text);
    }
    if (!json) {
        json_decref(warnings);
        (void)printf("%s: valid blindbox.policy/1\n", source);
        return 0;
    }
    json_t *o = json_pack("{s:s, s:o, s:b, s:o}", "schema", "blindbox.policy-lint/1", "source",
                          bb_json_text(source), "valid", 1, "warnings", warnings);
    bb_json_print(stdout, o);
    return 0;
}

/* A policy that is not valid is a result of lint too. */
static void print_invalid(const char *source, const struct bb_error *err) {
    json_t *o = json_pack("{s:s, s:o, s:b, s:[]}", "schema", "blindbox.policy-lint/1", "source",
                          bb_json_text(source), "valid", 0, "warnings");
    (void)json_object_set_new(o, "key", bb_json_text(err->field));
    (void)json_object_set_new(o, "error", bb_json_text(err->text));
    bb_json_print(stdout, o);
}

static json_t *digests(const struct bb_policy_digests *list) {
    if (!list->given)
        return json_string("not requested");
    json_t *out = json_array();
    for (size_t i = 0; i < list->count; i++) {
        char text[BB_HEX_SIZE(64)];
        bb_hex_encode(bb_span(list->data + i * list->size, list->size), text, sizeof text);
        (void)json_array_append_new(out, json_string(text));
    }
    return out;
}

static json_t *bits(bb_bits set, const char *(*name)(int)) {
    json_t *out = json_array();
    for (int i = 0; i < 8; i++)
        if ((set >> i & 1) != 0)
            (void)json_array_append_new(out, name == NULL ? json_integer(i) : json_string(name(i)));
    return out;
}

static const char *product_name(int i) { return bb_snp_product_name((enum bb_snp_product)i); }
static const char *signer_name(int i) { return i == BB_SNP_SIGNER_VLEK ? "vlek" : "vcek"; }

static json_t *minimum(const struct bb_policy_minimum_tcb *m) {
    if (!m->given)
        return json_string("not requested");
    json_t *out = json_object();
    for (int p = 1; p < BB_SNP_PRODUCT_COUNT; p++) {
        if (!m->has_product[p])
            continue;
        json_t *parts = json_object();
        for (int i = 0; i < BB_SNP_TCB_PARTS; i++)
            if (bb_snp_tcb_index((enum bb_snp_product)p, (enum bb_snp_tcb_part)i) >= 0)
                (void)json_object_set_new(parts, bb_snp_tcb_part_name((enum bb_snp_tcb_part)i),
                                          json_integer(m->part[p][i]));
        (void)json_object_set_new(out, product_name(p), parts);
    }
    return out;
}

static json_t *verifiers(const struct bb_policy *p) {
    static const char *const modes[] = {"local", "passport", "background"};
    static const char *const profiles[] = {"maa", "ear"};
    json_t *out = json_array();
    for (size_t i = 0; i < p->n_verifiers; i++) {
        const struct bb_policy_verifier *v = &p->verifiers[i];
        json_t *o = json_pack("{s:s}", "mode", modes[v->mode]);
        (void)json_array_append_new(out, o);
        if (v->mode == BB_MODE_LOCAL)
            continue;
        (void)json_object_set_new(o, "profile", json_string(profiles[v->profile]));
        if (v->url != NULL)
            (void)json_object_set_new(o, "url", bb_json_text(v->url));
        (void)json_object_set_new(o, "issuer", bb_json_text(v->issuer));
        (void)json_object_set_new(o, "jwks", bb_json_text(v->jwks));
    }
    return out;
}

static json_t *explain(const struct bb_policy *p, const char *source) {
    json_t *o = json_object();
    char sha[BB_HEX_SIZE(32)];
    bb_hex_encode(BB_SPAN_OF(p->sha256), sha, sizeof sha);
    (void)json_object_set_new(o, "source", bb_json_text(source));
    (void)json_object_set_new(o, "sha256", json_string(sha));
    (void)json_object_set_new(o, "sev-snp", json_boolean(p->kind_sev_snp));
    (void)json_object_set_new(o, "simulated",
                              json_boolean(p->kind_simulated && p->allow_simulated));
    (void)json_object_set_new(o, "simulated_roots", digests(&p->simulated_roots));
    (void)json_object_set_new(o, "measurements", digests(&p->measurements));
    (void)json_object_set_new(o, "id_key_digests", digests(&p->id_key_digests));
    (void)json_object_set_new(o, "author_key_digests", digests(&p->author_key_digests));
    (void)json_object_set_new(o, "host_data", digests(&p->host_data));
    (void)json_object_set_new(o, "config_digests", digests(&p->config_digests));
    (void)json_object_set_new(o, "minimum_tcb", minimum(&p->minimum_tcb));
    (void)json_object_set_new(o, "minimum_launch_tcb", minimum(&p->minimum_launch_tcb));
    (void)json_object_set_new(o, "debug",
                              json_string(p->guest.debug_allowed ? "allowed" : "refused"));
    (void)json_object_set_new(o, "migration",
                              json_string(p->guest.migration_allowed ? "allowed" : "refused"));
    (void)json_object_set_new(o, "vmpl", bits(p->vmpl, NULL));
    (void)json_object_set_new(o, "products", bits(p->products, product_name));
    (void)json_object_set_new(o, "signers", bits(p->signers, signer_name));
    (void)json_object_set_new(o, "report_versions", bits(p->report_versions, NULL));
    (void)json_object_set_new(o, "chip_ids", digests(&p->chip_ids));
    (void)json_object_set_new(o, "family_ids", digests(&p->family_ids));
    (void)json_object_set_new(o, "image_ids", digests(&p->image_ids));
    (void)json_object_set_new(o, "crl", json_string(p->crl_required ? "required" : "if-present"));
    (void)json_object_set_new(o, "provisional_firmware",
                              json_string(p->provisional_allowed ? "allowed" : "refused"));
    (void)json_object_set_new(o, "report_data_forms", bits(p->report_data_forms, NULL));
    (void)json_object_set_new(o, "max_age", json_integer(p->max_age));
    (void)json_object_set_new(o, "max_connection_age", json_integer(p->max_connection_age));
    (void)json_object_set_new(o, "verifiers", verifiers(p));
    return o;
}

static int show(const struct bb_policy *p, const char *source, bool json) {
    json_t *o = explain(p, source);
    const char *key = NULL;
    json_t *value = NULL;
    if (json) {
        (void)json_object_set_new(o, "schema", json_string("blindbox.policy-explained/1"));
        bb_json_print(stdout, o);
        return 0;
    }
    json_object_foreach(o, key, value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        (void)printf("%-22s %s\n", key, json_is_string(value) ? json_string_value(value) : text);
        free(text);
    }
    json_decref(o);
    return 0;
}

int bb_cmd_policy(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "", *file = NULL;
    bool json = false, bad = false, is_lint = strcmp(what, "lint") == 0;
    struct bb_error err = {0};
    struct bb_policy *policy = NULL;
    char source[512];
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return fputs(usage, stdout) < 0 ? 1 : 0;
        else if (file == NULL && (argv[i][0] != '-' || argv[i][1] == '\0'))
            file = argv[i];
        else
            bad = true;
    }
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0)
        return fputs(usage, stdout) < 0 ? 1 : 0;
    if (bad || (!is_lint && strcmp(what, "show") != 0) || (is_lint && file == NULL)) {
        (void)fputs(usage, stderr);
        return 1;
    }
    if (bb_policy_load(file, &policy, source, sizeof source, &err) != BB_OK) {
        if (is_lint && json)
            print_invalid(source, &err);
        return bb_error_print(stderr, &err);
    }
    int code = is_lint ? lint(policy, source, json) : show(policy, source, json);
    bb_policy_free(policy);
    return code;
}
