/* RSA keys of a known faulty generator (CVE-2017-15361): their private part can be computed from
 * the public one. Inside the crypto layer only. */
#ifndef BB_CRYPTO_ROCA_H
#define BB_CRYPTO_ROCA_H

#include <openssl/bn.h>
#include <stdbool.h>

/* True if `n` modulo each of the first odd primes is a power of 65537: every modulus of that
 * generator, and about one in 2^27 of others. */
bool bb_roca_marked(const BIGNUM *n);

#endif
