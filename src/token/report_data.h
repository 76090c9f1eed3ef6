/* What report data a token may stand on: the first half is the digest of the runtime data, the tail
 * says for whom it was made (channel protocol 3.2). */
#ifndef BB_TOKEN_REPORT_DATA_H
#define BB_TOKEN_REPORT_DATA_H

#include "base/error.h"

#define BB_REPORT_DATA_TAIL_SIZE 32

/* The tail of form 0, which is zeros, or of form 1, which no other maker of reports uses. False for
 * any other form, and if the hash library fails. */
BB_MUST_USE bool bb_report_data_tail(unsigned form, uint8_t out[BB_REPORT_DATA_TAIL_SIZE]);

#endif
