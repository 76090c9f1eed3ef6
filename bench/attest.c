/* The verification service's engine without HTTP, against what no service can do without: one P-384
 * verification of the report and one signature of the token, by the same library. In turns, printed
 * as JSON in microseconds. Arguments: REPORT VEK ASK ARK STATE-DIR BODY; the simulated report's data
 * is the digest of RUNTIME (bench/run.py); the request's body is written to BODY. */
#include "jose.h"
#include "rounds.h"

#include "crypto/cert.h"
#include "evidence/snp/report.h"
#include "service/verifier/engine.h"
#include "token/attest_request.h"

#include <string.h>

enum { REPEAT = 200, TOKEN_BYTES = 2300 };

static const char issuer[] = "http://127.0.0.1:8440";
static const char runtime[] =
    "{\"blindbox-1\":\"WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa\"}";

static struct bb_span read_file(const char *path) {
    static uint8_t pool[6][16384];
    static size_t used;
    FILE *in = fopen(path, "rb");
    must(in != NULL && used < 6, path);
    size_t n = fread(pool[used], 1, sizeof pool[used], in);
    (void)fclose(in);
    return bb_span(pool[used++], n);
}

static char *make_body(char **paths, const char *out) {
    struct bb_attest_evidence evidence = {
        .report = read_file(paths[0]), .n_certs = 3, .runtime = bb_span_str(runtime)};
    for (int i = 0; i < 3; i++)
        evidence.certs[i] = read_file(paths[1 + i]);
    char *body = bb_attest_request_build(&evidence);
    FILE *file = fopen(out, "wb");
    must(body != NULL && file != NULL && fputs(body, file) >= 0 && fclose(file) == 0, "body");
    return body;
}

/* One algorithm: its engine and its bare signature, by the same key. */
struct signer {
    enum bb_sig_alg alg;
    struct bb_ring *ring; /* of the bare signature; the engine has its own */
    struct bench_bare *bare;
    struct bb_verifier *engine;
    struct bench_times sign, answer;
    size_t answer_bytes;
};

static struct bb_ring *open_ring(const char *dir) {
    struct bb_ring *ring = NULL;
    must(bb_ring_open(dir, issuer, (int64_t)time(NULL), &ring, NULL) == BB_OK, "keys");
    return ring;
}

static struct signer make_signer(enum bb_sig_alg alg, const char *dir) {
    static const uint8_t none[64] = {1};
    const struct bb_verifier_config config = {
        .issuer = issuer, .algorithm = alg, .allow_simulated = true};
    struct signer s = {.alg = alg, .ring = open_ring(dir)};
    const struct bb_signing_key *key = bb_ring_current(s.ring, alg, (int64_t)time(NULL));
    must(key != NULL, "signing key");
    const struct bench_jose jose = {.alg = alg, .key = key->key};
    s.bare = bench_bare_new(&jose, BB_SPAN_OF(none));
    must(bb_verifier_new(&config, open_ring(dir), &s.engine, NULL) == BB_OK, "engine");
    return s;
}

static void free_signer(struct signer *s) {
    bb_verifier_free(s->engine);
    bench_bare_free(s->bare);
    bb_ring_free(s->ring);
}

static void answer(struct signer *s, const char *body) {
    const struct bb_http_request request = {.method = "POST",
                                            .path = "/attest/SevSnpVm",
                                            .api_version = "2022-08-01",
                                            .content_type = "application/json",
                                            .body = bb_span_str(body)};
    struct bb_http_answer out;
    bb_verifier_answer(s->engine, &request, (int64_t)time(NULL), &out);
    must(out.status == 200, out.note);
    s->answer_bytes = out.len;
    bb_http_answer_done(&out);
}

static void print_signer(const struct signer *s, const char *end) {
    (void)printf("\"%s\": {\"answer_bytes\": %zu, ", bb_sig_alg_name(s->alg), s->answer_bytes);
    print_times("sign_us", &s->sign, ", ");
    print_times("engine_us", &s->answer, "}");
    (void)printf("%s", end);
}

int main(int argc, char **argv) {
    enum { N_SIGNERS = 2 };
    static uint8_t message[TOKEN_BYTES];
    struct bench_times verify = {0};
    struct bb_snp_report report;
    struct bb_cert *vek = NULL;
    must(argc == 7, "usage: bench_attest REPORT VEK ASK ARK STATE-DIR BODY");
    char *body = make_body(argv + 1, argv[6]);
    must(bb_snp_report_parse(read_file(argv[1]), &report, NULL) == BB_OK, "report");
    must(bb_cert_parse(read_file(argv[2]), &vek, NULL) == BB_OK, "certificate");
    struct signer signers[N_SIGNERS] = {make_signer(BB_SIG_RS256, argv[5]),
                                        make_signer(BB_SIG_ES256, argv[5])};
    for (int round = 0; round < ROUNDS; round++) {
        TIME(&verify, round, REPEAT,
             must(bb_cert_verify_p384(vek, report.signed_, report.signature_rs), "signature"));
        for (size_t i = 0; i < N_SIGNERS; i++) {
            struct signer *s = &signers[i];
            TIME(&s->sign, round, REPEAT,
                 must(bench_bare_sign(s->bare, BB_SPAN_OF(message)), "sign"));
            TIME(&s->answer, round, REPEAT, answer(s, body));
        }
    }
    (void)printf("{\"body_bytes\": %zu, ", strlen(body));
    print_times("verify_us", &verify, ", ");
    for (size_t i = 0; i < N_SIGNERS; i++) {
        print_signer(&signers[i], i + 1 < N_SIGNERS ? ", " : "}\n");
        free_signer(&signers[i]);
    }
    bb_cert_free(vek);
    free(body);
    return 0;
}
