#include "service/fetch/transfer.h"

#include "service/clock.h"
#include "service/fetch/fetch.h"
#include "service/fetch/target.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct bb_transfers {
    CURLM *multi;
};

struct bb_transfer {
    CURLM *multi;
    CURL *easy;
    const struct bb_fetch_wire_request *request;
    void *owner;
    struct curl_slist *fields;
    uint8_t *body;
    size_t len, cap, head_len;
    bool head_done; /* its empty line came */
    bool too_large;
    bool refused, opened; /* an address was refused; a socket was opened for one */
    char error[CURL_ERROR_SIZE];
};

struct bb_transfers *bb_transfers_new(void) {
    struct bb_transfers *t = calloc(1, sizeof *t);
    if (t == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(t);
        return NULL;
    }
    t->multi = curl_multi_init();
    if (t->multi == NULL || curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS,
                                              (long)BB_FETCH_IDLE_CONNECTIONS) != CURLM_OK) {
        bb_transfers_free(t);
        return NULL;
    }
    return t;
}

void bb_transfers_free(struct bb_transfers *transfers) {
    if (transfers == NULL)
        return;
    (void)curl_multi_cleanup(transfers->multi);
    free(transfers);
    curl_global_cleanup();
}

void bb_transfers_wait(struct bb_transfers *transfers, int fd, int timeout_ms) {
    struct curl_waitfd own = {.fd = fd, .events = CURL_WAIT_POLLIN};
    (void)curl_multi_poll(transfers->multi, &own, 1, timeout_ms, NULL);
}

/* The address that is really connected to, whatever the name was. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a) {
    struct bb_transfer *t = arg;
    bool good = a->family == AF_UNIX
                    ? t->request->url.socket[0] != '\0'
                    : t->request->url.socket[0] == '\0' &&
                          (bb_fetch_url_is_tls(&t->request->url) ? bb_fetch_is_askable(&a->addr)
                                                                 : bb_fetch_is_loopback(&a->addr));
    if (purpose != CURLSOCKTYPE_IPCXN || !good) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    t->opened = true;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool grow(struct bb_transfer *t, size_t want) {
    size_t cap = t->cap == 0 ? 16384 : t->cap;
    while (cap < want)
        cap *= 2;
    uint8_t *more = cap == t->cap ? t->body : realloc(t->body, cap);
    if (more == NULL)
        return false;
    t->body = more;
    t->cap = cap;
    return true;
}

/* A number other than `n` ends the transfer. */
static size_t take_body(char *data, size_t size, size_t n, void *arg) {
    struct bb_transfer *t = arg;
    n *= size;
    t->too_large = t->too_large || n > t->request->max - t->len;
    if (t->too_large || !grow(t, t->len + n))
        return n + 1;
    memcpy(t->body + t->len, data, n);
    t->len += n;
    return n;
}

static size_t take_field(char *data, size_t size, size_t n, void *arg) {
    struct bb_transfer *t = arg;
    n *= size;
    t->head_len += n;
    t->head_done = n == 2 && memcmp(data, "\r\n", 2) == 0;
    t->too_large = t->too_large || t->head_len > BB_FETCH_HEAD_MAX;
    return t->too_large ? n + 1 : n;
}

#define SET(easy, option, value) (curl_easy_setopt(easy, CURLOPT_##option, value) == CURLE_OK)

/* Nothing but what the request says: no redirect, proxy, cookie, password, compression, file. */
static bool set_bounds(struct bb_transfer *t) {
    CURL *e = t->easy;
    int64_t left = t->request->deadline_ms - bb_now_ms();
    return SET(e, PROTOCOLS_STR, bb_fetch_url_is_tls(&t->request->url) ? "https" : "http") &&
           SET(e, FOLLOWLOCATION, 0L) && SET(e, PROXY, "") && SET(e, NOPROXY, "*") &&
           SET(e, NETRC, (long)CURL_NETRC_IGNORED) && SET(e, DISALLOW_USERNAME_IN_URL, 1L) &&
           SET(e, HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(e, HTTP09_ALLOWED, 0L) &&
           SET(e, PATH_AS_IS, 1L) && SET(e, NOSIGNAL, 1L) &&
           SET(e, TIMEOUT_MS, (long)(left < 1 ? 1 : left)) &&
           SET(e, CONNECTTIMEOUT_MS, (long)BB_FETCH_CONNECT_MS) &&
           SET(e, MAXFILESIZE, (long)t->request->max) &&
           SET(e, MAXLIFETIME_CONN, (long)BB_FETCH_CONNECTION_S_MAX) &&
           /* Without it, giving up a name waits for a resolver that does not answer. */
           SET(e, QUICK_EXIT, 1L);
}

/* A session that is resumed would not show its certificate again. With a file of its own, the
 * system's folder is no anchor any more. */
static bool set_tls(struct bb_transfer *t) {
    CURL *e = t->easy;
    const char *ca = t->request->ca_file;
    return SET(e, SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) && SET(e, SSL_VERIFYPEER, 1L) &&
           SET(e, SSL_VERIFYHOST, 2L) && SET(e, SSL_SESSIONID_CACHE, 0L) &&
           (ca[0] == '\0' || (SET(e, CAINFO, ca) && SET(e, CAPATH, NULL)));
}

static bool add_field(struct bb_transfer *t, const char *field) {
    struct curl_slist *more = curl_slist_append(t->fields, field);
    t->fields = more == NULL ? t->fields : more;
    return more != NULL;
}

static bool set_request(struct bb_transfer *t) {
    CURL *e = t->easy;
    const struct bb_fetch_wire_request *r = t->request;
    char accept[sizeof r->accept + sizeof "Accept: "];
    (void)snprintf(accept, sizeof accept, "Accept: %s", r->accept[0] == '\0' ? "*/*" : r->accept);
    bool good = add_field(t, accept) && SET(e, URL, r->url.text) &&
                SET(e, USERAGENT, "blindbox/" BB_VERSION) &&
                (r->url.socket[0] == '\0' || SET(e, UNIX_SOCKET_PATH, r->url.socket));
    if (good && r->body_len > 0)
        good = add_field(t, "Content-Type: application/json") &&
               add_field(t, "Expect:") && /* no waiting for a 100 */
               SET(e, POSTFIELDSIZE, (long)r->body_len) &&
               SET(e, POSTFIELDS, (const char *)r->body);
    return good && SET(e, HTTPHEADER, t->fields);
}

static bool set_callbacks(struct bb_transfer *t) {
    CURL *e = t->easy;
    return SET(e, PRIVATE, t) && SET(e, ERRORBUFFER, t->error) && SET(e, WRITEDATA, t) &&
           SET(e, WRITEFUNCTION, take_body) && SET(e, HEADERDATA, t) &&
           SET(e, HEADERFUNCTION, take_field) && SET(e, OPENSOCKETDATA, t) &&
           SET(e, OPENSOCKETFUNCTION, open_socket);
}

struct bb_transfer *bb_transfer_new(struct bb_transfers *transfers,
                                    const struct bb_fetch_wire_request *request, void *owner) {
    struct bb_transfer *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->request = request;
    t->owner = owner;
    t->easy = curl_easy_init();
    bool good = t->easy != NULL && set_bounds(t) && set_tls(t) && set_callbacks(t) &&
                set_request(t) && curl_multi_add_handle(transfers->multi, t->easy) == CURLM_OK;
    if (good) {
        t->multi = transfers->multi;
        return t;
    }
    bb_transfer_free(t);
    return NULL;
}

void bb_transfer_free(struct bb_transfer *transfer) {
    if (transfer == NULL)
        return;
    if (transfer->multi != NULL)
        (void)curl_multi_remove_handle(transfer->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(transfer->fields);
    free(transfer->body);
    free(transfer);
}

static enum bb_fetch_failure failure_of(const struct bb_transfer *t, CURLcode code) {
    if (t->too_large || code == CURLE_FILESIZE_EXCEEDED)
        return BB_FETCH_SIZE;
    if (t->refused && !t->opened)
        return BB_FETCH_ADDRESS;
    switch ((int)code) { /* libcurl has many more than matter here */
    case CURLE_COULDNT_RESOLVE_HOST:
        return BB_FETCH_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return BB_FETCH_CONNECT;
    case CURLE_OPERATION_TIMEDOUT:
        return BB_FETCH_TIME;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return BB_FETCH_TLS;
    case CURLE_OUT_OF_MEMORY: /* what it says of a line of the head beyond its own limit, too */
        return t->opened && !t->head_done ? BB_FETCH_SIZE : BB_FETCH_PROCESS;
    }
    return BB_FETCH_ANSWER;
}

static void describe_failure(const struct bb_transfer *t, CURLcode code,
                             struct bb_fetch_wire_answer *a) {
    enum bb_fetch_failure failure = failure_of(t, code);
    const char *text = t->error[0] != '\0' ? t->error : curl_easy_strerror(code);
    if (failure == BB_FETCH_SIZE)
        text = "the answer is too large";
    else if (failure == BB_FETCH_ADDRESS)
        text = "the name leads to an address that may not be asked";
    *a = (struct bb_fetch_wire_answer){.failure = failure};
    bb_copy_text(a->text, sizeof a->text, text);
}

/* "Application/JWK+JSON; charset=utf-8" as "application/jwk+json". */
static void take_type(CURL *easy, char *out, size_t cap) {
    const char *type = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type) != CURLE_OK || type == NULL)
        return;
    size_t n = strcspn(type, "; \t");
    n = n < cap ? n : cap - 1;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)(type[i] > 0x20 && type[i] < 0x7f ? tolower((unsigned char)type[i]) : '?');
}

/* One directive of Cache-Control (RFC 9111 5.2.2); `age` keeps the smallest. */
static void take_directive(const char *word, size_t len, uint32_t *age) {
    uint32_t said = 0;
    bool known = true;
    if (len > 8 && strncasecmp(word, "max-age=", 8) == 0) {
        unsigned long seconds = isdigit((unsigned char)word[8]) ? strtoul(word + 8, NULL, 10) : 0;
        said = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
    } else
        known = (len == 8 && strncasecmp(word, "no-store", len) == 0) ||
                (len == 8 && strncasecmp(word, "no-cache", len) == 0);
    said = said == 0 ? 1 : said;
    if (known && (*age == 0 || said < *age))
        *age = said;
}

static uint32_t take_max_age(CURL *easy) {
    uint32_t age = 0;
    struct curl_header *h = NULL;
    for (size_t i = 0;
         curl_easy_header(easy, "Cache-Control", i, CURLH_HEADER, -1, &h) == CURLHE_OK; i++) {
        const char *at = h->value;
        while (at[0] != '\0') {
            at += strspn(at, ", \t");
            size_t len = strcspn(at, ", \t");
            take_directive(at, len, &age);
            at += len;
        }
    }
    return age;
}

/* An end that only the end of the connection tells could as well be a cut: libcurl takes a missing
 * close_notify for an end, and half a head for a whole one. */
static bool is_whole(struct bb_transfer *t, long http) {
    curl_off_t length = -1;
    struct curl_header *h = NULL;
    if (!t->head_done || http < 200 || http > 999)
        return false;
    if (http == 204 || http == 304)
        return true;
    (void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length >= 0 ||
           (curl_easy_header(t->easy, "Transfer-Encoding", 0, CURLH_HEADER, -1, &h) == CURLHE_OK &&
            strcasecmp(h->value, "chunked") == 0);
}

static void describe(struct bb_transfer *t, CURLcode code, struct bb_fetch_wire_answer *a) {
    long http = 0;
    if (code == CURLE_OK)
        (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &http);
    if (code != CURLE_OK || !is_whole(t, http)) {
        describe_failure(t, code == CURLE_OK ? CURLE_WEIRD_SERVER_REPLY : code, a);
        return;
    }
    *a = (struct bb_fetch_wire_answer){
        .http = (uint32_t)http, .max_age_s = take_max_age(t->easy), .body_len = (uint32_t)t->len};
    take_type(t->easy, a->type, sizeof a->type);
}

void *bb_transfers_next(struct bb_transfers *transfers, struct bb_fetch_wire_answer *answer,
                        uint8_t **body) {
    int n = 0;
    (void)curl_multi_perform(transfers->multi, &n);
    for (CURLMsg *m = NULL; (m = curl_multi_info_read(transfers->multi, &n)) != NULL;) {
        struct bb_transfer *t = NULL;
        if (m->msg != CURLMSG_DONE ||
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t) != CURLE_OK)
            continue;
        describe(t, m->data.result, answer);
        *body = NULL;
        if (answer->failure == BB_FETCH_GOOD) {
            *body = t->body;
            t->body = NULL;
        }
        return t->owner;
    }
    return NULL;
}
