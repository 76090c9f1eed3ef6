#include "cli/forward_verdict.h"

#include "base/hex.h"
#include "cli/print_result.h"

#include <inttypes.h>

void bb_forward_verdict(void *ctx, const struct bb_session *session, const char *text) {
    const struct bb_forward_talk *talk = ctx;
    char id[BB_HEX_SIZE(BB_BATCH_ID_SIZE)];
    if (session == NULL) {
        (void)fprintf(stderr, "blindbox: refused: %s\n", text);
        return;
    }
    if (bb_session_status(session) != BB_OK) {
        if (bb_session_error(session)->status != BB_OK)
            (void)bb_error_print(stderr, bb_session_error(session));
        else
            bb_refusal_print(stderr, bb_session_result(session));
        return;
    }
    if (!talk->log)
        return;
    const struct bb_client_bound *b = bb_session_bound(session);
    bb_hex_encode(bb_span(b->d, BB_BATCH_ID_SIZE), id, sizeof id);
    (void)fprintf(stderr, "attested peer=%s batch=%s leaf=%" PRIu32 "%s\n",
                  bb_session_address(session), id, b->response.index,
                  bb_session_result(session)->simulated ? " SIMULATED" : "");
}
