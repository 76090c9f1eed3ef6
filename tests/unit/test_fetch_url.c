#include "service/fetch/target.h"
#include "service/fetch/url.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void test_urls_that_may_be_asked(void **state) {
    static const struct row {
        const char *url, *path, *text, *socket;
    } rows[] = {
        {"https://a.example", NULL, "https://a.example", ""},
        {"https://a.example/", "/certs", "https://a.example/certs", ""},
        {"https://A-b_c.example:65535/x/y", "/z?a=b&c=%20",
         "https://A-b_c.example:65535/x/y/z?a=b&c=%20", ""},
        {"https://[2001:db8::1]:443/p?q", NULL, "https://[2001:db8::1]:443/p?q", ""},
        {"https://10.0.0.1", "/certs", "https://10.0.0.1/certs", ""},
        {"http://localhost:80", "/certs", "http://localhost:80/certs", ""},
        {"http://127.0.0.1", NULL, "http://127.0.0.1", ""},
        {"http://127.1.2.3:8080/", "/", "http://127.1.2.3:8080/", ""},
        {"http://[::1]:8080", "/a", "http://[::1]:8080/a", ""},
        {"unix:/run/v.sock", "/certs", "http://localhost/certs", "/run/v.sock"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_fetch_url url;
        struct bb_error err = {0};
        assert_int_equal(bb_fetch_url_join(rows[i].url, rows[i].path, &url, &err), BB_OK);
        assert_string_equal(url.text, rows[i].text);
        assert_string_equal(url.socket, rows[i].socket);
    }
}

static void test_urls_that_are_refused(void **state) {
    static const struct row {
        const char *url, *path;
    } rows[] = {
        {"", NULL},
        {"ftp://a.example", NULL},
        {"file:///etc/passwd", NULL},
        {"HTTPS://a.example", NULL},
        {"https:/a.example", NULL},
        {"https://", NULL},
        {"https:///path", NULL},
        {"https://:443", NULL},
        {"https://a.example:", NULL},
        {"https://a.example:0", NULL},
        {"https://a.example:65536", NULL},
        {"https://a.example:443443", NULL},
        {"https://a.example:4x", NULL},
        {"https://user@a.example", NULL},
        {"https://user:pass@a.example", NULL},
        {"https://a.example:443@b.example", NULL},
        {"https://a.example\\@b.example", NULL},
        {"https://a.example?x", NULL},
        {"https://a.example#x", NULL},
        {"https://a.example/x#y", NULL},
        {"https://a.example/x y", NULL},
        {"https://a.example/x\r\nHost: b", NULL},
        {"https://a.example//b.example", NULL},
        {"https://a.example/\x80", NULL},
        {"https://\xc3\xa4.example", NULL},
        {"https://a%2eexample", NULL},
        {"https://[::1", NULL},
        {"https://[]", NULL},
        {"https://[::1]x", NULL},
        {"https://[fe80::1%25eth0]", NULL},
        {"https://[::g]", NULL},
        {"https://a.example/x?y", "/certs"},
        {"https://a.example", "certs"},
        {"https://a.example", "//b.example"},
        {"https://a.example", "/a b"},
        {"http://a.example", NULL},
        {"http://localhost.example", NULL},
        {"http://localhost@a.example", NULL},
        {"http://127.0.0.1.example", NULL},
        {"http://127.1", NULL},
        {"http://0x7f.0.0.1", NULL},
        {"http://2130706433", NULL},
        {"http://0.0.0.0", NULL},
        {"http://128.0.0.1", NULL},
        {"http://[::]", NULL},
        {"http://[::ffff:127.0.0.1]", NULL},
        {"http://169.254.169.254/latest/meta-data", NULL},
        {"unix:relative", "/certs"},
        {"unix:/run/v.sock", NULL},
        {"unix:/run/v.sock", "certs"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_fetch_url url = {.text = "untouched"};
        struct bb_error err = {0};
        if (bb_fetch_url_join(rows[i].url, rows[i].path, &url, &err) != BB_USAGE)
            fail_msg("%s was taken", rows[i].url);
        assert_string_equal(err.field, "url");
        assert_string_equal(url.text, "untouched");
    }
}

static void test_lengths(void **state) {
    char url[3000] = "https://a.example/";
    struct bb_fetch_url out;
    struct bb_error err = {0};
    (void)state;
    size_t n = strlen(url), room = BB_FETCH_URL_MAX - strlen("http://localhost");
    memset(url + n, 'x', room - n);
    assert_int_equal(bb_fetch_url_join(url, NULL, &out, &err), BB_OK);
    assert_int_equal(bb_fetch_url_join(url, "/", &out, &err), BB_USAGE);
    char name[200] = "unix:/";
    memset(name + 6, 'x', BB_FETCH_SOCKET_MAX - 1);
    assert_int_equal(bb_fetch_url_join(name, "/", &out, NULL), BB_OK);
    name[6 + BB_FETCH_SOCKET_MAX - 1] = 'x';
    assert_int_equal(bb_fetch_url_join(name, "/", &out, NULL), BB_USAGE);
}

union any {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union any address(const char *text) {
    union any a = {.v6 = {.sin6_family = AF_INET6}};
    if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1)
        return a;
    a = (union any){.v4 = {.sin_family = AF_INET}};
    assert_int_equal(inet_pton(AF_INET, text, &a.v4.sin_addr), 1);
    return a;
}

static void test_addresses(void **state) {
    static const struct row {
        const char *text;
        bool loopback, askable;
    } rows[] = {
        {"127.0.0.1", true, true},
        {"127.255.255.255", true, true},
        {"::1", true, true},
        {"::ffff:127.0.0.1", true, true},
        {"128.0.0.1", false, true},
        {"10.0.0.1", false, true},
        {"192.168.1.1", false, true},
        {"8.8.8.8", false, true},
        {"223.255.255.255", false, true},
        {"2001:db8::1", false, true},
        {"fd12::1", false, true},
        {"fd00:ec2::253", false, true},
        {"0.0.0.0", false, false},
        {"0.1.2.3", false, false},
        {"::", false, false},
        {"169.254.0.1", false, false},
        {"169.254.169.254", false, false},
        {"::ffff:169.254.169.254", false, false},
        {"::169.254.169.254", false, false},
        {"64:ff9b::169.254.169.254", false, false},
        {"2002:a9fe:a9fe::1", false, false},
        {"168.63.129.16", false, false},
        {"168.63.129.17", false, true},
        {"100.100.100.200", false, false},
        {"192.0.0.192", false, false},
        {"224.0.0.1", false, false},
        {"255.255.255.255", false, false},
        {"fe80::1", false, false},
        {"febf::1", false, false},
        {"fec0::1", false, true},
        {"ff02::1", false, false},
        {"fd00:ec2::254", false, false},
        {"fd20:ce::254", false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        union any a = address(rows[i].text);
        if (bb_fetch_is_loopback(&a.any) != rows[i].loopback ||
            bb_fetch_is_askable(&a.any) != rows[i].askable)
            fail_msg("%s", rows[i].text);
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(bb_fetch_is_loopback(&local) || bb_fetch_is_askable(&local));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_that_may_be_asked),
        cmocka_unit_test(test_urls_that_are_refused),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
