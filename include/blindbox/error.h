/* BlindBox: failure classes and the detail that goes with them.
 *
 * Every function that can fail returns enum bb_status, and fills a struct bb_error that the caller
 * owns (NULL is allowed where the detail is not wanted). BB_OK is zero. The first cause wins: a
 * bb_error that already holds a failure is not overwritten. Nothing here allocates. */
#ifndef BLINDBOX_ERROR_H
#define BLINDBOX_ERROR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define BB_MUST_USE __attribute__((warn_unused_result))
#define BB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define BB_API __attribute__((visibility("default")))
#else
#define BB_MUST_USE
#define BB_PRINTF(fmt, args)
#define BB_API
#endif

/* One value per failure class of failures.def, by its stable number: BB_DEBUG_MODE, ... */
enum bb_status {
    BB_OK = 0,
#define BB_FAILURE(id, name, number, exit, reason, meaning, next) BB_##id = (number),
#include "failures.def"
#undef BB_FAILURE
    BB_STATUS_END
};

/* Sizes of the texts in struct bb_error, terminator included. 136 holds 64 bytes in hex. */
#define BB_FIELD_MAX 40
#define BB_VALUE_MAX 136
#define BB_TEXT_MAX 256

/* What failed. Texts are NUL-terminated, printable ASCII: bytes of a peer are escaped. */
struct bb_error {
    enum bb_status status;       /* class; BB_OK if nothing failed yet */
    size_t offset;               /* byte offset of `field` in the evidence, 0 where it has none */
    char field[BB_FIELD_MAX];    /* the specification's name: "SIGNATURE_ALGO", "measurements" */
    char expected[BB_VALUE_MAX]; /* short; hex for bytes */
    char found[BB_VALUE_MAX];    /* short; hex for bytes */
    char text[BB_TEXT_MAX];      /* one sentence, no full stop */
};

/* "DebugMode", ...; "Ok" for BB_OK; "Unknown" for a number outside the table. Static storage. */
BB_API const char *bb_status_name(enum bb_status status);
/* "enclave is in debug mode", ... Static storage. */
BB_API const char *bb_status_reason(enum bb_status status);
/* What the class means, one sentence. Static storage. */
BB_API const char *bb_status_meaning(enum bb_status status);
/* One next step for the user. Static storage. */
BB_API const char *bb_status_next_step(enum bb_status status);
/* Exit code of a command that ends with this class; 0 for BB_OK. */
BB_API int bb_status_exit(enum bb_status status);
/* The class of that name, or BB_OK if there is none. */
BB_API enum bb_status bb_status_from_name(const char *name);
/* Writes "Attestation validation failed (<reason>). Exiting." and a NUL; cut to `cap` bytes. */
BB_API void bb_status_message(enum bb_status status, char *out, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
