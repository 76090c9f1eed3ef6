/* Report verification with a cached chain against a bare P-384 verification of the same library, in
 * one run, in turns: five rounds of each, printed as JSON in microseconds. Arguments: REPORT VEK
 * ASK ARK SECONDS-SINCE-1970 [POLICY]. Without a policy the report's own measurement is the
 * expected one. */
#include "rounds.h"

#include "appraise/appraise.h"
#include "crypto/cert.h"
#include "evidence/snp/chain.h"

enum { REPEAT = 400 };

static struct bb_span read_file(const char *path) {
    static uint8_t pool[5][16384];
    static size_t used;
    FILE *in = fopen(path, "rb");
    if (in == NULL || used == 5) {
        perror(path);
        exit(1);
    }
    size_t n = fread(pool[used], 1, sizeof pool[used], in);
    (void)fclose(in);
    return bb_span(pool[used++], n);
}

int main(int argc, char **argv) {
    must(argc == 6 || argc == 7, "usage: bench_verify REPORT VEK ASK ARK SECONDS [POLICY]");
    struct bb_span report = read_file(argv[1]);
    struct bb_span certs[3] = {read_file(argv[2]), read_file(argv[3]), read_file(argv[4])};
    int64_t at = strtoll(argv[5], NULL, 10);
    struct bb_snp_certs *set = NULL;
    struct bb_cert *vek = NULL;
    struct bb_policy *policy = NULL;
    struct bb_snp_report parsed;
    struct bb_expectation none = {0};
    struct bb_result result;
    struct bench_times bare = {0}, cached = {0}, whole = {0};
    must(bb_snp_report_parse(report, &parsed, NULL) == BB_OK, "not a report");
    must(bb_snp_certs_new(certs, 3, NULL, 0, &set, NULL) == BB_OK, "certificates");
    must(bb_cert_parse(certs[0], &vek, NULL) == BB_OK, "VEK certificate");
    if (argc == 7)
        must(bb_policy_parse(read_file(argv[6]), &policy, NULL) == BB_OK, "policy");
    else
        must(bb_policy_new(&policy, NULL) == BB_OK &&
                 bb_policy_add_measurement(policy, parsed.measurement, NULL) == BB_OK,
             "policy");
    policy->crl_required = false;
    struct bb_collateral collateral = {certs, 3, NULL, 0};
    for (int round = 0; round < ROUNDS; round++) {
        TIME(&bare, round, REPEAT,
             must(bb_cert_verify_p384(vek, parsed.signed_, parsed.signature_rs), "signature"));
        TIME(&cached, round, REPEAT,
             must(bb_appraise_snp_with(report, set, policy, at, &none, 0, &result) == BB_OK,
                  bb_status_name(result.status)));
        TIME(&whole, round, REPEAT,
             must(bb_appraise_snp(report, &collateral, policy, at, &none, 0, &result) == BB_OK,
                  "appraisal"));
    }
    (void)printf("{");
    print_times("bare_us", &bare, ", ");
    print_times("cached_us", &cached, ", ");
    print_times("full_us", &whole, "}\n");
    bb_policy_free(policy);
    bb_cert_free(vek);
    bb_snp_certs_free(set);
    return 0;
}
