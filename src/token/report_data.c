#include "token/report_data.h"

#include "crypto/digest.h"

bool bb_report_data_tail(unsigned form, uint8_t out[BB_REPORT_DATA_TAIL_SIZE]) {
    memset(out, 0, BB_REPORT_DATA_TAIL_SIZE);
    if (form > 1)
        return false;
    return form == 0 || bb_sha256(BB_SPAN_LIT("blindbox/1 report_data"), out);
}
