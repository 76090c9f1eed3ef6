/* The batch's tree against the second implementation, and proofs that must not lead to the root. */
#include "own_vectors.h"

#include "channel/binding.h"

static uint8_t *tree_of(unsigned depth) {
    uint8_t *tree = malloc(bb_merkle_tree_size(depth));
    assert_non_null(tree);
    for (uint32_t i = 0; i < (uint32_t)1 << depth; i++) {
        uint8_t number[4];
        struct bb_writer w = bb_writer(number, sizeof number);
        bb_write_u32be(&w, i);
        struct bb_span parts[] = {BB_SPAN_LIT("blindbox/1 test leaf"), BB_SPAN_OF(number)};
        assert_true(bb_sha384_parts(parts, 2, tree + (size_t)i * BB_MERKLE_NODE));
    }
    assert_true(bb_merkle_build(tree, depth));
    return tree;
}

static void check_proof(const json_t *proof, const uint8_t *tree, unsigned depth,
                        struct bb_span root) {
    static uint8_t path[BB_MERKLE_DEPTH_MAX * BB_MERKLE_NODE];
    uint8_t found[BB_MERKLE_NODE];
    uint32_t index = int_member(proof, "index");
    struct bb_span want = hex_member(proof, "path"), leaf = hex_member(proof, "leaf");
    bb_merkle_path(tree, depth, index, path);
    assert_bytes(bb_span(path, (size_t)depth * BB_MERKLE_NODE), want);
    assert_bytes(bb_span(tree + (size_t)index * BB_MERKLE_NODE, BB_MERKLE_NODE), leaf);
    assert_true(bb_merkle_root_from_path(leaf.ptr, index, depth, want, found));
    assert_bytes(BB_SPAN_OF(found), root);
    if (depth > 0) { /* another place, with the same path, is another root */
        assert_true(bb_merkle_root_from_path(leaf.ptr, index ^ 1, depth, want, found));
        assert_memory_not_equal(found, root.ptr, sizeof found);
    }
    free_span(want);
    free_span(leaf);
}

static void test_trees_of_the_second_implementation(void **state) {
    (void)state;
    json_t *rows = own_vectors("trees.json");
    size_t i, k;
    json_t *row, *proof;
    assert_int_equal(json_array_size(rows), 4);
    json_array_foreach(rows, i, row) {
        unsigned depth = int_member(row, "depth");
        struct bb_span root = hex_member(row, "root");
        uint8_t *tree = tree_of(depth);
        assert_bytes(bb_span(tree + bb_merkle_tree_size(depth) - BB_MERKLE_NODE, BB_MERKLE_NODE),
                     root);
        json_array_foreach(json_object_get(row, "proofs"), k, proof)
            check_proof(proof, tree, depth, root);
        free(tree);
        free_span(root);
    }
    json_decref(rows);
}

static void test_every_flip_of_a_proof_changes_the_root(void **state) {
    (void)state;
    enum { DEPTH = 3, INDEX = 5 };
    uint8_t *tree = tree_of(DEPTH), path[DEPTH * BB_MERKLE_NODE], leaf[BB_MERKLE_NODE], root[48];
    const uint8_t *top = tree + bb_merkle_tree_size(DEPTH) - BB_MERKLE_NODE;
    memcpy(leaf, tree + (size_t)INDEX * BB_MERKLE_NODE, sizeof leaf);
    bb_merkle_path(tree, DEPTH, INDEX, path);
    for (size_t bit = 0; bit < (sizeof path + sizeof leaf) * 8; bit++) {
        uint8_t *at = bit / 8 < sizeof path ? path + bit / 8 : leaf + (bit / 8 - sizeof path);
        *at ^= (uint8_t)(1U << bit % 8);
        assert_true(bb_merkle_root_from_path(leaf, INDEX, DEPTH, BB_SPAN_OF(path), root));
        assert_memory_not_equal(root, top, sizeof root);
        *at ^= (uint8_t)(1U << bit % 8);
    }
    free(tree);
}

static void test_proofs_of_a_wrong_size(void **state) {
    (void)state;
    static const uint8_t path[(BB_MERKLE_DEPTH_MAX + 1) * BB_MERKLE_NODE], leaf[BB_MERKLE_NODE];
    static const struct {
        uint32_t index;
        unsigned depth;
        size_t nodes, bytes; /* bytes more than whole nodes */
        bool good;
    } rows[] = {
        {0, 0, 0, 0, true},       {1, 0, 0, 0, false},       {0, 0, 1, 0, false},
        {3, 2, 2, 0, true},       {4, 2, 2, 0, false},       {3, 2, 1, 0, false},
        {3, 2, 3, 0, false},      {3, 2, 1, 47, false},      {3, 2, 2, 1, false},
        {65535, 16, 16, 0, true}, {65536, 16, 16, 0, false}, {0, 17, 17, 0, false},
        {0, 32, 16, 0, false},    {0, 2, 0, 0, false},
    };
    uint8_t root[BB_MERKLE_NODE];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bb_span p = bb_span(path, rows[i].nodes * BB_MERKLE_NODE + rows[i].bytes);
        if (bb_merkle_root_from_path(leaf, rows[i].index, rows[i].depth, p, root) != rows[i].good)
            fail_msg("row %zu", i);
    }
}

/* A node shown as a leaf leads to the same root with a shorter path: the statement's depth, and the
 * prefix of leaves, tell them apart. */
static void test_node_given_as_leaf(void **state) {
    (void)state;
    enum { DEPTH = 2 };
    uint8_t *tree = tree_of(DEPTH), path[DEPTH * BB_MERKLE_NODE], root[48], d[48], other[48];
    static const uint8_t key[BB_SPKI_SIZE];
    bb_merkle_path(tree, DEPTH, 0, path);
    const uint8_t *inner = tree + (size_t)4 * BB_MERKLE_NODE;
    assert_true(bb_merkle_root_from_path(inner, 0, DEPTH - 1,
                                         bb_span(path + BB_MERKLE_NODE, BB_MERKLE_NODE), root));
    assert_memory_equal(root, tree + bb_merkle_tree_size(DEPTH) - BB_MERKLE_NODE, sizeof root);
    struct bb_statement s = {.depth = DEPTH,
                             .root = root,
                             .spki = BB_SPAN_OF(key),
                             .binding_spki = BB_SPAN_OF(key),
                             .config = BB_SPAN_OF(key)};
    assert_true(bb_binding_d(&s, d));
    s.depth = DEPTH - 1;
    assert_true(bb_binding_d(&s, other));
    assert_memory_not_equal(d, other, sizeof d);
    free(tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trees_of_the_second_implementation),
        cmocka_unit_test(test_every_flip_of_a_proof_changes_the_root),
        cmocka_unit_test(test_proofs_of_a_wrong_size),
        cmocka_unit_test(test_node_given_as_leaf),
    };
    return cmocka_run_group_tests_name("merkle", tests, NULL, NULL);
}
