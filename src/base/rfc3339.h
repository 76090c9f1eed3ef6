/* Times on the command line and in files: RFC 3339. */
#ifndef BB_BASE_RFC3339_H
#define BB_BASE_RFC3339_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "2025-02-27T16:52:45Z", also with a fraction (cut off) or an offset "+01:00". False for anything
 * else, such as the 30th of February. */
bool bb_rfc3339_parse(const char *text, int64_t *seconds);

#define BB_RFC3339_SIZE 40
/* "2025-02-27T16:52:45Z"; "unknown time" for what no calendar holds. */
void bb_rfc3339_text(int64_t seconds, char *out, size_t cap);

#endif
