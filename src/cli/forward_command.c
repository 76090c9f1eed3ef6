#include "cli/forward_command.h"

#include "base/hex.h"
#include "cli/print_result.h"

#include <inttypes.h>

static void verdict(void *ctx, const struct bb_session *session, const char *text) {
    const struct bb_forward_command *c = ctx;
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
    if (!c->log)
        return;
    const struct bb_client_bound *b = bb_session_bound(session);
    bb_hex_encode(bb_span(b->d, BB_BATCH_ID_SIZE), id, sizeof id);
    (void)fprintf(stderr, "attested peer=%s batch=%s leaf=%" PRIu32 "%s\n",
                  bb_session_address(session), id, b->response.index,
                  bb_session_result(session)->simulated ? " SIMULATED" : "");
}

static enum bb_status take(struct bb_forward_command *c, int option, struct bb_error *err) {
    switch (option) {
    case BB_OPT_TO:
        c->forward.to = optarg;
        return BB_OK;
    case BB_OPT_LISTEN:
        c->forward.listen = optarg;
        return BB_OK;
    case BB_OPT_UNSAFE_LISTEN:
        c->forward.unsafe_listen = true;
        return BB_OK;
    case BB_OPT_VERBOSE:
        c->log = true;
        return BB_OK;
    default:
        return bb_client_setup_option(&c->setup, option, optarg, err);
    }
}

enum bb_status bb_forward_command_begin(struct bb_forward_command *c, int argc, char **argv,
                                        const struct option *options, struct bb_error *err) {
    int option = 0;
    optind = 1;
    opterr = 0;
    /* "+": options end at the command that exec runs, whose own are not ours. */
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        c->help = option == 'h' || option == BB_OPT_HELP;
        if (c->help)
            return BB_OK;
        BB_TRY(take(c, option, err));
    }
    if (c->forward.to == NULL)
        return bb_fail(err, BB_USAGE, "--to", "HOST[:PORT]", NULL, "say which gateway: --to HOST");
    BB_TRY(bb_client_setup_ready(&c->setup, err));
    c->forward.session = bb_client_setup_session(&c->setup, NULL);
    c->forward.verdict = verdict;
    c->forward.ctx = c;
    return BB_OK;
}

int bb_forward_command_done(struct bb_forward_command *c, int code, const struct bb_error *err) {
    if (err->status != BB_OK)
        code = bb_error_print(stderr, err);
    bb_client_setup_free(&c->setup);
    return code;
}
