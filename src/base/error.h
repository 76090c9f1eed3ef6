/* How failures are recorded: the first cause wins, texts are printable. */
#ifndef BB_BASE_ERROR_H
#define BB_BASE_ERROR_H

#include "base/span.h"

#include <blindbox/error.h>

/* Returns the status from the enclosing function unless it is BB_OK. */
#define BB_TRY(expr)                                                                               \
    do {                                                                                           \
        enum bb_status bb_try_status_ = (expr);                                                    \
        if (bb_try_status_ != BB_OK)                                                               \
            return bb_try_status_;                                                                 \
    } while (0)

/* Records a failure in `err` (NULL: nowhere) unless it holds one already; returns `status`.
 * `field`, `expected` and `found` may be NULL. */
enum bb_status bb_fail(struct bb_error *err, enum bb_status status, const char *field,
                       const char *expected, const char *found, const char *fmt, ...)
    BB_PRINTF(6, 7);

/* The same with the offset of the field in the evidence. */
enum bb_status bb_fail_at(struct bb_error *err, enum bb_status status, size_t offset,
                          const char *field, const char *expected, const char *found,
                          const char *fmt, ...) BB_PRINTF(7, 8);

/* Out of memory or a library that failed for no reason of the input's. */
static inline enum bb_status bb_fail_internal(struct bb_error *err, const char *what) {
    (void)bb_fail(err, BB_INTERNAL, NULL, NULL, NULL, "%s failed", what);
    return BB_INTERNAL;
}

/* Copies `in` as printable ASCII: other bytes, quotes and backslashes become \xHH. Always
 * NUL-terminated; cut to `cap`. */
void bb_escape(struct bb_span in, char *out, size_t cap);

/* Copies text, cut to `cap`, always NUL-terminated. */
void bb_copy_text(char *out, size_t cap, const char *text);

#endif
