/* Which kind of token a request's Accept field asks for (RFC 9110 12.5.1). */
#ifndef BB_SERVICE_VERIFIER_ACCEPT_H
#define BB_SERVICE_VERIFIER_ACCEPT_H

#include <stdbool.h>

/* True: an EAR. It has to be named, with a weight above zero that is not below that of
 * application/json or of the range that covers it; of equal ones the first counts. False for
 * everything else, so that clients of Microsoft's service, whatever they send, get its answer. A
 * range with a weight that is none is passed over. NULL: no field. */
bool bb_accept_is_ear(const char *accept);

#endif
