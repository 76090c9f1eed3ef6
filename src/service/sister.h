/* Where the programs that belong together stand. */
#ifndef BB_SERVICE_SISTER_H
#define BB_SERVICE_SISTER_H

#include <stdbool.h>
#include <stddef.h>

/* The path of a sister program, NUL-terminated: in the folder that the variable BLINDBOX_LIBEXEC
 * names, and nowhere else if it is set; else beside this process's own program, in libexec/ there
 * (the build tree), or in the installed place. False, with an errno, if there is none that may be
 * run. */
bool bb_sister_find(const char *program, char *out, size_t cap);

#endif
