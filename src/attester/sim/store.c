#include "attester/sim/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PEM_MAX = 8192 };

static enum bb_status cannot(const struct bb_sim_store *s, const char *what, struct bb_error *err) {
    return bb_fail(err, BB_INTERNAL, "simulator", NULL, s->dir, "cannot %s in %s: %s", what, s->dir,
                   strerror(errno));
}

static bool default_dir(char *out, size_t cap) {
    const char *dir = getenv("BLINDBOX_SIM_DIR"), *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n = -1;
    if (dir != NULL && dir[0] != '\0')
        n = snprintf(out, cap, "%s", dir);
    else if (state != NULL && state[0] == '/')
        n = snprintf(out, cap, "%s/blindbox/sim", state);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, cap, "%s/.local/state/blindbox/sim", home);
    return n > 0 && (size_t)n < cap;
}

static bool make_folders(char *path) {
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        bool good = mkdir(path, 0700) == 0 || errno == EEXIST;
        *at = '/';
        if (!good)
            return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

enum bb_status bb_sim_store_open(struct bb_sim_store *s, const char *dir, struct bb_error *err) {
    struct stat st;
    bool good = dir == NULL ? default_dir(s->dir, sizeof s->dir)
                            : (size_t)snprintf(s->dir, sizeof s->dir, "%s", dir) < sizeof s->dir;
    if (!good || s->dir[0] == '\0')
        return bb_fail(err, BB_USAGE, "simulator", "a folder", NULL,
                       "no folder for the simulator: set BLINDBOX_SIM_DIR");
    if (!make_folders(s->dir) || stat(s->dir, &st) != 0)
        return cannot(s, "make the folder", err);
    if (st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return bb_fail(err, BB_USAGE, "simulator", "mode 0700, yours", s->dir,
                       "others can reach the simulator's folder %s", s->dir);
    return BB_OK;
}

static bool path_of(const struct bb_sim_store *s, const char *name, char out[PATH_MAX]) {
    int n = snprintf(out, PATH_MAX, "%s/%s", s->dir, name);
    return n > 0 && n < PATH_MAX;
}

bool bb_sim_store_has(const struct bb_sim_store *s, const char *name) {
    char path[PATH_MAX];
    return path_of(s, name, path) && access(path, F_OK) == 0;
}

bool bb_sim_store_read(const struct bb_sim_store *s, const char *name, uint8_t *out, size_t cap,
                       size_t *len) {
    char path[PATH_MAX];
    FILE *in = path_of(s, name, path) ? fopen(path, "rbe") : NULL;
    if (in == NULL)
        return false;
    *len = fread(out, 1, cap, in);
    bool whole = fgetc(in) == EOF && ferror(in) == 0;
    (void)fclose(in);
    return whole;
}

enum bb_status bb_sim_store_write(const struct bb_sim_store *s, const char *name,
                                  struct bb_span data, struct bb_error *err) {
    char path[PATH_MAX], temporary[PATH_MAX];
    if (!path_of(s, name, path) ||
        snprintf(temporary, sizeof temporary, "%s/.%s.%ld", s->dir, name, (long)getpid()) < 0)
        return bb_fail_internal(err, "a path");
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, data.ptr, data.len) == (ssize_t)data.len;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (good && rename(temporary, path) == 0)
        return BB_OK;
    enum bb_status status = cannot(s, "write", err);
    (void)unlink(temporary);
    return status;
}

/* Holds the folder's lock; -1 on failure. close() releases it. */
static int lock(const struct bb_sim_store *s, const char *name) {
    char path[PATH_MAX];
    int fd = path_of(s, name, path) ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return -1;
    while (flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        (void)close(fd);
        return -1;
    }
    return fd;
}

static enum bb_status make_key(const struct bb_sim_store *s, const char *name,
                               enum bb_key_type type, struct bb_key **out, struct bb_error *err) {
    uint8_t pem[PEM_MAX];
    size_t len = 0;
    struct bb_key *key = NULL;
    BB_TRY(bb_key_generate(type, &key, err));
    enum bb_status status = bb_key_to_pem(key, pem, sizeof pem, &len, err);
    if (status == BB_OK)
        status = bb_sim_store_write(s, name, bb_span(pem, len), err);
    explicit_bzero(pem, sizeof pem);
    if (status == BB_OK)
        *out = key;
    else
        bb_key_free(key);
    return status;
}

enum bb_status bb_sim_store_key(const struct bb_sim_store *s, const char *name,
                                enum bb_key_type type, struct bb_key **out, struct bb_error *err) {
    uint8_t pem[PEM_MAX];
    size_t len = 0;
    int held = lock(s, "keys.lock");
    if (held < 0)
        return cannot(s, "lock", err);
    enum bb_status status;
    if (bb_sim_store_read(s, name, pem, sizeof pem, &len))
        status = bb_key_from_pem(bb_span(pem, len), out, err);
    else if (!bb_sim_store_has(s, name))
        status = make_key(s, name, type, out, err);
    else /* a key that cannot be read now is not replaced by another */
        status = bb_fail(err, BB_USAGE, name, NULL, NULL, "%s/%s cannot be read", s->dir, name);
    explicit_bzero(pem, sizeof pem);
    (void)close(held);
    return status;
}

struct turn {
    uint64_t count;
    int64_t tokens_milli; /* tokens of the bucket, in thousandths */
    int64_t at_ms;        /* when they were counted */
};

static int64_t now_ms(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void sleep_ms(uint32_t ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) != 0 && errno == EINTR)
        continue;
}

static struct turn read_turn(int fd) {
    struct turn turn = {0};
    char text[128] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    if (n <= 0 || sscanf(text, "%" SCNu64 " %" SCNd64 " %" SCNd64, &turn.count, &turn.tokens_milli,
                         &turn.at_ms) != 3)
        return (struct turn){.at_ms = -1};
    return turn;
}

/* How long the bucket makes this signature wait. */
static uint32_t throttle_wait(struct turn *turn, const struct bb_sim_throttle *t) {
    if (t->burst == 0)
        return 0;
    int64_t now = now_ms(), full = (int64_t)t->burst * 1000;
    int64_t refill =
        turn->at_ms < 0 || turn->at_ms > now ? full : (now - turn->at_ms) * t->per_second;
    turn->tokens_milli = turn->tokens_milli + refill > full ? full : turn->tokens_milli + refill;
    turn->at_ms = now;
    bool empty = turn->tokens_milli < 1000;
    turn->tokens_milli -= empty ? turn->tokens_milli : 1000;
    return empty ? t->stall_ms : 0;
}

enum bb_status bb_sim_store_take_turn(const struct bb_sim_store *s, uint32_t latency_ms,
                                      const struct bb_sim_throttle *throttle,
                                      struct bb_error *err) {
    char text[128];
    int held = lock(s, "signer"); /* one signature at a time, as in hardware */
    if (held < 0)
        return cannot(s, "lock the signer", err);
    struct turn turn = read_turn(held);
    uint32_t wait = throttle_wait(&turn, throttle);
    sleep_ms(wait + latency_ms);
    turn.count++;
    int n = snprintf(text, sizeof text, "%" PRIu64 " %" PRId64 " %" PRId64 "\n", turn.count,
                     turn.tokens_milli, turn.at_ms);
    bool good = n > 0 && ftruncate(held, 0) == 0 && pwrite(held, text, (size_t)n, 0) == n;
    (void)close(held);
    return good ? BB_OK : cannot(s, "count the signature", err);
}

enum bb_status bb_sim_store_count(const struct bb_sim_store *s, uint64_t *count,
                                  struct bb_error *err) {
    int held = lock(s, "signer");
    if (held < 0)
        return cannot(s, "lock the signer", err);
    *count = read_turn(held).count;
    (void)close(held);
    return BB_OK;
}
