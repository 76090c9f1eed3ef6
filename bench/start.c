/* What it costs to start a process that has libcrypto and uses it once: a baseline. */
#include "crypto/digest.h"

int main(void) {
    uint8_t out[BB_SHA384_SIZE], random[1];
    return bb_random(random, sizeof random) && bb_sha384(BB_SPAN_OF(random), out) ? 0 : 1;
}
