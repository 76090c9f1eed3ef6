#include "service/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/stat.h>
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

enum bb_status bb_host_port(const char *text, const char *default_port, char *host, size_t host_cap,
                            char *port, size_t port_cap, struct bb_error *err) {
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

static enum bb_status lookup(const char *text, const char *host, const char *port, int flags,
                             struct addrinfo **list, struct bb_error *err) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    bool any = host[0] == '\0' || strcmp(host, "*") == 0;
    int why = getaddrinfo(any ? NULL : host, port, &hints, list);
    if (why == 0)
        return BB_OK;
    return bb_fail(err, BB_PEER_UNREACHABLE, "address", NULL, text, "cannot resolve %s: %s", text,
                   gai_strerror(why));
}

/* Copies what there is room for. */
static size_t take_addresses(struct addrinfo *list, struct sockaddr_storage *address,
                             socklen_t *len) {
    size_t n = 0;
    for (const struct addrinfo *a = list; a != NULL && n < BB_TARGET_ADDRESSES; a = a->ai_next) {
        memcpy(&address[n], a->ai_addr, a->ai_addrlen);
        len[n++] = a->ai_addrlen;
    }
    freeaddrinfo(list);
    return n;
}

enum bb_status bb_target_resolve(const char *text, struct bb_target *out, struct bb_error *err) {
    struct bb_target t = {.count = 0};
    struct addrinfo *list = NULL;
    BB_TRY(bb_host_port(text, BB_GATEWAY_PORT, t.host, sizeof t.host, t.port, sizeof t.port, err));
    if (t.host[0] == '\0' || strcmp(t.host, "*") == 0)
        return bad(err, text);
    BB_TRY(lookup(text, t.host, t.port, AI_NUMERICSERV, &list, err));
    t.count = take_addresses(list, t.address, t.len);
    *out = t;
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

static enum bb_status unix_address(const char *path, struct sockaddr_storage *out, socklen_t *len,
                                   struct bb_error *err) {
    struct sockaddr_un *un = (struct sockaddr_un *)(void *)out;
    un->sun_family = AF_UNIX;
    if (path[0] == '\0' || !copy(un->sun_path, sizeof un->sun_path, path, strlen(path)))
        return bad(err, path);
    *len = sizeof *un;
    return BB_OK;
}

/* The path behind "unix:", or NULL. */
static const char *unix_path(const char *text) {
    return strncmp(text, "unix:", 5) == 0 ? text + 5 : NULL;
}

enum bb_status bb_upstream_parse(const char *text, struct bb_upstream *out, struct bb_error *err) {
    char host[256] = "", port[16] = "";
    struct bb_upstream up = {.outside = false};
    const char *path = unix_path(text), *scheme = path == NULL ? "tcp:" : "unix:";
    const char *rest = path != NULL ? path : text + (strncmp(text, "tcp:", 4) == 0 ? 4 : 0);
    if (path != NULL) {
        BB_TRY(unix_address(path, &up.address[0], &up.len[0], err));
        up.count = 1;
    } else {
        struct addrinfo *list = NULL;
        BB_TRY(bb_host_port(rest, NULL, host, sizeof host, port, sizeof port, err));
        BB_TRY(lookup(text, host, port, 0, &list, err));
        up.count = take_addresses(list, up.address, up.len);
    }
    for (size_t i = 0; path == NULL && i < up.count; i++)
        up.outside = up.outside || !is_loopback(&up.address[i]);
    if (snprintf(up.uri, sizeof up.uri, "%s%s", scheme, rest) >= (int)sizeof up.uri)
        return bad(err, text);
    *out = up;
    return BB_OK;
}

/* A socket file that nobody listens on any more is in the way; one that answers is not ours to
 * take. */
static void remove_stale(const struct sockaddr_un *un) {
    struct stat st;
    if (lstat(un->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return;
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s >= 0 && connect(s, (const struct sockaddr *)un, sizeof *un) != 0 && errno == ECONNREFUSED)
        (void)unlink(un->sun_path);
    if (s >= 0)
        (void)close(s);
}

static bool bind_it(int s, const struct sockaddr_storage *address, socklen_t len) {
    int one = 1, zero = 0;
    if (address->ss_family == AF_INET6)
        (void)setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if (address->ss_family != AF_UNIX) {
        (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        return bind(s, (const struct sockaddr *)address, len) == 0;
    }
    remove_stale((const struct sockaddr_un *)(const void *)address);
    mode_t before = umask(0177);
    bool good = bind(s, (const struct sockaddr *)address, len) == 0;
    (void)umask(before);
    return good;
}

static bool listen_at(const struct sockaddr_storage *address, socklen_t len, int *fd) {
    enum { BACKLOG = 4096 };
    int s = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s >= 0 && bind_it(s, address, len) && listen(s, BACKLOG) == 0) {
        *fd = s;
        return true;
    }
    int why = errno;
    if (s >= 0)
        (void)close(s);
    errno = why;
    return false;
}

/* The addresses of `text` in the order to try: a wildcard's IPv6 one, which takes IPv4 too, first. */
static enum bb_status listen_addresses(const char *text,
                                       struct sockaddr_storage address[BB_TARGET_ADDRESSES],
                                       socklen_t len[BB_TARGET_ADDRESSES], size_t *n,
                                       struct bb_error *err) {
    char host[256] = "", port[16] = "";
    struct addrinfo *list = NULL;
    *n = 1;
    if (unix_path(text) != NULL)
        return unix_address(unix_path(text), address, len, err);
    BB_TRY(bb_host_port(text, NULL, host, sizeof host, port, sizeof port, err));
    BB_TRY(lookup(text, host, port, AI_PASSIVE, &list, err));
    *n = take_addresses(list, address, len);
    for (size_t i = 1; i < *n; i++) {
        if (address[i].ss_family != AF_INET6 || address[0].ss_family == AF_INET6)
            continue;
        struct sockaddr_storage first = address[0];
        socklen_t first_len = len[0];
        address[0] = address[i], len[0] = len[i];
        address[i] = first, len[i] = first_len;
    }
    return BB_OK;
}

static bool is_local(const struct sockaddr_storage *address) {
    return address->ss_family == AF_UNIX || is_loopback(address);
}

enum bb_status bb_listen(const char *text, bool local_only, int *fd, struct bb_error *err) {
    struct sockaddr_storage address[BB_TARGET_ADDRESSES] = {0};
    socklen_t len[BB_TARGET_ADDRESSES] = {0};
    size_t n = 0;
    BB_TRY(listen_addresses(text, address, len, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (local_only && !is_local(&address[i]))
            return bb_fail(
                err, BB_USAGE, "listen", "a loopback address or unix:PATH", text,
                "other machines could connect to %s; a proxy does so with --unsafe-listen", text);
        if (listen_at(&address[i], len[i], fd))
            return BB_OK;
    }
    return bb_fail(err, BB_USAGE, "listen", "a free address", text, "cannot listen on %s: %s", text,
                   strerror(errno));
}

void bb_address_text(const struct sockaddr_storage *address, char *out, size_t cap) {
    char host[64] = "", port[16] = "";
    if (address->ss_family == AF_UNIX) {
        bb_copy_text(out, cap, "unix");
        return;
    }
    (void)getnameinfo((const struct sockaddr *)address, sizeof *address, host, sizeof host, port,
                      sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    (void)snprintf(out, cap, address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
