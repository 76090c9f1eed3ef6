/* blindbox gateway: attested TLS in front of an application. */
#include "cli/commands.h"

#include "appraise/policy.h"
#include "service/gateway/gateway.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: blindbox gateway --attester sim --upstream tcp:HOST:PORT|unix:PATH\n"
    "           [--listen ADDRESS:PORT] [--sim-dir DIR] [--sim-defect NAME]\n"
    "           [--max-age SECONDS] [--idle SECONDS]\n"
    "\n"
    "Listens ([::]:8443, both IPv4 and IPv6), attests every connection, and passes the\n"
    "application's bytes on unchanged once the client was satisfied.\n"
    "  --attester  where evidence comes from. This build has the simulated TEE (sim) only; it is\n"
    "              never chosen because hardware is missing.\n"
    "  --upstream  the application: outside this machine, clients refuse it unless they pin the\n"
    "              gateway's configuration\n"
    "  --max-age   a connection older than this is cut (3600)\n"
    "  --idle      and one over which nothing goes for as long (600)\n"
    "SIGTERM lets open connections finish for 30 s.\n";

enum { IDLE_S_DEFAULT = 600 };

enum {
    OPT_ATTESTER = 256,
    OPT_UPSTREAM,
    OPT_LISTEN,
    OPT_SIM_DIR,
    OPT_SIM_DEFECT,
    OPT_MAX_AGE,
    OPT_IDLE,
    OPT_ROLE,
    OPT_HELP
};

static const struct option long_options[] = {
    {"attester", required_argument, NULL, OPT_ATTESTER},
    {"upstream", required_argument, NULL, OPT_UPSTREAM},
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"sim-dir", required_argument, NULL, OPT_SIM_DIR},
    {"sim-defect", required_argument, NULL, OPT_SIM_DEFECT},
    {"max-age", required_argument, NULL, OPT_MAX_AGE},
    {"idle", required_argument, NULL, OPT_IDLE},
    {"role", required_argument, NULL, OPT_ROLE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static bool seconds(const char *text, uint32_t *out) {
    enum { SECONDS_MAX = 1000000 };
    char *end = NULL;
    unsigned long v = strtoul(text, &end, 10);
    *out = (uint32_t)v;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && v > 0 && v <= SECONDS_MAX;
}

static int wrong(const char *text, const char *next) {
    (void)fprintf(stderr, "blindbox gateway: %s\n  next      %s\n", text, next);
    return 1;
}

int bb_cmd_gateway(int argc, char **argv) {
    struct bb_gateway_options o = {.listen = "[::]:8443", .max_age_s = BB_CONNECTION_AGE_S_DEFAULT};
    const char *attester = NULL, *role = NULL;
    uint32_t idle_s = IDLE_S_DEFAULT;
    int option = 0;
    bool good = true;
    while (good && (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case OPT_ATTESTER:
            attester = optarg;
            break;
        case OPT_UPSTREAM:
            o.upstream = optarg;
            break;
        case OPT_LISTEN:
            o.listen = optarg;
            break;
        case OPT_SIM_DIR:
            o.sim_dir = optarg;
            break;
        case OPT_SIM_DEFECT:
            o.sim_defect = optarg;
            break;
        case OPT_MAX_AGE:
            good = seconds(optarg, &o.max_age_s);
            break;
        case OPT_IDLE:
            good = seconds(optarg, &idle_s);
            break;
        case OPT_ROLE:
            role = optarg;
            break;
        case 'h':
        case OPT_HELP:
            return fputs(usage, stdout) < 0 ? 1 : 0;
        default:
            good = false;
        }
    }
    o.idle_ms = idle_s * 1000;
    if (!good || optind != argc)
        return wrong("wrong option or value", "see 'blindbox gateway --help'");
    if (attester == NULL || strcmp(attester, "sim") != 0)
        return wrong("no attester: this build has the simulated TEE only",
                     "for development: --attester sim");
    if (o.upstream == NULL)
        return wrong("no --upstream",
                     "say where the application listens: --upstream tcp:127.0.0.1:8000");
    return role != NULL ? bb_gateway_role(&o, role) : bb_gateway_run(&o, argv);
}
