#include "cli/demo/rows.h"

#include <inttypes.h>
#include <stdio.h>

#define LOCAL BB_MODE_LOCAL
#define PASSPORT BB_MODE_PASSPORT

static const struct bb_demo_row rows[] = {
    {"The VM is not as the policy wants it", "debug", "debug mode", BB_DEMO_DEFECT, "debug",
     PASSPORT, BB_DEBUG_MODE, 5, "debug"},
    {NULL, "measurement", "another image was started", BB_DEMO_DEFECT, "measurement", PASSPORT,
     BB_MEASUREMENT_MISMATCH, 5, "measurement"},
    {NULL, "host-data", "another container policy", BB_DEMO_DEFECT, "host-data", PASSPORT,
     BB_INVALID_ENCLAVE_CODE, 5, "host-data"},
    {NULL, "vmpl", "report made at VMPL 2", BB_DEMO_DEFECT, "vmpl", PASSPORT,
     BB_GUEST_POLICY_REJECTED, 5, "vmpl"},
    {NULL, "migration", "the VM may be moved", BB_DEMO_DEFECT, "migration", PASSPORT,
     BB_GUEST_POLICY_REJECTED, 5, "guest-policy"},
    {NULL, "old-tcb", "old firmware", BB_DEMO_DEFECT, "tcb", PASSPORT, BB_TCB_TOO_OLD, 5,
     "minimum-tcb"},
    {NULL, "provisional", "firmware can be rolled back", BB_DEMO_DEFECT, "provisional", PASSPORT,
     BB_PROVISIONAL_FIRMWARE, 5, "provisional"},
    {NULL, "uvm", "VM unknown to the service", BB_DEMO_TOKEN, "uvm", PASSPORT, BB_NON_COMPLIANT_UVM,
     5, "uvm"},
    {"The service's token is not good", "tampered-token", "a claim changed after signing",
     BB_DEMO_TOKEN, "tampered", PASSPORT, BB_TOKEN_SIGNATURE_INVALID, 2, "token-signature"},
    {NULL, "token-key", "signed with another key", BB_DEMO_TOKEN, "other-key", PASSPORT,
     BB_TOKEN_SIGNATURE_INVALID, 2, "token-signature"},
    {NULL, "alg-none", "alg none, no signature", BB_DEMO_TOKEN, "unsigned", PASSPORT,
     BB_TOKEN_SIGNATURE_INVALID, 2, "token-signature"},
    {NULL, "wrong-attester", "another service's token", BB_DEMO_TOKEN, "other-name", PASSPORT,
     BB_WRONG_ATTESTER, 2, "issuer"},
    {NULL, "expired-token", "valid until an hour ago", BB_DEMO_TOKEN, "expired", PASSPORT,
     BB_TOKEN_EXPIRED, 6, "token-time"},
    {NULL, "replayed-token", "another connection's token", BB_DEMO_TOKEN, "replayed", PASSPORT,
     BB_CHANNEL_BINDING_MISMATCH, 6, "report-data"},
    {NULL, "service-down", "the service is down", BB_DEMO_TOKEN, "down", PASSPORT,
     BB_VERIFIER_UNAVAILABLE, 8, "status"},
    /* The evidence's own checks, with no service that would have seen it first. */
    {"The evidence is not good", "not-snp", "no SEV-SNP report", BB_DEMO_DEFECT, "not-snp", LOCAL,
     BB_NOT_AN_ENCLAVE, 7, "format"},
    {NULL, "forged-signature", "report altered after signing", BB_DEMO_DEFECT, "forged-signature",
     LOCAL, BB_REPORT_SIGNATURE_INVALID, 2, "signature"},
    {NULL, "self-made-root", "self-made root, AMD's names", BB_DEMO_DEFECT, "amd-names-root", LOCAL,
     BB_CERTIFICATE_CHAIN_INVALID, 2, "root"},
    {NULL, "revoked", "revoked certificate", BB_DEMO_DEFECT, "revoked", LOCAL,
     BB_CERTIFICATE_REVOKED, 2, "crl"},
    {NULL, "nonce", "report for another nonce", BB_DEMO_FILE, NULL, LOCAL,
     BB_FALSE_ATTESTATION_REPORT, 6, "report-data"},
    {"Somebody else answers, even with the gateway's own key", "replay",
     "another connection's evidence", BB_DEMO_REPLAY, NULL, LOCAL, BB_CHANNEL_BINDING_MISMATCH, 6,
     "report-data"},
    {NULL, "relay", "man in the middle with the key", BB_DEMO_RELAY, NULL, LOCAL,
     BB_CHANNEL_BINDING_MISMATCH, 6, "report-data"},
    {NULL, "plain-tls", "TLS without attestation", BB_DEMO_TLS, NULL, LOCAL, BB_ATTESTATION_REFUSED,
     6, "ALPN"},
    /* The library refuses a protocol that was not offered, before our own check does. */
    {NULL, "other-alpn", "TLS with another protocol", BB_DEMO_TLS, "http/1.1", LOCAL,
     BB_ATTESTATION_REFUSED, 6, "TLS"},
    {"The policy does not allow it", "no-permission", "simulated TEE, not allowed", BB_DEMO_POLICY,
     "allow_simulated", LOCAL, BB_SIMULATED_TEE, 9, "root"},
    {NULL, "no-expected-code", "no expected code in the policy", BB_DEMO_POLICY, "measurements",
     LOCAL, BB_MISSING_REFERENCE_VALUES, 5, "expected-code"},
    {"A service cannot launder a simulated TEE", "marked-token", "simulated, as its token says",
     BB_DEMO_TOKEN, "marked", PASSPORT, BB_SIMULATED_TEE, 9, "token-type"},
    {NULL, "laundered", "simulated, its token hides it", BB_DEMO_TOKEN, "laundered", PASSPORT,
     BB_SIMULATED_TEE, 9, "root"},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

const struct bb_demo_row *bb_demo_row(size_t i) { return i < N_ROWS ? &rows[i] : NULL; }
size_t bb_demo_row_count(void) { return N_ROWS; }

void bb_demo_expected_text(const struct bb_demo_row *row, char *out, size_t cap) {
    bb_status_message(row->status, out, cap);
}

static bool says(char *why, size_t cap, const char *what, const char *expected, const char *got) {
    (void)snprintf(why, cap, "%s: expected %s, got %s", what, expected, got);
    return false;
}

static bool says_number(char *why, size_t cap, const char *what, int64_t expected, int64_t got) {
    (void)snprintf(why, cap, "%s: expected %" PRId64 ", got %" PRId64, what, expected, got);
    return false;
}

bool bb_demo_matches(const struct bb_demo_row *row, const struct bb_demo_outcome *got, char *why,
                     size_t cap) {
    char text[BB_TEXT_MAX];
    bb_demo_expected_text(row, text, sizeof text);
    if (got->control_failed)
        return says(why, cap, "control", "accepted without the trouble", "refused");
    if (got->status != row->status)
        return says(why, cap, "class", bb_status_name(row->status), bb_status_name(got->status));
    if (got->exit != row->exit)
        return says_number(why, cap, "exit", row->exit, got->exit);
    if (strcmp(got->field, row->field) != 0)
        return says(why, cap, "field", row->field, got->field);
    if (strcmp(got->text, text) != 0)
        return says(why, cap, "text", text, got->text);
    if (got->app_bytes != 0)
        return says_number(why, cap, "application bytes", 0, (int64_t)got->app_bytes);
    if (got->app_connections != 0)
        return says_number(why, cap, "application connections", 0, (int64_t)got->app_connections);
    if (cap > 0)
        why[0] = '\0';
    return true;
}
