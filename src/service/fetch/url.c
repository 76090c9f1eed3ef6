#include "service/fetch/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define ALPHANUMERIC "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static enum bb_status refuse(struct bb_error *err, const char *expected, const char *url) {
    char shown[BB_VALUE_MAX];
    bb_escape(bb_span_str(url), shown, sizeof shown);
    return bb_fail(err, BB_USAGE, "url", expected, shown, "this URL may not be asked: expected %s",
                   expected);
}

/* "//" at the start of a path would be another host for some readers; nothing else is special. */
static bool is_path(const char *path) {
    if (path[0] != '/' || path[1] == '/')
        return false;
    for (const char *c = path; *c != '\0'; c++)
        if (*c < 0x21 || *c > 0x7e || strchr("\"#<>\\^`{|}", *c) != NULL)
            return false;
    return true;
}

static bool is_port(const char *text, size_t len) {
    char digits[6] = "";
    if (len == 0 || len >= sizeof digits || strspn(text, "0123456789") < len)
        return false;
    memcpy(digits, text, len);
    unsigned long port = strtoul(digits, NULL, 10);
    return port >= 1 && port <= 65535;
}

/* Splits HOST[:PORT]; `host` keeps no brackets. */
static bool take_host(const char *text, size_t len, char *host, size_t cap, bool *v6) {
    struct in6_addr address;
    *v6 = text[0] == '[';
    const char *start = *v6 ? text + 1 : text;
    size_t left = len - (size_t)(start - text);
    size_t n = strspn(start, *v6 ? "0123456789abcdefABCDEF:." : ALPHANUMERIC ".-_");
    if (n == 0 || n > left || n >= cap)
        return false;
    memcpy(host, start, n);
    host[n] = '\0';
    if (*v6 && (n == left || start[n] != ']' || inet_pton(AF_INET6, host, &address) != 1))
        return false;
    const char *after = start + n + (*v6 ? 1 : 0);
    size_t rest = len - (size_t)(after - text);
    return rest == 0 || (after[0] == ':' && is_port(after + 1, rest - 1));
}

static bool is_loopback(const char *host, bool v6) {
    struct in_addr v4;
    if (v6)
        return strcmp(host, "::1") == 0;
    return strcmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET, host, &v4) == 1 && ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET);
}

static enum bb_status check_remote(const char *url, const char *path, struct bb_error *err) {
    bool tls = strncmp(url, "https://", 8) == 0, v6 = false;
    if (!tls && strncmp(url, "http://", 7) != 0)
        return refuse(err, "https://, http:// to loopback, or unix:/SOCKET", url);
    const char *authority = url + (tls ? 8 : 7);
    size_t len = strcspn(authority, "/");
    char host[256];
    if (!take_host(authority, len, host, sizeof host, &v6))
        return refuse(err, "HOST or HOST:PORT, without user and password", url);
    if (!tls && !is_loopback(host, v6))
        return refuse(err, "https:// for another machine", url);
    const char *own = authority + len;
    if (own[0] != '\0' && (!is_path(own) || (path != NULL && strchr(own, '?') != NULL)))
        return refuse(err, "a path of printable ASCII", url);
    return BB_OK;
}

static enum bb_status join_unix(const char *url, const char *path, struct bb_fetch_url *out,
                                struct bb_error *err) {
    const char *name = url + strlen("unix:");
    if (name[0] != '/' || strlen(name) > BB_FETCH_SOCKET_MAX)
        return refuse(err, "unix:/SOCKET of at most 107 bytes", url);
    if (path == NULL)
        return refuse(err, "a path apart from the socket", url);
    bb_copy_text(out->socket, sizeof out->socket, name);
    (void)snprintf(out->text, sizeof out->text, "http://localhost%s", path);
    return BB_OK;
}

enum bb_status bb_fetch_url_join(const char *url, const char *path, struct bb_fetch_url *out,
                                 struct bb_error *err) {
    struct bb_fetch_url joined = {.text = ""};
    size_t room = BB_FETCH_URL_MAX - strlen("http://localhost");
    size_t url_len = strnlen(url, room + 1), path_len = path == NULL ? 0 : strnlen(path, room + 1);
    if (url_len + path_len > room)
        return refuse(err, "at most 2 000 bytes", url);
    if (path != NULL && !is_path(path))
        return refuse(err, "a path of printable ASCII", path);
    if (strncmp(url, "unix:", 5) == 0) {
        BB_TRY(join_unix(url, path, &joined, err));
    } else {
        BB_TRY(check_remote(url, path, err));
        if (path != NULL && url_len > 0 && url[url_len - 1] == '/')
            url_len--; /* "https://host/" and "/certs" */
        (void)snprintf(joined.text, sizeof joined.text, "%.*s%s", (int)url_len, url,
                       path == NULL ? "" : path);
    }
    *out = joined;
    return BB_OK;
}

bool bb_fetch_url_is_tls(const struct bb_fetch_url *url) {
    return strncmp(url->text, "https://", 8) == 0;
}
