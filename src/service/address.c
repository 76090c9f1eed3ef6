#include "service/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static enum bb_status bad(struct bb_error *err, const char *text) {
    return bb_fail(err, BB_USAGE, "address", "HOST:PORT, [V6]:PORT or unix:PATH", text,
                   "'%s' is no address", text);
}

static bool copy(char *out, size_t cap, const char *from, size_t len) {
    if (len >= cap)
        return false;
    memcpy(out, from, len);
    out[len] = '\0';
    return true;
}

enum bb_status bb_host_port(const char *text, const char *default_port, char *host,
                            size_t host_cap, char *port, size_t port_cap, struct bb_error *err) {
    const char *end = text[0] == '[' ? strchr(text, ']') : NULL;
    const char *colon = end != NULL ? (end[1] == ':' ? end + 1 : NULL) : strrchr(text, ':');
    bool many = end == NULL && colon != NULL && strchr(text, ':') != colon; /* a bare V6 address */
    if (text[0] == '[' && (end == NULL || (end[1] != '\0' && end[1] != ':')))
        return bad(err, text);
    if (many)
        colon = NULL;
    size_t len = end != NULL ? (size_t)(end - text) - 1
                             : (colon != NULL ? (size_t)(colon - text) : strlen(text));
    const char *number = colon != NULL ? colon + 1 : default_port;
    if (number == NULL || number[0] == '\0' || !copy(host, host_cap, text + (end != NULL), len) ||
        !copy(port, port_cap, number, strlen(number)))
        return bad(err, text);
    return BB_OK;
}

static enum bb_status resolve(const char *text, const char *host, const char *port, int flags,
                              struct sockaddr_storage *out, socklen_t *len, struct bb_error *err) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list = NULL;
    int why = getaddrinfo(host[0] == '\0' || strcmp(host, "*") == 0 ? NULL : host, port, &hints,
                          &list);
    if (why != 0)
        return bb_fail(err, BB_PEER_UNREACHABLE, "address", NULL, text, "cannot resolve %s: %s",
                       text, gai_strerror(why));
    /* A wildcard: the IPv6 one takes IPv4 too. */
    const struct addrinfo *best = list;
    for (const struct addrinfo *a = list; (flags & AI_PASSIVE) != 0 && a != NULL; a = a->ai_next)
        if (a->ai_family == AF_INET6)
            best = a;
    memcpy(out, best->ai_addr, best->ai_addrlen);
    *len = best->ai_addrlen;
    freeaddrinfo(list);
    return BB_OK;
}

static bool is_loopback(const struct sockaddr_storage *a) {
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
    return a->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

enum bb_status bb_upstream_parse(const char *text, struct bb_upstream *out, struct bb_error *err) {
    char host[256], port[16];
    struct bb_upstream up = {.outside = false};
    if (strncmp(text, "unix:", 5) == 0) {
        struct sockaddr_un *un = (struct sockaddr_un *)(void *)&up.address;
        un->sun_family = AF_UNIX;
        if (text[5] == '\0' || !copy(un->sun_path, sizeof un->sun_path, text + 5, strlen(text + 5)))
            return bad(err, text);
        up.len = sizeof *un;
    } else {
        const char *address = strncmp(text, "tcp:", 4) == 0 ? text + 4 : text;
        BB_TRY(bb_host_port(address, NULL, host, sizeof host, port, sizeof port, err));
        BB_TRY(resolve(text, host, port, 0, &up.address, &up.len, err));
        up.outside = !is_loopback(&up.address);
    }
    if (snprintf(up.uri, sizeof up.uri, "%s%s",
                 strncmp(text, "unix:", 5) == 0 || strncmp(text, "tcp:", 4) == 0 ? "" : "tcp:",
                 text) >= (int)sizeof up.uri)
        return bad(err, text);
    *out = up;
    return BB_OK;
}

enum bb_status bb_listen(const char *text, int *fd, struct bb_error *err) {
    enum { BACKLOG = 4096 };
    char host[256], port[16];
    struct sockaddr_storage address;
    socklen_t len = 0;
    int one = 1, zero = 0;
    BB_TRY(bb_host_port(text, NULL, host, sizeof host, port, sizeof port, err));
    BB_TRY(resolve(text, host, port, AI_PASSIVE, &address, &len, err));
    int s = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s >= 0)
        (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (s >= 0 && address.ss_family == AF_INET6)
        (void)setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (s < 0 || bind(s, (struct sockaddr *)&address, len) != 0 || listen(s, BACKLOG) != 0) {
        enum bb_status status = bb_fail(err, BB_USAGE, "listen", "a free address", text,
                                        "cannot listen on %s: %s", text, strerror(errno));
        if (s >= 0)
            (void)close(s);
        return status;
    }
    *fd = s;
    return BB_OK;
}

void bb_address_text(const struct sockaddr_storage *address, char *out, size_t cap) {
    char host[64] = "", port[16] = "";
    (void)getnameinfo((const struct sockaddr *)address, sizeof *address, host, sizeof host, port,
                      sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(out, cap, address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
