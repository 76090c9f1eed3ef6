/* Programs use the library from many threads: shared policies and TLS contexts, nothing else
 * shared. Worth most under ThreadSanitizer (./dev test --full). */
#include "channel_world.h"

#include "crypto/issue.h"
#include "service/tls.h"

#include <blindbox/evidence.h>
#include <pthread.h>
#include <sys/socket.h>

enum { THREADS = 8, ROUNDS = 4 };

struct job {
    struct world *w;
    struct bb_tls_context *server, *client;
    bool good;
};

static uint8_t shared_report[BB_SNP_REPORT_SIZE];

static bool appraise_once(struct world *w) {
    const struct bb_span certs[] = {w->certs.vek, w->certs.ask, w->certs.ark};
    char *json = NULL;
    struct bb_error err = {0};
    struct bb_evidence_input in = {.report = BB_SPAN_OF(shared_report),
                                   .certs = certs,
                                   .n_certs = 3,
                                   .crls = &w->certs.crl,
                                   .n_crls = 1,
                                   .now = (int64_t)time(NULL)};
    bool good = bb_evidence_verify(&in, w->policy, &json, &err) == BB_OK && json != NULL;
    bb_free(json);
    return good;
}

/* A whole handshake over a socket pair, both ends in this thread. */
static bool shake_hands(struct job *job) {
    int fd[2];
    struct bb_tls *server = NULL, *client = NULL;
    struct bb_error err = {0};
    uint8_t a[BB_EXPORTED_SIZE] = {0}, b[BB_EXPORTED_SIZE] = {1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0)
        return false;
    bool good = bb_tls_new(job->server, fd[0], NULL, &server, &err) == BB_OK &&
                bb_tls_new(job->client, fd[1], "host", &client, &err) == BB_OK;
    enum bb_tls_io s = BB_TLS_WANT_READ, c = BB_TLS_WANT_READ;
    for (int i = 0; good && i < 10 && (s != BB_TLS_OK || c != BB_TLS_OK); i++) {
        c = bb_tls_handshake(client);
        s = bb_tls_handshake(server);
    }
    good = good && s == BB_TLS_OK && c == BB_TLS_OK &&
           bb_tls_export(server, BB_SPAN_LIT("context"), a) &&
           bb_tls_export(client, BB_SPAN_LIT("context"), b) && memcmp(a, b, sizeof a) == 0;
    bb_tls_free(server);
    bb_tls_free(client);
    (void)close(fd[0]);
    (void)close(fd[1]);
    return good;
}

static void *work(void *arg) {
    struct job *job = arg;
    job->good = true;
    for (int i = 0; i < ROUNDS; i++)
        job->good = appraise_once(job->w) && shake_hands(job) && job->good;
    return NULL;
}

static void make_server(struct bb_tls_context **out) {
    struct bb_key *key = NULL;
    uint8_t der[1024];
    size_t len = 0;
    int64_t now = (int64_t)time(NULL);
    assert_int_equal(bb_key_generate(BB_KEY_P256, &key, NULL), BB_OK);
    assert_int_equal(bb_issue_tls(key, "test", now - 60, now + 60, der, sizeof der, &len, NULL),
                     BB_OK);
    assert_int_equal(bb_tls_server_new(key, bb_span(der, len), out, NULL), BB_OK);
    bb_key_free(key);
}

static void test_threads_share_policies_and_contexts(void **state) {
    struct world *w = *state;
    struct job job[THREADS] = {{0}};
    pthread_t thread[THREADS];
    struct bb_tls_context *server = NULL, *client = NULL;
    const uint8_t data[64] = {7};
    make_server(&server);
    assert_int_equal(bb_tls_client_new(&client, NULL), BB_OK);
    assert_int_equal(bb_sim_sign(w->sim, data, NULL, shared_report, NULL), BB_OK);
    for (size_t i = 0; i < THREADS; i++) {
        job[i] = (struct job){.w = w, .server = server, .client = client};
        assert_int_equal(pthread_create(&thread[i], NULL, work, &job[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_true(job[i].good);
    bb_tls_context_free(server);
    bb_tls_context_free(client);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_share_policies_and_contexts),
    };
    return cmocka_run_group_tests_name("threads", tests, world_new, world_free);
}
