#include "service/gateway/config.h"

#include "appraise/policy.h"
#include "codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IDLE_S_DEFAULT = 600 };

struct context {
    struct bb_gateway_options *o;
    const char *key;
    struct bb_error *err;
};

/* ---- keys: each fills what no flag has said ---- */

static enum bb_status wrong(const struct context *c, const char *expected, const json_t *value) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII);
    char found[BB_VALUE_MAX] = "";
    if (text != NULL)
        bb_escape(bb_span_str(text), found, sizeof found);
    free(text);
    return bb_fail(c->err, BB_USAGE, c->key, expected, found, "wrong value in the configuration");
}

static enum bb_status take_text(const struct context *c, const json_t *v, const char **out) {
    const char *text = json_string_value(v);
    if (text == NULL || text[0] == '\0' || json_string_length(v) != strlen(text))
        return wrong(c, "a text", v);
    if (*out == NULL)
        *out = text;
    return BB_OK;
}

static enum bb_status take_seconds(const struct context *c, const json_t *v, uint32_t unit,
                                   uint32_t *out) {
    json_int_t s = json_integer_value(v);
    if (!json_is_integer(v) || s < 1 || s > BB_GATEWAY_SECONDS_MAX)
        return wrong(c, "seconds, 1..1000000", v);
    if (*out == 0)
        *out = (uint32_t)s * unit;
    return BB_OK;
}

static enum bb_status key_schema(const struct context *c, const json_t *v) {
    const char *text = json_string_value(v);
    return text != NULL && strcmp(text, "blindbox.gateway/1") == 0
               ? BB_OK
               : wrong(c, "\"blindbox.gateway/1\"", v);
}

static enum bb_status key_listen(const struct context *c, const json_t *v) {
    return take_text(c, v, &c->o->listen);
}

static enum bb_status key_upstream(const struct context *c, const json_t *v) {
    return take_text(c, v, &c->o->upstream);
}

static enum bb_status key_attester(const struct context *c, const json_t *v) {
    return take_text(c, v, &c->o->attester);
}

static enum bb_status key_sim_dir(const struct context *c, const json_t *v) {
    return take_text(c, v, &c->o->sim_dir);
}

static enum bb_status key_max_age(const struct context *c, const json_t *v) {
    return take_seconds(c, v, 1, &c->o->max_age_s);
}

static enum bb_status key_idle(const struct context *c, const json_t *v) {
    return take_seconds(c, v, 1000, &c->o->idle_ms);
}

/* All or none: a list is not mixed from flags and file. */
static enum bb_status key_verifiers(const struct context *c, const json_t *v) {
    struct bb_gateway_verifiers all = {.n = 0};
    size_t i = 0;
    const json_t *item = NULL;
    if (!json_is_array(v) || json_array_size(v) == 0)
        return wrong(c, "a list of 1 to 4 services", v);
    json_array_foreach(v, i, item) BB_TRY(bb_gateway_verifiers_add_json(&all, item, c->err));
    if (c->o->verifiers.n == 0)
        c->o->verifiers = all;
    return BB_OK;
}

static enum bb_status key_proxy_protocol(const struct context *c, const json_t *v) {
    if (!json_is_boolean(v))
        return wrong(c, "true or false", v);
    c->o->proxy_protocol = c->o->proxy_protocol || json_is_true(v);
    return BB_OK;
}

static const struct {
    const char *name;
    enum bb_status (*take)(const struct context *c, const json_t *value);
} keys[] = {
    {"schema", key_schema},       {"listen", key_listen},
    {"upstream", key_upstream},   {"attester", key_attester},
    {"sim_dir", key_sim_dir},     {"max_age", key_max_age},
    {"idle", key_idle},           {"proxy_protocol", key_proxy_protocol},
    {"verifiers", key_verifiers},
};
enum { N_KEYS = sizeof keys / sizeof keys[0] };

static enum bb_status take_keys(const json_t *file, struct bb_gateway_options *o,
                                struct bb_error *err) {
    const char *known[N_KEYS + 1] = {NULL};
    for (size_t i = 0; i < N_KEYS; i++)
        known[i] = keys[i].name;
    BB_TRY(bb_json_known_keys(file, known, "", err));
    if (json_object_get(file, "schema") == NULL)
        return bb_fail(err, BB_USAGE, "schema", "\"blindbox.gateway/1\"", "none",
                       "the configuration names no schema");
    for (size_t i = 0; i < N_KEYS; i++) {
        const json_t *value = json_object_get(file, keys[i].name);
        struct context c = {.o = o, .key = keys[i].name, .err = err};
        if (value != NULL)
            BB_TRY(keys[i].take(&c, value));
    }
    return BB_OK;
}

/* ---- the file ---- */

static enum bb_status cannot(struct bb_error *err, const char *path, const char *why) {
    return bb_fail(err, BB_USAGE, "config", "a readable file", path, "cannot read %s: %s", path,
                   why);
}

/* At most BB_GATEWAY_CONFIG_MAX + 1 bytes; less than 0: errno. */
static ssize_t read_all(int fd, uint8_t *buf) {
    size_t have = 0;
    while (have <= BB_GATEWAY_CONFIG_MAX) {
        ssize_t n = read(fd, buf + have, BB_GATEWAY_CONFIG_MAX + 1 - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return n;
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

/* A memory file with these bytes, sealed. */
static int sealed(const uint8_t *bytes, size_t len) {
    int fd = memfd_create("blindbox-gateway", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && write(fd, bytes, len) == (ssize_t)len &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

enum bb_status bb_gateway_config_copy(const char *path, int *copy, struct bb_error *err) {
    struct stat st;
    /* What is read again on a signal must not block: a pipe would. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return cannot(err, path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        (void)close(fd);
        return cannot(err, path, "it is no file");
    }
    uint8_t *buf = malloc(BB_GATEWAY_CONFIG_MAX + 1);
    ssize_t n = buf == NULL ? -1 : read_all(fd, buf);
    int why = errno, made = -1;
    (void)close(fd);
    if (n >= 0 && n <= BB_GATEWAY_CONFIG_MAX)
        made = sealed(buf, (size_t)n);
    free(buf);
    if (n < 0)
        return cannot(err, path, strerror(why));
    if (n > BB_GATEWAY_CONFIG_MAX)
        return cannot(err, path, "it is larger than 65536 bytes");
    if (made < 0)
        return bb_fail_internal(err, "keeping a copy of the configuration");
    *copy = made;
    return BB_OK;
}

static enum bb_status parse_copy(int copy, json_t **out, struct bb_error *err) {
    /* The processes share the descriptor's position. */
    uint8_t *buf = malloc(BB_GATEWAY_CONFIG_MAX + 1);
    ssize_t n = buf == NULL ? -1 : pread(copy, buf, BB_GATEWAY_CONFIG_MAX + 1, 0);
    enum bb_status status =
        n < 0 ? bb_fail_internal(err, "reading the copy of the configuration")
              : bb_json_parse_object(bb_span(buf, (size_t)n), BB_GATEWAY_CONFIG_MAX,
                                     "configuration", out, err);
    free(buf);
    return status;
}

/* ---- all together ---- */

static enum bb_status complete(struct bb_gateway_options *o, struct bb_error *err) {
    if (o->listen == NULL)
        o->listen = "[::]:" BB_GATEWAY_PORT;
    if (o->max_age_s == 0)
        o->max_age_s = BB_CONNECTION_AGE_S_DEFAULT;
    if (o->idle_ms == 0)
        o->idle_ms = IDLE_S_DEFAULT * 1000;
    if (o->attester == NULL || strcmp(o->attester, "sim") != 0)
        return bb_fail(err, BB_USAGE, "attester", "--attester sim, for development",
                       o->attester == NULL ? "none" : o->attester,
                       "no attester: this build has the simulated TEE only");
    if (o->upstream == NULL)
        return bb_fail(err, BB_USAGE, "upstream",
                       "where the application listens, as tcp:127.0.0.1:8000", "none",
                       "no upstream");
    return BB_OK;
}

enum bb_status bb_gateway_config_make(const struct bb_gateway_options *flags, int copy,
                                      struct bb_gateway_config *out, struct bb_error *err) {
    struct bb_gateway_config made = {.options = *flags};
    enum bb_status status = copy < 0 ? BB_OK : parse_copy(copy, &made.file, err);
    if (status == BB_OK && made.file != NULL)
        status = take_keys(made.file, &made.options, err);
    if (status == BB_OK)
        status = complete(&made.options, err);
    if (status != BB_OK) {
        json_decref(made.file);
        return status;
    }
    *out = made;
    return BB_OK;
}

void bb_gateway_config_done(struct bb_gateway_config *config) {
    json_decref(config->file);
    *config = (struct bb_gateway_config){.file = NULL};
}

void bb_gateway_config_why(const struct bb_error *err, char *out, size_t cap) {
    int n = snprintf(out, cap, "%s", err->text);
    if (err->field[0] != '\0' && n >= 0 && (size_t)n < cap)
        (void)snprintf(out + n, cap - (size_t)n, " (%s: expected %s, found %s)", err->field,
                       err->expected[0] == '\0' ? "another value" : err->expected,
                       err->found[0] == '\0' ? "none" : err->found);
}
