/* blindbox attest: one attested connection, its result, and not one application byte. */
#include "cli/candidate_policy.h"
#include "cli/client_setup.h"
#include "cli/commands.h"
#include "cli/print_result.h"

#include "appraise/rules_snp.h"
#include "base/hex.h"
#include "evidence/snp/vek.h"
#include "service/session_json.h"

#include <inttypes.h>
#include <stdlib.h>

static const char usage[] =
    "usage: blindbox attest HOST[:PORT] [--policy FILE | --measurement HEX] [--certs FILE|DIR]...\n"
    "           [--crl FILE]... [--wait SECONDS] [--skip CHECK]... [--show-policy] [--json]\n"
    "\n"
    "Connects (port 8443), attests, prints the result and leaves; sends no application byte.\n" //
    BB_CLIENT_USAGE
    "  --show-policy  print a policy that would accept this peer, for you to check; it is not\n"
    "                 trusted, and nothing is said about the peer but that its report is "
    "authentic\n"
    "                 and bound to this connection\n";

enum { OPT_SHOW_POLICY = 256, OPT_JSON, OPT_HELP };

static const struct option long_options[] = {
    BB_CLIENT_OPTIONS,
    {"show-policy", no_argument, NULL, OPT_SHOW_POLICY},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct run {
    struct bb_client_setup setup;
    const char *address;
    bool show_policy, json, help;
    struct bb_target target;
    struct bb_session *session;
};

static enum bb_status parse(struct run *run, int argc, char **argv, struct bb_error *err) {
    int option = 0;
    optind = 1;
    opterr = 0;
    for (int i = 1; i < argc; i++)
        run->json |= strcmp(argv[i], "--json") == 0;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case 'h':
        case OPT_HELP:
            run->help = true;
            return BB_OK;
        case OPT_JSON:
            run->json = true;
            break;
        case OPT_SHOW_POLICY:
            run->show_policy = true;
            break;
        default:
            BB_TRY(bb_client_setup_option(&run->setup, option, optarg, err));
        }
    }
    if (argc - optind != 1)
        return bb_fail(err, BB_USAGE, "HOST", "one address", NULL, "give one address");
    run->address = argv[optind];
    if (run->show_policy && run->setup.skip != 0)
        return bb_fail(err, BB_USAGE, "--show-policy", "no --skip", NULL,
                       "a candidate policy is only shown when every check was made");
    return BB_OK;
}

/* A policy that takes any authentic report, so that its values can be shown. */
static enum bb_status curious(struct run *run, struct bb_error *err) {
    static const char json[] = "{\"schema\": \"blindbox.policy/1\","
                               " \"evidence\": [\"sev-snp\", \"simulated\"],"
                               " \"allow_simulated\": true}";
    bb_policy_free(run->setup.policy);
    run->setup.policy = NULL;
    return bb_policy_parse(BB_SPAN_LIT(json), &run->setup.policy, err);
}

static enum bb_status connect_it(struct run *run, struct bb_error *err) {
    BB_TRY(bb_client_setup_ready(&run->setup, err));
    if (run->show_policy)
        BB_TRY(curious(run, err));
    BB_TRY(bb_target_resolve(run->address, &run->target, err));
    struct bb_session_options options = bb_client_setup_session(&run->setup, &run->target);
    BB_TRY(bb_session_new(&options, &run->session, err));
    /* The class is asked of the session. */
    (void)!bb_session_run(run->session, false);
    return BB_OK;
}

static void print_report(const struct bb_client_bound *b, const struct bb_result *r) {
    struct bb_snp_report p;
    char short_hex[BB_HEX_SIZE(16)], text[BB_VALUE_MAX];
    if (!bb_client_authentic(r)) {
        (void)printf("hardware  as the service's token says%s\n",
                     r->simulated ? ": SIMULATED" : "");
        return;
    }
    if (bb_snp_report_parse(b->cmw.report, &p, NULL) != BB_OK)
        return;
    (void)printf("hardware  %sAMD SEV-SNP%s%s, report version %u signed by its %s\n",
                 r->simulated ? "SIMULATED " : "", p.has_cpuid ? " " : "",
                 p.has_cpuid ? bb_snp_product_name(p.product) : "", p.version,
                 bb_snp_signer_name(p.signer));
    bb_hex_short(p.measurement, short_hex, sizeof short_hex);
    (void)printf("code      measurement %s\n", short_hex);
    bb_tcb_text(p.reported_tcb, p.product, text, sizeof text);
    (void)printf("firmware  %s, %s\n", text,
                 bb_span_equal(BB_SPAN_OF(p.current_tcb.raw), BB_SPAN_OF(p.committed_tcb.raw))
                     ? "committed"
                     : "provisional");
    (void)printf("mode      %s, VMPL %u\n",
                 (p.policy & BB_SNP_POLICY_DEBUG) != 0 ? "DEBUG" : "production", p.vmpl);
}

/* At spaces, below each other: a service's text has no bound of its own. */
static void print_wrapped(const char *text) {
    enum { COLUMNS = 80, INDENT = 10 };
    const int room = COLUMNS - INDENT;
    while ((int)strlen(text) > room) {
        int n = room;
        while (n > 0 && text[n] != ' ')
            n--;
        if (n == 0) /* one long word */
            n = (int)strcspn(text, " ");
        (void)printf("%.*s\n%*s", n, text, INDENT, "");
        text += n + (text[n] == ' ' ? 1 : 0);
    }
    (void)printf("%s\n", text);
}

/* Step 4 of eight: who checked the report. */
static void print_service(const struct bb_session *s) {
    const struct bb_policy_verifier *v = bb_session_verifier(s);
    size_t n = 0;
    const struct bb_session_attempt *attempts = bb_session_attempts(s, &n);
    for (size_t i = 0; i < n; i++) {
        char text[sizeof "not had: " + BB_TEXT_MAX];
        (void)snprintf(text, sizeof text, "not had: %s", attempts[i].error.text);
        (void)printf("service   ");
        print_wrapped(text);
    }
    if (v->mode == BB_MODE_LOCAL)
        (void)printf("verifier  built in\n");
    else
        (void)printf("verifier  %s, %s token %s checked here\n", v->issuer,
                     v->profile == BB_PROFILE_EAR ? "EAR" : "MAA",
                     v->mode == BB_MODE_PASSPORT ? "from the gateway," : "fetched and");
}

static void print_summary(const struct run *run) {
    const struct bb_client_bound *b = bb_session_bound(run->session);
    const struct bb_session_times *t = bb_session_times(run->session);
    const struct bb_result *r = bb_session_result(run->session);
    char id[BB_HEX_SIZE(BB_BATCH_ID_SIZE)];
    size_t count[BB_OUTCOME_NOT_APPLICABLE + 1] = {0};
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        count[r->checks[i].outcome]++;
    bb_hex_encode(bb_span(b->d, BB_BATCH_ID_SIZE), id, sizeof id);
    (void)printf("peer      %s, TLS 1.3, %s\n", bb_session_address(run->session), BB_ALPN);
    print_report(b, r);
    print_service(run->session);
    (void)printf("bound     to this connection: batch %s, leaf %" PRIu32 " of %u\n", id,
                 b->response.index, 1U << b->response.depth);
    (void)printf("policy    %s\n", run->setup.policy_source);
    (void)printf("checks    %zu passed, %zu skipped, %zu not requested\n", count[BB_OUTCOME_PASSED],
                 count[BB_OUTCOME_SKIPPED], count[BB_OUTCOME_NOT_REQUESTED]);
    (void)printf("time      connect %.1f, TLS %.1f, evidence %.1f, token %.1f, verdict %.1f ms\n",
                 (double)t->connect / 1e3, (double)t->handshake / 1e3, (double)t->evidence / 1e3,
                 (double)t->token / 1e3, (double)t->verdict / 1e3);
    (void)printf("verdict   accepted%s\n",
                 r->simulated ? " (SIMULATED TEE: proves nothing about hardware)" : "");
}

static int refused(const struct run *run) {
    const struct bb_error *err = bb_session_error(run->session);
    if (err->status != BB_OK)
        return bb_error_print(stderr, err);
    bb_refusal_print(stderr, bb_session_result(run->session));
    return bb_status_exit(bb_session_status(run->session));
}

static int report(const struct run *run) {
    if (run->json)
        bb_json_print(
            stdout, bb_session_to_json(run->session, run->setup.policy, run->setup.policy_source));
    if (bb_session_status(run->session) != BB_OK)
        return refused(run);
    if (!run->json)
        print_summary(run);
    return 0;
}

/* Prints the candidate if the report is authentic and bound to this connection, whatever else. */
static int show_candidate(const struct run *run) {
    const struct bb_client_bound *b = bb_session_bound(run->session);
    struct bb_policy *policy = NULL;
    struct bb_error err = {0};
    struct bb_result result = {0};
    char *json = NULL;
    if (b == NULL)
        return report(run);
    enum bb_status status = bb_candidate_policy(b, &json, &err);
    if (status == BB_OK)
        status = bb_policy_parse(bb_span_str(json), &policy, &err);
    if (status == BB_OK)
        status = bb_session_appraise(run->session, policy, &result);
    bb_policy_free(policy);
    if (err.status != BB_OK)
        (void)bb_error_print(stderr, &err);
    else if (result.verdict == BB_VERDICT_REFUSED)
        bb_refusal_print(stderr, &result);
    if (json != NULL && bb_client_authentic(&result) && bb_client_is_bound_by(&result)) {
        (void)printf("%s\n", json);
        (void)fputs("candidate only: compare the values with those of the image you built\n",
                    stderr);
    }
    free(json);
    return bb_status_exit(status);
}

int bb_cmd_attest(int argc, char **argv) {
    struct run *run = calloc(1, sizeof *run);
    struct bb_error err = {0};
    int code = 1;
    if (run == NULL)
        return 1;
    enum bb_status status = parse(run, argc, argv, &err);
    if (status == BB_OK && run->help) {
        code = fputs(usage, stdout) < 0 ? 1 : 0;
    } else {
        if (status == BB_OK)
            status = connect_it(run, &err);
        if (status != BB_OK && run->json)
            bb_json_print(stdout, bb_connection_failed_to_json(&err, run->setup.policy,
                                                               run->setup.policy_source));
        if (status != BB_OK)
            code = bb_error_print(stderr, &err);
        else
            code = run->show_policy ? show_candidate(run) : report(run);
    }
    bb_session_free(run->session);
    bb_client_setup_free(&run->setup);
    free(run);
    return code;
}
