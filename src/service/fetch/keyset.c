#include "service/fetch/keyset.h"

#include "service/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONG_AGO_MS (INT64_MIN / 2)

/* One version of a set; those who took it keep it while a newer one comes. */
struct version {
    struct bb_jwks *jwks;
    unsigned users;
};

/* What tells a changed file. */
struct file_mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
};

struct source {
    char *where, *ca_file;
    bool is_file;
    unsigned users;
    struct version *version;   /* NULL: none */
    int64_t from_ms, until_ms; /* of a fetched version: its age begins, it is used no more */
    struct file_mark mark;
    struct bb_fetch *fetch;      /* in flight; NULL: none */
    int64_t begun_ms, failed_ms; /* the last fetch began, the last failure was noticed */
    uint64_t ended;              /* fetches so far */
    struct bb_error err;         /* why the last one failed */
};

struct bb_keysets {
    struct bb_fetcher *fetcher;
    int64_t (*now_ms)(void);
    struct source source[BB_KEYSET_SOURCES_MAX];
};

struct bb_keyset {
    struct bb_keysets *sets;
    struct source *source;
    struct version *version; /* taken */
    int fd;                  /* a copy of the fetch's: each waits on its own. -1: none */
    uint64_t waits_for;      /* the source's count when it began to wait */
};

static void let_go(struct version **version) {
    struct version *v = *version;
    *version = NULL;
    if (v == NULL || --v->users > 0)
        return;
    bb_jwks_free(v->jwks);
    free(v);
}

/* Owns `jwks`. */
static enum bb_status replace(struct source *s, struct bb_jwks *jwks, struct bb_error *err) {
    struct version *v = calloc(1, sizeof *v);
    if (v == NULL) {
        bb_jwks_free(jwks);
        return bb_fail_internal(err, "memory for a key set");
    }
    *v = (struct version){.jwks = jwks, .users = 1};
    let_go(&s->version);
    s->version = v;
    return BB_OK;
}

static void forget(struct source *s) {
    bb_fetch_end(s->fetch);
    let_go(&s->version);
    free(s->where);
    free(s->ca_file);
    *s = (struct source){.where = NULL};
}

enum bb_status bb_keysets_new(struct bb_fetcher *fetcher, int64_t (*now_ms)(void),
                              struct bb_keysets **out, struct bb_error *err) {
    struct bb_keysets *sets = calloc(1, sizeof *sets);
    if (sets == NULL)
        return bb_fail_internal(err, "memory for key sets");
    sets->fetcher = fetcher;
    sets->now_ms = now_ms == NULL ? bb_now_ms : now_ms;
    *out = sets;
    return BB_OK;
}

void bb_keysets_free(struct bb_keysets *sets) {
    for (size_t i = 0; sets != NULL && i < BB_KEYSET_SOURCES_MAX; i++)
        forget(&sets->source[i]);
    free(sets);
}

/* A file. */

static enum bb_status bad_file(struct bb_error *err, const char *path, const char *why) {
    char shown[BB_VALUE_MAX];
    bb_escape(bb_span_str(path), shown, sizeof shown);
    return bb_fail(err, BB_USAGE, "jwks", "a file with a key set", shown, "key set %s: %s", shown,
                   why);
}

static struct file_mark mark_of(const struct stat *st) {
    return (struct file_mark){
        .device = st->st_dev, .inode = st->st_ino, .size = st->st_size, .modified = st->st_mtim};
}

static bool same_mark(const struct file_mark *a, const struct file_mark *b) {
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec;
}

/* Reads from `fd` what parses as a set. */
static enum bb_status read_set(int fd, const char *path, struct bb_jwks **out,
                               struct bb_error *err) {
    struct bb_error why = {0};
    uint8_t *data = malloc(BB_JWKS_MAX + 1);
    size_t len = 0;
    ssize_t n = 1;
    if (data == NULL)
        return bb_fail_internal(err, "memory for a key set");
    while (n > 0 && len <= BB_JWKS_MAX) {
        n = read(fd, data + len, BB_JWKS_MAX + 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    enum bb_status status = BB_OK;
    if (n < 0)
        status = bad_file(err, path, strerror(errno));
    else if (len > BB_JWKS_MAX)
        status = bad_file(err, path, "it is too large");
    else if (bb_jwks_parse(bb_span(data, len), out, &why) != BB_OK)
        status = bad_file(err, path, why.text);
    free(data);
    return status;
}

/* A changed file that is no key set any more is not made up for by what it was: it was withdrawn. */
static enum bb_status load_file(struct source *s, struct bb_error *err) {
    struct stat st;
    struct bb_jwks *jwks = NULL;
    int fd = open(s->where, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        enum bb_status status = bad_file(err, s->where, fd < 0 ? strerror(errno) : "it is no file");
        if (fd >= 0)
            (void)close(fd);
        let_go(&s->version);
        return status;
    }
    struct file_mark mark = mark_of(&st);
    enum bb_status status = BB_OK;
    if (s->version == NULL || !same_mark(&mark, &s->mark)) {
        let_go(&s->version);
        status = read_set(fd, s->where, &jwks, err);
        if (status == BB_OK)
            status = replace(s, jwks, err);
        s->mark = mark;
    }
    (void)close(fd);
    return status;
}

/* A URL. */

static bool is_young(const struct bb_keysets *sets, const struct source *s) {
    return s->version != NULL && (s->is_file || sets->now_ms() < s->until_ms);
}

static bool is_socket(const char *url) { return strncmp(url, "unix:", 5) == 0; }

static void failed(const struct bb_keysets *sets, struct source *s) {
    s->ended++;
    s->failed_ms = sets->now_ms();
}

static enum bb_status begin_fetch(struct bb_keysets *sets, struct source *s) {
    const struct bb_fetch_request request = {.url = s->where,
                                             .path = is_socket(s->where) ? "/certs" : NULL,
                                             .accept = "application/jwk-set+json, "
                                                       "application/jwk+json, application/json",
                                             .ca_file = s->ca_file,
                                             .timeout_ms = BB_KEYSET_FETCH_MS,
                                             .max = BB_JWKS_MAX};
    s->err = (struct bb_error){.status = BB_OK};
    s->begun_ms = sets->now_ms();
    enum bb_status status =
        sets->fetcher == NULL
            ? bb_fail(&s->err, BB_VERIFIER_UNAVAILABLE, "jwks", NULL, NULL, "there is no fetcher")
            : bb_fetch_begin(sets->fetcher, &request, &s->fetch, &s->err);
    if (status != BB_OK)
        failed(sets, s);
    return status;
}

static enum bb_status unusable(struct bb_error *err, const char *where, const char *found,
                               const char *why) {
    char shown[BB_VALUE_MAX];
    bb_escape(bb_span_str(where), shown, sizeof shown);
    return bb_fail(err, BB_VERIFIER_UNAVAILABLE, "jwks", "a key set", found, "key set %s: %s",
                   shown, why);
}

static enum bb_status take_answer(struct source *s, const struct bb_fetch_answer *a) {
    struct bb_jwks *jwks = NULL;
    struct bb_error why = {0};
    char found[16];
    (void)snprintf(found, sizeof found, "HTTP %u", a->http);
    if (a->http != 200)
        return unusable(&s->err, s->where, found, found);
    if (bb_jwks_parse(a->body, &jwks, &why) != BB_OK)
        return unusable(&s->err, s->where, a->type, why.text);
    BB_TRY(replace(s, jwks, &s->err));
    uint32_t age = a->max_age_s == 0 ? BB_KEYSET_AGE_S_DEFAULT : a->max_age_s;
    age = age < BB_KEYSET_AGE_S_MIN ? BB_KEYSET_AGE_S_MIN : age;
    age = age > BB_KEYSET_AGE_S_MAX ? BB_KEYSET_AGE_S_MAX : age;
    s->from_ms = s->begun_ms;
    s->until_ms = s->from_ms + (int64_t)age * 1000;
    return BB_OK;
}

/* Goes on with the fetch in flight. */
static void pump(const struct bb_keysets *sets, struct source *s) {
    struct bb_fetch_answer answer;
    if (s->fetch == NULL)
        return;
    enum bb_fetch_state state = bb_fetch_take(s->fetch, &answer, &s->err);
    if (state == BB_FETCH_WAITING)
        return;
    if (state == BB_FETCH_DONE && take_answer(s, &answer) == BB_OK)
        s->ended++;
    else
        failed(sets, s);
    bb_fetch_end(s->fetch);
    s->fetch = NULL;
}

/* Should there be another fetch? Old sets are renewed before they end, while they still serve. */
static bool is_wanted(const struct bb_keysets *sets, const struct source *s, const char *kid) {
    int64_t now = sets->now_ms();
    if (s->fetch != NULL)
        return false;
    if (!is_young(sets, s))
        return now - s->failed_ms >= BB_KEYSET_RETRY_MS;
    if (now - s->begun_ms < BB_KEYSET_PAUSE_MS)
        return false;
    return (kid != NULL && !bb_jwks_has(s->version->jwks, kid)) ||
           now - s->from_ms > (s->until_ms - s->from_ms) / 4 * 3;
}

/* Is the set at hand good enough not to wait for the fetch in flight? */
static bool serves(const struct bb_keysets *sets, const struct source *s, const char *kid) {
    return is_young(sets, s) && (kid == NULL || bb_jwks_has(s->version->jwks, kid));
}

static enum bb_status ask(struct bb_keysets *sets, struct bb_keyset *k, const char *kid) {
    struct source *s = k->source;
    pump(sets, s);
    if (is_wanted(sets, s, kid) && begin_fetch(sets, s) != BB_OK)
        return BB_OK; /* shows in take */
    if (s->fetch == NULL || serves(sets, s, kid))
        return BB_OK;
    k->waits_for = s->ended;
    k->fd = fcntl(bb_fetch_fd(s->fetch), F_DUPFD_CLOEXEC, 0);
    return k->fd >= 0 ? BB_OK : BB_INTERNAL;
}

/* The list of sources. */

static bool same_text(const char *a, const char *b) {
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_same(const struct source *s, const struct bb_keyset_source *want) {
    return s->where != NULL && strcmp(s->where, want->where) == 0 && s->is_file == want->is_file &&
           same_text(s->ca_file, want->ca_file);
}

/* A free place; else that of a source which nobody uses now. */
static struct source *place(struct bb_keysets *sets) {
    struct source *oldest = NULL;
    for (size_t i = 0; i < BB_KEYSET_SOURCES_MAX; i++) {
        struct source *s = &sets->source[i];
        if (s->where == NULL)
            return s;
        if (s->users == 0 && (oldest == NULL || s->begun_ms < oldest->begun_ms))
            oldest = s;
    }
    if (oldest != NULL)
        forget(oldest);
    return oldest;
}

static enum bb_status find(struct bb_keysets *sets, const struct bb_keyset_source *want,
                           struct source **out, struct bb_error *err) {
    for (size_t i = 0; i < BB_KEYSET_SOURCES_MAX; i++)
        if (is_same(&sets->source[i], want)) {
            *out = &sets->source[i];
            return BB_OK;
        }
    struct source *s = place(sets);
    if (s == NULL)
        return bb_fail(err, BB_VERIFIER_UNAVAILABLE, "jwks", NULL, NULL,
                       "too many key sets are in use");
    s->where = strdup(want->where);
    s->ca_file = want->ca_file == NULL ? NULL : strdup(want->ca_file);
    s->is_file = want->is_file;
    s->begun_ms = s->failed_ms = LONG_AGO_MS;
    if (s->where == NULL || (want->ca_file != NULL && s->ca_file == NULL)) {
        forget(s);
        return bb_fail_internal(err, "memory for a key set");
    }
    *out = s;
    return BB_OK;
}

/* What is wrong with the words is said at once, and nothing is kept of it. */
static enum bb_status check(const struct bb_keyset_source *source, struct bb_error *err) {
    struct bb_fetch_url url;
    if (source->is_file)
        return BB_OK;
    return bb_fetch_url_join(source->where, is_socket(source->where) ? "/certs" : NULL, &url, err);
}

enum bb_status bb_keyset_begin(struct bb_keysets *sets, const struct bb_keyset_source *source,
                               const char *kid, struct bb_keyset **out, struct bb_error *err) {
    struct source *s = NULL;
    BB_TRY(check(source, err));
    BB_TRY(find(sets, source, &s, err));
    if (s->is_file)
        BB_TRY(load_file(s, err));
    struct bb_keyset *k = calloc(1, sizeof *k);
    if (k == NULL)
        return bb_fail_internal(err, "memory for a key set");
    *k = (struct bb_keyset){.sets = sets, .source = s, .fd = -1};
    if (!s->is_file && ask(sets, k, kid) != BB_OK) {
        free(k);
        return bb_fail_internal(err, "a descriptor for a key set");
    }
    s->users++;
    *out = k;
    return BB_OK;
}

int bb_keyset_fd(const struct bb_keyset *keyset) { return keyset->fd; }

static void hold(struct bb_keyset *k) {
    k->version = k->source->version;
    k->version->users++;
}

enum bb_fetch_state bb_keyset_take(struct bb_keyset *keyset, const struct bb_jwks **jwks,
                                   struct bb_error *err) {
    struct source *s = keyset->source;
    if (keyset->version == NULL) {
        pump(keyset->sets, s);
        if (keyset->fd >= 0 && s->ended == keyset->waits_for)
            return BB_FETCH_WAITING;
        if (!is_young(keyset->sets, s)) {
            if (err != NULL && err->status == BB_OK)
                *err = s->err;
            return BB_FETCH_FAILED;
        }
        hold(keyset);
    }
    *jwks = keyset->version->jwks;
    return BB_FETCH_DONE;
}

void bb_keyset_end(struct bb_keyset *keyset) {
    if (keyset == NULL)
        return;
    if (keyset->fd >= 0)
        (void)close(keyset->fd);
    let_go(&keyset->version);
    keyset->source->users--;
    free(keyset);
}

enum bb_status bb_keyset_run(struct bb_keysets *sets, const struct bb_keyset_source *source,
                             const char *kid, struct bb_keyset **out, const struct bb_jwks **jwks,
                             struct bb_error *err) {
    struct bb_keyset *k = NULL;
    enum bb_fetch_state state = BB_FETCH_WAITING;
    BB_TRY(bb_keyset_begin(sets, source, kid, &k, err));
    while ((state = bb_keyset_take(k, jwks, err)) == BB_FETCH_WAITING) {
        struct pollfd ready = {.fd = bb_keyset_fd(k), .events = POLLIN};
        (void)poll(&ready, 1, 1000);
    }
    if (state == BB_FETCH_DONE) {
        *out = k;
        return BB_OK;
    }
    enum bb_status status = k->source->err.status;
    bb_keyset_end(k);
    return status;
}
