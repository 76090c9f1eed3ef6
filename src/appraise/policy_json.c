/* blindbox.policy/1 from JSON: one row a key, strict in every type and length. */
#include "appraise/policy.h"

#include "appraise/policy_verifiers.h"
#include "base/hex.h"
#include "codec/json.h"
#include "crypto/digest.h"

#include <stdio.h>
#include <stdlib.h>

struct context {
    struct bb_policy *p;
    struct bb_error *err;
    const char *key;
};

static enum bb_status wrong(const struct context *c, const char *expected, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
    char found[64] = "";
    if (text != NULL)
        bb_escape(bb_span_str(text), found, sizeof found);
    free(text);
    return bb_fail(c->err, BB_USAGE, c->key, expected, found, "wrong value in the policy");
}

static enum bb_status take_bool(const struct context *c, const json_t *v, bool *out) {
    if (!json_is_boolean(v))
        return wrong(c, "true or false", v);
    *out = json_is_true(v);
    return BB_OK;
}

static enum bb_status take_u32(const struct context *c, const json_t *v, uint32_t *out) {
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > UINT32_MAX)
        return wrong(c, "an integer 0..4294967295", v);
    *out = (uint32_t)json_integer_value(v);
    return BB_OK;
}

/* Hex values of exactly `size` bytes (`short_size`, zero-padded, is taken too where it is not 0).
 */
static enum bb_status take_digests(const struct context *c, const json_t *v, size_t size,
                                   size_t short_size, struct bb_policy_digests *out) {
    size_t n = json_array_size(v);
    char expected[64];
    (void)snprintf(expected, sizeof expected, "a list of hex strings of %zu bytes, none zero",
                   size);
    if (!json_is_array(v) || n > BB_POLICY_LIST_MAX)
        return wrong(c, expected, v);
    uint8_t *data = calloc(n == 0 ? 1 : n, size);
    if (data == NULL)
        return bb_fail_internal(c->err, "memory for a policy");
    out->given = true;
    out->size = size;
    out->data = data;
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(v, i);
        const char *text = json_string_value(item);
        bool good = text != NULL && json_string_length(item) == strlen(text) &&
                    (bb_hex_decode_exact(text, data + i * size, size) ||
                     (short_size != 0 && bb_hex_decode_exact(text, data + i * size, short_size)));
        if (!good || bb_span_is_zero(bb_span(data + i * size, size)))
            return wrong(c, expected, item);
        out->count++;
    }
    return BB_OK;
}

struct word {
    const char *text;
    unsigned bit;
};

/* A list of words, or of small integers, as a set of bits. */
static enum bb_status take_set(const struct context *c, const json_t *v, const struct word *words,
                               const char *expected, bb_bits *out) {
    if (!json_is_array(v))
        return wrong(c, expected, v);
    *out = 0;
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *item = json_array_get(v, i);
        char number[24];
        (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(item));
        const char *text = json_is_integer(item) ? number : json_string_value(item);
        const struct word *w = words;
        while (w->text != NULL && (text == NULL || strcmp(w->text, text) != 0))
            w++;
        if (w->text == NULL || (json_is_integer(item) != (w->text[0] >= '0' && w->text[0] <= '9')))
            return wrong(c, expected, item);
        *out |= 1U << w->bit;
    }
    return BB_OK;
}

static enum bb_status key_schema(const struct context *c, const json_t *v) {
    const char *text = json_string_value(v);
    return text != NULL && strcmp(text, "blindbox.policy/1") == 0
               ? BB_OK
               : wrong(c, "\"blindbox.policy/1\"", v);
}

static enum bb_status key_evidence(const struct context *c, const json_t *v) {
    static const struct word words[] = {
        {"sev-snp", 0}, {"azure-hcl", 1}, {"simulated", 2}, {NULL, 0}};
    bb_bits set = 0;
    BB_TRY(take_set(c, v, words, "a list of \"sev-snp\", \"azure-hcl\", \"simulated\"", &set));
    c->p->evidence_given = true;
    c->p->kind_sev_snp = (set & 1) != 0;
    c->p->kind_azure_hcl = (set & 2) != 0;
    c->p->kind_simulated = (set & 4) != 0;
    return BB_OK;
}

#define DIGEST_KEY(name, field, size, short_size)                                                  \
    static enum bb_status name(const struct context *c, const json_t *v) {                         \
        return take_digests(c, v, size, short_size, &c->p->field);                                 \
    }
DIGEST_KEY(key_measurements, measurements, 48, 0)
DIGEST_KEY(key_id_keys, id_key_digests, 48, 0)
DIGEST_KEY(key_author_keys, author_key_digests, 48, 0)
DIGEST_KEY(key_config_digests, config_digests, 48, 0)
DIGEST_KEY(key_simulated_roots, simulated_roots, 32, 0)
DIGEST_KEY(key_chip_ids, chip_ids, 64, 8)
DIGEST_KEY(key_family_ids, family_ids, 16, 0)
DIGEST_KEY(key_image_ids, image_ids, 16, 0)

static enum bb_status key_host_data(const struct context *c, const json_t *v) {
    struct bb_policy_digests *list = &c->p->host_data;
    BB_TRY(take_digests(c, v, 32, 0, list));
    for (size_t i = 0; i < list->count; i++)
        if (bb_policy_allows_everything(bb_span(list->data + i * list->size, list->size)))
            return wrong(c, "a container policy that restricts", json_array_get(v, i));
    return BB_OK;
}

static enum bb_status key_cce_file(const struct context *c, const json_t *v) {
    const char *text = json_string_value(v);
    if (text == NULL || text[0] == '\0' || json_string_length(v) != strlen(text))
        return wrong(c, "a path", v);
    c->p->cce_policy_file = strdup(text);
    return c->p->cce_policy_file != NULL ? BB_OK : bb_fail_internal(c->err, "memory for a policy");
}

static enum bb_status key_allow_simulated(const struct context *c, const json_t *v) {
    return take_bool(c, v, &c->p->allow_simulated);
}

static enum bb_status take_tcb_parts(const struct context *c, enum bb_snp_product product,
                                     const json_t *v, uint8_t part[BB_SNP_TCB_PARTS]) {
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(v))
        return wrong(c, "{\"bootloader\": 4, ...}", v);
    json_object_foreach((json_t *)(uintptr_t)v, key, value) {
        int found = -1;
        for (int i = 0; i < BB_SNP_TCB_PARTS; i++)
            if (strcmp(key, bb_snp_tcb_part_name((enum bb_snp_tcb_part)i)) == 0 &&
                bb_snp_tcb_index(product, (enum bb_snp_tcb_part)i) >= 0)
                found = i;
        if (found < 0 || !json_is_integer(value) || json_integer_value(value) < 0 ||
            json_integer_value(value) > UINT8_MAX)
            return wrong(c, "components of this product, 0..255", v);
        part[found] = (uint8_t)json_integer_value(value);
    }
    return BB_OK;
}

static enum bb_status take_minimum(const struct context *c, const json_t *v,
                                   struct bb_policy_minimum_tcb *out) {
    const char *key = NULL;
    json_t *value = NULL;
    if (!json_is_object(v))
        return wrong(c, "{\"Milan\": {...}, ...}", v);
    out->given = true;
    json_object_foreach((json_t *)(uintptr_t)v, key, value) {
        enum bb_snp_product product = bb_snp_product_from_name(key);
        if (product == BB_SNP_PRODUCT_UNKNOWN)
            return wrong(c, "Milan, Genoa or Turin", v);
        out->has_product[product] = true;
        BB_TRY(take_tcb_parts(c, product, value, out->part[product]));
    }
    return BB_OK;
}

static enum bb_status key_minimum_tcb(const struct context *c, const json_t *v) {
    return take_minimum(c, v, &c->p->minimum_tcb);
}

static enum bb_status key_minimum_launch_tcb(const struct context *c, const json_t *v) {
    return take_minimum(c, v, &c->p->minimum_launch_tcb);
}

static enum bb_status take_tri(const struct context *c, const json_t *v, enum bb_tri *out) {
    const char *text = json_string_value(v);
    if (json_is_boolean(v))
        *out = json_is_true(v) ? BB_MUST : BB_MUST_NOT;
    else if (text != NULL && strcmp(text, "any") == 0)
        *out = BB_ANY;
    else
        return wrong(c, "true, false or \"any\"", v);
    return BB_OK;
}

static enum bb_status take_abi(const struct context *c, const json_t *v) {
    const char *text = json_string_value(v);
    unsigned major = 0, minor = 0;
    int end = -1;
    /* Digits and one dot only: sscanf() would take signs and white space. */
    if (text == NULL || strspn(text, "0123456789.") != strlen(text) ||
        sscanf(text, "%3u.%3u%n", &major, &minor, &end) != 2 || text[end] != '\0' ||
        major > UINT8_MAX || minor > UINT8_MAX)
        return wrong(c, "\"MAJOR.MINOR\"", v);
    c->p->guest.has_abi_min = true;
    c->p->guest.abi_min_major = (uint8_t)major;
    c->p->guest.abi_min_minor = (uint8_t)minor;
    return BB_OK;
}

static enum bb_status key_guest_policy(const struct context *outer, const json_t *v) {
    static const char *const known[] = {"debug",
                                        "migration",
                                        "smt",
                                        "single_socket",
                                        "cxl",
                                        "mem_aes_256_xts",
                                        "rapl_dis",
                                        "ciphertext_hiding",
                                        "page_swap_disable",
                                        "abi_min",
                                        NULL};
    struct bb_policy_guest *g = &outer->p->guest;
    const struct {
        const char *key;
        enum bb_tri *out;
    } tris[] = {{"smt", &g->smt},
                {"single_socket", &g->single_socket},
                {"cxl", &g->cxl},
                {"mem_aes_256_xts", &g->mem_aes_256_xts},
                {"rapl_dis", &g->rapl_dis},
                {"ciphertext_hiding", &g->ciphertext_hiding},
                {"page_swap_disable", &g->page_swap_disable}};
    struct context c = *outer;
    const json_t *item = NULL;
    if (!json_is_object(v))
        return wrong(outer, "an object", v);
    BB_TRY(bb_json_known_keys(v, known, "guest_policy", c.err));
    c.key = "guest_policy.debug";
    if ((item = json_object_get(v, "debug")) != NULL)
        BB_TRY(take_bool(&c, item, &g->debug_allowed));
    c.key = "guest_policy.migration";
    if ((item = json_object_get(v, "migration")) != NULL)
        BB_TRY(take_bool(&c, item, &g->migration_allowed));
    c.key = "guest_policy.abi_min";
    if ((item = json_object_get(v, "abi_min")) != NULL)
        BB_TRY(take_abi(&c, item));
    for (size_t i = 0; i < sizeof tris / sizeof tris[0]; i++) {
        char key[BB_FIELD_MAX];
        (void)snprintf(key, sizeof key, "guest_policy.%s", tris[i].key);
        c.key = key;
        if ((item = json_object_get(v, tris[i].key)) != NULL)
            BB_TRY(take_tri(&c, item, tris[i].out));
    }
    return BB_OK;
}

static enum bb_status key_platform_info(const struct context *c, const json_t *v) {
    static const char *const known[] = {"required", "forbidden", NULL};
    static const struct word words[] = {
        {"smt", 0},         {"tsme", 1}, {"ecc", 2}, {"rapl_dis", 3}, {"ciphertext_hiding", 4},
        {"alias_check", 5}, {"tio", 7},  {NULL, 0}};
    static const char expected[] = "smt, tsme, ecc, rapl_dis, ciphertext_hiding, alias_check, tio";
    bb_bits required = 0, forbidden = 0;
    if (!json_is_object(v))
        return wrong(c, "an object", v);
    BB_TRY(bb_json_known_keys(v, known, c->key, c->err));
    const json_t *item = json_object_get(v, "required");
    if (item != NULL)
        BB_TRY(take_set(c, item, words, expected, &required));
    item = json_object_get(v, "forbidden");
    if (item != NULL)
        BB_TRY(take_set(c, item, words, expected, &forbidden));
    c->p->platform_required = required;
    c->p->platform_forbidden = forbidden;
    return BB_OK;
}

static enum bb_status key_vmpl(const struct context *c, const json_t *v) {
    static const struct word words[] = {{"0", 0}, {"1", 1}, {"2", 2}, {"3", 3}, {NULL, 0}};
    return take_set(c, v, words, "a list of 0, 1, 2, 3", &c->p->vmpl);
}

static enum bb_status key_products(const struct context *c, const json_t *v) {
    static const struct word words[] = {{"Milan", BB_SNP_PRODUCT_MILAN},
                                        {"Genoa", BB_SNP_PRODUCT_GENOA},
                                        {"Turin", BB_SNP_PRODUCT_TURIN},
                                        {NULL, 0}};
    c->p->products_given = true;
    return take_set(c, v, words, "a list of \"Milan\", \"Genoa\", \"Turin\"", &c->p->products);
}

static enum bb_status key_signers(const struct context *c, const json_t *v) {
    static const struct word words[] = {
        {"vcek", BB_SNP_SIGNER_VCEK}, {"vlek", BB_SNP_SIGNER_VLEK}, {NULL, 0}};
    c->p->signers_given = true;
    return take_set(c, v, words, "a list of \"vcek\", \"vlek\"", &c->p->signers);
}

static enum bb_status key_report_versions(const struct context *c, const json_t *v) {
    static const struct word words[] = {{"2", 2}, {"3", 3}, {"4", 4}, {"5", 5}, {NULL, 0}};
    c->p->report_versions_given = true;
    return take_set(c, v, words, "a list of 2, 3, 4, 5", &c->p->report_versions);
}

static enum bb_status key_forms(const struct context *c, const json_t *v) {
    static const struct word words[] = {{"0", 0}, {"1", 1}, {NULL, 0}};
    BB_TRY(take_set(c, v, words, "[1] or [0, 1]", &c->p->report_data_forms));
    return c->p->report_data_forms != 0 ? BB_OK : wrong(c, "[1] or [0, 1]", v);
}

static enum bb_status key_guest_svn(const struct context *c, const json_t *v) {
    c->p->has_minimum_guest_svn = true;
    return take_u32(c, v, &c->p->minimum_guest_svn);
}

static enum bb_status key_crl(const struct context *c, const json_t *v) {
    const char *text = json_string_value(v);
    if (text == NULL || (strcmp(text, "required") != 0 && strcmp(text, "if-present") != 0))
        return wrong(c, "\"required\" or \"if-present\"", v);
    c->p->crl_required = strcmp(text, "required") == 0;
    c->p->crl_given = true;
    return BB_OK;
}

static enum bb_status key_provisional(const struct context *c, const json_t *v) {
    c->p->provisional_given = true;
    return take_bool(c, v, &c->p->provisional_allowed);
}

static enum bb_status key_max_age(const struct context *c, const json_t *v) {
    return take_u32(c, v, &c->p->max_age);
}

static enum bb_status key_max_connection_age(const struct context *c, const json_t *v) {
    return take_u32(c, v, &c->p->max_connection_age);
}

/* Keys of the policy language that this build cannot answer: refused by name, never ignored. */
static enum bb_status key_not_here(const struct context *c, const json_t *v) {
    (void)v;
    return bb_fail(c->err, BB_USAGE, c->key, NULL, NULL,
                   "this build cannot check '%s', so it does not take a policy that asks for it",
                   c->key);
}

static enum bb_status key_verifiers(const struct context *c, const json_t *v) {
    return bb_policy_take_verifiers(c->p, v, c->err);
}

static enum bb_status key_webpki(const struct context *c, const json_t *v) {
    const char *text = json_string_value(v);
    return text != NULL && strcmp(text, "off") == 0 ? BB_OK : key_not_here(c, v);
}

static const struct {
    const char *key;
    enum bb_status (*take)(const struct context *c, const json_t *v);
} keys[] = {
    {"schema", key_schema},
    {"evidence", key_evidence},
    {"measurements", key_measurements},
    {"id_key_digests", key_id_keys},
    {"author_key_digests", key_author_keys},
    {"host_data", key_host_data},
    {"cce_policy_file", key_cce_file},
    {"uvm", key_not_here},
    {"pcrs", key_not_here},
    {"config_digests", key_config_digests},
    {"allow_simulated", key_allow_simulated},
    {"simulated_roots", key_simulated_roots},
    {"minimum_tcb", key_minimum_tcb},
    {"minimum_launch_tcb", key_minimum_launch_tcb},
    {"guest_policy", key_guest_policy},
    {"platform_info", key_platform_info},
    {"vmpl", key_vmpl},
    {"products", key_products},
    {"signers", key_signers},
    {"report_versions", key_report_versions},
    {"chip_ids", key_chip_ids},
    {"family_ids", key_family_ids},
    {"image_ids", key_image_ids},
    {"minimum_guest_svn", key_guest_svn},
    {"crl", key_crl},
    {"provisional_firmware", key_provisional},
    {"report_data_forms", key_forms},
    {"max_age", key_max_age},
    {"max_connection_age", key_max_connection_age},
    {"verifiers", key_verifiers},
    {"webpki", key_webpki},
};

enum { N_KEYS = sizeof keys / sizeof keys[0] };

static enum bb_status read_keys(json_t *object, struct bb_policy *p, struct bb_error *err) {
    const char *known[N_KEYS + 1] = {NULL};
    for (size_t i = 0; i < N_KEYS; i++)
        known[i] = keys[i].key;
    BB_TRY(bb_json_known_keys(object, known, "", err));
    if (json_object_get(object, "schema") == NULL)
        return bb_fail(err, BB_USAGE, "schema", "\"blindbox.policy/1\"", "absent",
                       "the policy does not say its schema");
    for (size_t i = 0; i < N_KEYS; i++) {
        const json_t *value = json_object_get(object, keys[i].key);
        struct context c = {.p = p, .err = err, .key = keys[i].key};
        if (value != NULL)
            BB_TRY(keys[i].take(&c, value));
    }
    /* Absent "evidence" means all kinds, the simulated one only where it is allowed. */
    if (!p->evidence_given)
        p->kind_simulated = p->allow_simulated;
    return BB_OK;
}

enum bb_status bb_policy_parse(struct bb_span json, struct bb_policy **out, struct bb_error *err) {
    json_t *object = NULL;
    struct bb_policy *policy = NULL;
    BB_TRY(bb_json_parse_object(json, BB_POLICY_JSON_MAX, "policy", &object, err));
    enum bb_status status = bb_policy_new(&policy, err);
    if (status == BB_OK)
        status = read_keys(object, policy, err);
    if (status == BB_OK && !bb_sha256(json, policy->sha256))
        status = bb_fail_internal(err, "SHA-256");
    json_decref(object);
    if (status != BB_OK) {
        bb_policy_free(policy);
        return status;
    }
    *out = policy;
    return BB_OK;
}
