#include "cli/demo/keys.h"

#include "cli/demo/program.h"
#include "cli/demo/stop.h"
#include "evidence/snp/report.h"
#include "service/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A machine that has nothing else to do makes a key in about a second; a loaded one in many. */
enum { KEYS_MS = 180000, PEM_MAX = 8192, PROGRESS_WIDTH = 64 };

#define FIVE_A "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
const char bb_demo_report_data[] = FIVE_A FIVE_A FIVE_A FIVE_A;
_Static_assert(sizeof bb_demo_report_data == 2 * BB_SNP_REPORT_DATA_SIZE + 1, "64 bytes");

static const char *const names[] = {"ark.key", "ask.key", "vek.key", "self-made-root.key"};
enum { N_NAMES = sizeof names / sizeof names[0] };

static bool copy_key(const struct bb_demo_place *place, const char *from, const char *name) {
    char path[BB_DEMO_PATH_MAX], pem[PEM_MAX];
    if (snprintf(path, sizeof path, "%s/%s", from, name) < 0)
        return false;
    FILE *in = fopen(path, "rbe");
    if (in == NULL)
        return false;
    size_t n = fread(pem, 1, sizeof pem, in);
    (void)fclose(in);
    (void)snprintf(path, sizeof path, BB_DEMO_SIM "/%s", name);
    bool good = bb_demo_place_write(place, path, bb_span(pem, n), NULL) == BB_OK;
    explicit_bzero(pem, sizeof pem);
    return good;
}

/* What is not there is made. */
static void copy_keys(const struct bb_demo_place *place) {
    const char *from = getenv("BLINDBOX_DEMO_KEYS");
    for (size_t i = 0; from != NULL && from[0] != '\0' && i < N_NAMES; i++)
        (void)copy_key(place, from, names[i]);
}

/* ---- progress, on a terminal only ---- */

static size_t keys_there(const struct bb_demo_place *place) {
    char path[BB_DEMO_PATH_MAX], name[64];
    size_t n = 0;
    for (size_t i = 0; i < N_NAMES; i++) {
        (void)snprintf(name, sizeof name, BB_DEMO_SIM "/%s", names[i]);
        n += access(bb_demo_path(place, name, path), F_OK) == 0 ? 1 : 0;
    }
    return n;
}

static void show_progress(const struct bb_demo_place *place, int64_t began) {
    int64_t seconds = (bb_now_ms() - began) / 1000;
    if (isatty(STDERR_FILENO) != 0 && bb_now_ms() - began > 200)
        (void)fprintf(stderr, "\rmaking the simulated TEE's keys (RSA-4096): %zu of %d, %d s ",
                      keys_there(place), N_NAMES, (int)seconds);
}

static void clear_progress(void) {
    if (isatty(STDERR_FILENO) != 0)
        (void)fprintf(stderr, "\r%*s\r", PROGRESS_WIDTH, "");
}

/* ---- making ---- */

static enum bb_status sim(const struct bb_demo_place *place, const char *const *args,
                          struct bb_error *err) {
    struct bb_demo_child child = {0};
    int64_t began = bb_now_ms();
    char log[BB_TEXT_MAX / 2];
    int code = 0;
    BB_TRY(bb_demo_spawn(place, "blindbox", args, "run-sim.out", "run-sim.log", &child, err));
    while (!bb_demo_ended(&child, &code)) {
        show_progress(place, began);
        if (bb_demo_wait(began + KEYS_MS))
            continue;
        bb_demo_end(&child);
        clear_progress();
        return bb_demo_gave_up("making keys", err);
    }
    clear_progress();
    if (code == 0)
        return BB_OK;
    bb_demo_place_read(place, "run-sim.log", log, sizeof log);
    return bb_fail(err, BB_INTERNAL, "demo", NULL, NULL, "'blindbox sim' failed: %s", log);
}

enum bb_status bb_demo_keys(const struct bb_demo_place *place, struct bb_error *err) {
    char dir[BB_DEMO_PATH_MAX], policy[BB_DEMO_PATH_MAX], report[BB_DEMO_PATH_MAX];
    char certs[BB_DEMO_PATH_MAX], fake[BB_DEMO_PATH_MAX], table[BB_DEMO_PATH_MAX];
    const char *const init[] = {"sim",
                                "init",
                                "--dir",
                                bb_demo_path(place, BB_DEMO_SIM, dir),
                                "--policy-out",
                                bb_demo_path(place, BB_DEMO_SIM_POLICY, policy),
                                NULL};
    const char *const honest[] = {"sim",
                                  "report",
                                  "--dir",
                                  dir,
                                  "--report-data",
                                  bb_demo_report_data,
                                  "-o",
                                  bb_demo_path(place, BB_DEMO_REPORT, report),
                                  "--certs-out",
                                  bb_demo_path(place, BB_DEMO_CERTS, certs),
                                  NULL};
    /* The self-made root's key too, so that its gateway is not slow later. */
    const char *const other[] = {"sim",
                                 "report",
                                 "--dir",
                                 dir,
                                 "--defect",
                                 "amd-names-root",
                                 "-o",
                                 bb_demo_path(place, "run-fake.bin", fake),
                                 "--auxblob-out",
                                 bb_demo_path(place, "run-fake.table", table),
                                 NULL};
    if (mkdir(dir, 0700) != 0)
        return bb_fail(err, BB_INTERNAL, "demo", NULL, NULL, "cannot make %s: %s", dir,
                       strerror(errno));
    copy_keys(place);
    BB_TRY(sim(place, init, err));
    BB_TRY(sim(place, honest, err));
    return sim(place, other, err);
}
