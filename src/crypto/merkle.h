/* The perfect hash tree of a batch (channel protocol 3.1): 48-byte SHA-384 nodes, 2^depth leaves.
 */
#ifndef BB_CRYPTO_MERKLE_H
#define BB_CRYPTO_MERKLE_H

#include "crypto/digest.h"

#define BB_MERKLE_NODE 48
#define BB_MERKLE_DEPTH_MAX 16

/* SHA-384(0x01 || left || right). */
BB_MUST_USE bool bb_merkle_node(const uint8_t left[BB_MERKLE_NODE],
                                const uint8_t right[BB_MERKLE_NODE], uint8_t out[BB_MERKLE_NODE]);

/* Root from a leaf and its path (48 * depth bytes). False if index or path do not fit the depth. */
BB_MUST_USE bool bb_merkle_root_from_path(const uint8_t leaf[BB_MERKLE_NODE], uint32_t index,
                                          unsigned depth, struct bb_span path,
                                          uint8_t out[BB_MERKLE_NODE]);

/* Bytes of a whole tree: all levels, leaves first, root last. */
static inline size_t bb_merkle_tree_size(unsigned depth) {
    return (((size_t)2 << depth) - 1) * BB_MERKLE_NODE;
}
/* Fills the upper levels of `tree`, whose first 2^depth nodes are the leaves. */
BB_MUST_USE bool bb_merkle_build(uint8_t *tree, unsigned depth);
/* The path of a leaf: depth * 48 bytes to `out`. */
void bb_merkle_path(const uint8_t *tree, unsigned depth, uint32_t index, uint8_t *out);

#endif
