/* One batch: many connections' leaves under one root, one report (channel protocol 3.2 and 4).
 * Pure: randomness is an argument. Runs in the attester process, which alone knows the binding key.
 */
#ifndef BB_CHANNEL_BATCH_H
#define BB_CHANNEL_BATCH_H

#include "channel/binding.h"
#include "channel/limits.h"

/* bb_random of crypto/digest.h; tests give a repeatable one. */
typedef bool (*bb_random_fn)(uint8_t *out, size_t len);

struct bb_batch_input {
    const uint8_t *leaves;       /* n * 48 bytes, as the workers stated them */
    size_t n;                    /* 1..65536 */
    unsigned form;               /* report_data form of the whole batch: 1, or 0 */
    uint16_t flags;              /* BB_FLAG_OUTSIDE_UPSTREAM or 0 */
    struct bb_span spki;         /* the gateway's TLS key, 91 bytes */
    struct bb_span binding_spki; /* the attester's own P-256 key, 91 bytes */
    struct bb_span config;       /* CBOR of bb_config_build(), read when the batch is sealed */
};

struct bb_batch {
    size_t n;
    unsigned depth; /* smallest with n <= 2^depth; 0 is direct mode: root = leaf */
    unsigned form;
    uint16_t flags;
    uint8_t root[BB_MERKLE_NODE];
    uint8_t d[BB_D_SIZE];
    uint8_t report_data[BB_REPORT_DATA_SIZE]; /* what the hardware is asked to sign */
    uint8_t *tree;                            /* bb_merkle_tree_size(depth) bytes */
    uint32_t *places;                         /* places[i]: index of input leaf i */
};

/* Seals a batch: real leaves at random places, free places filled with fresh random strings, tree,
 * statement, D, report_data. UsageError if n, form, flags or a key is out of range; InternalError
 * if memory, randomness or hashing fails. `out` is written only on success. */
BB_MUST_USE enum bb_status bb_batch_new(const struct bb_batch_input *in, bb_random_fn random,
                                        struct bb_batch **out, struct bb_error *err);
void bb_batch_free(struct bb_batch *batch); /* NULL-safe */

/* The smallest depth with n <= 2^depth. */
unsigned bb_batch_depth(size_t n);
/* The proof of input leaf i < n: its index, and depth * 48 bytes to `path`. */
void bb_batch_proof(const struct bb_batch *batch, size_t i, uint32_t *index, uint8_t *path);

#endif
