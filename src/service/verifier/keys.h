/* The keys that sign a verifier's tokens: files in its state folder, one a key, whose names say all
 * there is to know: ALG-SECONDS.pem signs from SECONDS since 1970 until the next one of its algorithm
 * does. So a rotation is a new file, and every process that shares the folder agrees by its clock.
 * A key stays in the key set until the last token that it may have signed is over. */
#ifndef BB_SERVICE_VERIFIER_KEYS_H
#define BB_SERVICE_VERIFIER_KEYS_H

#include "crypto/key.h"

#include <jansson.h>

#define BB_RING_MAX 64         /* keys in a folder: time to read them, size of the key set */
#define BB_RING_PER_ALG 16     /* of one algorithm: the same */
#define BB_KEY_FILE_MAX 8192   /* one key file: memory */
#define BB_JWKS_MAX_AGE_S 300  /* how long clients may keep the key set */
#define BB_ROTATE_LEAD_S 600   /* a new key is published so long before it signs */
#define BB_RETIRED_GRACE_S 600 /* and an old one after its last token: clocks, other processes */

struct bb_signing_key {
    enum bb_sig_alg alg;
    int64_t from; /* signs from then on */
    struct bb_key *key;
    char kid[44]; /* RFC 7638: SHA-256, base64url */
    json_t *jwk;  /* its public half */
};

struct bb_ring;

/* $XDG_STATE_HOME/blindbox/verifier, or below $HOME. False if neither is set. */
bool bb_ring_default_dir(char *out, size_t cap);
/* Makes the folder (0700) and, for an algorithm without one, a key (0600) that signs from `now`;
 * reads all. Concurrent calls on one folder make one key. UsageError names a folder or file that
 * others can reach, or a key that cannot be read: none is replaced in silence. `issuer` is the name
 * in the certificates that go with the keys. */
BB_MUST_USE enum bb_status bb_ring_open(const char *dir, const char *issuer, int64_t now,
                                        struct bb_ring **out, struct bb_error *err);
void bb_ring_free(struct bb_ring *ring); /* NULL-safe; wipes */
/* True if the folder holds the same keys still. */
bool bb_ring_is_current(const struct bb_ring *ring, const char *dir);

/* The key that signs at `now`; the oldest where none has begun to, for a clock that was set back is no
 * reason to sign nothing: every key here is published. NULL if there is none. */
const struct bb_signing_key *bb_ring_current(const struct bb_ring *ring, enum bb_sig_alg alg,
                                             int64_t now);
/* {"keys": [...]} of those that sign, will sign, or signed tokens that may still be valid. New
 * reference; NULL without memory. */
json_t *bb_ring_jwks(const struct bb_ring *ring, int64_t now);
size_t bb_ring_count(const struct bb_ring *ring);

/* A new key for every algorithm, which signs from `from` on: at once where there was none, after a
 * newer one that waits already. Removes files of keys that are no longer published. `*signs` gets
 * when the last of them begins. */
BB_MUST_USE enum bb_status bb_ring_rotate(const char *dir, int64_t now, int64_t from,
                                          int64_t *signs, struct bb_error *err);

#endif
