/* Times on the command line and in files: RFC 3339. */
#ifndef BB_BASE_RFC3339_H
#define BB_BASE_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

/* "2025-02-27T16:52:45Z", also with a fraction (cut off) or an offset "+01:00". False for anything
 * else, such as the 30th of February. */
bool bb_rfc3339_parse(const char *text, int64_t *seconds);

#endif
