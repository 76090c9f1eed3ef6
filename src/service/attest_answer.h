/* What gateway and client make of a verification service's answer that is no token. */
#ifndef BB_SERVICE_ATTEST_ANSWER_H
#define BB_SERVICE_ATTEST_ANSWER_H

#include "base/error.h"

#define BB_ANSWER_SAID_MAX 100 /* text of bb_answer_said() */

/* True for an HTTP status that says nothing about the evidence: 3xx, 408, 429, 5xx, and what is no
 * status at all. Another service, or a later moment, may do. */
bool bb_answer_may_pass(unsigned http);
/* "CODE: MESSAGE" of a body {"error": {"code": ..., "message": ...}}, escaped and cut; empty if there
 * is none. */
void bb_answer_said(struct bb_span body, char out[BB_ANSWER_SAID_MAX]);

#endif
