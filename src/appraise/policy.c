#include "appraise/policy.h"

#include "base/hex.h"
#include "crypto/digest.h"

#include <stdlib.h>

enum bb_status bb_policy_new(struct bb_policy **out, struct bb_error *err) {
    struct bb_policy *p = calloc(1, sizeof *p);
    if (p == NULL)
        return bb_fail_internal(err, "memory for a policy");
    p->kind_sev_snp = true;
    p->vmpl = 1U << 0;
    p->products =
        1U << BB_SNP_PRODUCT_MILAN | 1U << BB_SNP_PRODUCT_GENOA | 1U << BB_SNP_PRODUCT_TURIN;
    p->signers = 1U << BB_SNP_SIGNER_VCEK | 1U << BB_SNP_SIGNER_VLEK;
    for (unsigned v = BB_SNP_VERSION_MIN; v <= BB_SNP_VERSION_MAX; v++)
        p->report_versions |= 1U << v;
    p->crl_required = true;
    p->report_data_forms = 1U << 1;
    p->max_connection_age = BB_CONNECTION_AGE_S_DEFAULT;
    p->n_verifiers = 1; /* local */
    *out = p;
    return BB_OK;
}

static void free_verifier(struct bb_policy_verifier *v) {
    free(v->url);
    free(v->issuer);
    free(v->jwks);
    free(v->ca);
    for (size_t i = 0; i < v->n_compliance; i++)
        free(v->compliance[i]);
}

void bb_policy_free(struct bb_policy *p) {
    if (p == NULL)
        return;
    struct bb_policy_digests *lists[] = {
        &p->measurements, &p->id_key_digests, &p->author_key_digests,
        &p->host_data,    &p->config_digests, &p->simulated_roots,
        &p->chip_ids,     &p->family_ids,     &p->image_ids};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        free(lists[i]->data);
    for (size_t i = 0; i < p->n_verifiers; i++)
        free_verifier(&p->verifiers[i]);
    free(p->cce_policy_file);
    free(p);
}

/* SHA-256 of container policies that let the host run anything: the samples of Azure's tools and of
 * CCF. Who lists one expects nothing. */
static const uint8_t allow_everything[][BB_SHA256_SIZE] = {
    {0xca, 0xdd, 0x74, 0xf7, 0x1e, 0xbb, 0x8f, 0xbf, 0x97, 0x82, 0xba,
     0xab, 0x64, 0x96, 0x12, 0x52, 0x0f, 0x3c, 0x41, 0x6b, 0xc5, 0xce,
     0x9a, 0xc7, 0x68, 0x80, 0x8d, 0xdc, 0x8d, 0x9b, 0x03, 0x1c},
    {0x4f, 0x44, 0x48, 0xc6, 0x7f, 0x3c, 0x8d, 0xfc, 0x8d, 0xe8, 0xa5,
     0xe3, 0x71, 0x25, 0xd8, 0x07, 0xda, 0xdc, 0xc4, 0x1f, 0x06, 0xcf,
     0x23, 0xf6, 0x15, 0xdb, 0xd5, 0x2e, 0xec, 0x77, 0x7d, 0x10},
};

bool bb_policy_allows_everything(struct bb_span host_data) {
    for (size_t i = 0; i < sizeof allow_everything / sizeof allow_everything[0]; i++)
        if (bb_span_equal(host_data, BB_SPAN_OF(allow_everything[i])))
            return true;
    return false;
}

static enum bb_status append(struct bb_policy_digests *list, struct bb_span value,
                             struct bb_error *err) {
    if (list->count >= BB_POLICY_LIST_MAX)
        return bb_fail(err, BB_USAGE, "policy", NULL, NULL, "a list has too many values");
    uint8_t *more = realloc(list->data, (list->count + 1) * value.len);
    if (more == NULL)
        return bb_fail_internal(err, "memory for a policy");
    memcpy(more + list->count * value.len, value.ptr, value.len);
    list->data = more;
    list->given = true;
    list->size = value.len;
    list->count++;
    return BB_OK;
}

enum bb_status bb_policy_add_measurement(struct bb_policy *policy, struct bb_span digest,
                                         struct bb_error *err) {
    if (digest.len != BB_SNP_MEASUREMENT_SIZE || bb_span_is_zero(digest))
        return bb_fail(err, BB_USAGE, "measurements", "48 bytes, not all zero", NULL,
                       "this measurement names no code");
    return append(&policy->measurements, digest, err);
}

enum bb_status bb_policy_host_data_from(struct bb_policy *policy, struct bb_span content,
                                        struct bb_error *err) {
    uint8_t digest[BB_SHA256_SIZE];
    char found[BB_HEX_SIZE(BB_SHA256_SIZE)];
    if (!bb_sha256(content, digest))
        return bb_fail_internal(err, "SHA-256");
    if (bb_policy_allows_everything(BB_SPAN_OF(digest)))
        return bb_fail(err, BB_USAGE, "cce_policy_file", "a policy that restricts", NULL,
                       "this container policy allows everything");
    if (!policy->host_data.given)
        return append(&policy->host_data, BB_SPAN_OF(digest), err);
    if (bb_policy_digests_contain(&policy->host_data, BB_SPAN_OF(digest)))
        return BB_OK;
    bb_hex_encode(BB_SPAN_OF(digest), found, sizeof found);
    return bb_fail(err, BB_USAGE, "cce_policy_file", "a value of host_data", found,
                   "host_data and cce_policy_file disagree");
}

bool bb_policy_names_code(const struct bb_policy *policy) {
    return policy->measurements.count > 0 || policy->id_key_digests.count > 0;
}

bool bb_policy_digests_contain(const struct bb_policy_digests *list, struct bb_span value) {
    for (size_t i = 0; i < list->count; i++)
        if (bb_span_equal(bb_span(list->data + i * list->size, list->size), value))
            return true;
    return false;
}

bool bb_policy_services_name_code(const struct bb_policy *policy) {
    for (size_t i = 0; i < policy->n_verifiers; i++)
        if (policy->verifiers[i].mode == BB_MODE_LOCAL)
            return false;
    return true;
}
