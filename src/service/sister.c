#include "service/sister.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef BB_LIBEXEC
#define BB_LIBEXEC "/usr/local/libexec/blindbox"
#endif

static bool stands_in(const char *folder, const char *below, const char *program, char *out,
                      size_t cap) {
    int n = snprintf(out, cap, "%s%s/%s", folder, below, program);
    if (n > 0 && (size_t)n < cap)
        return access(out, X_OK) == 0;
    errno = ENAMETOOLONG;
    return false;
}

/* The folder of this process's program; false if it is not known. */
static bool own_folder(char *out, size_t cap) {
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    if (n <= 0)
        return false;
    out[n] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

bool bb_sister_find(const char *program, char *out, size_t cap) {
    char folder[PATH_MAX];
    const char *named = secure_getenv("BLINDBOX_LIBEXEC");
    if (named != NULL && named[0] != '\0')
        return stands_in(named, "", program, out, cap);
    if (own_folder(folder, sizeof folder) && (stands_in(folder, "", program, out, cap) ||
                                              stands_in(folder, "/libexec", program, out, cap)))
        return true;
    return stands_in(BB_LIBEXEC, "", program, out, cap);
}
