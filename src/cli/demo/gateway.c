#include "cli/demo/gateway.h"

#include "cli/demo/keys.h"
#include "cli/demo/stop.h"
#include "service/clock.h"

#include <stdlib.h>

#define OUT "run-gateway.out"
#define LOG "run-gateway.log"
enum { START_MS = 10000, LOG_MAX = 16384 };

/* The line that tells its address, once it is whole. */
static bool read_address(const struct bb_demo_place *place, char *out, size_t cap) {
    static const char head[] = "listening on ";
    char text[256];
    bb_demo_place_read(place, OUT, text, sizeof text);
    char *end = strchr(text, '\n');
    if (end == NULL || strncmp(text, head, sizeof head - 1) != 0)
        return false;
    *end = '\0';
    bb_copy_text(out, cap, text + sizeof head - 1);
    return true;
}

static enum bb_status died(const struct bb_demo_place *place, struct bb_error *err) {
    char log[BB_TEXT_MAX / 2];
    bb_demo_place_read(place, LOG, log, sizeof log);
    return bb_fail(err, BB_INTERNAL, "demo", NULL, NULL, "the gateway did not start: %s", log);
}

enum bb_status bb_demo_gateway_start(const struct bb_demo_place *place, const char *upstream,
                                     const char *defect, struct bb_demo_gateway *out,
                                     struct bb_error *err) {
    char sim[BB_DEMO_PATH_MAX];
    const char *args[] = {"gateway",
                          "--attester",
                          "sim",
                          "--sim-dir",
                          bb_demo_path(place, BB_DEMO_SIM, sim),
                          "--listen",
                          "127.0.0.1:0",
                          "--upstream",
                          upstream,
                          defect == NULL ? NULL : "--sim-defect",
                          defect,
                          NULL};
    int64_t deadline = bb_now_ms() + START_MS;
    int code = 0;
    *out = (struct bb_demo_gateway){.place = place};
    BB_TRY(bb_demo_place_write(place, OUT, bb_span(NULL, 0), err)); /* not the last one's line */
    BB_TRY(bb_demo_spawn(place, "blindbox-net", args, OUT, LOG, &out->child, err));
    while (!read_address(place, out->address, sizeof out->address)) {
        if (bb_demo_ended(&out->child, &code))
            return died(place, err);
        if (!bb_demo_wait(deadline)) {
            bb_demo_gateway_stop(out);
            return bb_demo_gave_up("starting a gateway", err);
        }
    }
    return BB_OK;
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
