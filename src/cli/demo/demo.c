/* The sister program blindbox-demo: all eight steps with the simulated TEE, then every refusal, on
 * loopback. Hostile peers live here and nowhere else. */
#include "cli/demo/keys.h"
#include "cli/demo/leave.h"
#include "cli/demo/policies.h"
#include "cli/demo/print.h"
#include "cli/demo/program.h"
#include "cli/demo/report.h"
#include "cli/demo/stop.h"
#include "cli/print_result.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: blindbox demo [--mode passport|local|background] [--keep DIR] [--json]\n"
    "       blindbox demo --app ADDRESS\n"
    "\n"
    "Shows, on this machine and over loopback, what BlindBox does: a simulated TEE signs a report\n"
    "for one connection, a verification service checks it and signs a token, the client checks "
    "the\n"
    "token, and a query goes through. Then every way to fail: wrong code, debug mode, forged "
    "reports\n"
    "and tokens, a man in the middle who even holds the gateway's key ... Each must be refused "
    "with\n"
    "its class, exit code and check, and not one byte may reach the application. Gateway and "
    "service\n"
    "are the real programs; the TEE is simulated and proves nothing about hardware.\n"
    "\n"
    "  --mode MODE    who checks in the eight steps: passport (a service that the gateway asks; "
    "the\n"
    "                 default), background (one that the client asks), local (the client alone).\n"
    "                 Every refusal has its own mode, whatever this says\n"
    "  --keep DIR     leave keys, policy and a report in DIR (new or empty), and a README that "
    "says\n"
    "                 what to type to play with them; without it everything is removed\n"
    "  --json         one JSON object, blindbox.demo/1, instead of text\n"
    "  --app ADDRESS  only the demo's application, until Ctrl-C: 127.0.0.1:PORT or unix:PATH;\n"
    "                 POST /generate {\"input_text\": \"...\"} answers {\"output\": \"...\"}\n"
    "\n"
    "Each row of the refusals: what was wrong; the class and the exit code that a command ends\n"
    "with; the check, what it expected and what it found; and the line that the user reads.\n"
    "Where somebody stands in between, the gateway itself was accepted just before; where a "
    "service\n"
    "gives a bad token, its good one was.\n"
    "\n"
    "JSON: {schema, simulated, mode, steps: [{step, title, text, us, values, values_us}], "
    "refusals:\n"
    "[{name, title, mode, expected, got: {class, exit, field, text, app_bytes}, check: {expected,\n"
    "found}, ok, why}], ok}; times in microseconds; \"error\" if the demo itself could not go on.\n"
    "\n"
    "Exit code 0 if the query was answered and every refusal was as expected, else 1. The first\n"
    "seconds go into RSA keys; BLINDBOX_DEMO_KEYS names a simulator's folder to copy them from.\n"
    "NO_COLOR is honoured.\n";

enum { OPT_KEEP = 256, OPT_MODE, OPT_JSON, OPT_APP, OPT_HELP };

static const struct option long_options[] = {
    {"keep", required_argument, NULL, OPT_KEEP}, {"mode", required_argument, NULL, OPT_MODE},
    {"json", no_argument, NULL, OPT_JSON},       {"app", required_argument, NULL, OPT_APP},
    {"help", no_argument, NULL, OPT_HELP},       {NULL, 0, NULL, 0},
};

struct run {
    const char *keep, *app;
    bool json, help;
    struct bb_demo_world world;
    struct bb_demo_walk walk;
    json_t *refusals;
    size_t good;
    uint64_t app_bytes;
    struct bb_error error;
};

static bool parse(struct run *run, int argc, char **argv) {
    int option = 0;
    while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        switch (option) {
        case OPT_KEEP:
            run->keep = optarg;
            break;
        case OPT_MODE:
            if (!bb_demo_mode_from_name(optarg, &run->world.mode))
                return false;
            break;
        case OPT_JSON:
            run->json = true;
            break;
        case OPT_APP:
            run->app = optarg;
            break;
        case 'h':
        case OPT_HELP:
            run->help = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

/* ---- the world ---- */

static enum bb_status service_new(struct bb_demo_world *w, struct bb_error *err) {
    BB_TRY(bb_demo_policy_files(&w->place, err));
    BB_TRY(bb_demo_verifier_start(&w->place, true, &w->verifier, err));
    BB_TRY(bb_fetcher_new(&w->net.fetcher, err));
    BB_TRY(bb_keysets_new(w->net.fetcher, NULL, &w->net.keysets, err));
    return bb_demo_verifier_keys(&w->verifier, w->net.fetcher, err);
}

static enum bb_status policies_new(struct bb_demo_world *w, struct bb_error *err) {
    for (int mode = BB_MODE_LOCAL; mode <= BB_MODE_BACKGROUND; mode++) {
        const struct bb_demo_policy what = {.mode = (enum bb_verifier_mode)mode,
                                            .service = w->verifier.address};
        BB_TRY(bb_demo_policy(&w->place, &what, &w->policy[mode], err));
    }
    return BB_OK;
}

static enum bb_status world_new(struct bb_demo_world *w, const char *keep, struct bb_error *err) {
    BB_TRY(bb_demo_place_new(keep, &w->place, err));
    BB_TRY(bb_demo_keys(&w->place, err));
    BB_TRY(service_new(w, err));
    BB_TRY(policies_new(w, err));
    BB_TRY(bb_demo_app_start(&w->app, "127.0.0.1:0", err));
    (void)snprintf(w->upstream, sizeof w->upstream, "tcp:%s", w->app.peer.address);
    return BB_OK;
}

static void world_done(struct bb_demo_world *w) {
    bb_demo_peer_stop(&w->app.peer);
    bb_demo_verifier_stop(&w->verifier);
    bb_keysets_free(w->net.keysets);
    bb_fetcher_free(w->net.fetcher);
    for (int mode = BB_MODE_LOCAL; mode <= BB_MODE_BACKGROUND; mode++)
        bb_policy_free(w->policy[mode]);
    bb_demo_place_done(&w->place);
    bb_demo_reap_all();
}

/* ---- the story ---- */

static enum bb_status walk(struct run *run, struct bb_error *err) {
    BB_TRY(bb_demo_walk(&run->world, &run->walk, err));
    if (run->json)
        return BB_OK;
    bb_demo_print_head(&run->walk, &run->world);
    bb_demo_print_steps(&run->walk.steps);
    return BB_OK;
}

static enum bb_status refuse(struct run *run, const struct bb_demo_row *row, struct bb_error *err) {
    struct bb_demo_outcome got;
    char why[2 * BB_TEXT_MAX];
    BB_TRY(bb_demo_refuse(&run->world, row, &got, err));
    bool good = bb_demo_matches(row, &got, why, sizeof why);
    run->good += good ? 1 : 0;
    run->app_bytes += got.app_bytes;
    (void)json_array_append_new(run->refusals, bb_demo_refusal_json(row, &got, good ? NULL : why));
    if (!run->json)
        bb_demo_print_refusal(row, &got, good ? NULL : why);
    return BB_OK;
}

static enum bb_status story(struct run *run, struct bb_error *err) {
    BB_TRY(world_new(&run->world, run->keep, err));
    BB_TRY(walk(run, err));
    if (!run->json)
        bb_demo_print_refusals_head();
    for (size_t i = 0; i < bb_demo_row_count(); i++)
        BB_TRY(refuse(run, bb_demo_row(i), err));
    if (!run->json)
        bb_demo_print_summary(run->good, bb_demo_row_count(), run->app_bytes);
    return run->keep != NULL ? bb_demo_leave(&run->world.place, run->json, err) : BB_OK;
}

static int tell(struct run *run) {
    run->refusals = json_array();
    enum bb_status status = story(run, &run->error);
    bool ok = status == BB_OK && run->good == bb_demo_row_count() && run->app_bytes == 0;
    world_done(&run->world);
    if (run->json)
        bb_json_print(stdout,
                      bb_demo_report_json(run->world.mode, bb_demo_steps_json(&run->walk.steps),
                                          run->refusals, ok, &run->error));
    else
        json_decref(run->refusals);
    if (status != BB_OK && bb_demo_stopping())
        return bb_demo_stop_code();
    if (status != BB_OK)
        (void)bb_error_print(stderr, &run->error);
    return ok ? 0 : 1;
}

int main(int argc, char **argv) {
    struct run *run = calloc(1, sizeof *run);
    int code = 1;
    if (run == NULL)
        return 1;
    run->world.mode = BB_MODE_PASSPORT;
    bb_demo_stop_on_signals();
    /* Run by blindbox with its own arguments: argv[1] is the subcommand. */
    if (argc < 2 || !parse(run, argc - 1, argv + 1))
        (void)fputs(usage, stderr);
    else if (run->help)
        code = fputs(usage, stdout) < 0 ? 1 : 0;
    else if (run->app != NULL)
        code = bb_demo_app_main(run->app);
    else {
        bb_demo_adopt_orphans();
        code = tell(run);
    }
    free(run);
    return code;
}
