#include "attester/attester.h"

enum bb_status bb_attester_get(struct bb_attester *attester,
                               const uint8_t report_data[BB_SNP_REPORT_DATA_SIZE],
                               struct bb_attestation *out, struct bb_error *err) {
    return attester->ops->get(attester, report_data, out, err);
}

void bb_attester_free(struct bb_attester *attester) {
    if (attester != NULL)
        attester->ops->free(attester);
}
