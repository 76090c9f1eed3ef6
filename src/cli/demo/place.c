#include "cli/demo/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Scratch of a run; a kept folder keeps the rest. */
#define SCRATCH_PREFIX "run-"

static enum bb_status cannot(const char *dir, const char *why, struct bb_error *err) {
    return bb_fail(err, BB_USAGE, "folder", "a new or empty folder", dir, "cannot use %s: %s", dir,
                   why);
}

static bool is_empty(const char *path) {
    DIR *dir = opendir(path);
    size_t n = 0;
    if (dir == NULL)
        return false;
    while (n < 3 && readdir(dir) != NULL)
        n++;
    (void)closedir(dir);
    return n == 2; /* . and .. */
}

static enum bb_status use_folder(const char *path, struct bb_demo_place *place,
                                 struct bb_error *err) {
    char real[PATH_MAX];
    struct stat st;
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return cannot(path, strerror(errno), err);
    if (!is_empty(path))
        return cannot(path, "it is not empty", err);
    if (realpath(path, real) == NULL || stat(real, &st) != 0)
        return cannot(path, strerror(errno), err);
    if (strlen(real) > sizeof place->dir / 2)
        return cannot(path, "its path is too long", err);
    if (st.st_uid != geteuid() || chmod(real, 0700) != 0)
        return cannot(path, "it is not yours", err);
    bb_copy_text(place->dir, sizeof place->dir, real);
    return BB_OK;
}

static enum bb_status use_temporary(struct bb_demo_place *place, struct bb_error *err) {
    const char *below = getenv("TMPDIR");
    char path[BB_DEMO_PATH_MAX / 2];
    if (below == NULL || below[0] != '/')
        below = "/tmp";
    int n = snprintf(path, sizeof path, "%s/blindbox-demo-XXXXXX", below);
    if (n < 0 || (size_t)n >= sizeof path)
        return cannot(below, "its path is too long", err);
    if (mkdtemp(path) == NULL)
        return cannot(path, strerror(errno), err);
    bb_copy_text(place->dir, sizeof place->dir, path);
    return BB_OK;
}

enum bb_status bb_demo_place_new(const char *keep, struct bb_demo_place *out,
                                 struct bb_error *err) {
    *out = (struct bb_demo_place){.keep = keep != NULL};
    return keep != NULL ? use_folder(keep, out, err) : use_temporary(out, err);
}

static int remove_any(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int remove_scratch(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag;
    bool scratch = strncmp(path + ftw->base, SCRATCH_PREFIX, sizeof SCRATCH_PREFIX - 1) == 0;
    return ftw->level > 0 && scratch ? remove(path) : 0;
}

void bb_demo_place_done(struct bb_demo_place *place) {
    if (place->dir[0] != '\0')
        (void)nftw(place->dir, place->keep ? remove_scratch : remove_any, 8, FTW_DEPTH | FTW_PHYS);
    place->dir[0] = '\0';
}

const char *bb_demo_path(const struct bb_demo_place *place, const char *name,
                         char out[BB_DEMO_PATH_MAX]) {
    if (snprintf(out, BB_DEMO_PATH_MAX, "%s/%s", place->dir, name) < 0)
        out[0] = '\0';
    return out;
}

enum bb_status bb_demo_place_write(const struct bb_demo_place *place, const char *name,
                                   struct bb_span data, struct bb_error *err) {
    char path[BB_DEMO_PATH_MAX];
    int fd = open(bb_demo_path(place, name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, data.ptr, data.len) == (ssize_t)data.len;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    return good ? BB_OK : cannot(path, strerror(errno), err);
}

void bb_demo_place_read(const struct bb_demo_place *place, const char *name, char *out,
                        size_t cap) {
    char path[BB_DEMO_PATH_MAX];
    size_t n = 0;
    FILE *in = fopen(bb_demo_path(place, name, path), "rbe");
    if (in != NULL) {
        n = fread(out, 1, cap - 1, in);
        (void)fclose(in);
    }
    out[n] = '\0';
}
