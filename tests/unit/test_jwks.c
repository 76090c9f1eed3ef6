/* Key sets and whose token counts under them: each mistake that verifiers of tokens made, with the
 * class and the field that refuse it. */
#include "vectors.h"

#include "base/hex.h"
#include "codec/jws.h"
#include "crypto/issue.h"
#include "token/jwks.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

enum { RSA_A, RSA_B, EC_A, EC_B, P384, N_KEYS };
static struct bb_key *keys[N_KEYS];

static int make_keys(void **state) {
    (void)state;
    static const enum bb_key_type types[N_KEYS] = {BB_KEY_RSA2048, BB_KEY_RSA2048, BB_KEY_P256,
                                                   BB_KEY_P256, BB_KEY_P384};
    for (size_t i = 0; i < N_KEYS; i++)
        if (bb_key_generate(types[i], &keys[i], NULL) != BB_OK)
            return 1;
    return 0;
}

static int free_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < N_KEYS; i++)
        bb_key_free(keys[i]);
    return 0;
}

static json_t *b64url(struct bb_span bytes) {
    char text[2048];
    assert_true(bb_b64url_encode(bytes, text, sizeof text));
    return json_string(text);
}

/* The certificate of a key as x5c has it. */
static json_t *certificate(int key) {
    uint8_t der[2048];
    char text[4096];
    size_t len = 0;
    assert_int_equal(
        bb_issue_self_signed(keys[key], "https://v", 0, 1, der, sizeof der, &len, NULL), BB_OK);
    (void)EVP_EncodeBlock((unsigned char *)text, der, (int)len);
    return json_string(text);
}

static json_t *numbers(int key) {
    struct bb_key_rsa rsa;
    struct bb_key_ec ec;
    if (bb_key_rsa_public(keys[key], &rsa))
        return json_pack("{s:s,s:o,s:o}", "kty", "RSA", "n", b64url(bb_span(rsa.n, rsa.n_len)), "e",
                         b64url(bb_span(rsa.e, rsa.e_len)));
    assert_true(bb_key_ec_public(keys[key], &ec));
    return json_pack("{s:s,s:s,s:o,s:o}", "kty", "EC", "crv", ec.crv, "x",
                     b64url(bb_span(ec.x, ec.len)), "y", b64url(bb_span(ec.y, ec.len)));
}

/* A JWK with changes: "NAME": value sets, "-NAME" takes away; the texts "@cert KEY" and "@small"
 * stand for a certificate and for a modulus of 1 024 bits. */
static json_t *value_of(const json_t *value) {
    const char *text = json_string_value(value);
    uint8_t small[128];
    memset(small, 0xff, sizeof small);
    if (text != NULL && strncmp(text, "@cert ", 6) == 0)
        return certificate(atoi(text + 6));
    if (text != NULL && strcmp(text, "@small") == 0)
        return b64url(BB_SPAN_OF(small));
    if (!json_is_array(value))
        return json_deep_copy(value);
    json_t *list = json_array();
    size_t i;
    const json_t *item;
    json_array_foreach(value, i, item) json_array_append_new(list, value_of(item));
    return list;
}

static json_t *changed(json_t *jwk, const char *changes) {
    json_error_t why;
    json_t *all = json_loads(changes, 0, &why);
    const char *name;
    json_t *value;
    assert_non_null(all);
    json_object_foreach(all, name, value) {
        if (name[0] == '-')
            assert_int_equal(json_object_del(jwk, name + 1), 0);
        else
            assert_int_equal(json_object_set_new(jwk, name, value_of(value)), 0);
    }
    json_decref(all);
    return jwk;
}

/* Takes `list`. */
static enum bb_status parse_list(json_t *list, struct bb_jwks **out, struct bb_error *err) {
    json_t *set = json_pack("{s:o}", "keys", list);
    char *text = json_dumps(set, 0);
    enum bb_status status = bb_jwks_parse(bb_span_str(text), out, err);
    free(text);
    json_decref(set);
    return status;
}

static struct bb_jwks *set_of(json_t *list) {
    struct bb_jwks *set = NULL;
    assert_int_equal(parse_list(list, &set, NULL), BB_OK);
    return set;
}

struct row {
    int key;
    const char *changes;
    const char *skipped; /* NULL: usable */
};

static const struct row rows[] = {
    {RSA_A, "{}", NULL},
    {EC_A, "{}", NULL},
    {P384, "{}", NULL},
    {RSA_A, "{\"kid\":\"a\",\"use\":\"sig\",\"alg\":\"RS256\",\"foo\":{}}", NULL},
    {RSA_A, "{\"alg\":\"PS512\"}", NULL},
    {EC_A, "{\"alg\":\"ES256\",\"key_ops\":[\"sign\",\"verify\"]}", NULL},
    {RSA_A, "{\"x5c\":[\"@cert 0\"]}", NULL},
    {RSA_A, "{\"x5c\":[\"@cert 0\",\"not read\"],\"-n\":0,\"-e\":0}", NULL},
    {EC_A, "{\"x5c\":[\"@cert 2\"],\"-crv\":0,\"-x\":0,\"-y\":0}", NULL},
    {RSA_A, "{\"n\":\"@small\"}", "its RSA modulus has less than 2048 or more than 8192 bits"},
    {RSA_A, "{\"e\":\"AQ\"}", "its RSA exponent is not accepted"},
    {RSA_A, "{\"e\":\"AQAA\"}", "its RSA exponent is not accepted"},
    {RSA_A, "{\"e\":\"AAEAAQ\"}", "its RSA exponent is not accepted"},
    {RSA_A, "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "it is a symmetric key"},
    {RSA_A, "{\"kty\":\"rsa\"}", "its kty is not known"},
    {RSA_A, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", "its kty is not known"},
    {RSA_A, "{\"-kty\":0}", "its kty is not known"},
    {RSA_A, "{\"kty\":\"EC\"}", "its numbers are not all there"},
    {RSA_A, "{\"-n\":0}", "its numbers are not all there"},
    {RSA_A, "{\"-n\":0,\"x5c\":[\"@cert 0\"]}", "its numbers are not all there"},
    {EC_A, "{\"-y\":0}", "its numbers are not all there"},
    {RSA_A, "{\"use\":\"enc\"}", "its use is not sig"},
    {RSA_A, "{\"use\":\"\"}", "its use is not sig"},
    {RSA_A, "{\"key_ops\":[\"encrypt\"]}", "its key_ops do not hold verify"},
    {RSA_A, "{\"key_ops\":[]}", "its key_ops do not hold verify"},
    {RSA_A, "{\"d\":\"AAAA\"}", "it is a private key, so that whoever reads the set can sign"},
    {RSA_A, "{\"alg\":\"HS256\"}", "its alg is not known"},
    {RSA_A, "{\"alg\":\"none\"}", "its alg is not known"},
    {RSA_A, "{\"alg\":\"RSA-OAEP\"}", "its alg is not known"},
    {RSA_A, "{\"alg\":\"ES256\"}", "its alg does not fit the key"},
    {EC_A, "{\"alg\":\"RS256\"}", "its alg does not fit the key"},
    {EC_A, "{\"alg\":\"ES384\"}", "its alg does not fit the key"},
    {EC_A, "{\"crv\":\"P-384\"}", "its point is not on the curve"},
    {EC_A, "{\"crv\":\"secp256k1\"}", "its curve is not known"},
    {EC_A, "{\"x\":\"AAAA\"}", "its point is not on the curve"},
    {RSA_A, "{\"x5c\":[\"@cert 1\"]}", "its numbers and its certificate disagree"},
    {EC_A, "{\"x5c\":[\"@cert 3\"]}", "its numbers and its certificate disagree"},
    {RSA_A, "{\"x5c\":[\"@cert 2\"]}", "its kty and its certificate disagree"},
    {RSA_A, "{\"x5c\":[\"@cert 2\"],\"-n\":0,\"-e\":0}", "its kty and its certificate disagree"},
    {RSA_A, "{\"x5c\":[\"AAAA\"]}", "its certificate holds no key that is known"},
};

static void test_which_keys_are_taken(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        struct bb_jwks *set =
            set_of(json_pack("[o,o]", changed(numbers(r->key), r->changes), numbers(EC_B)));
        assert_int_equal(bb_jwks_count(set), 2);
        const struct bb_jwk *jwk = bb_jwks_at(set, 0);
        if ((jwk->skipped == NULL) != (r->skipped == NULL) ||
            (jwk->skipped != NULL && strcmp(jwk->skipped, r->skipped) != 0))
            fail_msg("%s: %s", r->changes, jwk->skipped == NULL ? "taken" : jwk->skipped);
        assert_int_equal(jwk->key != NULL, r->skipped == NULL);
        assert_non_null(bb_jwks_at(set, 1)->key); /* one key's fault is not the others' */
        assert_null(bb_jwks_at(set, 2));
        bb_jwks_free(set);
    }
    bb_jwks_free(NULL);
}

static void test_a_kid_has_an_end(void **state) {
    (void)state;
    char kid[BB_KID_MAX + 2];
    memset(kid, 'k', sizeof kid);
    for (size_t len = BB_KID_MAX; len <= BB_KID_MAX + 1; len++) {
        kid[BB_KID_MAX] = len == BB_KID_MAX ? '\0' : 'k';
        kid[len] = '\0';
        json_t *jwk = numbers(EC_A);
        json_object_set_new(jwk, "kid", json_string(kid));
        struct bb_jwks *set = set_of(json_pack("[o]", jwk));
        assert_int_equal(bb_jwks_has(set, kid), len == BB_KID_MAX);
        bb_jwks_free(set);
    }
}

static void assert_malformed(const char *text, const char *field) {
    struct bb_jwks *set = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_jwks_parse(bb_span_str(text), &set, &err), BB_MALFORMED_EVIDENCE);
    assert_string_equal(err.field, field);
    assert_null(set);
}

static void test_malformed_sets(void **state) {
    (void)state;
    static const struct {
        const char *text, *field;
    } texts[] = {
        {"", "keys"},
        {"[]", "keys"},
        {"{}", "keys"},
        {"{\"keys\":{}}", "keys"},
        {"{\"keys\":null}", "keys"},
        {"{\"keys\":[1]}", "keys"},
        {"{\"keys\":[],\"keys\":[]}", "keys"},
        {"{\"keys\":[{\"kid\":\"a\",\"kid\":\"a\"}]}", "keys"},
        {"{\"keys\":[]} {}", "keys"},
        {"{\"keys\":[{\"kty\":7}]}", "kty"},
        {"{\"keys\":[{\"kid\":7}]}", "kid"},
        {"{\"keys\":[{\"kid\":null}]}", "kid"},
        {"{\"keys\":[{\"use\":[\"sig\"]}]}", "use"},
        {"{\"keys\":[{\"alg\":false}]}", "alg"},
        {"{\"keys\":[{\"key_ops\":\"verify\"}]}", "key_ops"},
        {"{\"keys\":[{\"key_ops\":[1]}]}", "key_ops"},
        {"{\"keys\":[{\"x5c\":\"AAAA\"}]}", "x5c"},
        {"{\"keys\":[{\"x5c\":[]}]}", "x5c"},
        {"{\"keys\":[{\"x5c\":[{}]}]}", "x5c"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"x5c\":[\"AA-_\"]}]}", "x5c"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":3,\"e\":\"AQAB\"}]}", "n"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AA==\",\"e\":\"AQAB\"}]}", "n"},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQ+B\"}]}", "e"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"A A\",\"y\":\"AA\"}]}", "x"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AB\"}]}", "y"},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":1,\"x\":\"AA\",\"y\":\"AA\"}]}", "crv"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_malformed(texts[i].text, texts[i].field);
}

static void test_sizes(void **state) {
    (void)state;
    for (size_t n = BB_JWKS_KEYS_MAX; n <= BB_JWKS_KEYS_MAX + 1; n++) {
        json_t *list = json_array();
        struct bb_jwks *set = NULL;
        struct bb_error err = {0};
        for (size_t i = 0; i < n; i++)
            json_array_append_new(list, json_object());
        enum bb_status want = n == BB_JWKS_KEYS_MAX ? BB_OK : BB_MALFORMED_EVIDENCE;
        assert_int_equal(parse_list(list, &set, &err), want);
        assert_string_equal(err.field, want == BB_OK ? "" : "keys");
        bb_jwks_free(set);
    }
    char *text = malloc(BB_JWKS_MAX + 2);
    memset(text, ' ', BB_JWKS_MAX + 1);
    memcpy(text, "{\"keys\":[]}", 11);
    text[BB_JWKS_MAX + 1] = '\0';
    assert_malformed(text, "keys");
    text[BB_JWKS_MAX] = '\0';
    struct bb_jwks *set = NULL;
    assert_int_equal(bb_jwks_parse(bb_span_str(text), &set, NULL), BB_OK);
    bb_jwks_free(set);
    free(text);
}

/* A token with that header, signed by a key, or by its public part as a secret (alg NONE). */
static char *token(const char *header, int key, enum bb_sig_alg alg) {
    uint8_t sig[BB_SIGNATURE_MAX];
    size_t len = 0;
    char *input = bb_jws_signing_input(bb_span_str(header), BB_SPAN_LIT("{}"));
    struct bb_span spki = bb_key_spki(keys[key]);
    unsigned int mac = 0;
    if (alg != BB_SIG_NONE) {
        assert_int_equal(
            bb_key_sign(keys[key], alg, bb_span_str(input), sig, sizeof sig, &len, NULL), BB_OK);
    } else {
        assert_non_null(HMAC(EVP_sha256(), spki.ptr, (int)spki.len, (const uint8_t *)input,
                             strlen(input), sig, &mac));
        len = mac;
    }
    return bb_jws_finish(input, bb_span(sig, len));
}

struct attack {
    const char *what;
    const char *header;
    int key;             /* that signs */
    enum bb_sig_alg alg; /* with which it signs */
    const char *field;   /* NULL: accepted */
};

/* Against: RSA_A as "r" with alg RS256, EC_A as "e" without alg, RSA_B as "x" (use enc), EC_B as
 * "twin" beside P384 as "twin". */
static const struct attack attacks[] = {
    {"the key with that kid", "{\"alg\":\"RS256\",\"kid\":\"r\"}", RSA_A, BB_SIG_RS256, NULL},
    {"another key with that kid", "{\"alg\":\"ES256\",\"kid\":\"e\"}", EC_A, BB_SIG_ES256, NULL},
    {"no kid: every key is tried", "{\"alg\":\"ES256\"}", EC_A, BB_SIG_ES256, NULL},
    {"a kid that two keys have", "{\"alg\":\"ES256\",\"kid\":\"twin\"}", EC_B, BB_SIG_ES256, NULL},
    {"and the other of them", "{\"alg\":\"ES384\",\"kid\":\"twin\"}", P384, BB_SIG_ES384, NULL},
    {"alg none", "{\"alg\":\"none\",\"kid\":\"r\"}", RSA_A, BB_SIG_RS256, "alg"},
    {"alg None", "{\"alg\":\"None\",\"kid\":\"r\"}", RSA_A, BB_SIG_RS256, "alg"},
    {"alg empty", "{\"alg\":\"\",\"kid\":\"r\"}", RSA_A, BB_SIG_RS256, "alg"},
    {"alg none without kid", "{\"alg\":\"none\"}", RSA_A, BB_SIG_RS256, "alg"},
    {"HS256 with the public key", "{\"alg\":\"HS256\",\"kid\":\"r\"}", RSA_A, BB_SIG_NONE, "alg"},
    {"HS256 with the public key, no kid", "{\"alg\":\"HS256\"}", EC_A, BB_SIG_NONE, "alg"},
    {"a MAC called RS256", "{\"alg\":\"RS256\",\"kid\":\"r\"}", RSA_A, BB_SIG_NONE, "signature"},
    {"alg of the header, not of the key", "{\"alg\":\"PS256\",\"kid\":\"r\"}", RSA_A, BB_SIG_PS256,
     "alg"},
    {"another hash than the key's", "{\"alg\":\"RS512\",\"kid\":\"r\"}", RSA_A, BB_SIG_RS512,
     "alg"},
    {"signed with another hash", "{\"alg\":\"RS256\",\"kid\":\"r\"}", RSA_A, BB_SIG_RS512,
     "signature"},
    {"alg of another key type", "{\"alg\":\"ES256\",\"kid\":\"r\"}", EC_A, BB_SIG_ES256, "alg"},
    {"alg of another curve", "{\"alg\":\"ES384\",\"kid\":\"e\"}", P384, BB_SIG_ES384, "alg"},
    {"kid unknown", "{\"alg\":\"RS256\",\"kid\":\"R\"}", RSA_A, BB_SIG_RS256, "kid"},
    {"kid empty", "{\"alg\":\"RS256\",\"kid\":\"\"}", RSA_A, BB_SIG_RS256, "kid"},
    {"kid a path", "{\"alg\":\"HS256\",\"kid\":\"../../../../dev/null\"}", RSA_A, BB_SIG_NONE,
     "kid"},
    {"kid an SQL text", "{\"alg\":\"RS256\",\"kid\":\"r' OR '1'='1\"}", RSA_A, BB_SIG_RS256, "kid"},
    {"kid of another key", "{\"alg\":\"ES256\",\"kid\":\"e\"}", EC_B, BB_SIG_ES256, "signature"},
    {"a key for encryption", "{\"alg\":\"RS256\",\"kid\":\"x\"}", RSA_B, BB_SIG_RS256, "kid"},
    {"a key outside the set", "{\"alg\":\"RS256\"}", RSA_B, BB_SIG_RS256, "signature"},
};

static struct bb_jwks *pinned(void) {
    return set_of(json_pack("[o,o,o,o,o]",
                            changed(numbers(RSA_A), "{\"kid\":\"r\",\"alg\":\"RS256\"}"),
                            changed(numbers(EC_A), "{\"kid\":\"e\"}"),
                            changed(numbers(RSA_B), "{\"kid\":\"x\",\"use\":\"enc\"}"),
                            changed(numbers(EC_B), "{\"kid\":\"twin\"}"),
                            changed(numbers(P384), "{\"kid\":\"twin\"}")));
}

static void assert_token(const struct bb_jwks *set, char *text, const char *what,
                         const char *field) {
    struct bb_jws jws;
    struct bb_error err = {0};
    assert_int_equal(bb_jws_parse(bb_span_str(text), &jws, NULL), BB_OK);
    enum bb_status status =
        bb_jwks_verify(set, jws.kid, jws.alg, jws.signing_input, jws.signature, &err);
    if (status != (field == NULL ? BB_OK : BB_TOKEN_SIGNATURE_INVALID) ||
        strcmp(err.field, field == NULL ? "" : field) != 0)
        fail_msg("%s: %s, field '%s', %s", what, bb_status_name(status), err.field, err.text);
    bb_jws_done(&jws);
    free(text);
}

static void test_whose_token_counts(void **state) {
    (void)state;
    struct bb_jwks *set = pinned();
    for (size_t i = 0; i < sizeof attacks / sizeof attacks[0]; i++)
        assert_token(set, token(attacks[i].header, attacks[i].key, attacks[i].alg), attacks[i].what,
                     attacks[i].field);
    bb_jwks_free(set);
}

/* A token that brings its own key, in each of the ways of RFC 7515 4.1. */
static void test_keys_in_the_header(void **state) {
    (void)state;
    struct bb_jwks *set = pinned();
    json_t *values[] = {numbers(RSA_B), json_pack("[o]", certificate(RSA_B)),
                        json_string("https://evil.example/keys"), json_string("file:///keys")};
    const char *const names[] = {"jwk", "x5c", "jku", "x5u"};
    for (size_t i = 0; i < 4; i++)
        for (int with_kid = 0; with_kid < 2; with_kid++) {
            json_t *header = json_pack("{s:s,s:O}", "alg", "RS256", names[i], values[i]);
            if (with_kid == 1)
                json_object_set_new(header, "kid", json_string("r"));
            char *text = json_dumps(header, 0);
            assert_token(set, token(text, RSA_B, BB_SIG_RS256), text, "signature");
            assert_token(set, token(text, RSA_A, BB_SIG_RS256), text, NULL); /* not read at all */
            free(text);
            json_decref(header);
        }
    for (size_t i = 0; i < 4; i++)
        json_decref(values[i]);
    bb_jwks_free(set);
}

static void test_sets_without_kids(void **state) {
    (void)state;
    struct bb_jwks *set = set_of(json_pack("[o,o]", numbers(RSA_A), numbers(EC_A)));
    const char *header = "{\"alg\":\"ES256\",\"kid\":\"any\"}";
    assert_token(set, token(header, EC_A, BB_SIG_ES256), "every key is tried", NULL);
    assert_token(set, token(header, EC_B, BB_SIG_ES256), "none is right", "signature");
    assert_false(bb_jwks_has(set, "any"));
    bb_jwks_free(set);
    set = set_of(json_array());
    assert_token(set, token(header, EC_A, BB_SIG_ES256), "an empty set", "kid");
    bb_jwks_free(set);
    set = set_of(json_pack("[o]", changed(numbers(EC_A), "{\"use\":\"enc\"}")));
    assert_token(set, token(header, EC_A, BB_SIG_ES256), "nothing usable", "kid");
    bb_jwks_free(set);
    set = set_of(json_pack("[o,o]", numbers(EC_A), changed(numbers(EC_B), "{\"kid\":\"b\"}")));
    assert_token(set, token(header, EC_A, BB_SIG_ES256), "one key has a kid", "kid");
    bb_jwks_free(set);
}

static void test_skipped_keys_are_told(void **state) {
    (void)state;
    struct bb_jwks *set = pinned();
    struct bb_error err = {0};
    assert_true(bb_jwks_has(set, "r"));
    assert_false(bb_jwks_has(set, "x"));
    assert_int_equal(bb_jwks_verify(set, "x", "RS256", BB_SPAN_LIT("m"), BB_SPAN_LIT("s"), &err),
                     BB_TOKEN_SIGNATURE_INVALID);
    assert_string_equal(err.text, "the token's key may not be used: its use is not sig");
    assert_string_equal(err.found, "x");
    bb_jwks_free(set);
}

/* Microsoft's own sets: usable and skipped keys of each. */
static void test_real_sets(void **state) {
    (void)state;
    static const struct {
        const char *file;
        size_t keys, usable;
    } files[] = {
        {"maa/jwks-gnkuks001-x5c.json", 5, 4}, {"maa/jwks-sharedcae.json", 4, 2},
        {"maa/jwks-sharedeus2.json", 3, 3},    {"maa/jwks-shareduks.json", 4, 2},
        {"maa/jwks-sharedweu.json", 5, 3},
    };
    json_decref(vectors_manifest());
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct vector_file file;
        struct bb_jwks *set = NULL;
        size_t usable = 0;
        assert_true(vector_read(files[i].file, &file));
        assert_int_equal(bb_jwks_parse(vector_span(&file), &set, NULL), BB_OK);
        assert_int_equal(bb_jwks_count(set), files[i].keys);
        for (size_t k = 0; k < bb_jwks_count(set); k++) {
            const struct bb_jwk *jwk = bb_jwks_at(set, k);
            assert_int_equal(bb_jwks_has(set, jwk->kid), jwk->key != NULL);
            usable += jwk->key != NULL;
            if (jwk->key == NULL)
                assert_string_equal(jwk->skipped,
                                    "its RSA modulus has less than 2048 or more than 8192 bits");
        }
        assert_int_equal(usable, files[i].usable);
        bb_jwks_free(set);
    }
}

/* Microsoft's token under Microsoft's keys; and with each part altered. */
static void test_a_real_token(void **state) {
    (void)state;
    struct vector_file keys_file, text;
    struct bb_jwks *set = NULL;
    struct bb_jws jws;
    json_decref(vectors_manifest());
    assert_true(vector_read("maa/jwks-sharedweu.json", &keys_file));
    assert_true(vector_read("maa/azurevm-cvm-sharedweu.jwt", &text));
    while (text.len > 0 && text.data[text.len - 1] == '\n')
        text.len--;
    assert_int_equal(bb_jwks_parse(vector_span(&keys_file), &set, NULL), BB_OK);
    assert_int_equal(bb_jws_parse(vector_span(&text), &jws, NULL), BB_OK);
    assert_int_equal(bb_jwks_verify(set, jws.kid, jws.alg, jws.signing_input, jws.signature, NULL),
                     BB_OK);
    for (size_t i = 0; i < jws.signing_input.len; i += 97) {
        struct bb_error err = {0};
        text.data[i] ^= 1;
        assert_int_equal(
            bb_jwks_verify(set, jws.kid, jws.alg, jws.signing_input, jws.signature, &err),
            BB_TOKEN_SIGNATURE_INVALID);
        assert_string_equal(err.field, "signature");
        text.data[i] ^= 1;
    }
    bb_jws_done(&jws);
    bb_jwks_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_which_keys_are_taken),
        cmocka_unit_test(test_a_kid_has_an_end),
        cmocka_unit_test(test_malformed_sets),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_whose_token_counts),
        cmocka_unit_test(test_keys_in_the_header),
        cmocka_unit_test(test_sets_without_kids),
        cmocka_unit_test(test_skipped_keys_are_told),
        cmocka_unit_test(test_real_sets),
        cmocka_unit_test(test_a_real_token),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
