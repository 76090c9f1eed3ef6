#include "cli/demo/verifier.h"

#include "cli/demo/listening.h"
#include "cli/demo/policies.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOG_MAX = 65536 };

enum bb_status bb_demo_verifier_start(const struct bb_demo_place *place, bool reference_values,
                                      struct bb_demo_verifier *out, struct bb_error *err) {
    char state[BB_DEMO_PATH_MAX], reference[BB_DEMO_PATH_MAX];
    const char *args[] = {"verifier",
                          "--listen",
                          "127.0.0.1:0",
                          "--issuer",
                          BB_DEMO_ISSUER,
                          "--state-dir",
                          bb_demo_path(place, BB_DEMO_STATE, state),
                          "--allow-simulated",
                          reference_values ? "--reference-values" : NULL,
                          bb_demo_path(place, BB_DEMO_REFERENCE, reference),
                          NULL};
    const struct bb_demo_listening what = {
        .program = "blindbox-verifier",
        .args = args,
        .out = reference_values ? "run-verifier.out" : "run-other-verifier.out",
        .log = reference_values ? "run-verifier.log" : "run-other-verifier.log"};
    *out = (struct bb_demo_verifier){.place = place, .log = what.log};
    return bb_demo_listening(place, &what, &out->child, out->address, sizeof out->address, err);
}

void bb_demo_verifier_stop(struct bb_demo_verifier *verifier) { bb_demo_end(&verifier->child); }

enum bb_status bb_demo_verifier_keys(const struct bb_demo_verifier *verifier,
                                     struct bb_fetcher *fetcher, struct bb_error *err) {
    char url[128];
    (void)snprintf(url, sizeof url, "http://%s", verifier->address);
    const struct bb_fetch_request request = {.url = url, .path = "/certs"};
    struct bb_fetch *fetch = NULL;
    struct bb_fetch_answer answer;
    BB_TRY(bb_fetch_run(fetcher, &request, &fetch, &answer, err));
    enum bb_status status =
        answer.http == 200 ? bb_demo_place_write(verifier->place, BB_DEMO_KEY_SET, answer.body, err)
                           : bb_fail(err, BB_INTERNAL, "demo", NULL, NULL,
                                     "the verifier gave no keys: HTTP %u", answer.http);
    bb_fetch_end(fetch);
    return status;
}

/* ---- its log ---- */

/* The word after `key` in a line of the log. */
static void word_after(const char *line, const char *key, char *out, size_t cap) {
    const char *at = strstr(line, key);
    size_t n = at == NULL ? 0 : strcspn(at + strlen(key), " \n");
    (void)snprintf(out, cap, "%.*s", (int)n, at == NULL ? "" : at + strlen(key));
}

void bb_demo_verifier_judged(const struct bb_demo_verifier *verifier, struct bb_demo_judged *out) {
    static const char judged[] = "verifier: POST /attest";
    char text[LOG_MAX], us[32];
    const char *last = NULL;
    *out = (struct bb_demo_judged){.us = -1};
    bb_demo_place_read(verifier->place, verifier->log, text, sizeof text);
    for (char *line = text, *end = NULL; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strncmp(line, judged, sizeof judged - 1) == 0)
            last = line;
    }
    if (last == NULL)
        return;
    word_after(last, " us=", us, sizeof us);
    out->us = (int64_t)strtoll(us, NULL, 10);
    word_after(last, " verdict=", out->verdict, sizeof out->verdict);
    word_after(last, " kind=", out->kind, sizeof out->kind);
    word_after(last, " compliance=", out->compliance, sizeof out->compliance);
}
