#include "cli/demo/relay.h"

#include "channel/frame.h"

#include <stdlib.h>
#include <unistd.h>

enum { FRAME_MAX = BB_FRAME_HEAD_SIZE + BB_RESPONSE_MAX };

static bool pass_frame(struct bb_demo_line *from, struct bb_demo_line *to, uint8_t *buf) {
    size_t len = 0;
    return bb_demo_line_read_frame(from, buf, FRAME_MAX, &len) &&
           bb_demo_line_write(to, bb_span(buf, len));
}

static void serve(struct bb_demo_peer *peer, int fd) {
    struct bb_demo_relay *r = peer->ctx;
    struct bb_demo_line user = {0}, gateway = {0};
    uint8_t *buf = malloc(FRAME_MAX);
    int up = bb_demo_dial(r->to);
    if (buf != NULL && bb_demo_line_open(&user, peer, r->server, fd) &&
        bb_demo_line_open(&gateway, peer, r->client, up) && pass_frame(&user, &gateway, buf) &&
        pass_frame(&gateway, &user, buf)) {
        r->relayed = true;
        peer->app_bytes += bb_demo_line_drain(&user);
    }
    bb_demo_line_done(&user);
    bb_demo_line_done(&gateway);
    if (up >= 0)
        (void)close(up);
    free(buf);
}

enum bb_status bb_demo_relay_start(struct bb_demo_relay *relay, struct bb_tls_context *server,
                                   const char *to, struct bb_error *err) {
    relay->server = server;
    relay->to = to;
    relay->peer.serve = serve;
    relay->peer.ctx = relay;
    BB_TRY(bb_tls_client_new(&relay->client, err));
    return bb_demo_peer_start(&relay->peer, "127.0.0.1:0", err);
}

void bb_demo_relay_stop(struct bb_demo_relay *relay) {
    bb_demo_peer_stop(&relay->peer);
    bb_tls_context_free(relay->client);
}
