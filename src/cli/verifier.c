/* blindbox verifier: the verification service. */
#include "cli/commands.h"

#include "cli/files.h"
#include "crypto/digest.h"
#include "service/verifier/http.h"
#include "service/verifier/service.h"

#include <blindbox/policy.h>

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
    "usage: blindbox verifier [--listen ADDRESS:PORT|unix:PATH] [--issuer URL] [--state-dir DIR]\n"
    "           [--algorithm RS256|ES256|ES384] [--policy FILE] [--reference-values FILE]\n"
    "           [--certs FILE|DIR]... [--crl FILE]... [--allow-simulated] [--threads N]\n"
    "       blindbox verifier rotate-key [--state-dir DIR] [--at-once]\n"
    "\n"
    "Appraises SEV-SNP evidence for others and signs what it found: POST /attest/SevSnpVm in the\n"
    "form of Microsoft Azure Attestation, answered with its JWT or, for 'Accept:\n"
    "application/eat+jwt', with an IETF EAR. Keys: GET /certs. Also /healthz /readyz /metrics.\n"
    "  --listen            127.0.0.1:8440; loopback or a Unix socket only: TLS is for a proxy, or\n"
    "                      'blindbox gateway', in front\n"
    "  --issuer            the iss of tokens, as clients pin it (http://ADDRESS:PORT)\n"
    "  --state-dir         folder of the signing keys, made at first start\n"
    "                      ($XDG_STATE_HOME/blindbox/verifier)\n"
    "  --algorithm         of the JWT (RS256); an EAR is always ES256 or ES384\n"
    "  --policy            blindbox.policy/1: evidence must pass it, or there is no token. "
    "Without:\n"
    "                      it must be authentic; debug, migration, VMPL, code are stated as "
    "claims\n"
    "  --reference-values  blindbox.reference-values/1: {\"schema\", \"measurements\", "
    "\"host_data\"};\n"
    "                      only what is in both lists is stated as compliant\n"
    "  --certs, --crl      vendor certificates and CRLs beside those of the requests\n"
    "  --allow-simulated   for development: simulated evidence too, marked in the token\n"
    "  --threads           requests at a time (one for each processor)\n"
    "rotate-key makes a new key of each kind. It signs in 10 minutes (--at-once: now), the old "
    "ones\n"
    "stay in /certs until their last token is over. A running service takes it up within 30 s, or\n"
    "on SIGHUP. SIGTERM lets requests finish for 10 s.\n";

enum {
    OPT_LISTEN = 256,
    OPT_ISSUER,
    OPT_STATE_DIR,
    OPT_ALGORITHM,
    OPT_POLICY,
    OPT_REFERENCE,
    OPT_CERTS,
    OPT_CRL,
    OPT_SIMULATED,
    OPT_THREADS,
    OPT_AT_ONCE,
    OPT_HELP
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"issuer", required_argument, NULL, OPT_ISSUER},
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"algorithm", required_argument, NULL, OPT_ALGORITHM},
    {"policy", required_argument, NULL, OPT_POLICY},
    {"reference-values", required_argument, NULL, OPT_REFERENCE},
    {"certs", required_argument, NULL, OPT_CERTS},
    {"crl", required_argument, NULL, OPT_CRL},
    {"allow-simulated", no_argument, NULL, OPT_SIMULATED},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static const struct option rotate_options[] = {
    {"state-dir", required_argument, NULL, OPT_STATE_DIR},
    {"at-once", no_argument, NULL, OPT_AT_ONCE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

/* What the options name, and what was read of it. */
struct setup {
    struct bb_verifier_options o;
    const char *policy_path, *reference_path;
    struct bb_store store;
    struct bb_blob policy_text;
    struct bb_policy *policy;
    struct bb_reference *reference;
    char dir[PATH_MAX];
    bool help;
};

static int wrong(const char *text, const char *next) {
    (void)fprintf(stderr, "blindbox verifier: %s\n  next      %s\n", text, next);
    return 1;
}

static int failed(enum bb_status status, const struct bb_error *err) {
    (void)wrong(err->text, bb_status_next_step(status));
    return bb_status_exit(status);
}

static bool read_threads(const char *text, unsigned *out) {
    char *end = NULL;
    unsigned long v = strtoul(text, &end, 10);
    *out = (unsigned)v;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && v > 0 && v <= BB_HTTP_THREADS_MAX;
}

static bool read_algorithm(const char *text, enum bb_sig_alg *out) {
    *out = bb_sig_alg_from_name(bb_span_str(text));
    return *out == BB_SIG_RS256 || *out == BB_SIG_ES256 || *out == BB_SIG_ES384;
}

/* False with a message for a file that cannot be taken. */
static bool take_collateral(struct setup *s, const char *path) {
    struct bb_error err = {0};
    if (bb_store_add_path(&s->store, path, &err) == BB_OK)
        return true;
    (void)wrong(err.text, "give vendor certificates and CRLs, DER or PEM");
    return false;
}

static bool take_option(struct setup *s, int option) {
    switch (option) {
    case OPT_LISTEN:
        s->o.listen = optarg;
        return true;
    case OPT_ISSUER:
        s->o.issuer = optarg;
        return true;
    case OPT_STATE_DIR:
        s->o.state_dir = optarg;
        return true;
    case OPT_ALGORITHM:
        return read_algorithm(optarg, &s->o.config.algorithm);
    case OPT_POLICY:
        s->policy_path = optarg;
        return true;
    case OPT_REFERENCE:
        s->reference_path = optarg;
        return true;
    case OPT_CERTS:
    case OPT_CRL:
        return take_collateral(s, optarg);
    case OPT_SIMULATED:
        s->o.config.allow_simulated = true;
        return true;
    case OPT_THREADS:
        return read_threads(optarg, &s->o.threads);
    case 'h':
    case OPT_HELP:
        s->help = true;
        return true;
    default:
        return false;
    }
}

static bool read_options(struct setup *s, int argc, char **argv) {
    int option = 0;
    bool good = true;
    while (good && (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1)
        good = take_option(s, option);
    return good && optind == argc;
}

/* The policy, and its text for the policy hash: the same bytes. */
static enum bb_status load_policy(struct setup *s, struct bb_error *err) {
    char source[PATH_MAX];
    uint8_t digest[BB_SHA256_SIZE];
    if (s->policy_path == NULL)
        return BB_OK;
    BB_TRY(bb_blob_read(s->policy_path, BB_POLICY_JSON_MAX, &s->policy_text, err));
    BB_TRY(bb_policy_load(s->policy_path, &s->policy, source, sizeof source, err));
    if (!bb_sha256(bb_blob_span(&s->policy_text), digest) ||
        memcmp(digest, s->policy->sha256, sizeof digest) != 0)
        return bb_fail(err, BB_USAGE, "policy", NULL, NULL, "%s changed while it was read",
                       s->policy_path);
    s->o.config.policy = bb_blob_span(&s->policy_text);
    s->o.config.own_policy = s->policy;
    return BB_OK;
}

static enum bb_status load_reference(struct setup *s, struct bb_error *err) {
    struct bb_blob blob = {0};
    if (s->reference_path == NULL)
        return BB_OK;
    BB_TRY(bb_blob_read(s->reference_path, BB_REFERENCE_JSON_MAX, &blob, err));
    enum bb_status status = bb_reference_parse(bb_blob_span(&blob), &s->reference, err);
    bb_blob_free(&blob);
    s->o.config.reference = s->reference;
    return status;
}

static enum bb_status find_dir(struct setup *s, struct bb_error *err) {
    if (s->o.state_dir == NULL && !bb_ring_default_dir(s->dir, sizeof s->dir))
        return bb_fail(err, BB_USAGE, "state-dir", NULL, NULL,
                       "no folder for the keys: give --state-dir");
    if (s->o.state_dir == NULL)
        s->o.state_dir = s->dir;
    return BB_OK;
}

static int run(struct setup *s) {
    struct bb_error err = {0};
    enum bb_status status = find_dir(s, &err);
    if (status == BB_OK)
        status = load_policy(s, &err);
    if (status == BB_OK)
        status = load_reference(s, &err);
    if (status != BB_OK)
        return failed(status, &err);
    s->o.config.own =
        (struct bb_collateral){s->store.certs, s->store.n_certs, s->store.crls, s->store.n_crls};
    return bb_verifier_run(&s->o);
}

static void free_setup(struct setup *s) {
    bb_store_free(&s->store);
    bb_blob_free(&s->policy_text);
    bb_policy_free(s->policy);
    free(s->reference);
}

static int say_when(int64_t seconds) {
    char text[32] = "";
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) != NULL)
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return printf("the new keys sign from %s on\n", text) < 0 ? 1 : 0;
}

static int rotate(int argc, char **argv) {
    static struct setup s;
    struct bb_error err = {0};
    int option = 0;
    int64_t now = (int64_t)time(NULL), from = now + BB_ROTATE_LEAD_S;
    bool good = true;
    while (good && (option = getopt_long(argc, argv, "h", rotate_options, NULL)) != -1) {
        if (option == OPT_AT_ONCE)
            from = now;
        else
            good = take_option(&s, option);
    }
    if (s.help)
        return fputs(usage, stdout) < 0 ? 1 : 0;
    if (!good || optind != argc)
        return wrong("wrong option or value", "see 'blindbox verifier --help'");
    int64_t signs = 0;
    enum bb_status status = find_dir(&s, &err);
    if (status == BB_OK)
        status = bb_ring_rotate(s.o.state_dir, now, from, &signs, &err);
    if (status != BB_OK)
        return failed(status, &err);
    return say_when(signs);
}

int bb_cmd_verifier(int argc, char **argv) {
    static struct setup s = {
        .o = {.listen = "127.0.0.1:8440", .config = {.algorithm = BB_SIG_RS256}}};
    if (argc > 1 && strcmp(argv[1], "rotate-key") == 0)
        return rotate(argc - 1, argv + 1);
    int code = 1;
    if (!read_options(&s, argc, argv))
        code = wrong("wrong option or value", "see 'blindbox verifier --help'");
    else if (s.help)
        code = fputs(usage, stdout) < 0 ? 1 : 0;
    else
        code = run(&s);
    free_setup(&s);
    return code;
}
