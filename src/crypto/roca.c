#include "crypto/roca.h"

static const BN_ULONG primes[] = {3,   5,   7,   11,  13,  17,  19,  23,  29,  31,  37,  41,  43,
                                  47,  53,  59,  61,  67,  71,  73,  79,  83,  89,  97,  101, 103,
                                  107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};

static bool is_power(BN_ULONG value, BN_ULONG prime) {
    BN_ULONG power = 1;
    for (BN_ULONG i = 0; i < prime; i++) {
        if (power == value)
            return true;
        power = power * 65537 % prime;
    }
    return false;
}

bool bb_roca_marked(const BIGNUM *n) {
    for (size_t i = 0; i < sizeof primes / sizeof primes[0]; i++)
        if (!is_power(BN_mod_word(n, primes[i]), primes[i]))
            return false;
    return true;
}
