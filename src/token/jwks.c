#include "token/jwks.h"

#include "base/hex.h"
#include "codec/json.h"
#include "crypto/digest.h"

#include <stdlib.h>

struct entry {
    struct bb_jwk jwk;
    struct bb_pubkey *key; /* jwk.key, owned */
};

struct bb_jwks {
    json_t *json; /* owns the kids */
    size_t count;
    struct entry entries[BB_JWKS_KEYS_MAX];
};

/* The members of one key, each of the type that it must have; NULL or empty if absent. */
struct members {
    const char *kty, *use, *alg, *n, *e, *crv, *x, *y;
    const char *x5c; /* the first certificate, which holds the key */
    const json_t *key_ops;
    bool is_private;
};

static enum bb_status malformed(struct bb_error *err, const char *field, const char *text) {
    return bb_fail(err, BB_MALFORMED_EVIDENCE, field, NULL, NULL, "%s", text);
}

static enum bb_status text_member(const json_t *object, const char *name, const char **out,
                                  struct bb_error *err) {
    const json_t *value = json_object_get(object, name);
    if (value != NULL && !json_is_string(value))
        return malformed(err, name, "a member of a key is no string");
    *out = json_string_value(value);
    return BB_OK;
}

/* An array of strings. */
static enum bb_status list_member(const json_t *object, const char *name, const json_t **out,
                                  struct bb_error *err) {
    const json_t *list = json_object_get(object, name);
    if (list != NULL && !json_is_array(list))
        return malformed(err, name, "a member of a key is no array");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return malformed(err, name, "a member of a key holds something that is no string");
    *out = list;
    return BB_OK;
}

static enum bb_status read_x5c(const json_t *object, const char **out, struct bb_error *err) {
    const json_t *list = NULL;
    BB_TRY(list_member(object, "x5c", &list, err));
    if (list != NULL && json_array_size(list) == 0)
        return malformed(err, "x5c", "the certificate chain of a key is empty");
    *out = json_string_value(json_array_get(list, 0));
    return BB_OK;
}

static enum bb_status read_members(const json_t *object, struct members *m, const char **kid,
                                   struct bb_error *err) {
    const struct {
        const char *name, **to;
    } texts[] = {{"kty", &m->kty}, {"kid", kid}, {"use", &m->use},
                 {"alg", &m->alg}, {"n", &m->n}, {"e", &m->e},
                 {"crv", &m->crv}, {"x", &m->x}, {"y", &m->y}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        BB_TRY(text_member(object, texts[i].name, texts[i].to, err));
    m->is_private = json_object_get(object, "d") != NULL;
    BB_TRY(list_member(object, "key_ops", &m->key_ops, err));
    return read_x5c(object, &m->x5c, err);
}

static bool holds(const json_t *list, const char *text) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0)
            return true;
    return false;
}

/* Why a key may not be used whatever its numbers are; NULL: it may. */
static const char *unusable(const struct members *m, const char *kid) {
    if (m->kty == NULL || (strcmp(m->kty, "RSA") != 0 && strcmp(m->kty, "EC") != 0))
        return m->kty != NULL && strcmp(m->kty, "oct") == 0 ? "it is a symmetric key"
                                                            : "its kty is not known";
    if (m->is_private)
        return "it is a private key, so that whoever reads the set can sign";
    if (m->use != NULL && strcmp(m->use, "sig") != 0)
        return "its use is not sig";
    if (m->key_ops != NULL && !holds(m->key_ops, "verify"))
        return "its key_ops do not hold verify";
    if (m->alg != NULL && bb_sig_alg_from_name(bb_span_str(m->alg)) == BB_SIG_NONE)
        return "its alg is not known";
    return kid != NULL && strlen(kid) > BB_KID_MAX ? "its kid is too long" : NULL;
}

/* Bytes of a number at most: more than any that pubkey.h takes, so that it tells which is too large. */
enum { DECODED_MAX = 4096 };

struct decoded {
    uint8_t data[DECODED_MAX];
    size_t len;
};

static struct bb_span span_of(const struct decoded *d) { return bb_span(d->data, d->len); }

static enum bb_status decode(const char *name, const char *text, struct decoded *out,
                             struct bb_error *err) {
    return bb_b64url_decode(bb_span_str(text), out->data, sizeof out->data, &out->len)
               ? BB_OK
               : malformed(err, name, "a member of a key is not base64url, or too long");
}

/* A key that cannot be used is skipped; `why` tells it. Bad bytes are the set's fault. */
static enum bb_status from_numbers(const struct members *m, struct bb_pubkey **key,
                                   struct bb_error *why, struct bb_error *err) {
    bool rsa = strcmp(m->kty, "RSA") == 0;
    const char *names[2] = {rsa ? "n" : "x", rsa ? "e" : "y"};
    const char *texts[2] = {rsa ? m->n : m->x, rsa ? m->e : m->y};
    struct decoded d[2];
    for (size_t i = 0; i < 2; i++)
        BB_TRY(decode(names[i], texts[i], &d[i], err));
    enum bb_status status =
        rsa ? bb_pubkey_from_rsa(span_of(&d[0]), span_of(&d[1]), key, why)
            : bb_pubkey_from_ec(bb_span_str(m->crv), span_of(&d[0]), span_of(&d[1]), key, why);
    return status == BB_INTERNAL ? bb_fail_internal(err, "reading a key") : BB_OK;
}

static enum bb_status from_x5c(const struct members *m, struct bb_pubkey **key,
                               struct bb_error *why, struct bb_error *err) {
    struct bb_span text = bb_span_str(m->x5c);
    uint8_t *der = malloc(text.len + 1);
    size_t len = 0;
    if (der == NULL)
        return bb_fail_internal(err, "memory for a key");
    if (!bb_b64_decode(text, der, text.len, &len)) {
        free(der);
        return malformed(err, "x5c", "a certificate of a key is not base64");
    }
    enum bb_status status = bb_pubkey_from_cert(bb_span(der, len), key, why);
    free(der);
    return status == BB_INTERNAL ? bb_fail_internal(err, "reading a key") : BB_OK;
}

static bool has_numbers(const struct members *m) {
    return strcmp(m->kty, "RSA") == 0 ? m->n != NULL && m->e != NULL
                                      : m->crv != NULL && m->x != NULL && m->y != NULL;
}

static bool has_some_number(const struct members *m) {
    return m->n != NULL || m->e != NULL || m->crv != NULL || m->x != NULL || m->y != NULL;
}

static bool is_type(const struct bb_pubkey *key, const char *kty) {
    return bb_pubkey_fits(key, BB_SIG_RS256) == (strcmp(kty, "RSA") == 0);
}

/* RFC 7517 4.7: the first certificate must hold the key that the numbers give. */
static const char *disagreement(const struct members *m, const struct bb_pubkey *numbers,
                                const struct bb_pubkey *cert) {
    if (cert != NULL && !is_type(cert, m->kty))
        return "its kty and its certificate disagree";
    if (numbers == NULL || cert == NULL)
        return NULL;
    return memcmp(bb_pubkey_spki_sha256(numbers), bb_pubkey_spki_sha256(cert), BB_SHA256_SIZE) == 0
               ? NULL
               : "its numbers and its certificate disagree";
}

/* Classes and fields of pubkey.h as reasons with a lifetime. */
static const char *reason(const struct bb_error *why) {
    if (strcmp(why->field, "n") == 0 && strcmp(why->expected, "2048 to 8192 bits") == 0)
        return "its RSA modulus has less than 2048 or more than 8192 bits";
    if (strcmp(why->field, "n") == 0)
        return "its RSA modulus is not accepted";
    if (strcmp(why->field, "e") == 0)
        return "its RSA exponent is not accepted";
    if (strcmp(why->field, "crv") == 0)
        return "its curve is not known";
    if (strcmp(why->field, "x") == 0 || strcmp(why->field, "y") == 0)
        return "its point is not on the curve";
    return "its certificate holds no key that is known";
}

/* Both sources of a key, where both are there. */
static enum bb_status read_key(const struct members *m, struct entry *entry, struct bb_error *err) {
    struct bb_pubkey *numbers = NULL, *cert = NULL;
    struct bb_error why = {0};
    enum bb_status status = BB_OK;
    if (has_numbers(m))
        status = from_numbers(m, &numbers, &why, err);
    if (status == BB_OK && m->x5c != NULL)
        status = from_x5c(m, &cert, &why, err);
    if (why.status != BB_OK)
        entry->jwk.skipped = reason(&why);
    else if (status == BB_OK)
        entry->jwk.skipped = disagreement(m, numbers, cert);
    bool good = status == BB_OK && entry->jwk.skipped == NULL;
    if (good) {
        entry->key = numbers != NULL ? numbers : cert;
        entry->jwk.key = entry->key;
    }
    bb_pubkey_free(good && numbers == NULL ? NULL : cert);
    bb_pubkey_free(good ? NULL : numbers);
    return status;
}

static enum bb_status read_entry(const json_t *object, struct entry *entry, struct bb_error *err) {
    struct members m = {.kty = NULL};
    if (!json_is_object(object))
        return malformed(err, "keys", "an entry of the key set is no object");
    BB_TRY(read_members(object, &m, &entry->jwk.kid, err));
    entry->jwk.skipped = unusable(&m, entry->jwk.kid);
    if (entry->jwk.skipped == NULL && !has_numbers(&m) && (m.x5c == NULL || has_some_number(&m)))
        entry->jwk.skipped = "its numbers are not all there";
    if (entry->jwk.skipped != NULL)
        return BB_OK;
    BB_TRY(read_key(&m, entry, err));
    if (entry->jwk.skipped != NULL || m.alg == NULL)
        return BB_OK;
    entry->jwk.alg = bb_sig_alg_from_name(bb_span_str(m.alg));
    if (!bb_pubkey_fits(entry->key, entry->jwk.alg)) {
        entry->jwk.skipped = "its alg does not fit the key";
        entry->jwk.key = NULL;
    }
    return BB_OK;
}

static enum bb_status fill(struct bb_span text, struct bb_jwks *set, struct bb_error *err) {
    BB_TRY(bb_json_parse_evidence(text, BB_JWKS_MAX, "keys", &set->json, err));
    const json_t *keys = json_object_get(set->json, "keys");
    if (!json_is_array(keys))
        return malformed(err, "keys", "the key set has no array \"keys\"");
    if (json_array_size(keys) > BB_JWKS_KEYS_MAX)
        return malformed(err, "keys", "the key set has too many keys");
    for (size_t i = 0; i < json_array_size(keys); i++) {
        set->count = i + 1; /* what a failing entry holds is freed too */
        BB_TRY(read_entry(json_array_get(keys, i), &set->entries[i], err));
    }
    return BB_OK;
}

enum bb_status bb_jwks_parse(struct bb_span json, struct bb_jwks **out, struct bb_error *err) {
    struct bb_jwks *set = calloc(1, sizeof *set);
    if (set == NULL)
        return bb_fail_internal(err, "memory for a key set");
    enum bb_status status = fill(json, set, err);
    if (status == BB_OK)
        *out = set;
    else
        bb_jwks_free(set);
    return status;
}

void bb_jwks_free(struct bb_jwks *set) {
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++)
        bb_pubkey_free(set->entries[i].key);
    json_decref(set->json);
    free(set);
}

size_t bb_jwks_count(const struct bb_jwks *set) { return set->count; }

const struct bb_jwk *bb_jwks_at(const struct bb_jwks *set, size_t i) {
    return i < set->count ? &set->entries[i].jwk : NULL;
}

static bool is_kid(const struct bb_jwk *jwk, const char *kid) {
    return jwk->kid != NULL && strcmp(jwk->kid, kid) == 0;
}

bool bb_jwks_has(const struct bb_jwks *set, const char *kid) {
    for (size_t i = 0; i < set->count; i++)
        if (set->entries[i].jwk.key != NULL && is_kid(&set->entries[i].jwk, kid))
            return true;
    return false;
}

static bool names_keys(const struct bb_jwks *set) {
    for (size_t i = 0; i < set->count; i++)
        if (set->entries[i].jwk.kid != NULL)
            return true;
    return false;
}

/* How far a key came; the best one's failure is told. */
enum progress { UNKNOWN, SKIPPED, OTHER_ALG, WRONG_SIGNATURE, VERIFIED };

static enum progress try_key(const struct bb_jwk *jwk, enum bb_sig_alg alg, struct bb_span message,
                             struct bb_span signature) {
    if (jwk->key == NULL)
        return SKIPPED;
    if (jwk->alg == BB_SIG_NONE ? !bb_pubkey_fits(jwk->key, alg) : jwk->alg != alg)
        return OTHER_ALG;
    return bb_pubkey_verify(jwk->key, alg, message, signature) ? VERIFIED : WRONG_SIGNATURE;
}

static enum bb_status not_signed(enum progress best, const char *kid, const char *alg,
                                 const char *skipped, struct bb_error *err) {
    char shown[BB_VALUE_MAX];
    const char *text = NULL, *field = "kid";
    bb_escape(bb_span_str(kid == NULL ? "" : kid), shown, sizeof shown);
    switch (best) {
    case UNKNOWN:
        text = "no key of the pinned set is the token's";
        break;
    case SKIPPED:
        return bb_fail(err, BB_TOKEN_SIGNATURE_INVALID, field, "a key that may be used", shown,
                       "the token's key may not be used: %s", skipped);
    case OTHER_ALG:
        bb_escape(bb_span_str(alg), shown, sizeof shown);
        field = "alg";
        text = "the token's algorithm is not its key's";
        break;
    case WRONG_SIGNATURE:
    case VERIFIED:
        field = "signature";
        text = "the signature is not by the pinned key";
        break;
    }
    return bb_fail(err, BB_TOKEN_SIGNATURE_INVALID, field, NULL, shown, "%s", text);
}

enum bb_status bb_jwks_verify(const struct bb_jwks *set, const char *kid, const char *alg,
                              struct bb_span message, struct bb_span signature,
                              struct bb_error *err) {
    enum bb_sig_alg wanted = bb_sig_alg_from_name(bb_span_str(alg));
    bool by_kid = kid != NULL && names_keys(set);
    enum progress best = UNKNOWN;
    const char *skipped = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct bb_jwk *jwk = &set->entries[i].jwk;
        if (by_kid && !is_kid(jwk, kid))
            continue;
        enum progress got = try_key(jwk, wanted, message, signature);
        if (got == VERIFIED)
            return BB_OK;
        if (got == SKIPPED && skipped == NULL)
            skipped = jwk->skipped;
        best = got > best ? got : best;
    }
    return not_signed(best, kid, alg, skipped, err);
}
