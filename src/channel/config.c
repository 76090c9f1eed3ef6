#include "channel/frame.h"

#include "codec/cbor.h"

enum { K_SOFTWARE = 1, K_UPSTREAM, K_ISSUERS, K_APPS, K_END };

static void write_texts(struct bb_writer *w, const char *const *texts, size_t n) {
    bb_cbor_write_array(w, n);
    for (size_t i = 0; i < n; i++)
        bb_cbor_write_text(w, bb_span_str(texts[i]));
}

void bb_config_build(const struct bb_config *config, struct bb_writer *w) {
    bb_cbor_write_map(w, 4);
    bb_cbor_write_uint(w, K_SOFTWARE);
    bb_cbor_write_text(w, bb_span_str(config->software));
    bb_cbor_write_uint(w, K_UPSTREAM);
    bb_cbor_write_text(w, bb_span_str(config->upstream));
    bb_cbor_write_uint(w, K_ISSUERS);
    write_texts(w, config->issuers, config->n_issuers);
    bb_cbor_write_uint(w, K_APPS);
    write_texts(w, config->apps, config->n_apps);
}

static bool texts(struct bb_reader *r, size_t min) {
    size_t n = 0;
    struct bb_span text;
    if (!bb_cbor_read_array(r, min, BB_CONFIG_MAX, &n))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!bb_cbor_read_text(r, 0, BB_CONFIG_MAX, &text))
            return false;
    return true;
}

bool bb_config_is_valid(struct bb_span config) {
    struct bb_reader r = bb_reader(config);
    size_t pairs = 0;
    unsigned seen = 0;
    struct bb_span text;
    if (config.len > BB_CONFIG_MAX || !bb_cbor_is_deterministic(config) ||
        !bb_cbor_read_map(&r, &pairs))
        return false;
    for (size_t i = 0; i < pairs; i++) {
        struct bb_cbor_item key;
        bool good = bb_cbor_next(&r, &key);
        if (good && key.type == BB_CBOR_NINT)
            good = bb_cbor_skip(&r);
        else if (good && key.type == BB_CBOR_UINT && key.value > 0 && key.value < K_END) {
            seen |= 1U << key.value;
            good = key.value <= K_UPSTREAM ? bb_cbor_read_text(&r, 0, BB_CONFIG_MAX, &text)
                                           : texts(&r, key.value == K_APPS ? 1 : 0);
        } else
            good = false;
        if (!good)
            return false;
    }
    return seen == (1U << K_END) - 2;
}
