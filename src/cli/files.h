/* Files that commands read: capped, told apart by content. */
#ifndef BB_CLI_FILES_H
#define BB_CLI_FILES_H

#include "base/error.h"

#define BB_INPUT_FILE_MAX                                                                          \
    (1U << 20)                /* one input file, and all files of one --certs folder: memory */
#define BB_INPUT_FILES_MAX 64 /* certificates and CRLs in one run: time */

struct bb_blob {
    uint8_t *data;
    size_t len;
};

/* Reads a file, "-" for standard input. Free with bb_blob_free(). Fails with UsageError. */
BB_MUST_USE enum bb_status bb_blob_read(const char *path, size_t max, struct bb_blob *out,
                                        struct bb_error *err);
void bb_blob_free(struct bb_blob *blob);
static inline struct bb_span bb_blob_span(const struct bb_blob *b) {
    return bb_span(b->data, b->len);
}

/* Evidence as bin, hex or base64 text, white space anywhere: replaced in place by the bytes. What
 * is neither stays. */
void bb_blob_decode_text(struct bb_blob *blob);

/* Certificates and CRLs of the command line, owned. */
struct bb_store {
    struct bb_blob blob[BB_INPUT_FILES_MAX * 2];
    struct bb_span certs[BB_INPUT_FILES_MAX];
    struct bb_span crls[BB_INPUT_FILES_MAX];
    size_t n_blobs, n_certs, n_crls, total;
};

/* Adds DER or PEM bytes (any number of PEM blocks). What is neither a certificate nor a CRL is left
 * out; `found` gets how many there were, those that the store has already included. Fails past the
 * limits. */
BB_MUST_USE enum bb_status bb_store_add(struct bb_store *store, struct bb_span bytes, size_t *found,
                                        struct bb_error *err);
/* Adds a file, or every .der .pem .crt .crl of a folder (not below it), in the order of their
 * names. Warns on stderr of a file in which nothing was found. */
BB_MUST_USE enum bb_status bb_store_add_path(struct bb_store *store, const char *path,
                                             struct bb_error *err);
void bb_store_free(struct bb_store *store);

#endif
