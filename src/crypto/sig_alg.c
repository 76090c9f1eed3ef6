#include "crypto/sig_alg.h"

#include <openssl/rsa.h>

static const struct bb_sig_info infos[BB_SIG_COUNT] = {
    [BB_SIG_RS256] = {"RS256", "SHA256", BB_SHA256_SIZE, false, NULL, 0},
    [BB_SIG_RS384] = {"RS384", "SHA384", BB_SHA384_SIZE, false, NULL, 0},
    [BB_SIG_RS512] = {"RS512", "SHA512", BB_SHA512_SIZE, false, NULL, 0},
    [BB_SIG_PS256] = {"PS256", "SHA256", BB_SHA256_SIZE, true, NULL, 0},
    [BB_SIG_PS384] = {"PS384", "SHA384", BB_SHA384_SIZE, true, NULL, 0},
    [BB_SIG_PS512] = {"PS512", "SHA512", BB_SHA512_SIZE, true, NULL, 0},
    [BB_SIG_ES256] = {"ES256", "SHA256", BB_SHA256_SIZE, false, "prime256v1", 32},
    [BB_SIG_ES384] = {"ES384", "SHA384", BB_SHA384_SIZE, false, "secp384r1", 48},
    [BB_SIG_ES512] = {"ES512", "SHA512", BB_SHA512_SIZE, false, "secp521r1", 66},
};

const struct bb_sig_info *bb_sig_info(enum bb_sig_alg alg) {
    return alg > BB_SIG_NONE && alg < BB_SIG_COUNT ? &infos[alg] : NULL;
}

const char *bb_sig_alg_name(enum bb_sig_alg alg) {
    const struct bb_sig_info *info = bb_sig_info(alg);
    return info == NULL ? NULL : info->name;
}

enum bb_sig_alg bb_sig_alg_from_name(struct bb_span name) {
    for (enum bb_sig_alg alg = BB_SIG_NONE + 1; alg < BB_SIG_COUNT; alg++)
        if (bb_span_equal(name, bb_span_str(infos[alg].name)))
            return alg;
    return BB_SIG_NONE;
}

bool bb_sig_digest(enum bb_sig_alg alg, struct bb_span message, uint8_t out[BB_SHA512_SIZE]) {
    const struct bb_sig_info *info = bb_sig_info(alg);
    if (info == NULL)
        return false;
    if (info->md_len == BB_SHA256_SIZE)
        return bb_sha256(message, out);
    return info->md_len == BB_SHA384_SIZE ? bb_sha384(message, out) : bb_sha512(message, out);
}

bool bb_sig_fits(const EVP_PKEY *pkey, enum bb_sig_alg alg) {
    const struct bb_sig_info *info = bb_sig_info(alg);
    char group[32] = "";
    size_t len = 0;
    if (info == NULL || info->group == NULL)
        return info != NULL && EVP_PKEY_is_a(pkey, "RSA");
    return EVP_PKEY_is_a(pkey, "EC") &&
           EVP_PKEY_get_group_name(pkey, group, sizeof group, &len) == 1 &&
           strcmp(group, info->group) == 0;
}

/* RFC 7518 3.5: MGF1 with the same hash, a salt as long as the hash; the verifier too takes no
 * other length. */
static bool set_padding(EVP_PKEY_CTX *ctx, const struct bb_sig_info *info) {
    if (info->group != NULL)
        return true;
    if (!info->pss)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, info->md, NULL) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)info->md_len) == 1;
}

static EVP_PKEY_CTX *ready(EVP_PKEY *pkey, const struct bb_sig_info *info, bool sign) {
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
    const EVP_MD *md = EVP_get_digestbyname(info->md);
    if (ctx != NULL && md != NULL &&
        (sign ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) == 1 &&
        EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 && set_padding(ctx, info))
        return ctx;
    EVP_PKEY_CTX_free(ctx);
    return NULL;
}

bool bb_sig_contexts_init(struct bb_sig_contexts *c, EVP_PKEY *pkey, bool sign) {
    for (enum bb_sig_alg alg = BB_SIG_NONE + 1; alg < BB_SIG_COUNT; alg++) {
        if (!bb_sig_fits(pkey, alg))
            continue;
        c->of[alg] = ready(pkey, &infos[alg], sign);
        if (c->of[alg] == NULL)
            return false;
    }
    return true;
}

void bb_sig_contexts_done(struct bb_sig_contexts *c) {
    for (int alg = 0; alg < BB_SIG_COUNT; alg++) {
        EVP_PKEY_CTX_free(c->of[alg]);
        c->of[alg] = NULL;
    }
}
