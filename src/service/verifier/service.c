#include "service/verifier/service.h"

#include "crypto/issue.h"
#include "service/address.h"
#include "service/log.h"
#include "service/secrets.h"
#include "service/verifier/http.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct service {
    const struct bb_verifier_options *options;
    char issuer[BB_ISSUE_CN_MAX + 1];
    char address[128];
    int listener;
    struct bb_verifier *verifier;
    struct bb_http_server *server;
    const struct bb_ring *ring; /* the verifier's; replaced by this thread only */
};

static void own_signals(sigset_t *set) {
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGHUP);
}

static enum bb_status open_listener(struct service *s, struct bb_error *err) {
    const char *text = s->options->listen;
    struct bb_error why = {0};
    if (bb_listen(text, true, &s->listener, &why) == BB_OK) {
        struct sockaddr_storage own;
        socklen_t len = sizeof own;
        if (strncmp(text, "unix:", 5) == 0)
            bb_copy_text(s->address, sizeof s->address, text);
        else if (getsockname(s->listener, (struct sockaddr *)&own, &len) == 0)
            bb_address_text(&own, s->address, sizeof s->address);
        return BB_OK;
    }
    if (strncmp(why.expected, "a loopback", 10) == 0)
        return bb_fail(err, BB_USAGE, "listen", why.expected, text,
                       "other machines could connect to %s without TLS; put a proxy or 'blindbox "
                       "gateway' in front",
                       text);
    return bb_fail(err, why.status, why.field, why.expected, why.found, "%s", why.text);
}

/* What stands in every token and is compared as a text: one spelling. */
static bool is_issuer(const char *text) {
    size_t len = strlen(text);
    const char *rest = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : "";
    for (const char *at = text; *at != '\0'; at++)
        if (*at <= ' ' || *at > '~' || strchr("\"\\?#<>", *at) != NULL)
            return false;
    return rest[0] != '\0' && rest[0] != '/' && text[len - 1] != '/' && len <= BB_ISSUE_CN_MAX;
}

static enum bb_status set_issuer(struct service *s, struct bb_error *err) {
    const char *given = s->options->issuer;
    if (given == NULL && strncmp(s->address, "unix:", 5) == 0)
        return bb_fail(err, BB_USAGE, "issuer", "--issuer URL", NULL,
                       "a service on a Unix socket needs --issuer");
    if (given == NULL)
        (void)snprintf(s->issuer, sizeof s->issuer, "http://%s", s->address);
    else if (!is_issuer(given))
        return bb_fail(err, BB_USAGE, "issuer",
                       "https://HOST[:PORT][/PATH] without a slash at its end", given,
                       "the issuer is no such URL");
    else
        bb_copy_text(s->issuer, sizeof s->issuer, given);
    return BB_OK;
}

static unsigned thread_count(const struct service *s) {
    long n = s->options->threads > 0 ? (long)s->options->threads : sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > BB_HTTP_THREADS_MAX ? BB_HTTP_THREADS_MAX : (unsigned)n;
}

static enum bb_status start(struct service *s, struct bb_error *err) {
    struct bb_verifier_config config = s->options->config;
    struct bb_ring *ring = NULL;
    BB_TRY(open_listener(s, err));
    BB_TRY(set_issuer(s, err));
    config.issuer = s->issuer;
    BB_TRY(bb_ring_open(s->options->state_dir, s->issuer, (int64_t)time(NULL), &ring, err));
    s->ring = ring;
    BB_TRY(bb_verifier_new(&config, ring, &s->verifier, err));
    int listener = s->listener;
    s->listener = -1;
    return bb_http_server_start(s->verifier, listener, thread_count(s), &s->server, err);
}

/* Keys that cannot be read now do not end a service that has some. The same keys are kept, for each
 * reading makes new certificates for them. */
static void reload_keys(struct service *s) {
    struct bb_ring *ring = NULL;
    struct bb_error err = {0};
    if (bb_ring_is_current(s->ring, s->options->state_dir))
        return;
    if (bb_ring_open(s->options->state_dir, s->issuer, (int64_t)time(NULL), &ring, &err) != BB_OK) {
        bb_log("verifier: the keys were not read again: %s", err.text);
        return;
    }
    bb_log("verifier: %zu keys, before %zu", bb_ring_count(ring), bb_ring_count(s->ring));
    bb_verifier_set_ring(s->verifier, ring);
    s->ring = ring;
}

static void serve(struct service *s) {
    sigset_t signals;
    int number = 0;
    own_signals(&signals);
    do {
        const struct timespec limit = {.tv_sec = BB_KEYS_RELOAD_S};
        number = sigtimedwait(&signals, NULL, &limit);
        if (number == SIGHUP || (number < 0 && errno == EAGAIN))
            reload_keys(s);
    } while (number != SIGTERM && number != SIGINT);
}

int bb_verifier_run(const struct bb_verifier_options *options) {
    struct service s = {.options = options, .listener = -1};
    struct bb_error err = {0};
    sigset_t signals;
    bb_keep_secrets();
    (void)signal(SIGPIPE, SIG_IGN);
    own_signals(&signals);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL); /* in every thread: they are waited for */
    enum bb_status status = start(&s, &err);
    if (status == BB_OK) {
        (void)printf("listening on %s\n", s.address);
        (void)fflush(stdout);
        serve(&s);
        bb_http_server_stop(s.server);
    } else {
        (void)fprintf(stderr, "blindbox verifier: %s\n  next      %s\n", err.text,
                      bb_status_next_step(status));
    }
    if (s.listener >= 0)
        (void)close(s.listener);
    bb_verifier_free(s.verifier);
    return bb_status_exit(status);
}
