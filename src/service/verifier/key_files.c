#include "service/verifier/key_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

const struct bb_ring_alg bb_ring_algs[BB_RING_ALGS] = {
    /* 3072 bits cost seven times as much a signature (OpenSSL 3.0, 1.3 ms) for tokens of 8 hours. */
    {BB_SIG_RS256, BB_KEY_RSA2048, "rs256"},
    {BB_SIG_ES256, BB_KEY_P256, "es256"},
    {BB_SIG_ES384, BB_KEY_P384, "es384"},
};

static enum bb_status cannot(struct bb_error *err, const char *what, const char *path) {
    return bb_fail(err, BB_USAGE, "state-dir", NULL, path, "cannot %s %s: %s", what, path,
                   strerror(errno));
}

static enum bb_status exposed(struct bb_error *err, const char *path, const char *mode) {
    return bb_fail(err, BB_USAGE, "state-dir", mode, path,
                   "others can reach %s: it must be yours, %s", path, mode);
}

static bool file_path(const char *dir, const struct bb_key_file *f, char out[PATH_MAX]) {
    int n = snprintf(out, PATH_MAX, "%s/%s-%" PRId64 ".pem", dir, f->alg->name, f->from);
    return n > 0 && n < PATH_MAX;
}

static bool make_folders(const char *dir) {
    char path[PATH_MAX];
    bb_copy_text(path, sizeof path, dir);
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return false;
        *at = '/';
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

enum bb_status bb_key_folder_lock(const char *dir, int *lock, struct bb_error *err) {
    struct stat st;
    char path[PATH_MAX];
    if (dir[0] == '\0' || snprintf(path, sizeof path, "%s/lock", dir) >= PATH_MAX)
        return bb_fail(err, BB_USAGE, "state-dir", "a folder", dir,
                       "the name of the folder is wrong");
    if (!make_folders(dir) || stat(dir, &st) != 0)
        return cannot(err, "make", dir);
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return exposed(err, dir, "mode 0700");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cannot(err, "open", path);
    while (flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR)
            continue;
        (void)close(fd);
        return cannot(err, "lock", path);
    }
    *lock = fd;
    return BB_OK;
}

/* rs256-1732550400.pem */
static bool read_name(const char *name, struct bb_key_file *out) {
    for (size_t i = 0; i < BB_RING_ALGS; i++) {
        size_t len = strlen(bb_ring_algs[i].name);
        char *end = NULL;
        if (strncmp(name, bb_ring_algs[i].name, len) != 0 || name[len] != '-' ||
            name[len + 1] < '0' || name[len + 1] > '9')
            continue;
        if (name[len + 1] == '0' && name[len + 2] != '.')
            continue; /* file_path() would not find it */
        errno = 0;
        long long from = strtoll(name + len + 1, &end, 10);
        if (errno != 0 || strcmp(end, ".pem") != 0)
            continue;
        *out = (struct bb_key_file){.alg = &bb_ring_algs[i], .from = from};
        return true;
    }
    return false;
}

static int by_alg_and_time(const void *a, const void *b) {
    const struct bb_key_file *x = a, *y = b;
    if (x->alg != y->alg)
        return x->alg < y->alg ? -1 : 1;
    return (x->from > y->from) - (x->from < y->from);
}

enum bb_status bb_key_files_list(const char *dir, struct bb_key_file *out, size_t *n,
                                 struct bb_error *err) {
    DIR *d = opendir(dir);
    size_t count = 0;
    if (d == NULL)
        return cannot(err, "read", dir);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        struct bb_key_file file;
        if (!read_name(e->d_name, &file))
            continue;
        if (count == BB_RING_MAX) {
            (void)closedir(d);
            return bb_fail(err, BB_USAGE, "state-dir", "at most 64 keys", dir,
                           "%s has too many keys", dir);
        }
        out[count++] = file;
    }
    (void)closedir(d);
    qsort(out, count, sizeof *out, by_alg_and_time);
    *n = count;
    return BB_OK;
}

static enum bb_status read_pem(const char *path, uint8_t pem[BB_KEY_FILE_MAX], size_t *len,
                               struct bb_error *err) {
    struct stat st;
    int fd =
        open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); /* not for a pipe's writer */
    if (fd < 0 || fstat(fd, &st) != 0) {
        enum bb_status status = cannot(err, "read", path);
        if (fd >= 0)
            (void)close(fd);
        return status;
    }
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        (void)close(fd);
        return exposed(err, path, "mode 0600");
    }
    ssize_t got = read(fd, pem, BB_KEY_FILE_MAX);
    (void)close(fd);
    *len = got > 0 ? (size_t)got : 0;
    return BB_OK;
}

enum bb_status bb_key_file_read(const char *dir, const struct bb_key_file *file,
                                struct bb_key **out, struct bb_error *err) {
    uint8_t pem[BB_KEY_FILE_MAX];
    char path[PATH_MAX];
    size_t len = 0;
    struct bb_key *key = NULL;
    if (!file_path(dir, file, path))
        return bb_fail_internal(err, "a path");
    BB_TRY(read_pem(path, pem, &len, err));
    enum bb_status status = bb_key_from_pem(bb_span(pem, len), &key, NULL);
    explicit_bzero(pem, sizeof pem);
    if (status != BB_OK || !bb_key_fits(key, file->alg->alg)) {
        bb_key_free(key);
        return bb_fail(err, BB_USAGE, "state-dir", "a private key", path,
                       "%s is damaged: restore it, or move it away and a new key is made", path);
    }
    *out = key;
    return BB_OK;
}

/* A token is no good without its key: the name has to be on the disk too. */
static bool sync_folder(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return good;
}

/* One name for every process, which holds the folder's lock: what a killed one left is replaced. */
static enum bb_status write_file(const char *dir, const char *path, struct bb_span data,
                                 struct bb_error *err) {
    char temporary[PATH_MAX];
    int n = snprintf(temporary, sizeof temporary, "%s/.new", dir);
    if (n < 0 || n >= PATH_MAX)
        return bb_fail_internal(err, "a path");
    (void)unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool good = fd >= 0 && write(fd, data.ptr, data.len) == (ssize_t)data.len && fsync(fd) == 0;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (good && rename(temporary, path) == 0 && sync_folder(dir))
        return BB_OK;
    enum bb_status status = cannot(err, "write", path);
    (void)unlink(temporary);
    return status;
}

enum bb_status bb_key_file_make(const char *dir, const struct bb_key_file *file,
                                struct bb_error *err) {
    uint8_t pem[BB_KEY_FILE_MAX];
    char path[PATH_MAX];
    size_t len = 0;
    struct bb_key *key = NULL;
    if (!file_path(dir, file, path))
        return bb_fail_internal(err, "a path");
    BB_TRY(bb_key_generate(file->alg->type, &key, err));
    enum bb_status status = bb_key_to_pem(key, pem, sizeof pem, &len, err);
    if (status == BB_OK)
        status = write_file(dir, path, bb_span(pem, len), err);
    explicit_bzero(pem, sizeof pem);
    bb_key_free(key);
    return status;
}

enum bb_status bb_key_file_remove(const char *dir, const struct bb_key_file *file,
                                  struct bb_error *err) {
    char path[PATH_MAX];
    if (!file_path(dir, file, path) || unlink(path) != 0)
        return cannot(err, "remove", dir);
    return BB_OK;
}
