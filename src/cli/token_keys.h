/* The key set of `token verify`: a file, or fetched from where the user or the policy says. Nothing of a
 * token says where. */
#ifndef BB_CLI_TOKEN_KEYS_H
#define BB_CLI_TOKEN_KEYS_H

#include "cli/files.h"
#include "service/fetch/keyset.h"

/* Zeroed = empty. */
struct bb_token_keys {
    const struct bb_jwks *jwks; /* of one of the following */
    struct bb_blob file;
    struct bb_jwks *of_file;
    struct bb_fetcher *fetcher;
    struct bb_keysets *sets;
    struct bb_keyset *set;
};

/* `where`: a file ("-": standard input), an https URL, http to loopback, unix:/SOCKET. `ca_file`: trust
 * anchors for https; NULL: the system's. UsageError, MalformedEvidence, VerifierUnavailable. */
BB_MUST_USE enum bb_status bb_token_keys_read(struct bb_token_keys *keys, const char *where,
                                              const char *ca_file, struct bb_error *err);
void bb_token_keys_done(struct bb_token_keys *keys);

#endif
