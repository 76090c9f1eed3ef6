/* URLs of any bytes, as two lines: url and path. What is taken has one reading: a known scheme, no
 * user information, one line of printable ASCII; without TLS only loopback; and it is taken again. */
#include "service/fetch/url.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds)
        abort();
}

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static void check(const struct bb_fetch_url *url) {
    struct bb_fetch_url again;
    size_t n = strlen(url->text);
    must(n <= BB_FETCH_URL_MAX && strlen(url->socket) <= BB_FETCH_SOCKET_MAX);
    for (size_t i = 0; i < n; i++)
        must(url->text[i] > 0x20 && url->text[i] < 0x7f && strchr("\\#\"", url->text[i]) == NULL);
    const char *host = strstr(url->text, "://");
    must(host != NULL);
    must(memchr(host + 3, '@', strcspn(host + 3, "/")) == NULL);
    if (!bb_fetch_url_is_tls(url))
        must(starts(url->text, "http://localhost") || starts(url->text, "http://127.") ||
             starts(url->text, "http://[::1]"));
    must(bb_fetch_url_join(url->text, NULL, &again, NULL) == BB_OK);
    must(strcmp(url->text, again.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bb_fetch_url url = {.text = ""};
    struct bb_error err = {0};
    char *text = malloc(size + 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    char *path = strchr(text, '\n');
    if (path != NULL)
        *path++ = '\0';
    enum bb_status status = bb_fetch_url_join(text, path, &url, &err);
    must(status == BB_OK || status == BB_USAGE);
    if (status == BB_OK)
        check(&url);
    else
        must(url.text[0] == '\0' && err.status == BB_USAGE);
    free(text);
    return 0;
}
