/* Tokens made here with generated keys, for the tests of their appraisal. JSON stands in single quotes
 * in the tables; a patch changes members of the base, and null takes one out. */
#ifndef BB_TESTS_TOKEN_WORLD_H
#define BB_TESTS_TOKEN_WORLD_H

#include "vectors.h"

#include "base/hex.h"
#include "crypto/key.h"
#include "token/token.h"

#define NOW INT64_C(1800000000)
#define ISS "https://verifier.example"
#define H16 "0102030405060708090a0b0c0d0e0f10"
#define H32 H16 H16
#define H48 H32 H16
#define H64 H48 H16

#define SNP_CLAIMS                                                                                 \
    "'x-ms-sevsnpvm-authorkeydigest':'" H48 "','x-ms-sevsnpvm-idkeydigest':'" H48                  \
    "','x-ms-sevsnpvm-launchmeasurement':'" H48 "','x-ms-sevsnpvm-hostdata':'" H32                 \
    "','x-ms-sevsnpvm-reportid':'" H32 "','x-ms-sevsnpvm-reportdata':'" H64                        \
    "','x-ms-sevsnpvm-familyId':'" H16 "','x-ms-sevsnpvm-imageId':'" H16                           \
    "','x-ms-sevsnpvm-bootloader-svn':3,'x-ms-sevsnpvm-tee-svn':0,"                                \
    "'x-ms-sevsnpvm-snpfw-svn':8,'x-ms-sevsnpvm-microcode-svn':115,"                               \
    "'x-ms-sevsnpvm-guestsvn':2,'x-ms-sevsnpvm-vmpl':0,"                                           \
    "'x-ms-sevsnpvm-is-debuggable':false,'x-ms-sevsnpvm-migration-allowed':false,"                 \
    "'x-ms-sevsnpvm-smt-allowed':true"
/* b64url of 48 bytes of 5a */
#define D_TEXT "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa"
#define TIMES "'iss':'" ISS "','iat':1799999990,'nbf':1799999990,'exp':1800000100"
#define MAA_INNER                                                                                  \
    "'x-ms-attestation-type':'sevsnpvm','x-ms-compliance-status':'azure-compliant-uvm',"           \
    "'x-ms-runtime':{'blindbox-1':'" D_TEXT "'}," SNP_CLAIMS
#define MAA "{" TIMES ",'nonce':'n-1'," MAA_INNER "}"
#define AZUREVM                                                                                    \
    "{" TIMES ",'x-ms-attestation-type':'azurevm','x-ms-isolation-tee':"                           \
    "{'x-ms-attestation-type':'sevsnpvm','x-ms-compliance-status':'azure-compliant-cvm'"           \
    "," SNP_CLAIMS "}}"
#define EAR04                                                                                      \
    "{" TIMES ",'eat_profile':'tag:ietf.org,2026:rats/ear#04','ear_status':'affirming',"           \
    "'ear_verifier_id':{'developer':'d','build':'b'},'eat_nonce':['" D_TEXT "','n-1'],"            \
    "'submods':{'sev-snp':{'ear_status':'affirming','ear_trustworthiness_vector':"                 \
    "{'hardware':2,'configuration':2,'executables':3},'ear_attester_claims':{" SNP_CLAIMS "}}}}"
#define DOTTED(profile, label)                                                                     \
    "{" TIMES ",'eat_profile':'" profile "','ear.verifier-id':{'developer':'d','build':'b'},"      \
    "'submods':{'" label "':{'ear.status':'affirming','ear.trustworthiness-vector':"               \
    "{'hardware':2,'configuration':2,'executables':3}}}}"

static inline json_t *quoted(const char *text) {
    char json[16384];
    json_error_t why;
    size_t i = 0;
    for (; text[i] != '\0'; i++)
        json[i] = text[i] == '\'' ? '"' : text[i];
    json[i] = '\0';
    json_t *value = json_loads(json, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (value == NULL)
        fail_msg("%s: %s", json, why.text);
    return value;
}

/* RFC 7396. */
static inline void merge(json_t *into, const json_t *patch) {
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)patch, key, value) {
        json_t *old = json_object_get(into, key);
        if (json_is_null(value))
            (void)json_object_del(into, key);
        else if (json_is_object(value) && json_is_object(old))
            merge(old, value);
        else
            assert_int_equal(json_object_set(into, key, value), 0);
    }
}

static inline json_t *patched(const char *base, const char *patch) {
    json_t *claims = quoted(base);
    json_t *changes = quoted(patch == NULL ? "{}" : patch);
    merge(claims, changes);
    json_decref(changes);
    return claims;
}

static inline char *token_of_text(const struct bb_key *key, enum bb_sig_alg alg, const char *head,
                                  const char *body) {
    uint8_t signature[BB_SIGNATURE_MAX];
    size_t len = 0;
    char *input = bb_jws_signing_input(bb_span_str(head), bb_span_str(body));
    assert_non_null(input);
    assert_int_equal(
        bb_key_sign(key, alg, bb_span_str(input), signature, sizeof signature, &len, NULL), BB_OK);
    char *token = bb_jws_finish(input, bb_span(signature, len));
    assert_non_null(token);
    return token;
}

/* Takes the reference to `claims`. */
static inline char *token_of(const struct bb_key *key, enum bb_sig_alg alg, const char *header,
                             json_t *claims) {
    json_t *h = quoted(header);
    char *head = json_dumps(h, JSON_COMPACT), *body = json_dumps(claims, JSON_COMPACT);
    char *token = token_of_text(key, alg, head, body);
    json_decref(h);
    json_decref(claims);
    free(head);
    free(body);
    return token;
}

static inline void key_set_text(const struct bb_key *key, const char *kid, char *json, size_t cap) {
    struct bb_key_ec ec;
    char x[BB_B64URL_SIZE(48)], y[BB_B64URL_SIZE(48)];
    assert_true(bb_key_ec_public(key, &ec));
    assert_true(bb_b64url_encode(bb_span(ec.x, ec.len), x, sizeof x));
    assert_true(bb_b64url_encode(bb_span(ec.y, ec.len), y, sizeof y));
    (void)snprintf(
        json, cap,
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\",\"kid\":\"%s\"}]}",
        ec.crv, x, y, kid);
}

static inline struct bb_jwks *key_set(const struct bb_key *key, const char *kid) {
    struct bb_jwks *set = NULL;
    char json[512];
    key_set_text(key, kid, json, sizeof json);
    assert_int_equal(bb_jwks_parse(bb_span_str(json), &set, NULL), BB_OK);
    return set;
}

static inline struct bb_policy *policy_of(const char *patch) {
    struct bb_policy *policy = NULL;
    struct bb_error err = {0};
    json_t *object = patched("{'schema':'blindbox.policy/1'}", patch);
    char *text = json_dumps(object, 0);
    if (bb_policy_parse(bb_span_str(text), &policy, &err) != BB_OK)
        fail_msg("%s: %s", text, err.text);
    free(text);
    json_decref(object);
    return policy;
}

#endif
