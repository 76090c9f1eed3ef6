/* The appraisal of a whole token against its signature check alone: text in, verdict out, with a key
 * set that was parsed once. The bare check is the library's, as bare as it goes: key, context, digest
 * and DER signature ready, the message's digest included. In turns, five rounds of each, printed as
 * JSON in microseconds. Argument: how often a round, else 1000. */
#include "base/hex.h"
#include "jose.h"
#include "rounds.h"
#include "token/token.h"

#include <inttypes.h>
#include <stdlib.h>

static int repeat = 1000;

#define NOW 1800000000
#define ISSUER "https://verifier.example"
#define H16 "0102030405060708090a0b0c0d0e0f10"
#define H32 H16 H16
#define H48 H32 H16
#define H64 H48 H16
/* base64url of 48 bytes of 5a */
#define D "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa"

/* As Microsoft's service sends it, but for who signs. */
static const char claims[] =
    "{\"exp\":1800028700,\"iat\":1799999900,\"iss\":\"" ISSUER "\",\"jti\":\"" H32 "\","
    "\"nbf\":1799999900,\"nonce\":\"3413764049005270139\",\"x-ms-attestation-type\":\"sevsnpvm\","
    "\"x-ms-compliance-status\":\"azure-compliant-uvm\","
    "\"x-ms-policy-hash\":\"9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco\","
    "\"x-ms-runtime\":{\"blindbox-1\":\"" D "\"},"
    "\"x-ms-sevsnpvm-authorkeydigest\":\"" H48 "\",\"x-ms-sevsnpvm-bootloader-svn\":3,"
    "\"x-ms-sevsnpvm-familyId\":\"" H16 "\",\"x-ms-sevsnpvm-guestsvn\":2,"
    "\"x-ms-sevsnpvm-hostdata\":\"" H32 "\",\"x-ms-sevsnpvm-idkeydigest\":\"" H48 "\","
    "\"x-ms-sevsnpvm-imageId\":\"" H16 "\",\"x-ms-sevsnpvm-is-debuggable\":false,"
    "\"x-ms-sevsnpvm-launchmeasurement\":\"" H48 "\",\"x-ms-sevsnpvm-microcode-svn\":115,"
    "\"x-ms-sevsnpvm-migration-allowed\":false,\"x-ms-sevsnpvm-reportdata\":\"" H64 "\","
    "\"x-ms-sevsnpvm-reportid\":\"" H32 "\",\"x-ms-sevsnpvm-smt-allowed\":true,"
    "\"x-ms-sevsnpvm-snpfw-svn\":8,\"x-ms-sevsnpvm-tee-svn\":0,"
    "\"x-ms-sevsnpvm-uvm-endorsement\":{\"x-ms-sevsnpvm-guestsvn\":\"100\","
    "\"x-ms-sevsnpvm-launchmeasurement\":\"" H48 "\"},\"x-ms-sevsnpvm-vmpl\":0,"
    "\"x-ms-ver\":\"1.0\"}";
static const char policy_json[] =
    "{\"schema\":\"blindbox.policy/1\",\"crl\":\"if-present\",\"provisional_firmware\":true,"
    "\"measurements\":[\"" H48 "\"],\"host_data\":[\"" H32 "\"]}";

static char issuer[] = ISSUER;

/* All that a connection binds. */
static struct bb_token_expectation expectation(const struct bb_policy_verifier *verifier,
                                               const struct bb_jwks *jwks) {
    struct bb_token_expectation e = {.verifier = verifier,
                                     .jwks = jwks,
                                     .on_connection = true,
                                     .has_report_data = true,
                                     .has_d = true,
                                     .nonce = "3413764049005270139",
                                     .has_config_digest = true,
                                     .kind = BB_KIND_SEV_SNP};
    memset(e.d, 0x5a, sizeof e.d);
    must(bb_hex_decode_exact(H64, e.report_data, sizeof e.report_data), "report data");
    return e;
}

static void measure(const struct bench_jose *j, const char *end) {
    struct bb_policy_verifier verifier = {.profile = BB_PROFILE_MAA, .issuer = issuer};
    struct bb_policy *policy = NULL;
    struct bb_jws jws = {.alg = NULL};
    struct bb_token token;
    static struct bb_result result;
    char *text = bench_jose_token(j, bb_span_str(claims));
    struct bb_span whole = bb_span_str(text);
    struct bb_token_expectation expect = expectation(&verifier, j->jwks);
    struct bench_times bare = {0}, checked = {0}, parsed = {0}, appraised = {0};
    must(bb_policy_parse(bb_span_str(policy_json), &policy, NULL) == BB_OK, "policy");
    must(bb_jws_parse(whole, &jws, NULL) == BB_OK, "token");
    struct bench_bare *raw = bench_bare_new(j, jws.signature);
    const struct bb_pubkey *key = bb_jwks_at(j->jwks, 0)->key;
    for (int round = 0; round < ROUNDS; round++) {
        TIME(&bare, round, repeat, must(bench_bare_verify(raw, jws.signing_input), "signature"));
        TIME(&checked, round, repeat,
             must(bb_pubkey_verify(key, j->alg, jws.signing_input, jws.signature), "signature"));
        TIME(&parsed, round, repeat, {
            must(bb_token_parse(whole, &token, NULL) == BB_OK, "parse");
            bb_token_done(&token);
        });
        TIME(&appraised, round, repeat,
             must(bb_token_appraise(whole, &expect, policy, NOW, &result) == BB_OK,
                  bb_status_name(result.status)));
    }
    (void)printf("\"%s\": {\"token_bytes\": %zu, ", bb_sig_alg_name(j->alg), whole.len);
    print_times("bare_us", &bare, ", ");
    print_times("checked_us", &checked, ", ");
    print_times("parsed_us", &parsed, ", ");
    print_times("appraised_us", &appraised, "}");
    (void)printf("%s", end);
    bench_bare_free(raw);
    bb_jws_done(&jws);
    bb_policy_free(policy);
    free(text);
}

int main(int argc, char **argv) {
    static const struct {
        enum bb_sig_alg alg;
        enum bb_key_type type;
    } kinds[] = {
        {BB_SIG_RS256, BB_KEY_RSA2048}, {BB_SIG_ES256, BB_KEY_P256}, {BB_SIG_ES384, BB_KEY_P384}};
    enum { N_KINDS = sizeof kinds / sizeof kinds[0] };
    if (argc > 1)
        repeat = (int)strtol(argv[1], NULL, 10);
    must(repeat > 0, "usage: bench_token [REPEAT]");
    (void)printf("{");
    for (size_t i = 0; i < N_KINDS; i++) {
        struct bench_jose j = bench_jose_new(kinds[i].alg, kinds[i].type);
        measure(&j, i + 1 < N_KINDS ? ", " : "}\n");
        bench_jose_done(&j);
    }
    return 0;
}
