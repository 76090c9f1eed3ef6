/* What attest, exec and proxy have in common: policy, certificates, TLS. */
#ifndef BB_CLI_CLIENT_SETUP_H
#define BB_CLI_CLIENT_SETUP_H

#include "cli/files.h"
#include "service/session.h"
#include "service/verify_step.h"

#include <getopt.h>

struct bb_client_setup {
    const char *policy_path, *measurement;
    struct bb_store store;
    struct bb_collateral collateral;
    struct bb_policy *policy;
    char policy_source[512];
    struct bb_tls_context *tls;
    struct bb_fetcher *fetcher; /* with a policy whose verifiers ask the network */
    struct bb_keysets *keysets;
    struct bb_verify_turn turns[BB_POLICY_VERIFIERS_MAX];
    uint32_t wait_ms;
    uint64_t skip;
};

/* Rows for getopt's table, and their explanation. */
enum {
    BB_OPT_POLICY = 512,
    BB_OPT_MEASUREMENT,
    BB_OPT_CERTS,
    BB_OPT_WAIT,
    BB_OPT_SKIP,
};
#define BB_CLIENT_OPTIONS                                                                          \
    {"policy", required_argument, NULL, BB_OPT_POLICY},                                            \
        {"measurement", required_argument, NULL, BB_OPT_MEASUREMENT},                              \
        {"certs", required_argument, NULL, BB_OPT_CERTS},                                          \
        {"crl", required_argument, NULL, BB_OPT_CERTS},                                            \
        {"wait", required_argument, NULL, BB_OPT_WAIT}, {                                          \
        "skip", required_argument, NULL, BB_OPT_SKIP                                               \
    }
#define BB_CLIENT_USAGE                                                                            \
    "  --policy       what is expected; without it BLINDBOX_POLICY, then the user's policy\n"      \
    "  --measurement  expected launch measurement, 48 bytes; everything else as by default\n"      \
    "  --certs, --crl certificates and CRLs besides those that the gateway sends\n"                \
    "  --wait         seconds to wait for the evidence, 1 to 120 (30)\n"                           \
    "  --skip         leave a check out; it is shown as skipped\n"

/* Takes one option of the table; UsageError for any other. */
BB_MUST_USE enum bb_status bb_client_setup_option(struct bb_client_setup *c, int option,
                                                  const char *value, struct bb_error *err);
/* Loads the policy and prepares TLS, after the options. */
BB_MUST_USE enum bb_status bb_client_setup_ready(struct bb_client_setup *c, struct bb_error *err);
struct bb_session_options bb_client_setup_session(struct bb_client_setup *c,
                                                  const struct bb_target *target);
void bb_client_setup_free(struct bb_client_setup *c);

#endif
