#include "cli/files.h"

#include "base/hex.h"
#include "codec/pem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static enum bb_status cannot(struct bb_error *err, const char *path, const char *why) {
    return bb_fail(err, BB_USAGE, "file", NULL, path, "cannot read %s: %s", path, why);
}

static enum bb_status read_all(FILE *in, const char *path, size_t max, struct bb_blob *out,
                               struct bb_error *err) {
    size_t cap = 0, len = 0;
    uint8_t *data = NULL;
    for (;;) {
        if (len == cap) {
            cap = cap == 0 ? 8192 : cap * 2;
            uint8_t *more = realloc(data, cap);
            if (more == NULL) {
                free(data);
                return bb_fail_internal(err, "memory for a file");
            }
            data = more;
        }
        size_t n = fread(data + len, 1, cap - len, in);
        len += n;
        if (len > max || ferror(in) != 0) {
            free(data);
            return cannot(err, path, len > max ? "it is larger than the limit" : "read error");
        }
        if (n == 0)
            break;
    }
    *out = (struct bb_blob){.data = data, .len = len};
    return BB_OK;
}

enum bb_status bb_blob_read(const char *path, size_t max, struct bb_blob *out,
                            struct bb_error *err) {
    if (strcmp(path, "-") == 0)
        return read_all(stdin, "standard input", max, out, err);
    FILE *in = fopen(path, "rbe");
    if (in == NULL)
        return cannot(err, path, strerror(errno));
    struct stat st;
    enum bb_status status = fstat(fileno(in), &st) == 0 && S_ISDIR(st.st_mode)
                                ? cannot(err, path, "it is a folder")
                                : read_all(in, path, max, out, err);
    (void)fclose(in);
    return status;
}

void bb_blob_free(struct bb_blob *blob) {
    free(blob->data);
    *blob = (struct bb_blob){0};
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

/* Hex with white space anywhere: as xxd -p writes it. `out` has room for `text`. */
static bool decode_hex_lines(struct bb_span text, uint8_t *out, size_t *len) {
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        if (!is_space(text.ptr[i]))
            out[n++] = text.ptr[i];
    return bb_hex_decode(bb_span(out, n), out, n, len); /* each byte is written after it is read */
}

void bb_blob_decode_text(struct bb_blob *blob) {
    size_t len = 0;
    bool blank = true;
    for (size_t i = 0; i < blob->len; i++) {
        if (blob->data[i] >= 0x7f || (blob->data[i] < 0x20 && !is_space(blob->data[i])))
            return; /* binary */
        blank = blank && is_space(blob->data[i]);
    }
    uint8_t *out = blank ? NULL : malloc(blob->len);
    if (out == NULL)
        return;
    struct bb_span text = bb_blob_span(blob);
    if (decode_hex_lines(text, out, &len) || bb_b64_decode(text, out, blob->len, &len)) {
        free(blob->data);
        *blob = (struct bb_blob){.data = out, .len = len};
        return;
    }
    free(out);
}

static enum bb_status too_many(struct bb_error *err) {
    return bb_fail(err, BB_USAGE, "certs", "at most 64 certificates and CRLs, 1 MiB", NULL,
                   "too many certificates");
}

/* Many chain files carry the same authorities: they count once. */
static bool has(const struct bb_store *s, enum bb_der_kind kind, struct bb_span der) {
    const struct bb_span *list = kind == BB_DER_CRL ? s->crls : s->certs;
    size_t n = kind == BB_DER_CRL ? s->n_crls : s->n_certs;
    for (size_t i = 0; i < n; i++)
        if (bb_span_equal(list[i], der))
            return true;
    return false;
}

static enum bb_status add_der(struct bb_store *s, enum bb_der_kind kind, struct bb_span der,
                              struct bb_error *err) {
    if (has(s, kind, der))
        return BB_OK;
    if ((kind == BB_DER_CRL ? s->n_crls : s->n_certs) >= BB_INPUT_FILES_MAX ||
        der.len > BB_INPUT_FILE_MAX - s->total)
        return too_many(err);
    uint8_t *copy = malloc(der.len + 1);
    if (copy == NULL)
        return bb_fail_internal(err, "memory for a certificate");
    memcpy(copy, der.ptr, der.len);
    s->blob[s->n_blobs++] = (struct bb_blob){.data = copy, .len = der.len};
    s->total += der.len;
    if (kind == BB_DER_CRL)
        s->crls[s->n_crls++] = bb_span(copy, der.len);
    else
        s->certs[s->n_certs++] = bb_span(copy, der.len);
    return BB_OK;
}

static enum bb_status add_pem(struct bb_store *s, struct bb_span text, size_t *found,
                              struct bb_error *err) {
    size_t pos = 0, len = 0;
    enum bb_der_kind kind = BB_DER_OTHER;
    uint8_t *der = malloc(text.len + 1);
    if (der == NULL)
        return bb_fail_internal(err, "memory for a certificate");
    enum bb_status status = BB_OK;
    while (status == BB_OK && bb_pem_next(text, &pos, &kind, der, text.len, &len)) {
        if (kind == BB_DER_OTHER)
            continue;
        status = add_der(s, kind, bb_span(der, len), err);
        (*found)++;
    }
    free(der);
    return status;
}

enum bb_status bb_store_add(struct bb_store *s, struct bb_span bytes, size_t *found,
                            struct bb_error *err) {
    *found = 0;
    enum bb_der_kind kind = bytes.len == 0 ? BB_DER_OTHER : bb_der_kind(bytes);
    if (kind == BB_DER_OTHER && bb_der_looks_damaged(bytes))
        kind = BB_DER_CERTIFICATE; /* at hand, and fits nothing */
    if (bytes.ptr == NULL || kind == BB_DER_OTHER)
        return add_pem(s, bytes, found, err);
    *found = 1;
    return add_der(s, kind, bytes, err);
}

/* `left`: how many bytes may still be read. A file that holds nothing of use is no mistake of the
 * command line, for files are as untrusted as what they hold: what is missing shows in the checks.
 */
static enum bb_status add_file(struct bb_store *s, const char *path, size_t *left,
                               struct bb_error *err) {
    struct bb_blob blob = {0};
    size_t found = 0;
    BB_TRY(bb_blob_read(path, *left, &blob, err));
    *left -= blob.len;
    enum bb_status status = bb_store_add(s, bb_blob_span(&blob), &found, err);
    bb_blob_free(&blob);
    if (status == BB_OK && found == 0)
        (void)fprintf(stderr, "blindbox: warning: %s holds no certificate and no CRL\n", path);
    return status;
}

static int wanted(const struct dirent *entry) {
    static const char *const endings[] = {".der", ".pem", ".crt", ".crl"};
    const char *dot = strrchr(entry->d_name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(dot, endings[i]) == 0)
            return 1;
    return 0;
}

enum bb_status bb_store_add_path(struct bb_store *s, const char *path, struct bb_error *err) {
    struct stat st;
    size_t left = BB_INPUT_FILE_MAX;
    if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return add_file(s, path, &left, err);
    struct dirent **names = NULL;
    int n = scandir(path, &names, wanted, alphasort);
    if (n < 0)
        return cannot(err, path, strerror(errno));
    enum bb_status status = n > BB_INPUT_FILES_MAX ? too_many(err) : BB_OK;
    for (int i = 0; i < n; i++) {
        char full[4096];
        int len = snprintf(full, sizeof full, "%s/%s", path, names[i]->d_name);
        bool fits = len > 0 && (size_t)len < sizeof full;
        /* A folder, or a pipe that nobody writes to, is no certificate. */
        if (status == BB_OK && fits && stat(full, &st) == 0 && S_ISREG(st.st_mode))
            status = add_file(s, full, &left, err);
        free(names[i]);
    }
    free(names);
    return status;
}

void bb_store_free(struct bb_store *s) {
    for (size_t i = 0; i < s->n_blobs; i++)
        bb_blob_free(&s->blob[i]);
}
