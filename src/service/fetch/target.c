#include "service/fetch/target.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* IPv6 forms that lead to an IPv4 address: mapped, compatible, NAT64 (RFC 6052), 6to4. */
static const struct embedding {
    uint8_t prefix[12];
    size_t len, at;
} embeddings[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12, 12},
    {{0}, 12, 12},
    {{0, 0x64, 0xff, 0x9b}, 12, 12},
    {{0x20, 0x02}, 2, 2},
};

/* In host order. */
static const struct v4_block {
    uint32_t address, mask;
} refused_v4[] = {
    {0x00000000, 0xff000000}, /* this network */
    {0xa9fe0000, 0xffff0000}, /* link-local, with 169.254.169.254 */
    {0xe0000000, 0xe0000000}, /* multicast, reserved, broadcast */
    {0xa83f8110, 0xffffffff}, /* 168.63.129.16, Azure's WireServer */
    {0x646464c8, 0xffffffff}, /* 100.100.100.200, Alibaba */
    {0xc00000c0, 0xffffffff}, /* 192.0.0.192, Oracle */
};

static const struct v6_block {
    uint8_t prefix[16];
    uint8_t last_mask; /* of the last byte that counts */
    size_t len;
} refused_v6[] = {
    {{0xfe, 0x80}, 0xc0, 2},                                                        /* link-local */
    {{0xff}, 0xff, 1},                                                              /* multicast */
    {{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 0xff, 16}, /* AWS */
    {{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}, 0xff, 16}, /* Google */
};

static uint32_t v4_at(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static const uint8_t *v6_bytes(const struct sockaddr *address) {
    const struct sockaddr_in6 *in6 = (const void *)address;
    return in6->sin6_addr.s6_addr;
}

/* The IPv4 address that this one is or leads to. */
static bool as_v4(const struct sockaddr *address, uint32_t *out) {
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        *out = ntohl(in->sin_addr.s_addr);
        return true;
    }
    const uint8_t *bytes = v6_bytes(address);
    if (memcmp(bytes, &in6addr_loopback, 16) == 0)
        return false;
    for (size_t i = 0; i < sizeof embeddings / sizeof embeddings[0]; i++)
        if (memcmp(bytes, embeddings[i].prefix, embeddings[i].len) == 0) {
            *out = v4_at(bytes + embeddings[i].at);
            return true;
        }
    return false;
}

static bool is_internet(const struct sockaddr *address) {
    return address->sa_family == AF_INET || address->sa_family == AF_INET6;
}

bool bb_fetch_is_loopback(const struct sockaddr *address) {
    uint32_t v4 = 0;
    if (!is_internet(address))
        return false;
    if (as_v4(address, &v4))
        return v4 >> 24 == IN_LOOPBACKNET;
    return memcmp(v6_bytes(address), &in6addr_loopback, 16) == 0;
}

static bool is_refused_v4(uint32_t v4) {
    for (size_t i = 0; i < sizeof refused_v4 / sizeof refused_v4[0]; i++)
        if ((v4 & refused_v4[i].mask) == refused_v4[i].address)
            return true;
    return false;
}

static bool is_refused_v6(const uint8_t *bytes) {
    for (size_t i = 0; i < sizeof refused_v6 / sizeof refused_v6[0]; i++) {
        const struct v6_block *b = &refused_v6[i];
        if (memcmp(bytes, b->prefix, b->len - 1) == 0 &&
            (bytes[b->len - 1] & b->last_mask) == b->prefix[b->len - 1])
            return true;
    }
    return false;
}

bool bb_fetch_is_askable(const struct sockaddr *address) {
    uint32_t v4 = 0;
    if (!is_internet(address))
        return false;
    if (as_v4(address, &v4))
        return !is_refused_v4(v4);
    return !is_refused_v6(v6_bytes(address));
}
