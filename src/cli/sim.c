/* blindbox sim init|report|show: the simulated TEE on the command line. */
#include "cli/commands.h"
#include "cli/files.h"
#include "cli/print_result.h"

#include "attester/sim/sim.h"
#include "base/hex.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: blindbox sim init [--dir DIR] [--product Milan|Genoa|Turin] [--report-version 2..5]\n"
    "           [--signer vcek|vlek] [--measurement HEX] [--host-data HEX] [--guest-policy 0xHEX]\n"
    "           [--vmpl N] [--latency-ms N] [--throttle BURST/PER_SECOND/STALL_MS]\n"
    "           [--set KEY=VALUE]... [--policy-out FILE]\n"
    "       blindbox sim report [--dir DIR] [--report-data HEX] [--defect NAME] [-o FILE]\n"
    "           [--certs-out DIR] [--auxblob-out FILE]\n"
    "       blindbox sim show [--dir DIR] [--json]\n"
    "\n"
    "The simulated TEE proves nothing about hardware. Its evidence passes only a policy with\n"
    "allow_simulated and its root in simulated_roots; --policy-out writes one.\n"
    "Every field of the reports can be chosen in DIR/sim.json, whose keys 'sim show' prints.\n"
    "--set sets one of them, after the other options. VALUE is JSON, or else a text:\n"
    "  --set cpuid_model=160 --set author_key_en=true --set chip_id=null\n";

enum { SETS_MAX = 64, SET_SIZE_MAX = 1024 };

enum {
    OPT_DIR = 256,
    OPT_PRODUCT,
    OPT_VERSION,
    OPT_SIGNER,
    OPT_MEASUREMENT,
    OPT_HOST_DATA,
    OPT_POLICY,
    OPT_VMPL,
    OPT_LATENCY,
    OPT_THROTTLE,
    OPT_SET,
    OPT_POLICY_OUT,
    OPT_REPORT_DATA,
    OPT_DEFECT,
    OPT_CERTS_OUT,
    OPT_AUXBLOB_OUT,
    OPT_JSON,
    OPT_HELP
};

static const struct option long_options[] = {
    {"dir", required_argument, NULL, OPT_DIR},
    {"product", required_argument, NULL, OPT_PRODUCT},
    {"report-version", required_argument, NULL, OPT_VERSION},
    {"signer", required_argument, NULL, OPT_SIGNER},
    {"measurement", required_argument, NULL, OPT_MEASUREMENT},
    {"host-data", required_argument, NULL, OPT_HOST_DATA},
    {"guest-policy", required_argument, NULL, OPT_POLICY},
    {"vmpl", required_argument, NULL, OPT_VMPL},
    {"latency-ms", required_argument, NULL, OPT_LATENCY},
    {"throttle", required_argument, NULL, OPT_THROTTLE},
    {"set", required_argument, NULL, OPT_SET},
    {"policy-out", required_argument, NULL, OPT_POLICY_OUT},
    {"report-data", required_argument, NULL, OPT_REPORT_DATA},
    {"defect", required_argument, NULL, OPT_DEFECT},
    {"certs-out", required_argument, NULL, OPT_CERTS_OUT},
    {"auxblob-out", required_argument, NULL, OPT_AUXBLOB_OUT},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

struct options {
    const char *dir, *product, *policy_out, *report_data, *defect, *out, *certs_out, *auxblob_out;
    bool json, help;
    /* kept until the product, whose defaults they change, is known */
    const char *version, *signer, *measurement, *host_data, *policy, *vmpl, *latency, *throttle;
    const char *sets[SETS_MAX];
    size_t n_sets;
};

static enum bb_status bad(struct bb_error *err, const char *option, const char *expected,
                          const char *found) {
    return bb_fail(err, BB_USAGE, option, expected, found, "wrong value for %s", option);
}

static bool take_option(struct options *o, int option) {
    switch (option) {
    case OPT_DIR:
        o->dir = optarg;
        return true;
    case OPT_PRODUCT:
        o->product = optarg;
        return true;
    case OPT_VERSION:
        o->version = optarg;
        return true;
    case OPT_SIGNER:
        o->signer = optarg;
        return true;
    case OPT_MEASUREMENT:
        o->measurement = optarg;
        return true;
    case OPT_HOST_DATA:
        o->host_data = optarg;
        return true;
    case OPT_POLICY:
        o->policy = optarg;
        return true;
    case OPT_VMPL:
        o->vmpl = optarg;
        return true;
    case OPT_LATENCY:
        o->latency = optarg;
        return true;
    case OPT_THROTTLE:
        o->throttle = optarg;
        return true;
    case OPT_SET:
        if (o->n_sets == SETS_MAX)
            return false;
        o->sets[o->n_sets++] = optarg;
        return true;
    case OPT_POLICY_OUT:
        o->policy_out = optarg;
        return true;
    case OPT_REPORT_DATA:
        o->report_data = optarg;
        return true;
    case OPT_DEFECT:
        o->defect = optarg;
        return true;
    case OPT_CERTS_OUT:
        o->certs_out = optarg;
        return true;
    case OPT_AUXBLOB_OUT:
        o->auxblob_out = optarg;
        return true;
    case 'o':
        o->out = optarg;
        return true;
    case OPT_JSON:
        o->json = true;
        return true;
    case 'h':
    case OPT_HELP:
        o->help = true;
        return true;
    default:
        return false;
    }
}

static bool parse(struct options *o, int argc, char **argv) {
    int option = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, "ho:", long_options, NULL)) != -1)
        if (!take_option(o, option))
            return false;
    return optind == argc;
}

static bool number(const char *text, uint64_t max, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 0);
    *out = v;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && v <= max;
}

/* Digits and slashes only: sscanf() would take signs and white space. */
static bool throttle(const char *text, struct bb_sim_throttle *t) {
    int end = -1;
    return strspn(text, "0123456789/") == strlen(text) &&
           sscanf(text, "%6u/%6u/%5u%n", &t->burst, &t->per_second, &t->stall_ms, &end) == 3 &&
           text[end] == '\0' && t->stall_ms <= BB_SIM_LATENCY_MS_MAX;
}

static bool scalar(const json_t *v) { return !json_is_object(v) && !json_is_array(v); }

/* JSON, or else a text. Hex digits that happen to be a number are a text where one belongs. */
static json_t *set_value(const json_t *config, const char *key, const char *text) {
    json_t *v = json_loads(text, JSON_DECODE_ANY, NULL);
    if (v != NULL && (!json_is_number(v) || !json_is_string(json_object_get(config, key))))
        return v;
    json_decref(v);
    return json_string(text);
}

/* One --set. What the key is and takes, the parser of the whole configuration knows. */
static enum bb_status set_key(json_t *config, const char *set, struct bb_error *err) {
    char key[SET_SIZE_MAX], field[BB_FIELD_MAX];
    const char *equals = strchr(set, '=');
    if (equals == NULL || equals == set || strlen(set) >= SET_SIZE_MAX)
        return bad(err, "--set", "KEY=VALUE", set);
    memcpy(key, set, (size_t)(equals - set));
    key[equals - set] = '\0';
    json_t *value = set_value(config, key, equals + 1);
    bool good = value != NULL && scalar(value) && json_object_set(config, key, value) == 0;
    json_decref(value);
    bb_escape(bb_span_str(key), field, sizeof field);
    return good ? BB_OK
                : bb_fail(err, BB_USAGE, field, NULL, NULL, "wrong value of '%s' in --set", field);
}

static enum bb_status set_keys(const struct options *o, struct bb_sim_config *c,
                               struct bb_error *err) {
    enum bb_status status = BB_OK;
    char *text = bb_sim_config_json(c);
    json_t *config = text == NULL ? NULL : json_loads(text, 0, NULL);
    free(text);
    if (config == NULL)
        return bb_fail_internal(err, "memory for the configuration");
    for (size_t i = 0; i < o->n_sets && status == BB_OK; i++)
        status = set_key(config, o->sets[i], err);
    text = json_dumps(config, 0);
    json_decref(config);
    if (status == BB_OK && text == NULL)
        status = bb_fail_internal(err, "memory for the configuration");
    if (status == BB_OK)
        status = bb_sim_config_parse(bb_span_str(text), c, err);
    free(text);
    return status;
}

/* The product, whose defaults the other values change; a name that is none the parser refuses. */
static enum bb_snp_product set_product(const struct options *o, enum bb_snp_product product) {
    static const char key[] = "product=";
    for (size_t i = 0; i < o->n_sets; i++) {
        if (strncmp(o->sets[i], key, sizeof key - 1) != 0)
            continue;
        json_t *v = set_value(NULL, "product", o->sets[i] + sizeof key - 1);
        enum bb_snp_product found = BB_SNP_PRODUCT_UNKNOWN;
        if (json_is_string(v))
            found = bb_snp_product_from_name(json_string_value(v));
        json_decref(v);
        if (found != BB_SNP_PRODUCT_UNKNOWN)
            product = found;
    }
    return product;
}

static enum bb_status configure(const struct options *o, struct bb_sim_config *c,
                                struct bb_error *err) {
    uint64_t n = 0;
    enum bb_snp_product product =
        o->product == NULL ? BB_SNP_PRODUCT_MILAN : bb_snp_product_from_name(o->product);
    if (product == BB_SNP_PRODUCT_UNKNOWN)
        return bad(err, "--product", "Milan, Genoa or Turin", o->product);
    bb_sim_config_default(c, set_product(o, product));
    if (o->version != NULL && (!number(o->version, 5, &n) || n < 2))
        return bad(err, "--report-version", "2 to 5", o->version);
    if (o->version != NULL)
        c->version = (uint32_t)n;
    if (o->signer != NULL && strcmp(o->signer, "vcek") != 0 && strcmp(o->signer, "vlek") != 0)
        return bad(err, "--signer", "vcek or vlek", o->signer);
    if (o->signer != NULL && strcmp(o->signer, "vlek") == 0)
        c->signer = BB_SNP_SIGNER_VLEK;
    if (o->measurement != NULL &&
        !bb_hex_decode_exact(o->measurement, c->measurement, sizeof c->measurement))
        return bad(err, "--measurement", "96 hex digits", o->measurement);
    if (o->host_data != NULL &&
        !bb_hex_decode_exact(o->host_data, c->host_data, sizeof c->host_data))
        return bad(err, "--host-data", "64 hex digits", o->host_data);
    if (o->policy != NULL && !number(o->policy, INT64_MAX, &c->policy))
        return bad(err, "--guest-policy", "a number", o->policy);
    if (o->vmpl != NULL && !number(o->vmpl, UINT32_MAX, &n))
        return bad(err, "--vmpl", "a number", o->vmpl);
    if (o->vmpl != NULL)
        c->vmpl = (uint32_t)n;
    if (o->latency != NULL && !number(o->latency, BB_SIM_LATENCY_MS_MAX, &n))
        return bad(err, "--latency-ms", "0 to 60000", o->latency);
    if (o->latency != NULL)
        c->latency_ms = (uint32_t)n;
    if (o->throttle != NULL && !throttle(o->throttle, &c->throttle))
        return bad(err, "--throttle", "BURST/PER_SECOND/STALL_MS, 999999/999999/60000 at most",
                   o->throttle);
    return o->n_sets == 0 ? BB_OK : set_keys(o, c, err);
}

static enum bb_status write_file(const char *path, struct bb_span data, struct bb_error *err) {
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "wbe");
    bool good = out != NULL && fwrite(data.ptr, 1, data.len, out) == data.len;
    if (out != NULL)
        good = (out == stdout ? fflush(out) : fclose(out)) == 0 && good;
    return good ? BB_OK
                : bb_fail(err, BB_USAGE, "file", NULL, path, "cannot write %s: %s", path,
                          strerror(errno));
}

static enum bb_status init(const struct options *o, struct bb_sim *sim, struct bb_error *err) {
    uint8_t root[32];
    char text[BB_HEX_SIZE(32)], *policy = NULL;
    BB_TRY(configure(o, bb_sim_config(sim), err));
    BB_TRY(bb_sim_save(sim, err));
    BB_TRY(bb_sim_root(sim, root, err));
    bb_hex_encode(BB_SPAN_OF(root), text, sizeof text);
    (void)printf("dir   %s\nroot  %s\n", bb_sim_dir(sim), text);
    if (o->policy_out == NULL)
        return BB_OK;
    BB_TRY(bb_sim_policy(sim, &policy, err));
    enum bb_status status = write_file(o->policy_out, bb_span_str(policy), err);
    free(policy);
    return status;
}

static enum bb_status write_certs(const char *dir, const struct bb_sim_certs *c,
                                  struct bb_error *err) {
    const struct {
        const char *name;
        struct bb_span der;
    } files[] = {
        {"vek.der", c->vek}, {"ask.der", c->ask}, {"ark.der", c->ark}, {"crl.crl", c->crl}};
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return bb_fail(err, BB_USAGE, "--certs-out", NULL, dir, "cannot make %s: %s", dir,
                       strerror(errno));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[4096];
        int n = snprintf(path, sizeof path, "%s/%s", dir, files[i].name);
        if (n < 0 || (size_t)n >= sizeof path)
            return bb_fail(err, BB_USAGE, "--certs-out", NULL, dir, "the path is too long");
        if (files[i].der.len > 0)
            BB_TRY(write_file(path, files[i].der, err));
        else /* what this report does not come with must not be left from another */
            (void)unlink(path);
    }
    return BB_OK;
}

static enum bb_status report(const struct options *o, struct bb_sim *sim, struct bb_error *err) {
    uint8_t data[BB_SNP_REPORT_DATA_SIZE] = {0}, raw[BB_SNP_REPORT_SIZE];
    static uint8_t table[32768];
    struct bb_sim_certs certs;
    size_t len = 0;
    const struct bb_sim_defect *defect = o->defect == NULL ? NULL : bb_sim_defect_find(o->defect);
    if (o->defect != NULL && defect == NULL)
        return bad(err, "--defect", "a name that 'blindbox sim show' lists", o->defect);
    if (o->report_data != NULL && !bb_hex_decode_exact(o->report_data, data, sizeof data))
        return bad(err, "--report-data", "128 hex digits", o->report_data);
    BB_TRY(bb_sim_sign(sim, data, defect, raw, err));
    if (o->certs_out != NULL || o->auxblob_out != NULL)
        BB_TRY(bb_sim_certs(sim, defect, &certs, err));
    if (o->certs_out != NULL)
        BB_TRY(write_certs(o->certs_out, &certs, err));
    if (o->auxblob_out != NULL) {
        BB_TRY(bb_sim_auxblob(&certs, bb_sim_config(sim)->signer, table, sizeof table, &len, err));
        BB_TRY(write_file(o->auxblob_out, bb_span(table, len), err));
    }
    return write_file(o->out == NULL ? "-" : o->out, BB_SPAN_OF(raw), err);
}

static enum bb_status show(const struct options *o, struct bb_sim *sim, struct bb_error *err) {
    uint64_t count = 0;
    BB_TRY(bb_sim_count(sim, &count, err));
    char *config = bb_sim_config_json(bb_sim_config(sim));
    json_t *object = config == NULL ? NULL : json_loads(config, 0, NULL);
    free(config);
    if (object == NULL)
        return bb_fail_internal(err, "memory for the configuration");
    json_t *defects = json_object();
    const struct bb_sim_defect *d = NULL;
    for (size_t i = 0; (d = bb_sim_defect_at(i)) != NULL; i++)
        (void)json_object_set_new(defects, d->name,
                                  json_pack("{s:s, s:s, s:s, s:i, s:s}", "text", d->explanation,
                                            "file", bb_status_name(d->file), "connection",
                                            bb_status_name(d->connection), "exit",
                                            bb_status_exit(d->connection), "check", d->check));
    (void)json_object_set_new(object, "schema", json_string("blindbox.sim/1"));
    (void)json_object_set_new(object, "dir", json_string(bb_sim_dir(sim)));
    (void)json_object_set_new(object, "signatures", json_integer((json_int_t)count));
    (void)json_object_set_new(object, "defects", defects);
    if (o->json) {
        bb_json_print(stdout, object);
        return BB_OK;
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(object, key, value) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (strcmp(key, "defects") != 0)
            (void)printf("%-20s %s\n", key,
                         json_is_string(value) ? json_string_value(value) : text);
        free(text);
    }
    json_decref(object);
    (void)puts("\ndefects for --defect, and the class that refuses each:");
    for (size_t i = 0; (d = bb_sim_defect_at(i)) != NULL; i++)
        (void)printf("  %-18s %-24s %s\n", d->name, bb_status_name(d->file), d->explanation);
    return BB_OK;
}

int bb_cmd_sim(int argc, char **argv) {
    static const struct {
        const char *name;
        enum bb_status (*run)(const struct options *o, struct bb_sim *sim, struct bb_error *err);
    } verbs[] = {{"init", init}, {"report", report}, {"show", show}};
    struct options o = {0};
    struct bb_error err = {0};
    struct bb_sim *sim = NULL;
    size_t v = 0;
    const char *what = argc > 1 ? argv[1] : "";
    while (v < 3 && strcmp(verbs[v].name, what) != 0)
        v++;
    if (v == 3 || !parse(&o, argc - 1, argv + 1) || o.help ||
        (verbs[v].run != init && o.n_sets > 0)) {
        bool asked = o.help || strcmp(what, "--help") == 0 || strcmp(what, "-h") == 0;
        (void)fputs(usage, asked ? stdout : stderr);
        return asked ? 0 : 1;
    }
    enum bb_status status = bb_sim_open(o.dir, &sim, &err);
    if (status == BB_OK)
        status = verbs[v].run(&o, sim, &err);
    bb_sim_free(sim);
    return status == BB_OK ? 0 : bb_error_print(stderr, &err);
}
