/* blindbox gateway: attested TLS in front of an application. */
#include "cli/commands.h"

#include "service/gateway/config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: blindbox gateway --attester sim --upstream tcp:HOST:PORT|unix:PATH\n"
    "           [--config FILE] [--listen ADDRESS:PORT] [--proxy-protocol]\n"
    "           [--verifier URL[,issuer=NAME][,profile=maa|ear][,ca=FILE]]...\n"
    "           [--sim-dir DIR] [--sim-defect NAME] [--max-age SECONDS] [--idle SECONDS]\n"
    "\n"
    "Listens ([::]:8443, both IPv4 and IPv6), attests every connection, and passes the\n"
    "application's bytes on unchanged once the client was satisfied.\n"
    "  --attester  where evidence comes from. This build has the simulated TEE (sim) only; it is\n"
    "              never chosen because hardware is missing.\n"
    "  --upstream  the application: outside this machine, clients refuse it unless they pin the\n"
    "              gateway's configuration\n"
    "  --config    what no option says, as JSON: {\"schema\": \"blindbox.gateway/1\"} with any of\n"
    "              listen, upstream, attester, sim_dir, max_age, idle, proxy_protocol,\n"
    "              verifiers ([{url, issuer, profile, ca}])\n"
    "  --verifier  a verification service, up to 4: clients that ask for its issuer (the URL, "
    "unless\n"
    "              it is named) get its token for their batch, had once a batch. https://...,\n"
    "              http://LOOPBACK... or unix:/SOCKET; ca: its trust anchors as PEM\n"
    "  --proxy-protocol\n"
    "              every connection to the application begins with a PROXY protocol v2 header "
    "that\n"
    "              names the client's address; the application must expect it\n"
    "  --max-age   a connection older than this is cut (3600)\n"
    "  --idle      and one over which nothing goes for as long (600)\n"
    "SIGHUP reads the file again: new connections get new processes, with a new TLS key, as soon "
    "as\n"
    "those are ready; open ones finish as they began. A wrong file changes nothing. What is "
    "listened\n"
    "on does not change. SIGTERM lets open connections finish for 30 s.\n";

enum {
    OPT_ATTESTER = 256,
    OPT_CONFIG,
    OPT_PROXY_PROTOCOL,
    OPT_VERIFIER,
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
    {"config", required_argument, NULL, OPT_CONFIG},
    {"proxy-protocol", no_argument, NULL, OPT_PROXY_PROTOCOL},
    {"verifier", required_argument, NULL, OPT_VERIFIER},
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

static bool seconds(const char *text, uint32_t unit, uint32_t *out) {
    char *end = NULL;
    unsigned long v = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || v == 0 || v > BB_GATEWAY_SECONDS_MAX)
        return false;
    *out = (uint32_t)v * unit;
    return true;
}

int bb_cmd_gateway(int argc, char **argv) {
    struct bb_gateway_options o = {.config = NULL};
    const char *role = NULL;
    struct bb_error err = {0};
    char why[BB_GATEWAY_WHY_MAX];
    int option = 0;
    bool good = true;
    while (good && (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case OPT_ATTESTER:
            o.attester = optarg;
            break;
        case OPT_CONFIG:
            o.config = optarg;
            break;
        case OPT_PROXY_PROTOCOL:
            o.proxy_protocol = true;
            break;
        case OPT_VERIFIER:
            good = bb_gateway_verifiers_add(&o.verifiers, optarg, &err) == BB_OK;
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
            good = seconds(optarg, 1, &o.max_age_s);
            break;
        case OPT_IDLE:
            good = seconds(optarg, 1000, &o.idle_ms);
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
    if (err.status != BB_OK) {
        bb_gateway_config_why(&err, why, sizeof why);
        (void)fprintf(stderr, "blindbox gateway: %s\n  next      see 'blindbox gateway --help'\n",
                      why);
        return 1;
    }
    if (!good || optind != argc) {
        (void)fputs("blindbox gateway: wrong option or value\n"
                    "  next      see 'blindbox gateway --help'\n",
                    stderr);
        return 1;
    }
    return role != NULL ? bb_gateway_role(&o, role) : bb_gateway_run(&o, argv);
}
