#include "cli/demo/service.h"

#include "cli/demo/http.h"
#include "token/attest_request.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

/* The real service's token for that body; NULL: none. */
static char *ask(struct bb_demo_service *s, const char *body) {
    char *token = NULL, *answer = bb_demo_http_post(&s->peer, s->to, BB_ATTEST_PATH, body);
    if (answer == NULL || bb_attest_answer_token(bb_span_str(answer), false, &token, NULL) != BB_OK)
        token = NULL;
    free(answer);
    if (token != NULL && s->first == NULL)
        s->first = strdup(token);
    return token;
}

static void give(struct bb_demo_service *s, int fd, const char *token) {
    json_t *object = json_pack("{s:s}", "token", token);
    char *json = json_dumps(object, JSON_COMPACT);
    if (json != NULL) {
        s->answered++;
        bb_demo_http_answer(&s->peer, fd, "200 OK", json);
    }
    free(json);
    json_decref(object);
}

static void serve(struct bb_demo_peer *peer, int fd) {
    struct bb_demo_service *s = peer->ctx;
    enum bb_demo_trick trick = (enum bb_demo_trick)atomic_load(&s->trick);
    char *request = malloc(BB_DEMO_HTTP_MAX), *spoilt = NULL;
    size_t got = 0;
    if (request == NULL)
        return;
    size_t head = bb_demo_http_read(peer, fd, request, BB_DEMO_HTTP_MAX, &got);
    char *token = head == 0 ? NULL : ask(s, request + head);
    if (token != NULL)
        spoilt = bb_demo_spoil(trick == BB_DEMO_REPLAYED ? s->first : token, trick, s->key,
                               (int64_t)time(NULL));
    if (spoilt != NULL)
        give(s, fd, spoilt);
    else
        bb_demo_http_answer(peer, fd, "400 Bad Request", "{}");
    free(spoilt);
    free(token);
    free(request);
}

enum bb_status bb_demo_service_start(struct bb_demo_service *service, const char *to,
                                     struct bb_error *err) {
    service->to = to;
    service->trick = BB_DEMO_HONEST;
    service->peer.serve = serve;
    service->peer.ctx = service;
    BB_TRY(bb_key_generate(BB_KEY_P256, &service->key, err));
    return bb_demo_peer_start(&service->peer, "127.0.0.1:0", err);
}

void bb_demo_service_stop(struct bb_demo_service *service) {
    bb_demo_peer_stop(&service->peer);
    bb_key_free(service->key);
    free(service->first);
    service->key = NULL;
    service->first = NULL;
}
