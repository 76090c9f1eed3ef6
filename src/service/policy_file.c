#include "appraise/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static enum bb_status cannot(struct bb_error *err, const char *path, const char *why) {
    return bb_fail(err, BB_USAGE, "policy", NULL, path, "cannot read %s: %s", path, why);
}

/* Reads a whole file of at most BB_POLICY_JSON_MAX bytes, "-" for standard input; `own`: only if it
 * is safely the user's. */
static enum bb_status read_file(const char *path, bool own, uint8_t **data, size_t *len,
                                struct bb_error *err) {
    struct stat st;
    bool standard = !own && strcmp(path, "-") == 0;
    int fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cannot(err, path, strerror(errno));
    FILE *in = fdopen(fd, "rb");
    /* A named file may be a pipe, as of <(command); the user's own is looked at more closely. */
    if (in == NULL || fstat(fd, &st) != 0 || S_ISDIR(st.st_mode) || (own && !S_ISREG(st.st_mode))) {
        if (in != NULL)
            (void)fclose(in);
        else
            (void)close(fd);
        return cannot(err, path, "it is no file");
    }
    if (own && (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
        (void)fclose(in);
        return cannot(err, path, "it must be yours and writable by nobody else");
    }
    uint8_t *buf = malloc(BB_POLICY_JSON_MAX + 1);
    size_t n = buf == NULL ? 0 : fread(buf, 1, BB_POLICY_JSON_MAX + 1, in);
    (void)fclose(in);
    if (buf == NULL || n > BB_POLICY_JSON_MAX) {
        free(buf);
        return cannot(err, path, "it is too large");
    }
    *data = buf;
    *len = n;
    return BB_OK;
}

/* A file that a policy names stands beside the policy, unless its path is absolute. */
static enum bb_status beside(const char *policy_path, const char *name, char *out, size_t cap,
                             struct bb_error *err) {
    const char *slash = strrchr(policy_path, '/');
    int folder = slash == NULL || name[0] == '/' ? 0 : (int)(slash - policy_path) + 1;
    int n = snprintf(out, cap, "%.*s%s", folder, policy_path, name);
    if (n < 0 || (size_t)n >= cap)
        return cannot(err, name, "the path is too long");
    return BB_OK;
}

static enum bb_status add_cce_file(struct bb_policy *policy, const char *policy_path,
                                   struct bb_error *err) {
    char path[PATH_MAX];
    uint8_t *data = NULL;
    size_t len = 0;
    BB_TRY(beside(policy_path, policy->cce_policy_file, path, sizeof path, err));
    BB_TRY(read_file(path, false, &data, &len, err));
    enum bb_status status = bb_policy_host_data_from(policy, bb_span(data, len), err);
    free(data);
    return status;
}

static enum bb_status replace_path(char **name, const char *policy_path, struct bb_error *err) {
    char path[PATH_MAX];
    BB_TRY(beside(policy_path, *name, path, sizeof path, err));
    char *copy = strdup(path);
    if (copy == NULL)
        return bb_fail_internal(err, "memory for a policy");
    free(*name);
    *name = copy;
    return BB_OK;
}

/* Key sets and trust anchors are read when they are needed: they change while the policy stays. */
static enum bb_status place_verifiers(struct bb_policy *policy, const char *policy_path,
                                      struct bb_error *err) {
    for (size_t i = 0; i < policy->n_verifiers; i++) {
        struct bb_policy_verifier *v = &policy->verifiers[i];
        if (v->jwks != NULL && v->jwks_is_file)
            BB_TRY(replace_path(&v->jwks, policy_path, err));
        if (v->ca != NULL)
            BB_TRY(replace_path(&v->ca, policy_path, err));
    }
    return BB_OK;
}

static enum bb_status load(const char *path, bool own, struct bb_policy **out,
                           struct bb_error *err) {
    uint8_t *data = NULL;
    size_t len = 0;
    struct bb_policy *policy = NULL;
    BB_TRY(read_file(path, own, &data, &len, err));
    enum bb_status status = bb_policy_parse(bb_span(data, len), &policy, err);
    free(data);
    if (status == BB_OK && policy->cce_policy_file != NULL)
        status = add_cce_file(policy, path, err);
    if (status == BB_OK)
        status = place_verifiers(policy, path, err);
    if (status != BB_OK) {
        bb_policy_free(policy);
        return status;
    }
    *out = policy;
    return BB_OK;
}

/* A folder that others may write lets them swap the file. */
static enum bb_status check_folder(const char *path, struct bb_error *err) {
    char folder[PATH_MAX];
    struct stat st;
    const char *slash = strrchr(path, '/');
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (stat(folder, &st) != 0)
        return cannot(err, folder, strerror(errno));
    if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return cannot(err, folder, "the folder must be yours and writable by nobody else");
    return BB_OK;
}

/* False if there is no such file. */
static bool user_policy(char *path, size_t cap) {
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n = -1;
    if (config != NULL && config[0] == '/')
        n = snprintf(path, cap, "%s/blindbox/policy.json", config);
    else if (home != NULL && home[0] == '/')
        n = snprintf(path, cap, "%s/.config/blindbox/policy.json", home);
    return n > 0 && (size_t)n < cap && access(path, F_OK) == 0;
}

enum bb_status bb_policy_load(const char *path, struct bb_policy **out, char *source, size_t cap,
                              struct bb_error *err) {
    char own[PATH_MAX];
    const char *env = getenv("BLINDBOX_POLICY");
    if (path == NULL && env != NULL && env[0] != '\0')
        path = env;
    if (path != NULL) {
        (void)snprintf(source, cap, "%s", path);
        return load(path, false, out, err);
    }
    if (user_policy(own, sizeof own)) {
        (void)snprintf(source, cap, "%s", own);
        BB_TRY(check_folder(own, err));
        return load(own, true, out, err);
    }
    bb_copy_text(source, cap, "none: the defaults, which name no code");
    return bb_policy_new(out, err);
}
