/* blindbox evidence show|verify: offline, no network, starts in milliseconds. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/policy_option.h"
#include "cli/print_result.h"

#include "base/hex.h"
#include "base/rfc3339.h"
#include "evidence/kinds.h"
#include "evidence/snp/certtable.h"

#include <getopt.h>
#include <stdlib.h>
#include <time.h>

static const char usage[] =
    "usage: blindbox evidence show FILE [--json]\n"
    "       blindbox evidence verify FILE [--certs FILE|DIR]... [--crl FILE]... [--auxblob FILE]\n"
    "           [--policy FILE | --measurement HEX] [--report-data HEX] [--at RFC3339]\n"
    "           [--skip CHECK]... [--json]\n"
    "\n"
    "FILE is a report as bytes, hex or base64; '-' is standard input.\n"
    "  --certs        VEK, ASK (ASVK), ARK and CRLs, DER or PEM; a folder gives all its\n"
    "                 .der .pem .crt .crl files. None is trusted: the root's key is pinned.\n"
    "  --auxblob      certificate table of an extended report (configfs-tsm auxblob)\n"
    "  --policy       what is expected; without it BLINDBOX_POLICY, then the user's policy\n"
    "  --measurement  expected launch measurement, 48 bytes; everything else as by default\n"
    "  --report-data  expected report data, 64 bytes\n"
    "  --at           judge as of this time instead of now\n"
    "  --skip         leave a check out; it is shown as skipped\n";

struct options {
    const char *file, *policy, *measurement, *report_data, *at, *auxblob;
    uint64_t skip;
    bool json;
};

struct run {
    struct options opt;
    bool stdin_is_certs;
    struct bb_store store;
    struct bb_blob evidence, auxblob;
    struct bb_policy *policy;
    char policy_source[512];
    struct bb_result result;
};

enum {
    OPT_CERTS = 256,
    OPT_CRL,
    OPT_POLICY,
    OPT_MEASUREMENT,
    OPT_REPORT_DATA,
    OPT_AT,
    OPT_SKIP,
    OPT_AUXBLOB,
    OPT_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    {"certs", required_argument, NULL, OPT_CERTS},
    {"crl", required_argument, NULL, OPT_CRL},
    {"policy", required_argument, NULL, OPT_POLICY},
    {"measurement", required_argument, NULL, OPT_MEASUREMENT},
    {"report-data", required_argument, NULL, OPT_REPORT_DATA},
    {"at", required_argument, NULL, OPT_AT},
    {"skip", required_argument, NULL, OPT_SKIP},
    {"auxblob", required_argument, NULL, OPT_AUXBLOB},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static enum bb_status take_skip(const char *name, uint64_t *skip, struct bb_error *err) {
    enum bb_check_id id = BB_CHECK_FORMAT;
    BB_TRY(bb_option_skip(name, skip, err));
    if (bb_check_from_name(name, &id) && (bb_check_subject(id) & BB_OF_EVIDENCE) != 0)
        return BB_OK;
    return bb_fail(err, BB_USAGE, "--skip", "a check of reports", name, "'%s' is a check of tokens",
                   name);
}

static enum bb_status take_option(struct run *run, int option, struct bb_error *err) {
    struct options *o = &run->opt;
    switch (option) {
    case OPT_CERTS:
    case OPT_CRL:
        run->stdin_is_certs |= strcmp(optarg, "-") == 0;
        return bb_store_add_path(&run->store, optarg, err);
    case OPT_POLICY:
        o->policy = optarg;
        return BB_OK;
    case OPT_MEASUREMENT:
        o->measurement = optarg;
        return BB_OK;
    case OPT_REPORT_DATA:
        o->report_data = optarg;
        return BB_OK;
    case OPT_AT:
        o->at = optarg;
        return BB_OK;
    case OPT_SKIP:
        return take_skip(optarg, &o->skip, err);
    case OPT_AUXBLOB:
        o->auxblob = optarg;
        return BB_OK;
    case OPT_JSON:
        o->json = true;
        return BB_OK;
    default:
        return bb_fail(err, BB_USAGE, NULL, NULL, NULL, "unknown or incomplete option");
    }
}

/* True with *help set if only the usage was asked for. */
static enum bb_status parse(struct run *run, int argc, char **argv, bool *help,
                            struct bb_error *err) {
    int option = 0;
    enum bb_status status = BB_OK;
    *help = false;
    optind = 1;
    opterr = 0;
    /* --json counts even where an earlier option is wrong. */
    for (int i = 1; i < argc; i++)
        run->opt.json |= strcmp(argv[i], "--json") == 0;
    while (status == BB_OK && (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == OPT_HELP || option == 'h') {
            *help = true;
            return BB_OK;
        }
        status = take_option(run, option, err);
    }
    if (status != BB_OK)
        return status;
    if (argc - optind != 1)
        return bb_fail(err, BB_USAGE, "FILE", "one file", NULL, "give one file with the evidence");
    run->opt.file = argv[optind];
    if (strcmp(run->opt.file, "-") == 0 &&
        ((run->opt.policy != NULL && strcmp(run->opt.policy, "-") == 0) || run->stdin_is_certs))
        return bb_fail(err, BB_USAGE, "-", "standard input once", "twice",
                       "standard input can be only one of the inputs");
    return BB_OK;
}

static enum bb_status expectations(const struct run *run, struct bb_expectation *expect,
                                   int64_t *now, struct bb_error *err) {
    *expect = (struct bb_expectation){0};
    *now = (int64_t)time(NULL);
    if (run->opt.at != NULL && !bb_rfc3339_parse(run->opt.at, now))
        return bb_fail(err, BB_USAGE, "--at", "2026-01-31T12:00:00Z", run->opt.at,
                       "not a time of RFC 3339");
    if (run->opt.report_data == NULL)
        return BB_OK;
    if (!bb_hex_decode_exact(run->opt.report_data, expect->report_data, sizeof expect->report_data))
        return bb_fail(err, BB_USAGE, "--report-data", "128 hex digits", NULL,
                       "the report data is not 64 bytes in hex");
    expect->has_report_data = true;
    return BB_OK;
}

static enum bb_status load_auxblob(struct run *run, struct bb_error *err) {
    struct bb_snp_certtable table;
    size_t found = 0;
    if (run->opt.auxblob == NULL)
        return BB_OK;
    BB_TRY(bb_blob_read(run->opt.auxblob, BB_INPUT_FILE_MAX, &run->auxblob, err));
    BB_TRY(bb_snp_certtable_parse(bb_blob_span(&run->auxblob), &table, err));
    for (size_t i = 0; i < table.count; i++)
        if (table.entry[i].kind != BB_SNP_CERTTABLE_OTHER)
            BB_TRY(bb_store_add(&run->store, table.entry[i].data, &found, err));
    return BB_OK;
}

static enum bb_status verify(struct run *run, struct bb_error *err) {
    struct bb_expectation expect;
    int64_t now = 0;
    BB_TRY(bb_option_policy(run->opt.policy, run->opt.measurement, &run->policy, run->policy_source,
                            sizeof run->policy_source, err));
    BB_TRY(expectations(run, &expect, &now, err));
    BB_TRY(bb_blob_read(run->opt.file, BB_INPUT_FILE_MAX, &run->evidence, err));
    BB_TRY(load_auxblob(run, err));
    if (run->evidence.len != BB_SNP_REPORT_SIZE)
        bb_blob_decode_text(&run->evidence);
    struct bb_collateral collateral = {run->store.certs, run->store.n_certs, run->store.crls,
                                       run->store.n_crls};
    /* The class is in the result; this function fails only before there is one. */
    (void)!bb_appraise_snp(bb_blob_span(&run->evidence), &collateral, run->policy, now, &expect,
                           run->opt.skip, &run->result);
    return BB_OK;
}

static int print(struct run *run, const struct bb_error *err) {
    struct bb_snp_report report;
    bool parsed = run->evidence.len == BB_SNP_REPORT_SIZE &&
                  bb_snp_report_parse(bb_blob_span(&run->evidence), &report, NULL) == BB_OK;
    struct bb_result_view view = {.result = &run->result,
                                  .schema = "blindbox.evidence-result/1",
                                  .kind = bb_result_kind(&run->result, parsed),
                                  .policy_source = run->policy_source,
                                  .policy = run->policy,
                                  .report = parsed ? &report : NULL};
    if (err->status != BB_OK) {
        run->result = (struct bb_result){.verdict = BB_VERDICT_REFUSED, .status = err->status};
        if (run->opt.json) {
            json_t *o = bb_result_to_json(&view);
            bb_result_json_error(o, err);
            bb_json_print(stdout, o);
        }
        return bb_error_print(stderr, err);
    }
    if (run->opt.json)
        bb_json_print(stdout, bb_result_to_json(&view));
    else
        bb_result_print(stdout, &view, true);
    if (run->result.verdict == BB_VERDICT_ACCEPTED)
        return 0;
    if (!run->opt.json)
        (void)fflush(stdout);
    bb_refusal_print(stderr, &run->result);
    return bb_status_exit(run->result.status);
}

static enum bb_status show(struct run *run, struct bb_error *err) {
    struct bb_snp_report report;
    BB_TRY(bb_blob_read(run->opt.file, BB_INPUT_FILE_MAX, &run->evidence, err));
    if (run->evidence.len != BB_SNP_REPORT_SIZE)
        bb_blob_decode_text(&run->evidence);
    const struct bb_evidence_form *form = bb_evidence_form(bb_blob_span(&run->evidence));
    if (form != NULL && !form->verified_here)
        return bb_fail(err, BB_UNSUPPORTED_EVIDENCE, "kind", "an SEV-SNP report", form->text,
                       "the evidence looks like %s", form->text);
    BB_TRY(bb_snp_report_parse(bb_blob_span(&run->evidence), &report, err));
    json_t *o = bb_report_to_json(&report);
    if (run->opt.json) {
        (void)json_object_set_new(o, "schema", json_string("blindbox.evidence/1"));
        bb_json_print(stdout, o);
        return BB_OK;
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(o, key, value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        const char *plain = json_is_string(value) ? json_string_value(value) : text;
        (void)printf("%-18s %s\n", key, plain == NULL ? "" : plain);
        free(text);
    }
    json_decref(o);
    return BB_OK;
}

/* show judges nothing: options that say how are a mistake, not to be passed over. */
static enum bb_status only_show(const struct run *run, struct bb_error *err) {
    const struct options *o = &run->opt;
    if (o->policy == NULL && o->measurement == NULL && o->report_data == NULL && o->at == NULL &&
        o->auxblob == NULL && o->skip == 0 && run->store.n_blobs == 0)
        return BB_OK;
    return bb_fail(err, BB_USAGE, "show", "FILE and --json", NULL,
                   "evidence show takes no option of evidence verify");
}

static int finish_show(struct run *run, int argc, char **argv) {
    struct bb_error err = {0};
    bool help = false;
    enum bb_status status = parse(run, argc, argv, &help, &err);
    if (help)
        return fputs(usage, stdout) < 0 ? 1 : 0;
    if (status == BB_OK)
        status = only_show(run, &err);
    if (status == BB_OK)
        status = show(run, &err);
    if (status == BB_OK)
        return 0;
    return bb_show_failed("blindbox.evidence/1", run->opt.json, &err);
}

static int finish_verify(struct run *run, int argc, char **argv) {
    struct bb_error err = {0};
    bool help = false;
    if (parse(run, argc, argv, &help, &err) == BB_OK) {
        if (help)
            return fputs(usage, stdout) < 0 ? 1 : 0;
        (void)!verify(run, &err);
    }
    return print(run, &err);
}

int bb_cmd_evidence(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0)
        return fputs(usage, stdout) < 0 ? 1 : 0;
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return 1;
    int code = 1;
    if (strcmp(what, "verify") == 0)
        code = finish_verify(run, argc - 1, argv + 1);
    else if (strcmp(what, "show") == 0)
        code = finish_show(run, argc - 1, argv + 1);
    else
        (void)fputs(usage, stderr);
    bb_store_free(&run->store);
    bb_blob_free(&run->evidence);
    bb_blob_free(&run->auxblob);
    bb_policy_free(run->policy);
    free(run);
    return code;
}
