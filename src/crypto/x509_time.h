/* Certificate times as seconds; shared by certificates and CRLs. */
#ifndef BB_CRYPTO_X509_TIME_H
#define BB_CRYPTO_X509_TIME_H

#include <openssl/asn1.h>
#include <stdbool.h>
#include <stdint.h>

/* False for a time that cannot be read. */
bool bb_asn1_time(const ASN1_TIME *time, int64_t *seconds);
/* True for RSASSA-PSS with SHA-384, MGF1-SHA-384 and a salt of 48 bytes: the one algorithm of AMD's
 * certificate authorities. */
struct X509_algor_st;
bool bb_is_pss_sha384(const struct X509_algor_st *alg);

#endif
