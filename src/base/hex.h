/* Hex, base64, base64url: strict. */
#ifndef BB_BASE_HEX_H
#define BB_BASE_HEX_H

#include "base/span.h"

/* Room for `n` bytes in hex with the terminator. */
#define BB_HEX_SIZE(n) (2 * (n) + 1)
/* Room for `n` bytes in base64url without padding, with the terminator. */
#define BB_B64URL_SIZE(n) (((n)*4 + 2) / 3 + 1)
/* The same in base64 with padding. */
#define BB_B64_SIZE(n) (((n) + 2) / 3 * 4 + 1)

/* Lower case, NUL-terminated; cut at whole bytes to fit `cap`. */
void bb_hex_encode(struct bb_span in, char *out, size_t cap);
/* Digits of either case, an even number, nothing else. False if not, or if more than `cap` bytes.
 */
bool bb_hex_decode(struct bb_span text, uint8_t *out, size_t cap, size_t *len);
/* Exactly `len` bytes. */
bool bb_hex_decode_exact(const char *text, uint8_t *out, size_t len);
/* First and last bytes of long values: "95c57733..bd177f"; whole if 16 bytes or less. */
void bb_hex_short(struct bb_span in, char *out, size_t cap);

/* RFC 4648 section 5 without padding, NUL-terminated. False if it does not fit. */
bool bb_b64url_encode(struct bb_span in, char *out, size_t cap);
/* The same back: no padding, no white space, no foreign character, no set spare bits. False if not,
 * or if more than `cap` bytes. */
bool bb_b64url_decode(struct bb_span text, uint8_t *out, size_t cap, size_t *len);
/* RFC 4648 section 4, padded; white space between characters is skipped (PEM bodies, files). */
bool bb_b64_decode(struct bb_span text, uint8_t *out, size_t cap, size_t *len);
/* The same in one line; false if it does not fit. */
bool bb_b64_encode(struct bb_span in, char *out, size_t cap);

#endif
