#include "cli/demo/gateway.h"

#include "cli/demo/keys.h"
#include "cli/demo/listening.h"
#include "cli/demo/policies.h"

#include <stdio.h>
#include <stdlib.h>

#define OUT "run-gateway.out"
#define LOG "run-gateway.log"
enum { LOG_MAX = 16384 };

enum bb_status bb_demo_gateway_start(const struct bb_demo_place *place,
                                     const struct bb_demo_gateway_options *options,
                                     struct bb_demo_gateway *out, struct bb_error *err) {
    char sim[BB_DEMO_PATH_MAX], verifier[256];
    const char *args[] = {"gateway",
                          "--attester",
                          "sim",
                          "--sim-dir",
                          bb_demo_path(place, BB_DEMO_SIM, sim),
                          "--listen",
                          "127.0.0.1:0",
                          "--upstream",
                          options->upstream,
                          "--verifier",
                          verifier,
                          options->defect == NULL ? NULL : "--sim-defect",
                          options->defect,
                          NULL};
    const struct bb_demo_listening what = {
        .program = "blindbox-net", .args = args, .out = OUT, .log = LOG};
    (void)snprintf(verifier, sizeof verifier, "http://%s,issuer=%s", options->service,
                   BB_DEMO_ISSUER);
    *out = (struct bb_demo_gateway){.place = place};
    return bb_demo_listening(place, &what, &out->child, out->address, sizeof out->address, err);
}

/* The number after `key` in a line of the log; false if it is not there. */
static bool number_after(const char *line, const char *end, const char *key, uint64_t *out) {
    const char *at = strstr(line, key);
    if (at == NULL || at > end)
        return false;
    *out = strtoull(at + strlen(key), NULL, 10);
    return true;
}

void bb_demo_gateway_read_log(const struct bb_demo_gateway *gateway,
                              struct bb_demo_gateway_log *out) {
    char text[LOG_MAX];
    uint64_t n = 0;
    *out = (struct bb_demo_gateway_log){0};
    bb_demo_place_read(gateway->place, LOG, text, sizeof text);
    for (const char *line = text, *end = NULL; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        if (number_after(line, end, " report_us=", &n))
            out->report_us = n;
        if (strncmp(line, "conn=", 5) != 0 || !number_after(line, end, " in=", &n))
            continue;
        out->connections++;
        out->in += n;
    }
}

void bb_demo_gateway_stop(struct bb_demo_gateway *gateway) { bb_demo_end(&gateway->child); }
