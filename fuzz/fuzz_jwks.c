/* A key set of any bytes: parsing is total; each key is usable or skipped for a reason, is for
 * algorithms that fit it, and verifies nothing that it did not sign. */
#include "token/jwks.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static void check_key(const struct bb_jwks *set, const struct bb_jwk *jwk) {
    unsigned fits = 0;
    must((jwk->key == NULL) == (jwk->skipped != NULL));
    if (jwk->key == NULL)
        return;
    for (enum bb_sig_alg alg = BB_SIG_NONE; alg <= BB_SIG_COUNT; alg++)
        fits += bb_pubkey_fits(jwk->key, alg);
    must(fits == 1 || fits == 6); /* a curve, or RSA */
    must(jwk->alg == BB_SIG_NONE || bb_pubkey_fits(jwk->key, jwk->alg));
    must(jwk->kid == NULL || (strlen(jwk->kid) <= BB_KID_MAX && bb_jwks_has(set, jwk->kid)));
}

/* One byte of each length that some key here has; RSA above 4 096 bits is left out. */
static void check_verify(const struct bb_jwks *set, const char *kid) {
    static const uint8_t ones[512] = {1, 1};
    static const size_t lens[] = {0, 1, 64, 96, 132, 256, 384, 512};
    static const char *const algs[] = {"none", "HS256", "RS256", "PS384", "ES256", "ES512"};
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
        for (size_t k = 0; k < sizeof algs / sizeof algs[0]; k++) {
            struct bb_error err = {0};
            must(bb_jwks_verify(set, kid, algs[k], BB_SPAN_LIT("m"), bb_span(ones, lens[i]),
                                &err) == BB_TOKEN_SIGNATURE_INVALID);
            must(err.field[0] != '\0');
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bb_jwks *set = NULL;
    struct bb_error err = {0};
    enum bb_status status = bb_jwks_parse(bb_span(data, size), &set, &err);
    must(status == err.status && (status == BB_OK) == (set != NULL));
    if (status != BB_OK) {
        must(status == BB_MALFORMED_EVIDENCE && err.field[0] != '\0');
        return 0;
    }
    must(bb_jwks_count(set) <= BB_JWKS_KEYS_MAX);
    for (size_t i = 0; i < bb_jwks_count(set); i++)
        check_key(set, bb_jwks_at(set, i));
    check_verify(set, NULL);
    if (bb_jwks_count(set) > 0)
        check_verify(set, bb_jwks_at(set, 0)->kid);
    bb_jwks_free(set);
    return 0;
}
