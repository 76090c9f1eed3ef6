/* Pinned key sets of token issuers, by their source: a file, or a URL of fetch.h. Kept, and fetched
 * again when they are old or a token names a key that is not in them. Nothing of a token chooses a
 * source. One thread at a time.
 *
 *   bb_keysets_new()    one for a program's life; it keeps what was fetched
 *   bb_keyset_begin()   somebody needs the set of a source, for a token with that kid
 *   bb_keyset_take()    the set, at once where it is at hand; else when bb_keyset_fd() is readable
 *   bb_keyset_end()     the set may be gone after that
 *
 * However many ask, and whatever kids they name: one fetch of a source is in flight, and the next
 * begins after BB_KEYSET_PAUSE_MS (after a failure without a usable set, BB_KEYSET_RETRY_MS). */
#ifndef BB_SERVICE_KEYSET_H
#define BB_SERVICE_KEYSET_H

#include "service/fetch/fetch.h"
#include "token/jwks.h"

#define BB_KEYSET_AGE_S_DEFAULT 300 /* Cache-Control says nothing */
#define BB_KEYSET_AGE_S_MIN 60      /* it says less: a flood at the service */
#define BB_KEYSET_AGE_S_MAX 3600    /* it says more: a key that was withdrawn */
#define BB_KEYSET_PAUSE_MS 30000    /* foreign kids: a flood at the service */
#define BB_KEYSET_RETRY_MS 2000     /* the same while it fails */
#define BB_KEYSET_SOURCES_MAX 32    /* memory */
#define BB_KEYSET_FETCH_MS 10000

struct bb_keysets;

/* `fetcher` outlives it; NULL: only files can be read. `now_ms`: the clock; NULL: bb_now_ms(). */
BB_MUST_USE enum bb_status bb_keysets_new(struct bb_fetcher *fetcher, int64_t (*now_ms)(void),
                                          struct bb_keysets **out, struct bb_error *err);
void bb_keysets_free(struct bb_keysets *sets); /* NULL-safe; after all bb_keyset_end() */

/* The policy's or the configuration's words; copied. */
struct bb_keyset_source {
    const char *where;   /* file, or URL; of unix:/SOCKET the path /certs is asked */
    bool is_file;        /* as bb_policy_verifier.jwks_is_file */
    const char *ca_file; /* trust anchors for https; NULL: the system's */
};

struct bb_keyset;

/* `kid` of the token, NULL if it has none: a set at hand that lacks it is fetched again, if that is
 * not too soon. UsageError: a URL that may not be asked, a file that cannot be read or is no key set.
 * VerifierUnavailable: too many sources. A fetch that fails shows in take. */
BB_MUST_USE enum bb_status bb_keyset_begin(struct bb_keysets *sets,
                                           const struct bb_keyset_source *source, const char *kid,
                                           struct bb_keyset **out, struct bb_error *err);
/* -1 where there is nothing to wait for: take gives the end at once. Else wait for it no longer than
 * BB_KEYSET_FETCH_MS and a second; then take again. */
int bb_keyset_fd(const struct bb_keyset *keyset);
/* DONE: `jwks` lives until bb_keyset_end(); the kid may still not be in it. FAILED:
 * there is no set that is young enough; VerifierUnavailable, or UsageError for a CA file that cannot
 * be read. */
enum bb_fetch_state bb_keyset_take(struct bb_keyset *keyset, const struct bb_jwks **jwks,
                                   struct bb_error *err);
void bb_keyset_end(struct bb_keyset *keyset); /* NULL-safe */

/* Blocks; for commands that have nothing else to do. */
BB_MUST_USE enum bb_status bb_keyset_run(struct bb_keysets *sets,
                                         const struct bb_keyset_source *source, const char *kid,
                                         struct bb_keyset **out, const struct bb_jwks **jwks,
                                         struct bb_error *err);

#endif
