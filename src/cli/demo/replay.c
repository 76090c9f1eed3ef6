#include "cli/demo/replay.h"

#include "cli/demo/own_gateway.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_MAX = BB_FRAME_HEAD_SIZE + BB_RESPONSE_MAX };

/* True if the client's policy accepts the recorded frame on the connection that it was made for. */
static bool accepts(struct bb_client *client, struct bb_demo_line *line, struct bb_span frame,
                    const struct bb_policy *policy) {
    struct bb_result *result = calloc(1, sizeof *result);
    const struct bb_client_appraisal in = {
        .policy = policy, .verifier = &policy->verifiers[0], .now = (int64_t)time(NULL)};
    bool done = false;
    bool good = result != NULL && bb_client_feed(client, frame, &done, NULL) == BB_OK && done &&
                bb_client_bind(client, bb_tls_export, line->tls, NULL) == BB_OK &&
                bb_client_appraise(client, &in, result) == BB_OK;
    free(result);
    return good;
}

/* An honest exchange of its own with the gateway, the response kept. */
static bool exchange(struct bb_demo_replay *r, struct bb_demo_line *line, struct bb_client *client,
                     uint8_t *frame, size_t *len) {
    struct bb_client_tls facts;
    bb_tls_facts(line->tls, &facts);
    return bb_client_check_tls(client, &facts, NULL) == BB_OK &&
           bb_demo_line_write(line, bb_client_request(client)) &&
           bb_demo_line_read_frame(line, frame, FRAME_MAX, len) &&
           accepts(client, line, bb_span(frame, *len), r->policy);
}

static bool record(struct bb_demo_replay *r, uint8_t *frame, size_t *len) {
    struct bb_client_wants wants;
    struct bb_client *client = NULL;
    struct bb_demo_line line = {0};
    int fd = bb_demo_dial(r->to);
    bool good = bb_client_wants_from(r->policy, &r->policy->verifiers[0], &wants, NULL) == BB_OK &&
                bb_random(wants.nonce, sizeof wants.nonce) &&
                bb_client_new(&wants, &client, NULL) == BB_OK &&
                bb_demo_line_open(&line, &r->peer, r->client, fd) &&
                exchange(r, &line, client, frame, len);
    bb_demo_line_done(&line);
    bb_client_free(client);
    if (fd >= 0)
        (void)close(fd);
    return good;
}

static void serve(struct bb_demo_peer *peer, int fd) {
    struct bb_demo_replay *r = peer->ctx;
    struct bb_demo_line user = {0};
    uint8_t *frame = malloc(FRAME_MAX), request[BB_FRAME_HEAD_SIZE + BB_REQUEST_MAX];
    size_t len = 0, asked = 0;
    if (frame != NULL && record(r, frame, &len)) {
        r->recorded = true;
        if (bb_demo_line_open(&user, peer, r->server, fd) &&
            bb_demo_line_read_frame(&user, request, sizeof request, &asked) &&
            bb_demo_line_write(&user, bb_span(frame, len)))
            peer->app_bytes += bb_demo_line_drain(&user);
    }
    bb_demo_line_done(&user);
    free(frame);
}

enum bb_status bb_demo_replay_start(struct bb_demo_replay *replay, const struct bb_policy *policy,
                                    const char *to, struct bb_error *err) {
    replay->policy = policy;
    replay->to = to;
    replay->peer.serve = serve;
    replay->peer.ctx = replay;
    BB_TRY(bb_demo_server_new(&replay->key, &replay->server, err));
    BB_TRY(bb_tls_client_new(&replay->client, err));
    return bb_demo_peer_start(&replay->peer, "127.0.0.1:0", err);
}

void bb_demo_replay_stop(struct bb_demo_replay *replay) {
    bb_demo_peer_stop(&replay->peer);
    bb_tls_context_free(replay->server);
    bb_tls_context_free(replay->client);
    bb_key_free(replay->key);
}
