#include "channel/batch.h"

#include <stdlib.h>

unsigned bb_batch_depth(size_t n) {
    unsigned depth = 0;
    while ((size_t)1 << depth < n)
        depth++;
    return depth;
}

/* Random 32-bit words, some hundred bytes at a time: a call to the generator costs more than its
 * bytes. */
struct words {
    bb_random_fn random;
    uint8_t raw[256];
    size_t left; /* bytes at the end of `raw` that are not used yet */
};

static bool word(struct words *s, uint32_t *out) {
    if (s->left < sizeof *out) {
        if (!s->random(s->raw, sizeof s->raw))
            return false;
        s->left = sizeof s->raw;
    }
    struct bb_reader r = bb_reader(bb_span(s->raw + sizeof s->raw - s->left, sizeof *out));
    s->left -= sizeof *out;
    *out = bb_read_u32be(&r);
    return true;
}

/* A uniform number below `bound` (1..65536): values of the last, incomplete run of `bound` are
 * drawn again, so that no place is likelier than another. */
static bool draw(struct words *s, uint32_t bound, uint32_t *out) {
    const uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
    for (int tries = 0; tries < 64; tries++) {
        uint32_t value = 0;
        if (!word(s, &value))
            return false;
        if (value < limit) {
            *out = value % bound;
            return true;
        }
    }
    return false; /* a generator that fails 64 times at odds of at most 2^-16 is broken */
}

/* The first n of a Fisher-Yates shuffle of all places. */
static bool choose_places(struct bb_batch *b, bb_random_fn random) {
    struct words words = {.random = random};
    uint32_t width = (uint32_t)1 << b->depth;
    uint32_t *all = malloc(width * sizeof *all);
    bool good = all != NULL;
    for (uint32_t i = 0; good && i < width; i++)
        all[i] = i;
    for (uint32_t i = 0; good && i < b->n; i++) {
        uint32_t other = 0;
        good = draw(&words, width - i, &other);
        other += i;
        uint32_t place = good ? all[other] : 0;
        if (good) {
            all[other] = all[i];
            b->places[i] = place;
        }
    }
    free(all);
    return good;
}

static bool fill_tree(struct bb_batch *b, const uint8_t *leaves, bb_random_fn random) {
    size_t width = (size_t)1 << b->depth;
    /* Free places are random strings, fresh in each batch: a duplicate of a leaf, or nothing, would
     * let a proof be read in two ways. All places first, then the real leaves over theirs. */
    if (!random(b->tree, width * BB_MERKLE_NODE))
        return false;
    for (size_t i = 0; i < b->n; i++)
        memcpy(b->tree + (size_t)b->places[i] * BB_MERKLE_NODE, leaves + i * BB_MERKLE_NODE,
               BB_MERKLE_NODE);
    if (!bb_merkle_build(b->tree, b->depth))
        return false;
    memcpy(b->root, b->tree + bb_merkle_tree_size(b->depth) - BB_MERKLE_NODE, BB_MERKLE_NODE);
    return true;
}

static bool input_is_right(const struct bb_batch_input *in) {
    return in->n >= 1 && in->n <= BB_BATCH_LEAVES_MAX && in->form <= 1 &&
           (in->flags & ~BB_FLAG_OUTSIDE_UPSTREAM) == 0 && bb_spki_is_p256(in->spki) &&
           bb_spki_is_p256(in->binding_spki) && in->config.len > 0 &&
           in->config.len <= BB_CONFIG_MAX;
}

static bool seal(struct bb_batch *b, const struct bb_batch_input *in, bb_random_fn random) {
    struct bb_statement s = {.depth = b->depth,
                             .flags = b->flags,
                             .root = b->root,
                             .spki = in->spki,
                             .binding_spki = in->binding_spki,
                             .config = in->config};
    return b->tree != NULL && b->places != NULL && choose_places(b, random) &&
           fill_tree(b, in->leaves, random) && bb_binding_d(&s, b->d) &&
           bb_binding_report_data(b->d, b->form, b->report_data);
}

enum bb_status bb_batch_new(const struct bb_batch_input *in, bb_random_fn random,
                            struct bb_batch **out, struct bb_error *err) {
    if (!input_is_right(in))
        return bb_fail(err, BB_USAGE, "batch", NULL, NULL,
                       "leaves, form, flags or keys out of range");
    struct bb_batch *b = calloc(1, sizeof *b);
    if (b == NULL)
        return bb_fail_internal(err, "memory for a batch");
    b->n = in->n;
    b->depth = bb_batch_depth(in->n);
    b->form = in->form;
    b->flags = in->flags;
    b->tree = malloc(bb_merkle_tree_size(b->depth));
    b->places = malloc(in->n * sizeof *b->places);
    if (!seal(b, in, random)) {
        bb_batch_free(b);
        return bb_fail_internal(err, "sealing a batch");
    }
    *out = b;
    return BB_OK;
}

void bb_batch_free(struct bb_batch *b) {
    if (b == NULL)
        return;
    free(b->tree);
    free(b->places);
    free(b);
}

void bb_batch_proof(const struct bb_batch *b, size_t i, uint32_t *index, uint8_t *path) {
    *index = b->places[i];
    bb_merkle_path(b->tree, b->depth, *index, path);
}
