/* The PROXY protocol's header, byte for byte as its specification shows it. */
#include "vectors.h"

#include "base/hex.h"
#include "service/gateway/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define SIGNATURE "0d0a0d0a000d0a515549540a"

static struct sockaddr_storage address(const char *ip, uint16_t port) {
    struct sockaddr_storage out = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&out;
    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else if (inet_pton(AF_INET6, ip, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    } else {
        out.ss_family = AF_UNIX;
    }
    return out;
}

static const struct {
    const char *why, *client, *local, *expected;
} rows[] = {
    {"IPv4", "192.0.2.1", "198.51.100.2", SIGNATURE "2111000cc0000201c6336402d90320fb"},
    {"IPv6", "2001:db8::1", "2001:db8::2",
     SIGNATURE "2121002420010db800000000000000000000000120010db8000000000000000000000002d90320fb"},
    {"mapped IPv4 is IPv4", "::ffff:192.0.2.1", "::ffff:198.51.100.2",
     SIGNATURE "2111000cc0000201c6336402d90320fb"},
    {"mapped on one side", "::ffff:192.0.2.1", "198.51.100.2",
     SIGNATURE "2111000cc0000201c6336402d90320fb"},
    {"two families are no pair", "192.0.2.1", "2001:db8::2", SIGNATURE "21000000"},
    {"a Unix socket has no address", "unix", "unix", SIGNATURE "21000000"},
};

static void test_headers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sockaddr_storage client = address(rows[i].client, 55555);
        struct sockaddr_storage local = address(rows[i].local, 8443);
        uint8_t out[BB_PROXY_HEADER_MAX];
        char hex[BB_HEX_SIZE(BB_PROXY_HEADER_MAX)];
        size_t len = bb_proxy_header(&client, &local, out);
        bb_hex_encode(bb_span(out, len), hex, sizeof hex);
        if (strcmp(hex, rows[i].expected) != 0)
            fail_msg("%s: %s", rows[i].why, hex);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_headers)};
    return cmocka_run_group_tests_name("proxy_header", tests, NULL, NULL);
}
