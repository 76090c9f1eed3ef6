/* BlindBox: a view of bytes, passed by value. */
#ifndef BLINDBOX_BYTES_H
#define BLINDBOX_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* `len` bytes at `ptr`, owned by somebody else; valid as long as the owner says. An empty span may
 * have a NULL `ptr`. */
struct bb_span {
    const uint8_t *ptr;
    size_t len;
};

#endif
