#include "service/forward/http_head.h"

#include "base/hex.h"

#include <strings.h>

struct head {
    struct bb_span method, authority, path, version, fields;
    bool upgrade, authorized;
    unsigned lengths, codings; /* fields that say where the body ends */
};

/* Letters, digits and these marks. */
static bool has_only(struct bb_span s, const char *marks) {
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i], lower = c | 0x20;
        bool good = (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') ||
                    (c != '\0' && strchr(marks, c) != NULL);
        if (!good)
            return false;
    }
    return s.len > 0;
}

static bool is_token(struct bb_span s) { return has_only(s, "!#$%&'*+-.^_`|~"); }

/* Cuts `s` at the first `mark`: what is before goes to `first`. False if there is none. */
static bool cut(struct bb_span *s, const char *mark, struct bb_span *first) {
    size_t n = strlen(mark);
    const uint8_t *at = s->len < n ? NULL : memmem(s->ptr, s->len, mark, n);
    if (at == NULL)
        return false;
    *first = bb_span(s->ptr, (size_t)(at - s->ptr));
    *s = bb_span(at + n, s->len - first->len - n);
    return true;
}

static bool is(struct bb_span s, const char *text) {
    return s.len == strlen(text) && strncasecmp((const char *)s.ptr, text, s.len) == 0;
}

static struct bb_span trim(struct bb_span s) {
    while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
        s = bb_span(s.ptr + 1, s.len - 1);
    while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Visible bytes and, where `spaces`, blanks: nothing that could end a line early. */
static bool is_plain(struct bb_span s, bool spaces) {
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == 0x7f || s.ptr[i] < 0x20 || s.ptr[i] == ' ')
            if (!spaces || (s.ptr[i] != ' ' && s.ptr[i] != '\t'))
                return false;
    return true;
}

/* What RFC 3986 allows in a host and a port, which become the origin's Host field. */
static bool is_authority(struct bb_span s) {
    return has_only(s, "-._~!$&'()*+,;=%:[]") && s.ptr[0] != ':';
}

static enum bb_http_head target(struct bb_span url, struct head *h) {
    struct bb_span scheme;
    if (is(h->method, "CONNECT"))
        return BB_HTTP_NOT_HTTP;
    if (!cut(&url, "://", &scheme))
        return BB_HTTP_MALFORMED;
    if (!is(scheme, "http"))
        return BB_HTTP_NOT_HTTP;
    size_t end = 0;
    while (end < url.len && url.ptr[end] != '/' && url.ptr[end] != '?')
        end++;
    h->authority = bb_span(url.ptr, end);
    h->path = bb_span(url.ptr + end, url.len - end);
    bool fragment = h->path.len > 0 && memchr(h->path.ptr, '#', h->path.len) != NULL;
    return is_authority(h->authority) && !fragment ? BB_HTTP_GOOD : BB_HTTP_MALFORMED;
}

static enum bb_http_head request_line(struct bb_span line, struct head *h) {
    struct bb_span url;
    if (!cut(&line, " ", &h->method) || !cut(&line, " ", &url) || !is_token(h->method) ||
        !is_plain(url, false))
        return BB_HTTP_MALFORMED;
    h->version = line;
    if (!bb_span_equal(line, BB_SPAN_LIT("HTTP/1.1")) &&
        !bb_span_equal(line, BB_SPAN_LIT("HTTP/1.0")))
        return BB_HTTP_MALFORMED;
    return target(url, h);
}

/* Other users of this machine may try: the time must not tell how much was right. */
static bool is_secret(struct bb_span given, const char *secret) {
    size_t len = strlen(secret);
    volatile uint8_t different = given.len != len;
    for (size_t i = 0; i < given.len; i++)
        different |= (uint8_t)(given.ptr[i] ^ (uint8_t)secret[i % (len + 1)]);
    return different == 0;
}

static bool authorizes(struct bb_span value, const char *user_password) {
    uint8_t given[256];
    size_t len = 0;
    struct bb_span scheme;
    return cut(&value, " ", &scheme) && is(scheme, "Basic") &&
           bb_b64_decode(trim(value), given, sizeof given, &len) &&
           is_secret(bb_span(given, len), user_password);
}

/* Fields between this client and this proxy, or ones that this proxy sets itself. */
static bool is_hop_by_hop(struct bb_span name) {
    static const char *const names[] = {
        "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authorization", "TE", "Host"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (is(name, names[i]))
            return true;
    return false;
}

/* Walks the fields; with `out` writes those that go on to the origin. False if one is malformed. */
static bool fields(struct head *h, const char *user_password, struct bb_writer *out) {
    struct bb_span rest = h->fields, line, name;
    while (cut(&rest, "\r\n", &line)) {
        struct bb_span value = line;
        if (!cut(&value, ":", &name) || !is_token(name) || !is_plain(value, true))
            return false;
        h->upgrade |= is(name, "Upgrade");
        h->lengths += is(name, "Content-Length");
        h->codings += is(name, "Transfer-Encoding");
        if (is(name, "Proxy-Authorization") && authorizes(trim(value), user_password))
            h->authorized = true;
        if (out == NULL || is_hop_by_hop(name))
            continue;
        bb_write_bytes(out, line);
        bb_write_bytes(out, BB_SPAN_LIT("\r\n"));
    }
    return rest.len == 0;
}

/* Two ideas of where the body ends are two requests to somebody. */
static bool is_ambiguous(const struct head *h) {
    bool old = bb_span_equal(h->version, BB_SPAN_LIT("HTTP/1.0"));
    return h->lengths + h->codings > 1 || (old && h->codings > 0);
}

static void write_text(struct bb_writer *out, const char *text) {
    bb_write_bytes(out, bb_span_str(text));
}

static void write_head(struct head *h, const char *user_password, struct bb_writer *out) {
    bb_write_bytes(out, h->method);
    write_text(out, h->path.len == 0 || h->path.ptr[0] != '/' ? " /" : " ");
    bb_write_bytes(out, h->path);
    write_text(out, " ");
    bb_write_bytes(out, h->version);
    write_text(out, "\r\nHost: ");
    bb_write_bytes(out, h->authority);
    write_text(out, "\r\n");
    (void)fields(h, user_password, out);
    write_text(out, h->upgrade ? "Connection: Upgrade\r\n\r\n" : "Connection: close\r\n\r\n");
}

enum bb_http_head bb_http_head(struct bb_span in, const char *user_password, struct bb_writer *out,
                               size_t *used) {
    struct head h = {.upgrade = false};
    struct bb_span rest = in, head, line;
    if (!cut(&rest, "\r\n\r\n", &head))
        return in.len >= BB_HTTP_HEAD_MAX ? BB_HTTP_MALFORMED : BB_HTTP_MORE;
    /* With the end of the last line, so that each line has one. */
    head.len += 2;
    *used = head.len + 2;
    if (!cut(&head, "\r\n", &line))
        return BB_HTTP_MALFORMED;
    h.fields = head;
    enum bb_http_head result = request_line(line, &h);
    if (result == BB_HTTP_MALFORMED || !fields(&h, user_password, NULL) || is_ambiguous(&h))
        return BB_HTTP_MALFORMED;
    if (!h.authorized)
        return BB_HTTP_UNAUTHORIZED;
    if (result == BB_HTTP_GOOD)
        write_head(&h, user_password, out);
    return result == BB_HTTP_GOOD && out->failed ? BB_HTTP_MALFORMED : result;
}
