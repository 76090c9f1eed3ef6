#include "service/verifier/keys.h"

#include "base/hex.h"
#include "crypto/digest.h"
#include "crypto/issue.h"
#include "service/verifier/key_files.h"
#include "token/json_build.h"
#include "token/make.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct bb_ring {
    size_t n;
    struct bb_signing_key key[BB_RING_MAX]; /* by algorithm, then by time */
};

enum { CERT_YEARS_S = 10 * 365 * 24 * 3600, CERT_DER_MAX = 4096 };

bool bb_ring_default_dir(char *out, size_t cap) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n = -1;
    if (state != NULL && state[0] == '/')
        n = snprintf(out, cap, "%s/blindbox/verifier", state);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, cap, "%s/.local/state/blindbox/verifier", home);
    return n > 0 && (size_t)n < cap;
}

static void build_b64url(struct bb_build *b, const char *name, struct bb_span in) {
    char text[BB_B64URL_SIZE(512)];
    b->failed = !bb_b64url_encode(in, text, sizeof text) || b->failed;
    bb_build_text(b, name, text);
}

/* The members that RFC 7638 hashes. */
static bool build_numbers(struct bb_build *b, const struct bb_key *key) {
    struct bb_key_rsa rsa;
    struct bb_key_ec ec;
    if (bb_key_rsa_public(key, &rsa)) {
        bb_build_text(b, "kty", "RSA");
        build_b64url(b, "n", bb_span(rsa.n, rsa.n_len));
        build_b64url(b, "e", bb_span(rsa.e, rsa.e_len));
        return true;
    }
    if (!bb_key_ec_public(key, &ec))
        return false;
    bb_build_text(b, "kty", "EC");
    bb_build_text(b, "crv", ec.crv);
    build_b64url(b, "x", bb_span(ec.x, ec.len));
    build_b64url(b, "y", bb_span(ec.y, ec.len));
    return true;
}

static bool thumbprint(const json_t *numbers, char out[44]) {
    uint8_t digest[BB_SHA256_SIZE];
    char *text = json_dumps(numbers, JSON_COMPACT | JSON_SORT_KEYS);
    bool good = text != NULL && bb_sha256(bb_span_str(text), digest) &&
                bb_b64url_encode(BB_SPAN_OF(digest), out, 44);
    free(text);
    return good;
}

/* x5c is for readers of Microsoft's key sets, which have the key there. */
static void build_certificate(struct bb_build *b, const struct bb_signing_key *k,
                              const char *issuer) {
    uint8_t der[CERT_DER_MAX];
    char text[BB_B64_SIZE(CERT_DER_MAX)];
    size_t len = 0;
    if (bb_issue_self_signed(k->key, issuer, k->from, k->from + CERT_YEARS_S, der, sizeof der, &len,
                             NULL) != BB_OK ||
        !bb_b64_encode(bb_span(der, len), text, sizeof text)) {
        b->failed = true;
        return;
    }
    bb_build_value(b, "x5c", json_pack("[s]", text));
}

static enum bb_status describe(struct bb_signing_key *k, const char *issuer, struct bb_error *err) {
    struct bb_build b = {.o = json_object()};
    b.failed = !build_numbers(&b, k->key) || b.failed || !thumbprint(b.o, k->kid);
    bb_build_text(&b, "alg", bb_sig_alg_name(k->alg));
    bb_build_text(&b, "kid", k->kid);
    bb_build_text(&b, "use", "sig");
    build_certificate(&b, k, issuer);
    if (b.failed) {
        json_decref(b.o);
        return bb_fail_internal(err, "the description of a key");
    }
    k->jwk = b.o;
    return BB_OK;
}

static enum bb_status read_all(const char *dir, const char *issuer, struct bb_ring *ring,
                               struct bb_error *err) {
    struct bb_key_file files[BB_RING_MAX];
    size_t n = 0;
    BB_TRY(bb_key_files_list(dir, files, &n, err));
    for (size_t i = 0; i < n; i++) {
        struct bb_signing_key *k = &ring->key[i];
        BB_TRY(bb_key_file_read(dir, &files[i], &k->key, err));
        k->alg = files[i].alg->alg;
        k->from = files[i].from;
        ring->n = i + 1;
        BB_TRY(describe(k, issuer, err));
    }
    return BB_OK;
}

/* An algorithm without any key gets one. */
static enum bb_status make_missing(const char *dir, int64_t now, struct bb_error *err) {
    struct bb_key_file files[BB_RING_MAX];
    size_t n = 0;
    BB_TRY(bb_key_files_list(dir, files, &n, err));
    for (size_t a = 0; a < BB_RING_ALGS; a++) {
        bool has = false;
        for (size_t i = 0; i < n; i++)
            has = has || files[i].alg == &bb_ring_algs[a];
        const struct bb_key_file file = {.alg = &bb_ring_algs[a], .from = now};
        if (!has)
            BB_TRY(bb_key_file_make(dir, &file, err));
    }
    return BB_OK;
}

enum bb_status bb_ring_open(const char *dir, const char *issuer, int64_t now, struct bb_ring **out,
                            struct bb_error *err) {
    int lock = -1;
    BB_TRY(bb_key_folder_lock(dir, &lock, err));
    struct bb_ring *ring = calloc(1, sizeof *ring);
    enum bb_status status =
        ring == NULL ? bb_fail_internal(err, "memory for keys") : make_missing(dir, now, err);
    if (status == BB_OK)
        status = read_all(dir, issuer, ring, err);
    (void)close(lock);
    if (status != BB_OK) {
        bb_ring_free(ring);
        return status;
    }
    *out = ring;
    return BB_OK;
}

void bb_ring_free(struct bb_ring *ring) {
    if (ring == NULL)
        return;
    for (size_t i = 0; i < BB_RING_MAX; i++) {
        bb_key_free(ring->key[i].key);
        json_decref(ring->key[i].jwk);
    }
    free(ring);
}

bool bb_ring_is_current(const struct bb_ring *ring, const char *dir) {
    struct bb_key_file files[BB_RING_MAX];
    size_t n = 0;
    if (bb_key_files_list(dir, files, &n, NULL) != BB_OK || n != ring->n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (files[i].alg->alg != ring->key[i].alg || files[i].from != ring->key[i].from)
            return false;
    return true;
}

size_t bb_ring_count(const struct bb_ring *ring) { return ring->n; }

const struct bb_signing_key *bb_ring_current(const struct bb_ring *ring, enum bb_sig_alg alg,
                                             int64_t now) {
    const struct bb_signing_key *best = NULL;
    for (size_t i = 0; i < ring->n; i++)
        if (ring->key[i].alg == alg && (best == NULL || ring->key[i].from <= now))
            best = &ring->key[i]; /* later ones stand behind */
    return best;
}

/* Until when tokens of a key may be valid, given the time its successor began to sign. */
static bool is_over(int64_t successor, int64_t now) {
    return now >= successor + BB_TOKEN_LIFETIME_S + BB_RETIRED_GRACE_S;
}

json_t *bb_ring_jwks(const struct bb_ring *ring, int64_t now) {
    json_t *keys = json_array();
    for (size_t i = 0; i < ring->n; i++) {
        bool has_next = i + 1 < ring->n && ring->key[i + 1].alg == ring->key[i].alg;
        if (has_next && is_over(ring->key[i + 1].from, now))
            continue;
        /* A copy: references are counted without a lock, and readers share the ring. */
        if (json_array_append_new(keys, json_deep_copy(ring->key[i].jwk)) != 0) {
            json_decref(keys);
            return NULL;
        }
    }
    return json_pack("{s:o}", "keys", keys);
}

/* One algorithm's share of a rotation: `files` are its own, in order. */
static enum bb_status rotate_one(const char *dir, const struct bb_ring_alg *alg,
                                 const struct bb_key_file *files, size_t n, int64_t now,
                                 int64_t from, int64_t *signs, struct bb_error *err) {
    size_t removed = 0;
    for (size_t i = 0; i + 1 < n && is_over(files[i + 1].from, now); i++) {
        BB_TRY(bb_key_file_remove(dir, &files[i], err));
        removed++;
    }
    if (n - removed >= BB_RING_PER_ALG)
        return bb_fail(err, BB_USAGE, "state-dir", "at most 16 keys of one algorithm", dir,
                       "%s has too many keys whose tokens may still be valid", dir);
    if (n == 0)
        from = now;
    else if (files[n - 1].from >= from)
        from = files[n - 1].from + 1; /* the newest is always the one that signs last */
    const struct bb_key_file file = {.alg = alg, .from = from};
    *signs = from > *signs ? from : *signs;
    return bb_key_file_make(dir, &file, err);
}

static enum bb_status rotate_all(const char *dir, int64_t now, int64_t from, int64_t *signs,
                                 struct bb_error *err) {
    struct bb_key_file files[BB_RING_MAX];
    size_t n = 0, at = 0;
    BB_TRY(bb_key_files_list(dir, files, &n, err));
    for (size_t a = 0; a < BB_RING_ALGS; a++) {
        size_t begin = at;
        while (at < n && files[at].alg == &bb_ring_algs[a])
            at++;
        BB_TRY(rotate_one(dir, &bb_ring_algs[a], files + begin, at - begin, now, from, signs, err));
    }
    return BB_OK;
}

enum bb_status bb_ring_rotate(const char *dir, int64_t now, int64_t from, int64_t *signs,
                              struct bb_error *err) {
    int lock = -1;
    int64_t last = now;
    BB_TRY(bb_key_folder_lock(dir, &lock, err));
    enum bb_status status = rotate_all(dir, now, from, &last, err);
    (void)close(lock);
    if (status == BB_OK)
        *signs = last;
    return status;
}
