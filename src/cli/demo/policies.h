/* The policies of the demo's users: all are the simulator's own, with a verifier each. */
#ifndef BB_CLI_DEMO_POLICIES_H
#define BB_CLI_DEMO_POLICIES_H

#include "cli/demo/place.h"

#include "appraise/policy.h"

#define BB_DEMO_ISSUER "https://verifier.example" /* the service's name in its tokens */
#define BB_DEMO_POLICY_FILE "policy.json"         /* passport: the gateway brings a token */
#define BB_DEMO_KEY_SET "keys.json"               /* the service's public keys, pinned */
#define BB_DEMO_REFERENCE "reference.json"        /* the service's reference values */

struct bb_demo_policy {
    enum bb_verifier_mode mode;
    const char *service; /* background: the address of the service */
    const char *key_set; /* a file of the folder; NULL: BB_DEMO_KEY_SET */
    const char *without; /* a key that is left out; NULL: none */
    bool token_alone;    /* asks for nothing but what a token states: the report is not needed */
};

const char *bb_demo_mode_name(enum bb_verifier_mode mode);
/* False if no mode has that name. */
bool bb_demo_mode_from_name(const char *name, enum bb_verifier_mode *out);

BB_MUST_USE enum bb_status bb_demo_policy(const struct bb_demo_place *place,
                                          const struct bb_demo_policy *what, struct bb_policy **out,
                                          struct bb_error *err);
/* Writes BB_DEMO_POLICY_FILE, for the programs, and BB_DEMO_REFERENCE: the very values that the
 * policy expects. */
BB_MUST_USE enum bb_status bb_demo_policy_files(const struct bb_demo_place *place,
                                                struct bb_error *err);

#endif
