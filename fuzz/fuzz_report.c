/* A report of any bytes: parsing is total, and what parses reads the same again. */
#include "evidence/kinds.h"
#include "evidence/snp/report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bb_snp_report report;
    struct bb_error err = {0};
    enum bb_status status = bb_snp_report_parse(bb_span(data, size), &report, &err);
    if (status != err.status)
        abort(); /* the detail must tell of the same failure */
    if (status == BB_OK && (report.version < 2 || report.version > 5 || size != BB_SNP_REPORT_SIZE))
        abort();
    (void)bb_evidence_form(bb_span(data, size));
    return 0;
}
