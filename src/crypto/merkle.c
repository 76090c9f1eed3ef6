#include "crypto/merkle.h"

bool bb_merkle_node(const uint8_t left[BB_MERKLE_NODE], const uint8_t right[BB_MERKLE_NODE],
                    uint8_t out[BB_MERKLE_NODE]) {
    /* The prefix keeps a node from being shown as a leaf (0x00), and the reverse. */
    static const uint8_t prefix = 0x01;
    struct bb_span parts[] = {bb_span(&prefix, 1), bb_span(left, BB_MERKLE_NODE),
                              bb_span(right, BB_MERKLE_NODE)};
    return bb_sha384_parts(parts, 3, out);
}

bool bb_merkle_root_from_path(const uint8_t leaf[BB_MERKLE_NODE], uint32_t index, unsigned depth,
                              struct bb_span path, uint8_t out[BB_MERKLE_NODE]) {
    uint8_t h[BB_MERKLE_NODE];
    if (depth > BB_MERKLE_DEPTH_MAX || index >= (uint32_t)1 << depth ||
        path.len != (size_t)depth * BB_MERKLE_NODE)
        return false;
    memcpy(h, leaf, sizeof h);
    for (unsigned i = 0; i < depth; i++) {
        const uint8_t *sibling = path.ptr + (size_t)i * BB_MERKLE_NODE;
        bool right = (index >> i & 1) != 0;
        if (!bb_merkle_node(right ? sibling : h, right ? h : sibling, h))
            return false;
    }
    memcpy(out, h, sizeof h);
    return true;
}

bool bb_merkle_build(uint8_t *tree, unsigned depth) {
    size_t width = (size_t)1 << depth;
    uint8_t *level = tree;
    while (width > 1) {
        uint8_t *above = level + width * BB_MERKLE_NODE;
        for (size_t i = 0; i < width; i += 2)
            if (!bb_merkle_node(level + i * BB_MERKLE_NODE, level + (i + 1) * BB_MERKLE_NODE,
                                above + i / 2 * BB_MERKLE_NODE))
                return false;
        level = above;
        width /= 2;
    }
    return true;
}

void bb_merkle_path(const uint8_t *tree, unsigned depth, uint32_t index, uint8_t *out) {
    const uint8_t *level = tree;
    size_t width = (size_t)1 << depth;
    for (unsigned i = 0; i < depth; i++) {
        size_t sibling = (size_t)(index >> i) ^ 1;
        memcpy(out + (size_t)i * BB_MERKLE_NODE, level + sibling * BB_MERKLE_NODE, BB_MERKLE_NODE);
        level += width * BB_MERKLE_NODE;
        width /= 2;
    }
}
