#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

struct failure {
    const char *name;
    const char *reason;
    const char *meaning;
    const char *next;
    int exit;
};

static const struct failure failures[BB_STATUS_END] = {
    [BB_OK] = {"Ok", "accepted", "nothing failed", "", 0},
#define BB_FAILURE(id, name, number, exit, reason, meaning, next)                                  \
    [number] = {name, reason, meaning, next, exit},
#include <blindbox/failures.def>
#undef BB_FAILURE
};

static const struct failure unknown = {"Unknown", "unknown failure", "not a known class", "", 1};

static const struct failure *lookup(enum bb_status status) {
    if ((unsigned)status >= BB_STATUS_END || failures[status].name == NULL)
        return &unknown;
    return &failures[status];
}

const char *bb_status_name(enum bb_status status) { return lookup(status)->name; }
const char *bb_status_reason(enum bb_status status) { return lookup(status)->reason; }
const char *bb_status_meaning(enum bb_status status) { return lookup(status)->meaning; }
const char *bb_status_next_step(enum bb_status status) { return lookup(status)->next; }
int bb_status_exit(enum bb_status status) { return lookup(status)->exit; }

enum bb_status bb_status_from_name(const char *name) {
    for (int i = 1; i < BB_STATUS_END; i++)
        if (failures[i].name != NULL && strcmp(failures[i].name, name) == 0)
            return (enum bb_status)i;
    return BB_OK;
}

void bb_status_message(enum bb_status status, char *out, size_t cap) {
    if (cap > 0)
        (void)snprintf(out, cap, "Attestation validation failed (%s). Exiting.",
                       bb_status_reason(status));
}

void bb_copy_text(char *out, size_t cap, const char *text) {
    if (cap == 0)
        return;
    size_t len = strlen(text);
    if (len >= cap)
        len = cap - 1;
    memcpy(out, text, len);
    out[len] = '\0';
}

void bb_escape(struct bb_span in, char *out, size_t cap) {
    static const char hex[] = "0123456789abcdef";
    size_t at = 0;
    if (cap == 0)
        return;
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.ptr[i];
        bool plain = c >= 0x20 && c < 0x7f && c != '\\' && c != '"';
        if (at + (plain ? 1 : 4) >= cap)
            break;
        if (plain) {
            out[at++] = (char)c;
            continue;
        }
        out[at++] = '\\';
        out[at++] = 'x';
        out[at++] = hex[c >> 4];
        out[at++] = hex[c & 15];
    }
    out[at] = '\0';
}

BB_PRINTF(7, 0)
static enum bb_status record(struct bb_error *err, enum bb_status status, size_t offset,
                             const char *field, const char *expected, const char *found,
                             const char *fmt, va_list args) {
    if (err == NULL || err->status != BB_OK)
        return status;
    err->status = status;
    err->offset = offset;
    bb_copy_text(err->field, sizeof err->field, field == NULL ? "" : field);
    bb_copy_text(err->expected, sizeof err->expected, expected == NULL ? "" : expected);
    bb_copy_text(err->found, sizeof err->found, found == NULL ? "" : found);
    (void)vsnprintf(err->text, sizeof err->text, fmt, args);
    return status;
}

enum bb_status bb_fail(struct bb_error *err, enum bb_status status, const char *field,
                       const char *expected, const char *found, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)record(err, status, 0, field, expected, found, fmt, args);
    va_end(args);
    return status;
}

enum bb_status bb_fail_at(struct bb_error *err, enum bb_status status, size_t offset,
                          const char *field, const char *expected, const char *found,
                          const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)record(err, status, offset, field, expected, found, fmt, args);
    va_end(args);
    return status;
}
