/* Answers questions about signatures and tokens, one a line, for jose_vectors.py. Fields are hex, "-"
 * is an empty one:
 *   sig ALG SPKI MESSAGE SIGNATURE   good, bad, or the failure of the key
 *   raw ALG KEYS MESSAGE SIGNATURE   the same, under a key set
 *   token KEYS TOKEN                 Ok, or "STAGE CLASS FIELD", the stage set, token or verify */
#include "base/hex.h"
#include "codec/jws.h"
#include "token/jwks.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIELDS = 5, FIELD_MAX = 1 << 17 };

static uint8_t fields[FIELDS][FIELD_MAX];
static size_t lens[FIELDS];

static struct bb_span field(size_t i) { return bb_span(fields[i], lens[i]); }

static void print_failure(const char *stage, const struct bb_error *err) {
    (void)printf("%s %s %s\n", stage, bb_status_name(err->status), err->field);
}

static void sig(enum bb_sig_alg alg) {
    struct bb_pubkey *key = NULL;
    struct bb_error err = {0};
    if (bb_pubkey_from_spki(field(2), &key, &err) != BB_OK)
        print_failure("key", &err);
    else
        (void)puts(bb_pubkey_verify(key, alg, field(3), field(4)) ? "good" : "bad");
    bb_pubkey_free(key);
}

static void raw(const char *alg) {
    struct bb_jwks *set = NULL;
    struct bb_error err = {0};
    if (bb_jwks_parse(field(2), &set, &err) != BB_OK)
        print_failure("set", &err);
    else
        (void)puts(bb_jwks_verify(set, NULL, alg, field(3), field(4), &err) == BB_OK ? "good"
                                                                                     : "bad");
    bb_jwks_free(set);
}

static void verify(const struct bb_jwks *set) {
    struct bb_jws jws;
    struct bb_error err = {0};
    if (bb_jws_parse(field(2), &jws, &err) != BB_OK) {
        print_failure("token", &err);
        return;
    }
    if (bb_jwks_verify(set, jws.kid, jws.alg, jws.signing_input, jws.signature, &err) == BB_OK)
        (void)puts("Ok");
    else
        print_failure("verify", &err);
    bb_jws_done(&jws);
}

static void token(void) {
    struct bb_jwks *set = NULL;
    struct bb_error err = {0};
    if (bb_jwks_parse(field(1), &set, &err) != BB_OK)
        print_failure("set", &err);
    else
        verify(set);
    bb_jwks_free(set);
}

int main(void) {
    char *line = NULL;
    size_t cap = 0;
    while (getline(&line, &cap, stdin) > 0) {
        char *save = NULL, *word = strtok_r(line, " \n", &save), *args[FIELDS] = {word};
        for (size_t i = 1; i < FIELDS && word != NULL; i++) {
            args[i] = strtok_r(NULL, " \n", &save);
            lens[i] = 0;
            if (args[i] != NULL && strcmp(args[i], "-") != 0)
                (void)bb_hex_decode(bb_span_str(args[i]), fields[i], FIELD_MAX, &lens[i]);
        }
        if (word != NULL && strcmp(word, "token") == 0)
            token();
        else if (word != NULL && args[4] != NULL && strcmp(word, "sig") == 0)
            sig(bb_sig_alg_from_name(bb_span_str(args[1])));
        else if (word != NULL && args[4] != NULL)
            raw(args[1]);
        else
            (void)puts("what?");
    }
    free(line);
    return 0;
}
