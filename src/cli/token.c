/* blindbox token show|verify: a verification service's token in a file. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/policy_option.h"
#include "cli/print_result.h"
#include "cli/token_keys.h"

#include "base/hex.h"
#include "base/rfc3339.h"
#include "token/token_json.h"

#include <getopt.h>
#include <stdlib.h>
#include <time.h>

#define TOKEN_FILE_MAX 131072 /* a token and what may stand around it: memory */

static const char usage[] =
    "usage: blindbox token show FILE [--json]\n"
    "       blindbox token verify FILE --jwks FILE|URL [--issuer URL] [--profile maa|ear]\n"
    "           [--policy FILE | --measurement HEX] [--report-data HEX] [--runtime FILE]\n"
    "           [--nonce TEXT] [--at RFC3339] [--skip CHECK]... [--json]\n"
    "\n"
    "FILE is a signed token of a verification service, or {\"token\": \"...\"}; '-' is standard\n"
    "input. show decodes it and verifies nothing.\n"
    "  --jwks         the service's keys, from where you trust; never those that a token names: a "
    "file,\n"
    "                 or fetched from https://..., http://LOOPBACK..., unix:/SOCKET\n"
    "  --issuer       the service that must have made the token\n"
    "  --profile      how it speaks: Microsoft's claims (maa, the default) or IETF EAR (ear)\n"
    "  --policy       what is expected; its first verifier that is a service gives issuer, keys,\n"
    "                 profile and compliance values, unless they are given here\n"
    "  --measurement  expected launch measurement, 48 bytes; everything else as by default\n"
    "  --report-data  expected report data, 64 bytes\n"
    "  --runtime      expected runtime, JSON\n"
    "  --nonce        the nonce that was sent with the request\n"
    "  --at           judge as of this time instead of now\n"
    "  --skip         leave a check out; it is shown as skipped\n"
    "Without --policy and --measurement: with --issuer the defaults, and the service has to say "
    "that\n"
    "it knows the code; else BLINDBOX_POLICY, then the user's policy.\n";

struct options {
    const char *file, *jwks, *issuer, *profile, *policy, *measurement, *report_data, *runtime,
        *nonce, *at;
    uint64_t skip;
    bool json;
};

struct run {
    struct options opt;
    struct bb_blob file, runtime_file;
    struct bb_token_keys keys;
    json_t *wrapper, *runtime; /* {"token": ...} and the file of --runtime */
    struct bb_span text;       /* the token, in `file` or in `wrapper` */
    struct bb_policy *policy;
    struct bb_policy_verifier verifier; /* borrows from policy and arguments */
    char policy_source[512];
    struct bb_result result;
};

enum {
    OPT_JWKS = 256,
    OPT_ISSUER,
    OPT_PROFILE,
    OPT_POLICY,
    OPT_MEASUREMENT,
    OPT_REPORT_DATA,
    OPT_RUNTIME,
    OPT_NONCE,
    OPT_AT,
    OPT_SKIP,
    OPT_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    {"jwks", required_argument, NULL, OPT_JWKS},
    {"issuer", required_argument, NULL, OPT_ISSUER},
    {"profile", required_argument, NULL, OPT_PROFILE},
    {"policy", required_argument, NULL, OPT_POLICY},
    {"measurement", required_argument, NULL, OPT_MEASUREMENT},
    {"report-data", required_argument, NULL, OPT_REPORT_DATA},
    {"runtime", required_argument, NULL, OPT_RUNTIME},
    {"nonce", required_argument, NULL, OPT_NONCE},
    {"at", required_argument, NULL, OPT_AT},
    {"skip", required_argument, NULL, OPT_SKIP},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static enum bb_status take_skip(const char *name, uint64_t *skip, struct bb_error *err) {
    enum bb_check_id id = BB_CHECK_FORMAT;
    BB_TRY(bb_option_skip(name, skip, err));
    if (bb_check_from_name(name, &id) && (bb_check_subject(id) & BB_OF_TOKEN) != 0 &&
        !bb_token_check_is_fixed(id))
        return BB_OK;
    return bb_fail(err, BB_USAGE, "--skip", "a check of tokens after issuer", name,
                   "'%s' is no check of a token that can be skipped", name);
}

/* Where the option's text goes; NULL for the others. */
static const char **text_option(struct options *o, int option) {
    switch (option) {
    case OPT_JWKS:
        return &o->jwks;
    case OPT_ISSUER:
        return &o->issuer;
    case OPT_PROFILE:
        return &o->profile;
    case OPT_POLICY:
        return &o->policy;
    case OPT_MEASUREMENT:
        return &o->measurement;
    case OPT_REPORT_DATA:
        return &o->report_data;
    case OPT_RUNTIME:
        return &o->runtime;
    case OPT_NONCE:
        return &o->nonce;
    case OPT_AT:
        return &o->at;
    default:
        return NULL;
    }
}

static enum bb_status take_option(struct options *o, int option, struct bb_error *err) {
    const char **text = text_option(o, option);
    if (text != NULL)
        *text = optarg;
    else if (option == OPT_SKIP)
        return take_skip(optarg, &o->skip, err);
    else if (option != OPT_JSON)
        return bb_fail(err, BB_USAGE, NULL, NULL, NULL, "unknown or incomplete option");
    return BB_OK;
}

static bool is_stdin(const char *path) { return path != NULL && strcmp(path, "-") == 0; }

/* True with *help set if only the usage was asked for. */
static enum bb_status parse(struct options *o, int argc, char **argv, bool *help,
                            struct bb_error *err) {
    int option = 0;
    *help = false;
    optind = 1;
    opterr = 0;
    /* --json counts even where an earlier option is wrong. */
    for (int i = 1; i < argc; i++)
        o->json |= strcmp(argv[i], "--json") == 0;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        *help = option == OPT_HELP || option == 'h';
        if (*help)
            return BB_OK;
        BB_TRY(take_option(o, option, err));
    }
    if (argc - optind != 1)
        return bb_fail(err, BB_USAGE, "FILE", "one file", NULL, "give one file with the token");
    o->file = argv[optind];
    if (is_stdin(o->file) + is_stdin(o->jwks) + is_stdin(o->policy) + is_stdin(o->runtime) > 1)
        return bb_fail(err, BB_USAGE, "-", "standard input once", "twice",
                       "standard input can be only one of the inputs");
    return BB_OK;
}

static struct bb_span stripped(struct bb_span s) {
    static const char space[] = " \t\r\n";
    while (s.len > 0 && memchr(space, s.ptr[0], 4) != NULL)
        s = bb_span(s.ptr + 1, s.len - 1);
    while (s.len > 0 && memchr(space, s.ptr[s.len - 1], 4) != NULL)
        s.len--;
    return s;
}

static enum bb_status read_token(struct run *run, struct bb_error *err) {
    struct bb_error why = {0};
    BB_TRY(bb_blob_read(run->opt.file, TOKEN_FILE_MAX, &run->file, err));
    run->text = stripped(bb_blob_span(&run->file));
    if (run->text.len == 0 || run->text.ptr[0] != '{')
        return BB_OK;
    if (bb_json_parse_object(run->text, TOKEN_FILE_MAX, "token", &run->wrapper, &why) != BB_OK)
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "token", why.expected, why.found, "%s",
                       why.text);
    const json_t *token = json_object_get(run->wrapper, "token");
    if (!json_is_string(token))
        return bb_fail(err, BB_MALFORMED_EVIDENCE, "token", "{\"token\": \"...\"}", NULL,
                       "the JSON has no text \"token\"");
    run->text = bb_span(json_string_value(token), json_string_length(token));
    return BB_OK;
}

static enum bb_status read_policy(struct run *run, struct bb_error *err) {
    const struct options *o = &run->opt;
    if (o->policy != NULL || o->measurement != NULL || o->issuer == NULL)
        return bb_option_policy(o->policy, o->measurement, &run->policy, run->policy_source,
                                sizeof run->policy_source, err);
    bb_copy_text(run->policy_source, sizeof run->policy_source, "defaults with --issuer");
    return bb_policy_new(&run->policy, err);
}

static enum bb_status take_profile(struct run *run, struct bb_error *err) {
    const char *profile = run->opt.profile;
    if (profile == NULL)
        return BB_OK;
    if (strcmp(profile, "maa") != 0 && strcmp(profile, "ear") != 0)
        return bb_fail(err, BB_USAGE, "--profile", "maa or ear", profile, "no such profile");
    run->verifier.profile = strcmp(profile, "ear") == 0 ? BB_PROFILE_EAR : BB_PROFILE_MAA;
    return BB_OK;
}

/* The pinned service: of the policy, and of the options, which come first. */
static enum bb_status pin(struct run *run, struct bb_error *err) {
    const struct bb_policy *p = run->policy;
    const struct options *o = &run->opt;
    struct bb_policy_verifier *v = &run->verifier;
    for (size_t i = 0; i < p->n_verifiers && v->issuer == NULL; i++)
        if (p->verifiers[i].mode != BB_MODE_LOCAL)
            *v = p->verifiers[i];
    BB_TRY(take_profile(run, err));
    if (o->issuer != NULL)
        v->issuer = (char *)(uintptr_t)o->issuer; /* only read */
    if (v->issuer == NULL)
        return bb_fail(err, BB_USAGE, "--issuer", "the service that must have made the token", NULL,
                       "neither the policy nor --issuer names a verification service");
    const char *jwks = o->jwks != NULL ? o->jwks : v->jwks;
    if (jwks == NULL)
        return bb_fail(err, BB_USAGE, "--jwks", "a file or URL", NULL,
                       "neither the policy nor --jwks says where the service's key set is");
    return bb_token_keys_read(&run->keys, jwks, v->ca, err);
}

/* A runtime of protocol blindbox/1 also binds tokens that carry only its digest. */
static void take_runtime(const json_t *runtime, struct bb_token_expectation *e) {
    const char *text = json_string_value(json_object_get(runtime, "blindbox-1"));
    size_t len = 0;
    e->runtime = runtime;
    if (text == NULL || json_object_size(runtime) != 1 ||
        !bb_b64url_decode(bb_span_str(text), e->d, sizeof e->d, &len) || len != sizeof e->d)
        return;
    e->has_d = true;
}

static enum bb_status expectations(struct run *run, struct bb_token_expectation *e, int64_t *now,
                                   struct bb_error *err) {
    const struct options *o = &run->opt;
    *e = (struct bb_token_expectation){
        .verifier = &run->verifier, .jwks = run->keys.jwks, .nonce = o->nonce, .skip = o->skip};
    *now = (int64_t)time(NULL);
    if (o->at != NULL && !bb_rfc3339_parse(o->at, now))
        return bb_fail(err, BB_USAGE, "--at", "2026-01-31T12:00:00Z", o->at,
                       "not a time of RFC 3339");
    e->has_report_data = o->report_data != NULL;
    if (o->report_data != NULL &&
        !bb_hex_decode_exact(o->report_data, e->report_data, sizeof e->report_data))
        return bb_fail(err, BB_USAGE, "--report-data", "128 hex digits", NULL,
                       "the report data is not 64 bytes in hex");
    if (o->runtime == NULL)
        return BB_OK;
    BB_TRY(bb_blob_read(o->runtime, BB_JWS_MAX, &run->runtime_file, err));
    BB_TRY(bb_json_parse_object(bb_blob_span(&run->runtime_file), BB_JWS_MAX, "runtime",
                                &run->runtime, err));
    take_runtime(run->runtime, e);
    return BB_OK;
}

static enum bb_status verify(struct run *run, struct bb_error *err) {
    struct bb_token_expectation expect;
    int64_t now = 0;
    BB_TRY(read_policy(run, err));
    BB_TRY(read_token(run, err));
    BB_TRY(pin(run, err));
    BB_TRY(expectations(run, &expect, &now, err));
    /* The class is in the result; this function fails only before there is one. */
    (void)!bb_token_appraise(run->text, &expect, run->policy, now, &run->result);
    return BB_OK;
}

static void print_json(struct run *run, const struct bb_result_view *view,
                       const struct bb_error *err) {
    json_t *o = bb_token_result_to_json(view, run->text, &run->verifier);
    if (err->status != BB_OK)
        bb_result_json_error(o, err);
    bb_json_print(stdout, o);
}

static int print(struct run *run, const struct bb_error *err) {
    struct bb_result_view view = {.result = &run->result,
                                  .schema = "blindbox.token-result/1",
                                  .policy_source = run->policy_source,
                                  .policy = run->policy};
    if (err->status != BB_OK)
        run->result = (struct bb_result){.verdict = BB_VERDICT_REFUSED, .status = err->status};
    if (run->opt.json)
        print_json(run, &view, err);
    if (err->status != BB_OK)
        return bb_error_print(stderr, err);
    if (!run->opt.json)
        bb_result_print(stdout, &view, true);
    if (run->result.verdict == BB_VERDICT_ACCEPTED)
        return 0;
    if (!run->opt.json)
        (void)fflush(stdout);
    bb_refusal_print(stderr, &run->result);
    return bb_status_exit(run->result.status);
}

/* Text of strangers on a terminal: ASCII, control characters escaped. */
static void print_members(const char *title, const json_t *object) {
    const char *key = NULL;
    json_t *value = NULL;
    (void)printf("%s\n", title);
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        char name[80], text[2 * BB_VALUE_MAX], at[BB_RFC3339_SIZE] = "";
        char *json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
        bool is_time =
            strcmp(key, "exp") == 0 || strcmp(key, "iat") == 0 || strcmp(key, "nbf") == 0;
        bb_escape(bb_span_str(key), name, sizeof name);
        bb_copy_text(text, sizeof text, json == NULL ? "" : json);
        if (is_time && json_is_integer(value))
            bb_rfc3339_text(json_integer_value(value), at, sizeof at);
        (void)printf("  %-36s %s%s%s%s\n", name, text,
                     json != NULL && strlen(json) >= sizeof text ? "..." : "",
                     at[0] == '\0' ? "" : "  ", at);
        free(json);
    }
}

static enum bb_status show(struct run *run, struct bb_error *err) {
    struct bb_token token = {0};
    BB_TRY(read_token(run, err));
    BB_TRY(bb_token_parse(run->text, &token, err));
    if (run->opt.json) {
        bb_json_print(stdout,
                      json_pack("{s:s, s:b, s:O, s:O}", "schema", "blindbox.token/1", "verified", 0,
                                "header", token.jws.header, "claims", token.claims));
    } else {
        (void)puts("UNVERIFIED: anybody can write this; blindbox token verify checks it");
        print_members("header", token.jws.header);
        print_members("claims", token.claims);
    }
    bb_token_done(&token);
    return BB_OK;
}

/* show judges nothing: options that say how are a mistake, not to be passed over. */
static enum bb_status only_show(const struct options *o, struct bb_error *err) {
    if (o->jwks == NULL && o->issuer == NULL && o->profile == NULL && o->policy == NULL &&
        o->measurement == NULL && o->report_data == NULL && o->runtime == NULL &&
        o->nonce == NULL && o->at == NULL && o->skip == 0)
        return BB_OK;
    return bb_fail(err, BB_USAGE, "show", "FILE and --json", NULL,
                   "token show takes no option of token verify");
}

static int finish_show(struct run *run, int argc, char **argv) {
    struct bb_error err = {0};
    bool help = false;
    enum bb_status status = parse(&run->opt, argc, argv, &help, &err);
    if (help)
        return fputs(usage, stdout) < 0 ? 1 : 0;
    if (status == BB_OK)
        status = only_show(&run->opt, &err);
    if (status == BB_OK)
        status = show(run, &err);
    if (status == BB_OK)
        return 0;
    return bb_show_failed("blindbox.token/1", run->opt.json, &err);
}

static int finish_verify(struct run *run, int argc, char **argv) {
    struct bb_error err = {0};
    bool help = false;
    if (parse(&run->opt, argc, argv, &help, &err) == BB_OK) {
        if (help)
            return fputs(usage, stdout) < 0 ? 1 : 0;
        (void)!verify(run, &err);
    }
    return print(run, &err);
}

static void done(struct run *run) {
    bb_token_keys_done(&run->keys);
    bb_policy_free(run->policy);
    json_decref(run->wrapper);
    json_decref(run->runtime);
    bb_blob_free(&run->file);
    bb_blob_free(&run->runtime_file);
    free(run);
}

int bb_cmd_token(int argc, char **argv) {
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
    done(run);
    return code;
}
