/* A policy of any bytes: parsing is total, what is refused says why, and what is taken stays inside
 * its limits. */
#include "appraise/policy.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static void check_list(const struct bb_policy_digests *list, size_t size) {
    must(list->given || list->count == 0);
    must(list->count <= BB_POLICY_LIST_MAX);
    for (size_t i = 0; i < list->count; i++) {
        must(list->size == size);
        must(!bb_span_is_zero(bb_span(list->data + i * size, size)));
    }
}

static void check_policy(const struct bb_policy *p) {
    check_list(&p->measurements, 48);
    check_list(&p->id_key_digests, 48);
    check_list(&p->author_key_digests, 48);
    check_list(&p->host_data, 32);
    check_list(&p->config_digests, 48);
    check_list(&p->simulated_roots, 32);
    check_list(&p->chip_ids, 64);
    check_list(&p->family_ids, 16);
    check_list(&p->image_ids, 16);
    must((p->vmpl & ~0xfU) == 0 && (p->signers & ~0x3U) == 0);
    must((p->report_versions & ~0x3cU) == 0 && (p->products & ~0xeU) == 0);
    must(p->report_data_forms >= 1 && p->report_data_forms <= 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bb_policy *policy = NULL;
    struct bb_error err = {0};
    enum bb_status status = bb_policy_parse(bb_span(data, size), &policy, &err);
    must(status == err.status);
    if (status != BB_OK) {
        must(policy == NULL && err.field[0] != '\0');
        return 0;
    }
    check_policy(policy);
    bb_policy_free(policy);
    return 0;
}
