#include "cli/demo/listening.h"

#include "cli/demo/stop.h"
#include "service/clock.h"

enum { START_MS = 20000 };

/* The line that tells its address, once it is whole. */
static bool read_address(const struct bb_demo_place *place, const char *out, char *address,
                         size_t cap) {
    static const char head[] = "listening on ";
    char text[256];
    bb_demo_place_read(place, out, text, sizeof text);
    char *end = strchr(text, '\n');
    if (end == NULL || strncmp(text, head, sizeof head - 1) != 0)
        return false;
    *end = '\0';
    bb_copy_text(address, cap, text + sizeof head - 1);
    return true;
}

static enum bb_status died(const struct bb_demo_place *place, const struct bb_demo_listening *what,
                           struct bb_error *err) {
    char log[BB_TEXT_MAX / 2];
    bb_demo_place_read(place, what->log, log, sizeof log);
    return bb_fail(err, BB_INTERNAL, "demo", NULL, NULL, "the %s did not start: %s", what->args[0],
                   log);
}

enum bb_status bb_demo_listening(const struct bb_demo_place *place,
                                 const struct bb_demo_listening *what, struct bb_demo_child *child,
                                 char *address, size_t cap, struct bb_error *err) {
    int64_t deadline = bb_now_ms() + START_MS;
    int code = 0;
    BB_TRY(bb_demo_place_write(place, what->out, bb_span(NULL, 0), err)); /* the last one's line */
    BB_TRY(bb_demo_spawn(place, what->program, what->args, what->out, what->log, child, err));
    while (!read_address(place, what->out, address, cap)) {
        if (bb_demo_ended(child, &code))
            return died(place, what, err);
        if (!bb_demo_wait(deadline)) {
            bb_demo_end(child);
            return bb_demo_gave_up(what->args[0], err);
        }
    }
    return BB_OK;
}
