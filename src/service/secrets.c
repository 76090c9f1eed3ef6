#include "service/secrets.h"

#include <sys/prctl.h>
#include <sys/resource.h>

void bb_keep_secrets(void) {
    const struct rlimit none = {0};
    (void)setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks looks from another process */
    (void)prctl(PR_SET_DUMPABLE, 0);
#endif
}
