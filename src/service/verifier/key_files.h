/* The files of keys.h. */
#ifndef BB_SERVICE_VERIFIER_KEY_FILES_H
#define BB_SERVICE_VERIFIER_KEY_FILES_H

#include "service/verifier/keys.h"

#include <limits.h>

enum { BB_RING_ALGS = 3 };
struct bb_ring_alg {
    enum bb_sig_alg alg;
    enum bb_key_type type;
    const char *name; /* in file names */
};
extern const struct bb_ring_alg bb_ring_algs[BB_RING_ALGS];

struct bb_key_file {
    const struct bb_ring_alg *alg;
    int64_t from;
};

/* The folder, made if it is not there and looked at, with its lock held. Close the lock. */
BB_MUST_USE enum bb_status bb_key_folder_lock(const char *dir, int *lock, struct bb_error *err);
/* The key files of a folder by algorithm, then by time; other names are passed over. */
BB_MUST_USE enum bb_status bb_key_files_list(const char *dir, struct bb_key_file *out, size_t *n,
                                             struct bb_error *err);
BB_MUST_USE enum bb_status bb_key_file_read(const char *dir, const struct bb_key_file *file,
                                            struct bb_key **out, struct bb_error *err);
/* A new key, written whole or not at all. */
BB_MUST_USE enum bb_status bb_key_file_make(const char *dir, const struct bb_key_file *file,
                                            struct bb_error *err);
BB_MUST_USE enum bb_status bb_key_file_remove(const char *dir, const struct bb_key_file *file,
                                              struct bb_error *err);

#endif
