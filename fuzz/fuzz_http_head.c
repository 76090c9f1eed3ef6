/* Heads of any bytes. What is taken leads to exactly one request for the origin: its own Host and
 * Connection, no line of the proxy's, no line end within a line. */
#include "service/forward/http_head.h"

#include <stdlib.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "u:p"

static void must(bool holds) {
    if (!holds)
        abort();
}

static bool begins(const uint8_t *line, size_t len, const char *name) {
    return len > strlen(name) && strncasecmp((const char *)line, name, strlen(name)) == 0;
}

static void check_lines(struct bb_span head) {
    must(head.ptr != NULL);
    unsigned hosts = 0, connections = 0, lines = 0, ends = 0;
    while (head.len > 0) {
        const uint8_t *end = memmem(head.ptr, head.len, "\r\n", 2);
        must(end != NULL);
        size_t len = (size_t)(end - head.ptr);
        must(memchr(head.ptr, '\n', len) == NULL && memchr(head.ptr, '\r', len) == NULL);
        must(memchr(head.ptr, '\0', len) == NULL);
        lines++;
        if (lines > 1) {
            hosts += begins(head.ptr, len, "Host:");
            connections += begins(head.ptr, len, "Connection:");
            must(!begins(head.ptr, len, "Proxy-Authorization:"));
            must(len == 0 || (head.ptr[0] != ' ' && head.ptr[0] != '\t'));
        }
        ends += len == 0;
        head = bb_span(end + 2, head.len - len - 2);
    }
    must(hosts == 1 && connections == 1 && ends == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t buf[1 << 17];
    size_t used = 0;
    struct bb_writer out = bb_writer(buf, sizeof buf);
    enum bb_http_head result = bb_http_head(bb_span(data, size), SECRET, &out, &used);
    if (result != BB_HTTP_GOOD) {
        must(out.len == 0);
        return 0;
    }
    must(used >= 4 && used <= size && memcmp(data + used - 4, "\r\n\r\n", 4) == 0);
    check_lines(bb_writer_span(&out));
    /* The proxy of exec counts on it: what goes on fits where the head was. */
    must(out.len <= used);
    return 0;
}
