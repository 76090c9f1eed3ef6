/* Report verification with a cached chain against a bare P-384 verification of the same library, in
 * one run, in turns: five rounds of each, printed as JSON in microseconds. Arguments: REPORT VEK
 * ASK ARK SECONDS-SINCE-1970 [POLICY]. Without a policy the report's own measurement is the
 * expected one. */
#include "appraise/appraise.h"
#include "crypto/cert.h"
#include "evidence/snp/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 5, REPEAT = 400 };

static double now_us(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

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

static void print(const char *name, const double *values, const char *end) {
    (void)printf("\"%s\": [", name);
    for (int i = 0; i < ROUNDS; i++)
        (void)printf("%s%.2f", i == 0 ? "" : ", ", values[i]);
    (void)printf("]%s", end);
}

static void must(bool good, const char *what) {
    if (good)
        return;
    (void)fprintf(stderr, "bench_verify: %s\n", what);
    exit(1);
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
    double bare[ROUNDS], cached[ROUNDS], cold[ROUNDS];
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
        double t0 = now_us();
        for (int i = 0; i < REPEAT; i++)
            must(bb_cert_verify_p384(vek, parsed.signed_, parsed.signature_rs), "signature");
        double t1 = now_us();
        for (int i = 0; i < REPEAT; i++)
            must(bb_appraise_snp_with(report, set, policy, at, &none, 0, &result) == BB_OK,
                 bb_status_name(result.status));
        double t2 = now_us();
        for (int i = 0; i < REPEAT; i++)
            must(bb_appraise_snp(report, &collateral, policy, at, &none, 0, &result) == BB_OK,
                 "appraisal");
        double t3 = now_us();
        bare[round] = (t1 - t0) / REPEAT;
        cached[round] = (t2 - t1) / REPEAT;
        cold[round] = (t3 - t2) / REPEAT;
    }
    (void)printf("{");
    print("bare_us", bare, ", ");
    print("cached_us", cached, ", ");
    print("full_us", cold, "}\n");
    bb_policy_free(policy);
    bb_cert_free(vek);
    bb_snp_certs_free(set);
    return 0;
}
