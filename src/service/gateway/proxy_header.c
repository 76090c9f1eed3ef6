#include "service/gateway/proxy_header.h"

#include <netinet/in.h>
#include <string.h>

enum {
    SIGNATURE_SIZE = 12,
    HEAD_SIZE = 16,
    VERSION_2_PROXY = 0x21,
    FAMILY_UNSPEC = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_TCP6 = 0x21,
    V4_SIZE = 4,
    V6_SIZE = 16,
    V4_IN_V6 = 12, /* where a mapped IPv4 address stands */
    PORT_SIZE = 2
};

struct place {
    const uint8_t *ip;
    size_t ip_len; /* 0: none */
    const void *port;
};

/* Addresses and ports are in network order in both. */
static struct place place_of(const struct sockaddr_storage *address) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
    if (address->ss_family == AF_INET)
        return (struct place){(const uint8_t *)&v4->sin_addr, V4_SIZE, &v4->sin_port};
    if (address->ss_family != AF_INET6)
        return (struct place){NULL, 0, NULL};
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return (struct place){v6->sin6_addr.s6_addr + V4_IN_V6, V4_SIZE, &v6->sin6_port};
    return (struct place){v6->sin6_addr.s6_addr, V6_SIZE, &v6->sin6_port};
}

size_t bb_proxy_header(const struct sockaddr_storage *client, const struct sockaddr_storage *local,
                       uint8_t out[BB_PROXY_HEADER_MAX]) {
    static const uint8_t signature[SIGNATURE_SIZE] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                      0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
    struct place from = place_of(client), to = place_of(local);
    size_t ip_len = from.ip_len == to.ip_len ? from.ip_len : 0;
    size_t len = ip_len == 0 ? 0 : 2 * (ip_len + PORT_SIZE);
    memcpy(out, signature, SIGNATURE_SIZE);
    out[12] = VERSION_2_PROXY;
    out[13] = ip_len == 0 ? FAMILY_UNSPEC : ip_len == V4_SIZE ? FAMILY_TCP4 : FAMILY_TCP6;
    out[14] = 0;
    out[15] = (uint8_t)len;
    if (ip_len == 0)
        return HEAD_SIZE;
    uint8_t *at = out + HEAD_SIZE;
    memcpy(at, from.ip, ip_len);
    memcpy(at + ip_len, to.ip, ip_len);
    memcpy(at + 2 * ip_len, from.port, PORT_SIZE);
    memcpy(at + 2 * ip_len + PORT_SIZE, to.port, PORT_SIZE);
    return HEAD_SIZE + len;
}
