/* A certificate table of any bytes: every entry lies inside the blob, past the header. */
#include "evidence/snp/certtable.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bb_snp_certtable table;
    if (bb_snp_certtable_parse(bb_span(data, size), &table, NULL) != BB_OK)
        return 0;
    if (table.count > BB_SNP_CERTTABLE_ENTRIES)
        abort();
    for (size_t i = 0; i < table.count; i++) {
        struct bb_span d = table.entry[i].data;
        if (d.ptr < data + (table.count + 1) * 24 || d.len > size || d.ptr > data + size - d.len)
            abort();
    }
    return 0;
}
