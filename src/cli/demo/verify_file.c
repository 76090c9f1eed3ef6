#include "cli/demo/verify_file.h"

#include "cli/demo/keys.h"
#include "cli/demo/policies.h"
#include "cli/demo/program.h"

#include <jansson.h>

#define OUT "run-verify.json"
#define LOG "run-verify.log"
enum { VERIFY_MS = 10000, JSON_MAX = 65536 };

static enum bb_status verify(const struct bb_demo_place *place, const char *report_data, int *code,
                             struct bb_error *err) {
    char report[BB_DEMO_PATH_MAX], certs[BB_DEMO_PATH_MAX], policy[BB_DEMO_PATH_MAX];
    const char *const args[] = {"evidence",
                                "verify",
                                bb_demo_path(place, BB_DEMO_REPORT, report),
                                "--certs",
                                bb_demo_path(place, BB_DEMO_CERTS, certs),
                                "--policy",
                                bb_demo_path(place, BB_DEMO_POLICY_FILE, policy),
                                "--report-data",
                                report_data,
                                "--json",
                                NULL};
    return bb_demo_run(place, "blindbox", args, OUT, LOG, VERIFY_MS, code, err);
}

static void copy_member(const json_t *object, const char *key, char *out, size_t cap) {
    const char *text = json_string_value(json_object_get(object, key));
    bb_copy_text(out, cap, text == NULL ? "" : text);
}

/* The first check that failed. */
static void read_checks(const json_t *checks, struct bb_demo_outcome *out) {
    size_t i = 0;
    const json_t *check = NULL;
    json_array_foreach(checks, i, check) {
        const char *outcome = json_string_value(json_object_get(check, "outcome"));
        if (outcome == NULL || strcmp(outcome, "failed") != 0)
            continue;
        copy_member(check, "id", out->field, sizeof out->field);
        copy_member(check, "expected", out->expected, sizeof out->expected);
        copy_member(check, "found", out->found, sizeof out->found);
        return;
    }
}

/* stderr begins "Class: text". */
static void read_text(const struct bb_demo_place *place, struct bb_demo_outcome *out) {
    char log[1024];
    bb_demo_place_read(place, LOG, log, sizeof log);
    log[strcspn(log, "\n")] = '\0';
    const char *text = strstr(log, ": ");
    bb_copy_text(out->text, sizeof out->text, text == NULL ? "" : text + 2);
}

static enum bb_status read_result(const struct bb_demo_place *place, struct bb_demo_outcome *out,
                                  struct bb_error *err) {
    static char text[JSON_MAX];
    char class[BB_FIELD_MAX];
    bb_demo_place_read(place, OUT, text, sizeof text);
    json_t *result = json_loads(text, 0, NULL);
    if (result == NULL)
        return bb_fail_internal(err, "reading the result of 'blindbox evidence verify'");
    copy_member(result, "class", class, sizeof class);
    out->status = bb_status_from_name(class);
    read_checks(json_object_get(result, "checks"), out);
    json_decref(result);
    read_text(place, out);
    return BB_OK;
}

enum bb_status bb_demo_verify_file(const struct bb_demo_place *place, struct bb_demo_outcome *out,
                                   struct bb_error *err) {
    char other[BB_SNP_REPORT_DATA_SIZE * 2 + 1];
    int code = 1;
    BB_TRY(verify(place, bb_demo_report_data, &code, err));
    out->control_failed = code != 0;
    bb_copy_text(other, sizeof other, bb_demo_report_data);
    other[0] = 'a';
    BB_TRY(verify(place, other, &out->exit, err));
    return read_result(place, out, err);
}
