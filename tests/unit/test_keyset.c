/* Key sets under a clock of the test's, with the test as the process that fetches. */
#include "service/fetch/fetch_wire.h"
#include "service/fetch/keyset.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define URL "https://issuer.example/certs"
/* The base point of P-256 as a key. */
#define KEY(kid)                                                                                   \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"" kid "\","                                       \
    "\"x\":\"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY\","                                       \
    "\"y\":\"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU\"}"
#define SET(kid) "{\"keys\":[" KEY(kid) "]}"

static int64_t now;
static int64_t clock_of_test(void) { return now; }

struct world {
    int process; /* our end of the control socket */
    struct bb_fetcher *fetcher;
    struct bb_keysets *sets;
    struct bb_fetch_wire_request request; /* the last one */
};

static const struct bb_keyset_source source = {.where = URL};

static struct world open_world(void) {
    struct world w = {.process = -1};
    int pair[2];
    now = 5000;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    w.process = pair[1];
    assert_int_equal(bb_fetcher_adopt(pair[0], &w.fetcher, NULL), BB_OK);
    assert_int_equal(bb_keysets_new(w.fetcher, clock_of_test, &w.sets, NULL), BB_OK);
    return w;
}

static void close_world(struct world *w) {
    bb_keysets_free(w->sets);
    bb_fetcher_free(w->fetcher);
    (void)close(w->process);
}

/* The socket for the answer to a request; -1 if none came. */
static int next_request(struct world *w) {
    char space[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = &w->request, .iov_len = sizeof w->request};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    int reply = -1;
    if (recvmsg(w->process, &m, MSG_DONTWAIT) <= 0)
        return -1;
    memcpy(&reply, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof reply);
    return reply;
}

static void reply_with(int reply, unsigned http, uint32_t age, const char *body) {
    struct bb_fetch_wire_answer a = {
        .http = http, .max_age_s = age, .body_len = (uint32_t)strlen(body)};
    assert_true(reply >= 0);
    assert_int_equal(send(reply, &a, sizeof a, 0), sizeof a);
    if (body[0] != '\0')
        assert_int_equal(send(reply, body, strlen(body), 0), strlen(body));
    (void)close(reply);
}

static void answer(struct world *w, unsigned http, uint32_t age, const char *body) {
    reply_with(next_request(w), http, age, body);
}

static struct bb_keyset *begin(struct world *w, const char *kid) {
    struct bb_keyset *k = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_keyset_begin(w->sets, &source, kid, &k, &err), BB_OK);
    return k;
}

/* Somebody needs the set now: whether that gave it, and with `kid` in it. */
static void expect_now(struct world *w, const char *wanted, const char *has) {
    const struct bb_jwks *jwks = NULL;
    struct bb_error err = {0};
    struct bb_keyset *k = begin(w, wanted);
    assert_int_equal(bb_keyset_take(k, &jwks, &err), BB_FETCH_DONE);
    assert_true(bb_jwks_has(jwks, has));
    bb_keyset_end(k);
}

static void expect_failed(struct bb_keyset *k, const char *field) {
    const struct bb_jwks *jwks = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_keyset_take(k, &jwks, &err), BB_FETCH_FAILED);
    assert_int_equal(err.status, BB_VERIFIER_UNAVAILABLE);
    assert_string_equal(err.field, field);
    assert_null(jwks);
    bb_keyset_end(k);
}

static void expect_no_request(struct world *w) { assert_int_equal(next_request(w), -1); }

/* A first fetch, answered. */
static void fetch_first(struct world *w, uint32_t age, const char *body, const char *has) {
    const struct bb_jwks *jwks = NULL;
    struct bb_keyset *k = begin(w, NULL);
    assert_int_equal(bb_keyset_take(k, &jwks, NULL), BB_FETCH_WAITING);
    answer(w, 200, age, body);
    assert_int_equal(bb_keyset_take(k, &jwks, NULL), BB_FETCH_DONE);
    assert_true(bb_jwks_has(jwks, has));
    bb_keyset_end(k);
}

static void test_one_fetch_for_many(void **state) {
    struct world w = open_world();
    struct bb_keyset *k[100];
    const struct bb_jwks *jwks = NULL;
    (void)state;
    for (size_t i = 0; i < 100; i++)
        k[i] = begin(&w, i % 2 == 0 ? "a" : "foreign");
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(bb_keyset_take(k[i], &jwks, NULL), BB_FETCH_WAITING);
    answer(&w, 200, 0, SET("a"));
    expect_no_request(&w);
    for (size_t i = 0; i < 100; i++) {
        struct pollfd ready = {.fd = bb_keyset_fd(k[i]), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 0), 1); /* each is told, also after the first took it */
        assert_int_equal(bb_keyset_take(k[i], &jwks, NULL), BB_FETCH_DONE);
        assert_true(bb_jwks_has(jwks, "a"));
        bb_keyset_end(k[i]);
    }
    expect_now(&w, "a", "a");
    expect_no_request(&w);
    close_world(&w);
}

static void test_ages(void **state) {
    static const struct row {
        uint32_t said, kept;
    } rows[] = {{0, 300}, {1, 60}, {59, 60}, {61, 61}, {3600, 3600}, {90000, 3600}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w = open_world();
        fetch_first(&w, rows[i].said, SET("a"), "a");
        int64_t end = now + (int64_t)rows[i].kept * 1000;
        now = end - 1;
        expect_now(&w, "a", "a"); /* renewed while it serves */
        reply_with(next_request(&w), 503, 0, "");
        now = end;
        struct bb_keyset *k = begin(&w, "a");
        expect_failed(k, "jwks");
        close_world(&w);
    }
}

static void test_it_is_renewed_before_it_ends(void **state) {
    struct world w = open_world();
    (void)state;
    fetch_first(&w, 100, SET("a"), "a");
    now += 75000;
    expect_now(&w, "a", "a");
    expect_no_request(&w);
    now += 1;
    expect_now(&w, "a", "a");
    answer(&w, 200, 100, SET("b"));
    expect_now(&w, "b", "b");
    now += 74999; /* past the first one's end */
    expect_now(&w, "b", "b");
    expect_no_request(&w);
    close_world(&w);
}

static void test_foreign_kids_make_no_flood(void **state) {
    struct world w = open_world();
    const struct bb_jwks *jwks = NULL;
    (void)state;
    fetch_first(&w, 3600, SET("a"), "a");
    for (int i = 0; i < 100; i++)
        expect_now(&w, "b", "a");
    now += BB_KEYSET_PAUSE_MS - 1;
    expect_now(&w, "b", "a");
    expect_no_request(&w);
    now += 1;
    struct bb_keyset *k = begin(&w, "b");
    assert_int_equal(bb_keyset_take(k, &jwks, NULL), BB_FETCH_WAITING);
    expect_now(&w, "a", "a"); /* who needs no new one does not wait */
    answer(&w, 200, 3600, "{\"keys\":[" KEY("a") "," KEY("b") "]}");
    assert_int_equal(bb_keyset_take(k, &jwks, NULL), BB_FETCH_DONE);
    assert_true(bb_jwks_has(jwks, "b"));
    bb_keyset_end(k);
    for (int i = 0; i < 100; i++)
        expect_now(&w, "c", "b");
    expect_no_request(&w);
    close_world(&w);
}

static void test_the_old_set_serves_while_a_fetch_fails(void **state) {
    struct world w = open_world();
    const struct bb_jwks *jwks = NULL;
    (void)state;
    fetch_first(&w, 120, SET("a"), "a");
    now += BB_KEYSET_PAUSE_MS;
    struct bb_keyset *k = begin(&w, "b");
    answer(&w, 500, 0, "");
    assert_int_equal(bb_keyset_take(k, &jwks, NULL), BB_FETCH_DONE);
    assert_true(bb_jwks_has(jwks, "a"));
    now += 90000;                                                    /* the age's end */
    assert_int_equal(bb_keyset_take(k, &jwks, NULL), BB_FETCH_DONE); /* it was taken in time */
    bb_keyset_end(k);
    k = begin(&w, "a");
    answer(&w, 500, 0, "");
    expect_failed(k, "jwks");
    close_world(&w);
}

static void test_a_service_that_is_down_is_left_alone(void **state) {
    struct world w = open_world();
    (void)state;
    struct bb_keyset *k = begin(&w, NULL);
    answer(&w, 503, 0, "");
    expect_failed(k, "jwks");
    now += BB_KEYSET_RETRY_MS - 1;
    for (int i = 0; i < 100; i++)
        expect_failed(begin(&w, NULL), "jwks");
    expect_no_request(&w);
    now += 1;
    fetch_first(&w, 0, SET("a"), "a");
    close_world(&w);
}

static void test_answers_that_are_no_set(void **state) {
    static const struct row {
        unsigned http;
        const char *body;
    } rows[] = {
        {200, ""},
        {200, "<html>"},
        {200, "{}"},
        {200, "{\"keys\":1}"},
        {200, "[]"},
        {204, ""},
        {301, SET("a")},
        {404, SET("a")},
        {500, SET("a")},
        {200, SET("a") "x"},
        {200, "{\"keys\":[],\"keys\":[]}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w = open_world();
        struct bb_keyset *k = begin(&w, NULL);
        answer(&w, rows[i].http, 0, rows[i].body);
        expect_failed(k, "jwks");
        close_world(&w);
    }
}

static void test_no_answer(void **state) {
    struct world w = open_world();
    struct bb_fetch_wire_answer a = {.failure = BB_FETCH_TLS};
    (void)state;
    struct bb_keyset *k = begin(&w, NULL);
    (void)close(next_request(&w));
    expect_failed(k, "fetch.process");
    now += BB_KEYSET_RETRY_MS;
    k = begin(&w, NULL);
    int reply = next_request(&w);
    assert_int_equal(send(reply, &a, sizeof a, 0), sizeof a);
    (void)close(reply);
    expect_failed(k, "fetch.tls");
    close_world(&w);
}

static void test_a_set_in_use_stays(void **state) {
    struct world w = open_world();
    const struct bb_jwks *old = NULL, *again = NULL;
    (void)state;
    fetch_first(&w, 100, SET("a"), "a");
    struct bb_keyset *k = begin(&w, NULL);
    assert_int_equal(bb_keyset_take(k, &old, NULL), BB_FETCH_DONE);
    now += 100000;
    fetch_first(&w, 100, SET("b"), "b");
    assert_int_equal(bb_keyset_take(k, &again, NULL), BB_FETCH_DONE);
    assert_ptr_equal(old, again);
    assert_true(bb_jwks_has(old, "a"));
    bb_keyset_end(k);
    close_world(&w);
}

static void test_who_waited_last_leaves(void **state) {
    struct world w = open_world();
    (void)state;
    bb_keyset_end(begin(&w, NULL)); /* its fetch goes on */
    answer(&w, 200, 0, SET("a"));
    expect_now(&w, "a", "a");
    expect_no_request(&w);
    close_world(&w);
}

static enum bb_status begin_other(struct world *w, const char *where, const char *ca,
                                  struct bb_keyset **out, struct bb_error *err) {
    struct bb_keyset_source other = {.where = where, .ca_file = ca};
    return bb_keyset_begin(w->sets, &other, NULL, out, err);
}

static void test_sources(void **state) {
    struct world w = open_world();
    struct bb_keyset *k[BB_KEYSET_SOURCES_MAX + 1];
    struct bb_error err = {0};
    char url[64];
    (void)state;
    assert_int_equal(begin_other(&w, "http://issuer.example/certs", NULL, &k[0], &err), BB_USAGE);
    assert_string_equal(err.field, "url");
    assert_int_equal(begin_other(&w, "unix:/run/v.sock", NULL, &k[0], NULL), BB_OK);
    assert_int_equal(close(next_request(&w)), 0);
    assert_string_equal(w.request.url.text, "http://localhost/certs");
    assert_string_equal(w.request.url.socket, "/run/v.sock");
    bb_keyset_end(k[0]);
    assert_int_equal(begin_other(&w, URL, "/dev/null", &k[0], NULL), BB_OK);
    assert_int_equal(close(next_request(&w)), 0);
    assert_string_equal(w.request.ca_file, "/dev/null");
    bb_keyset_end(k[0]);
    for (size_t i = 0; i < BB_KEYSET_SOURCES_MAX; i++) {
        (void)snprintf(url, sizeof url, "https://issuer-%zu.example/certs", i);
        assert_int_equal(begin_other(&w, url, NULL, &k[i], NULL), BB_OK);
        assert_int_equal(close(next_request(&w)), 0);
    }
    err = (struct bb_error){0};
    assert_int_equal(begin_other(&w, URL, NULL, &k[BB_KEYSET_SOURCES_MAX], &err),
                     BB_VERIFIER_UNAVAILABLE);
    for (size_t i = 0; i < BB_KEYSET_SOURCES_MAX; i++)
        bb_keyset_end(k[i]);
    assert_int_equal(begin_other(&w, URL, NULL, &k[0], NULL), BB_OK);
    bb_keyset_end(k[0]);
    close_world(&w);
}

static void test_no_fetcher(void **state) {
    struct bb_keysets *sets = NULL;
    struct bb_keyset *k = NULL;
    struct bb_error err = {0};
    const struct bb_jwks *jwks = NULL;
    (void)state;
    assert_int_equal(bb_keysets_new(NULL, NULL, &sets, NULL), BB_OK);
    assert_int_equal(bb_keyset_run(sets, &source, NULL, &k, &jwks, &err), BB_VERIFIER_UNAVAILABLE);
    assert_string_equal(err.field, "jwks");
    bb_keysets_free(sets);
}

static void write_file(const char *path, const char *text) {
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void expect_file(struct bb_keysets *sets, const char *path, const char *has) {
    const struct bb_keyset_source file = {.where = path, .is_file = true};
    struct bb_keyset *k = NULL;
    const struct bb_jwks *jwks = NULL;
    struct bb_error err = {0};
    enum bb_status status = bb_keyset_run(sets, &file, "a", &k, &jwks, &err);
    if (has == NULL) {
        assert_int_equal(status, BB_USAGE);
        assert_string_equal(err.field, "jwks");
        return;
    }
    assert_int_equal(status, BB_OK);
    assert_true(bb_jwks_has(jwks, has));
    bb_keyset_end(k);
}

static void test_a_file_is_read_again(void **state) {
    struct bb_keysets *sets = NULL;
    char folder[] = "/tmp/bb-keyset-XXXXXX", path[64], other[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/set.json", folder);
    (void)snprintf(other, sizeof other, "%s/new.json", folder);
    assert_int_equal(bb_keysets_new(NULL, NULL, &sets, NULL), BB_OK);
    expect_file(sets, path, NULL);
    write_file(path, SET("a"));
    expect_file(sets, path, "a");
    expect_file(sets, path, "a");
    write_file(other, SET("b")); /* as large, and in its place */
    assert_int_equal(rename(other, path), 0);
    expect_file(sets, path, "b");
    write_file(path, "{\"keys\":[]");
    expect_file(sets, path, NULL);
    expect_file(sets, path, NULL); /* the old one does not come back */
    write_file(path, SET("c"));
    expect_file(sets, path, "c");
    char *large = calloc(1, BB_JWKS_MAX + 2);
    assert_non_null(large);
    memset(large, ' ', BB_JWKS_MAX + 1);
    memcpy(large, SET("d"), sizeof SET("d") - 1);
    write_file(path, large);
    expect_file(sets, path, NULL);
    large[BB_JWKS_MAX] = '\0';
    write_file(path, large);
    expect_file(sets, path, "d");
    free(large);
    assert_int_equal(unlink(path), 0);
    expect_file(sets, path, NULL);
    expect_file(sets, folder, NULL);
    assert_int_equal(rmdir(folder), 0);
    bb_keysets_free(sets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_fetch_for_many),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_it_is_renewed_before_it_ends),
        cmocka_unit_test(test_foreign_kids_make_no_flood),
        cmocka_unit_test(test_the_old_set_serves_while_a_fetch_fails),
        cmocka_unit_test(test_a_service_that_is_down_is_left_alone),
        cmocka_unit_test(test_answers_that_are_no_set),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_a_set_in_use_stays),
        cmocka_unit_test(test_who_waited_last_leaves),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_no_fetcher),
        cmocka_unit_test(test_a_file_is_read_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
