/* Addresses as people write them, and where they lead: all on this machine. */
#include "vectors.h"

#include "service/address.h"

#include <unistd.h>

static const struct {
    const char *text, *fallback, *host, *port; /* host NULL: refused */
} rows[] = {
    {"app:80", NULL, "app", "80"},
    {"app:80", "8443", "app", "80"},
    {"app", "8443", "app", "8443"},
    {"app", NULL, NULL, NULL},
    {"127.0.0.1:1", NULL, "127.0.0.1", "1"},
    {"[::1]:1", NULL, "::1", "1"},
    {"[::1]", "8443", "::1", "8443"},
    {"[::1]", NULL, NULL, NULL},
    {"::1", "8443", "::1", "8443"},
    {"fe80::1:2", "8443", "fe80::1:2", "8443"},
    {"::1", NULL, NULL, NULL},
    {"*:80", NULL, "*", "80"},
    {":80", NULL, "", "80"},
    {"", "8443", "", "8443"},
    {"app:", "8443", NULL, NULL},
    {"[::1", "8443", NULL, NULL},
    {"[::1]x", "8443", NULL, NULL},
    {"[::1]x:1", "8443", NULL, NULL},
    {"[::1]:", "8443", NULL, NULL},
    {"app:123456789012345", NULL, "app", "123456789012345"},
    {"app:1234567890123456", NULL, NULL, NULL},
};

static void test_host_port(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char host[64], port[16];
        struct bb_error err = {0};
        enum bb_status status = bb_host_port(rows[i].text, rows[i].fallback, host, sizeof host,
                                             port, sizeof port, &err);
        bool right = rows[i].host == NULL ? status == BB_USAGE
                                          : status == BB_OK && strcmp(host, rows[i].host) == 0 &&
                                                strcmp(port, rows[i].port) == 0;
        if (!right)
            fail_msg("'%s': status %d, '%s' '%s'", rows[i].text, status, host, port);
    }
}

static void test_host_too_long(void **state) {
    (void)state;
    char text[400], host[256], port[16];
    struct bb_error err = {0};
    memset(text, 'a', sizeof text);
    (void)snprintf(text + 256, sizeof text - 256, ":1");
    assert_int_equal(bb_host_port(text, NULL, host, sizeof host, port, sizeof port, &err),
                     BB_USAGE);
    assert_int_equal(bb_host_port(text + 1, NULL, host, sizeof host, port, sizeof port, &err),
                     BB_OK);
    assert_int_equal(strlen(host), 255);
}

static const struct {
    const char *text, *uri; /* uri NULL: refused */
    bool outside;
} upstreams[] = {
    {"tcp:127.0.0.1:80", "tcp:127.0.0.1:80", false},
    {"127.0.0.1:80", "tcp:127.0.0.1:80", false},
    {"tcp:127.255.255.254:80", "tcp:127.255.255.254:80", false},
    {"tcp:[::1]:80", "tcp:[::1]:80", false},
    {"unix:/run/app.sock", "unix:/run/app.sock", false},
    {"unix:app.sock", "unix:app.sock", false},
    {"tcp:128.0.0.1:80", "tcp:128.0.0.1:80", true},
    {"tcp:126.255.255.255:80", "tcp:126.255.255.255:80", true},
    {"tcp:0.0.0.1:80", "tcp:0.0.0.1:80", true},
    {"tcp:192.0.2.7:80", "tcp:192.0.2.7:80", true},
    {"tcp:[2001:db8::1]:80", "tcp:[2001:db8::1]:80", true},
    {"tcp:[::2]:80", "tcp:[::2]:80", true},
    {"tcp:[::ffff:127.0.0.1]:80", "tcp:[::ffff:127.0.0.1]:80", true}, /* not told apart: refused */
    {"tcp:127.0.0.1", NULL, false},
    {"tcp:", NULL, false},
    {"unix:", NULL, false},
    {"", NULL, false},
    {"http://127.0.0.1:80", NULL, false},
    {"tcp:127.0.0.1:http or so", NULL, false},
};

static void test_upstream(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof upstreams / sizeof upstreams[0]; i++) {
        struct bb_upstream up;
        struct bb_error err = {0};
        enum bb_status status = bb_upstream_parse(upstreams[i].text, &up, &err);
        bool right = upstreams[i].uri == NULL
                         ? status != BB_OK
                         : status == BB_OK && strcmp(up.uri, upstreams[i].uri) == 0 &&
                               up.count == 1 && up.outside == upstreams[i].outside;
        if (!right)
            fail_msg("'%s': status %d %s", upstreams[i].text, status, err.text);
    }
}

static void test_unix_path_too_long(void **state) {
    (void)state;
    char text[200] = "unix:";
    struct bb_upstream up;
    struct bb_error err = {0};
    memset(text + 5, 'a', sizeof up.address[0]);
    text[5 + 107] = '\0';
    assert_int_equal(bb_upstream_parse(text, &up, &err), BB_OK);
    text[5 + 107] = 'a';
    text[5 + 108] = '\0';
    assert_int_equal(bb_upstream_parse(text, &up, &err), BB_USAGE);
}

static void test_target(void **state) {
    (void)state;
    struct bb_target t;
    struct bb_error err = {0};
    char text[96];
    assert_int_equal(bb_target_resolve("[::1]:77", &t, &err), BB_OK);
    assert_string_equal(t.host, "::1");
    bb_address_text(&t.address[0], text, sizeof text);
    assert_string_equal(text, "[::1]:77");
    assert_int_equal(bb_target_resolve("127.0.0.1", &t, &err), BB_OK);
    bb_address_text(&t.address[0], text, sizeof text);
    assert_string_equal(text, "127.0.0.1:8443");
    assert_int_equal(bb_target_resolve("*:1", &t, &err), BB_USAGE);
    assert_int_equal(bb_target_resolve("", &t, &err), BB_USAGE);
    assert_int_equal(bb_target_resolve("127.0.0.1:https", &t, &err), BB_PEER_UNREACHABLE);
}

/* Where others can connect it listens only if told so. */
static void test_listen(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool local;
    } places[] = {
        {"127.0.0.1:0", true}, {"127.0.0.9:0", true}, {"0.0.0.0:0", false}, {"*:0", false}};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct bb_error err = {0};
        int fd = -1;
        assert_int_equal(bb_listen(places[i].text, false, &fd, &err), BB_OK);
        (void)close(fd);
        fd = -1;
        assert_int_equal(bb_listen(places[i].text, true, &fd, &err),
                         places[i].local ? BB_OK : BB_USAGE);
        assert_int_equal(fd >= 0, places[i].local);
        if (fd >= 0)
            (void)close(fd);
    }
}

static void test_listen_refuses(void **state) {
    (void)state;
    char taken[96];
    struct bb_error err = {0};
    struct sockaddr_storage own = {0};
    socklen_t len = sizeof own;
    int fd = -1, second = -1;
    assert_int_equal(bb_listen("127.0.0.1:0", false, &fd, &err), BB_OK);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    bb_address_text(&own, taken, sizeof taken);
    assert_int_equal(bb_listen(taken, false, &second, &err), BB_USAGE);
    assert_int_equal(second, -1);
    assert_non_null(strstr(err.text, taken));
    assert_int_equal(bb_listen("unix:/nowhere/at/all", false, &second, &err), BB_USAGE);
    assert_int_equal(bb_listen("127.0.0.1", false, &second, &err), BB_USAGE);
    (void)close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_port),      cmocka_unit_test(test_host_too_long),
        cmocka_unit_test(test_upstream),       cmocka_unit_test(test_unix_path_too_long),
        cmocka_unit_test(test_target),         cmocka_unit_test(test_listen),
        cmocka_unit_test(test_listen_refuses),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
