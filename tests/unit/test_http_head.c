/* Heads of requests to the proxy of exec: what is taken, what goes on to the origin, what is
 * refused.
 */
#include "vectors.h"

#include "service/forward/http_head.h"

#define SECRET "blindbox:0123456789abcdef"
#define AUTH "Proxy-Authorization: Basic YmxpbmRib3g6MDEyMzQ1Njc4OWFiY2RlZg==\r\n"

/* Heads with the right secret that are taken: `out` is the whole request for the origin. */
static const struct {
    const char *why, *in, *out;
} good[] = {
    {"absolute form", "GET http://app/ HTTP/1.1\r\n" AUTH "\r\n",
     "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"},
    {"no path", "GET http://app HTTP/1.1\r\n" AUTH "\r\n",
     "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"},
    {"a query without a path", "GET http://app?a=b HTTP/1.1\r\n" AUTH "\r\n",
     "GET /?a=b HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"},
    {"port, path, query", "PUT http://app.example:81/x/y?z=http://u@v HTTP/1.1\r\n" AUTH "\r\n",
     "PUT /x/y?z=http://u@v HTTP/1.1\r\nHost: app.example:81\r\nConnection: close\r\n\r\n"},
    {"an IPv6 literal", "GET http://[::1]:80/ HTTP/1.1\r\n" AUTH "\r\n",
     "GET / HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\n\r\n"},
    {"the scheme in capitals", "GET HTTP://app/ HTTP/1.1\r\n" AUTH "\r\n",
     "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"},
    {"HTTP/1.0", "GET http://app/ HTTP/1.0\r\n" AUTH "\r\n",
     "GET / HTTP/1.0\r\nHost: app\r\nConnection: close\r\n\r\n"},
    {"Host is the URL's, whatever the field says",
     "GET http://app/ HTTP/1.1\r\nHost: other\r\nHOST: third\r\n" AUTH "\r\n",
     "GET / HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n"},
    {"hop-by-hop fields stay here",
     "GET http://app/ HTTP/1.1\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nProxy-Connection: "
     "x\r\n"
     "TE: trailers\r\nproxy-authorization: Basic eDp5\r\nX: kept\r\n" AUTH "\r\n",
     "GET / HTTP/1.1\r\nHost: app\r\nX: kept\r\nConnection: close\r\n\r\n"},
    {"fields as they were written",
     "GET http://app/ HTTP/1.1\r\nx-A:\t b  c \t\r\n" AUTH "Y:\r\n\r\n",
     "GET / HTTP/1.1\r\nHost: app\r\nx-A:\t b  c \t\r\nY:\r\nConnection: close\r\n\r\n"},
    {"an upgrade",
     "GET http://app/ HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" AUTH "\r\n",
     "GET / HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"},
    {"a length", "POST http://app/ HTTP/1.1\r\nContent-Length: 5\r\n" AUTH "\r\n",
     "POST / HTTP/1.1\r\nHost: app\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"},
    {"chunks", "POST http://app/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" AUTH "\r\n",
     "POST / HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"},
    {"bytes above ASCII", "GET http://app/\xc3\xa9 HTTP/1.1\r\nX: \xff\r\n" AUTH "\r\n",
     "GET /\xc3\xa9 HTTP/1.1\r\nHost: app\r\nX: \xff\r\nConnection: close\r\n\r\n"},
};

static void test_good(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint8_t buf[1024];
        char whole[1024];
        size_t used = 0;
        struct bb_writer out = bb_writer(buf, sizeof buf);
        int n = snprintf(whole, sizeof whole, "%sbody", good[i].in);
        enum bb_http_head got = bb_http_head(bb_span(whole, (size_t)n), SECRET, &out, &used);
        if (got != BB_HTTP_GOOD || !bb_span_equal(bb_writer_span(&out), bb_span_str(good[i].out)))
            fail_msg("%s: %d, %.*s", good[i].why, got, (int)out.len, (const char *)buf);
        assert_int_equal(used, strlen(good[i].in));
    }
}

/* Every shorter part of a head is not whole yet. */
static void test_more(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        for (size_t n = 0; n < strlen(good[i].in); n++) {
            uint8_t buf[1024];
            size_t used = 0;
            struct bb_writer out = bb_writer(buf, sizeof buf);
            assert_int_equal(bb_http_head(bb_span(good[i].in, n), SECRET, &out, &used),
                             BB_HTTP_MORE);
            assert_int_equal(out.len, 0);
        }
}

#define GET "GET http://app/ HTTP/1.1\r\n"

static const struct {
    const char *why, *in;
    enum bb_http_head result;
} bad[] = {
    {"origin form", "GET / HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"asterisk form", "OPTIONS * HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"authority form", "GET app:80 HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"CONNECT", "CONNECT app:443 HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_NOT_HTTP},
    {"https", "GET https://app/ HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_NOT_HTTP},
    {"no scheme", "GET ://app/ HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_NOT_HTTP},
    {"no host", "GET http:/// HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"only a port", "GET http://:80/ HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a user", "GET http://u@app/ HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a fragment", "GET http://app/#f HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a fragment behind the host", "GET http://app#f HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a backslash in the host", "GET http://a\\b/ HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a quote in the host", "GET http://a\"b/ HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a byte above ASCII in the host", "GET http://\xc3\xa9/ HTTP/1.1\r\n" AUTH "\r\n",
     BB_HTTP_MALFORMED},
    {"HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", BB_HTTP_MALFORMED},
    {"HTTP/1.2", "GET http://app/ HTTP/1.2\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a space behind the version", "GET http://app/ HTTP/1.1 \r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"no version", "GET http://app/\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"an empty line first", "\r\n" GET AUTH "\r\n", BB_HTTP_MALFORMED},
    {"nothing", "\r\n\r\n", BB_HTTP_MALFORMED},
    {"a method that is no token", "G(T http://app/ HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"an empty method", " http://app/ HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a tab in the URL", "GET http://app/a\tb HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"DEL in the URL", "GET http://app/\x7f HTTP/1.1\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a bare LF", GET "X: a\nY: b\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a bare CR", GET "X: a\rY: b\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"CR CR LF", GET "X: a\r\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"obs-fold", GET "X: a\r\n b\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a fold after the request line", GET " X: a\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"a space before the colon", GET "X : a\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"no colon", GET "X\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"no name", GET ": a\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"length and coding", GET "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" AUTH "\r\n",
     BB_HTTP_MALFORMED},
    {"two lengths", GET "Content-Length: 1\r\ncontent-length: 1\r\n" AUTH "\r\n",
     BB_HTTP_MALFORMED},
    {"two codings", GET "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n" AUTH "\r\n",
     BB_HTTP_MALFORMED},
    {"a coding in HTTP/1.0",
     "GET http://app/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" AUTH "\r\n", BB_HTTP_MALFORMED},
    {"no secret", GET "\r\n", BB_HTTP_UNAUTHORIZED},
    {"no secret, https", "GET https://app/ HTTP/1.1\r\n\r\n", BB_HTTP_UNAUTHORIZED},
    {"an empty secret", GET "Proxy-Authorization: Basic \r\n\r\n", BB_HTTP_UNAUTHORIZED},
    {"no scheme before the secret",
     GET "Proxy-Authorization: YmxpbmRib3g6MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n", BB_HTTP_UNAUTHORIZED},
    {"another scheme",
     GET "Proxy-Authorization: Digest YmxpbmRib3g6MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n",
     BB_HTTP_UNAUTHORIZED},
    {"a secret cut short",
     GET "Proxy-Authorization: Basic YmxpbmRib3g6MDEyMzQ1Njc4OWFiY2Rl\r\n\r\n",
     BB_HTTP_UNAUTHORIZED},
    {"a longer secret",
     GET "Proxy-Authorization: Basic YmxpbmRib3g6MDEyMzQ1Njc4OWFiY2RlZjA=\r\n\r\n",
     BB_HTTP_UNAUTHORIZED},
    {"a secret that goes on after NUL",
     GET "Proxy-Authorization: Basic YmxpbmRib3g6MDEyMzQ1Njc4OWFiY2RlZgBibGluZA==\r\n\r\n",
     BB_HTTP_UNAUTHORIZED},
    {"the secret in another field",
     GET "Authorization: Basic YmxpbmRib3g6MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n", BB_HTTP_UNAUTHORIZED},
};

static void test_bad(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint8_t buf[1024];
        size_t used = 0;
        struct bb_writer out = bb_writer(buf, sizeof buf);
        enum bb_http_head got = bb_http_head(bb_span_str(bad[i].in), SECRET, &out, &used);
        if (got != bad[i].result || out.len != 0)
            fail_msg("%s: %d, %zu bytes", bad[i].why, got, out.len);
    }
}

static void test_nul_is_no_end(void **state) {
    (void)state;
    static const char head[] = "GET http://app/ HTTP/1.1\r\nX: a\0b\r\n" AUTH "\r\n";
    static const char host[] = "GET http://a\0b/ HTTP/1.1\r\n" AUTH "\r\n";
    uint8_t buf[1024];
    size_t used = 0;
    struct bb_writer out = bb_writer(buf, sizeof buf);
    assert_int_equal(bb_http_head(BB_SPAN_LIT(head), SECRET, &out, &used), BB_HTTP_MALFORMED);
    assert_int_equal(bb_http_head(BB_SPAN_LIT(host), SECRET, &out, &used), BB_HTTP_MALFORMED);
}

static void test_limits(void **state) {
    (void)state;
    static uint8_t long_head[BB_HTTP_HEAD_MAX];
    uint8_t small[16];
    size_t used = 0;
    memset(long_head, 'a', sizeof long_head);
    struct bb_writer out = bb_writer(small, sizeof small);
    assert_int_equal(bb_http_head(BB_SPAN_OF(long_head), SECRET, &out, &used), BB_HTTP_MALFORMED);
    assert_int_equal(bb_http_head(bb_span(long_head, sizeof long_head - 1), SECRET, &out, &used),
                     BB_HTTP_MORE);
    assert_int_equal(bb_http_head(bb_span_str(good[0].in), SECRET, &out, &used), BB_HTTP_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),   cmocka_unit_test(test_more),
        cmocka_unit_test(test_bad),    cmocka_unit_test(test_nul_is_no_end),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests_name("http_head", tests, NULL, NULL);
}
