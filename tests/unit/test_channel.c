/* Protocol blindbox/1: bindings against the vector of the specification, frames, trees. */
#include "own_vectors.h"

#include "channel/frame.h"
#include "codec/cbor.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

struct hex_value {
    uint8_t data[512];
    size_t len;
};

static struct bb_span value_of(const json_t *v, const char *key, struct hex_value *out) {
    struct bb_span text = bb_span_str(row_text(v, key));
    assert_true(text.len > 0);
    assert_true(bb_hex_decode(text, out->data, sizeof out->data, &out->len));
    return bb_span(out->data, out->len);
}

static void assert_span(struct bb_span got, struct bb_span want) {
    assert_int_equal(got.len, want.len);
    assert_memory_equal(got.ptr, want.ptr, want.len);
}

static json_t *vector(void) {
    char path[4096];
    json_decref(vectors_manifest());
    (void)snprintf(path, sizeof path, "%s/channel/vector.json", vectors_dir());
    json_t *v = json_load_file(path, 0, NULL);
    assert_non_null(v);
    return v;
}

static void test_vector_of_the_specification(void **state) {
    (void)state;
    json_t *v = vector();
    static struct hex_value request, salt, exported, spki, config, want;
    uint8_t out[64], leaf[48], d[48], root[48], sibling[48];
    char runtime[BB_RUNTIME_SIZE + 1];
    struct bb_request q;
    value_of(v, "request", &request);
    value_of(v, "salt", &salt);
    value_of(v, "exported", &exported);
    value_of(v, "spki", &spki);
    value_of(v, "config", &config);
    struct bb_span key = bb_span(spki.data, spki.len);
    assert_true(bb_binding_context(bb_span(request.data, request.len), salt.data, out));
    assert_span(bb_span(out, 48), value_of(v, "context", &want));
    assert_true(bb_binding_binder(key, exported.data, out));
    assert_span(bb_span(out, 48), value_of(v, "binder", &want));
    assert_true(bb_binding_leaf(key, exported.data, leaf));
    assert_span(bb_span(leaf, 48), value_of(v, "leaf", &want));
    struct bb_statement s = {
        .root = leaf, .spki = key, .binding_spki = key, .config = bb_span(config.data, config.len)};
    assert_true(bb_binding_d(&s, d));
    assert_span(bb_span(d, 48), value_of(v, "D", &want));
    assert_true(bb_binding_runtime(d, runtime));
    assert_string_equal(runtime, row_text(v, "runtime"));
    assert_true(bb_binding_report_data(d, 1, out));
    assert_span(bb_span(out, 64), value_of(v, "report_data_form_1", &want));
    assert_true(bb_binding_report_data(d, 0, out));
    assert_span(bb_span(out, 64), value_of(v, "report_data_form_0", &want));
    assert_false(bb_binding_report_data(d, 2, out));
    assert_true(bb_binding_extra_data(d, out));
    assert_span(bb_span(out, 32), value_of(v, "extraData", &want));
    assert_true(bb_binding_hcl_user_data(key, key, out));
    assert_span(bb_span(out, 64), value_of(v, "hcl_user_data", &want));
    memset(sibling, 0xaa, sizeof sibling);
    assert_true(bb_merkle_root_from_path(leaf, 1, 1, BB_SPAN_OF(sibling), root));
    assert_span(bb_span(root, 48), value_of(v, "depth1_index1_root", &want));
    assert_true(bb_request_parse(bb_span(request.data, request.len), &q));
    uint8_t again[BB_REQUEST_MAX];
    struct bb_writer w = bb_writer(again, sizeof again);
    bb_request_build(&q, &w);
    assert_span(bb_writer_span(&w), bb_span(request.data, request.len));
    assert_true(bb_config_is_valid(bb_span(config.data, config.len)));
    json_decref(v);
}

static void test_every_flip_changes_d(void **state) {
    (void)state;
    uint8_t root[48] = {1}, spki[91] = {2}, binding[91] = {3}, config[8] = {4}, d[48], other[48];
    struct bb_statement s = {.root = root,
                             .spki = BB_SPAN_OF(spki),
                             .binding_spki = BB_SPAN_OF(binding),
                             .config = BB_SPAN_OF(config)};
    assert_true(bb_binding_d(&s, d));
    const struct {
        uint8_t *data;
        size_t len;
    } inputs[] = {{root, sizeof root},
                  {spki, sizeof spki},
                  {binding, sizeof binding},
                  {config, sizeof config}};
    for (size_t i = 0; i < 4; i++) {
        for (size_t bit = 0; bit < inputs[i].len * 8; bit++) {
            inputs[i].data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_true(bb_binding_d(&s, other));
            assert_memory_not_equal(d, other, 48);
            inputs[i].data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
    }
    s.flags = 1;
    assert_true(bb_binding_d(&s, other));
    assert_memory_not_equal(d, other, 48);
    s.flags = 0;
    s.depth = 1;
    assert_true(bb_binding_d(&s, other));
    assert_memory_not_equal(d, other, 48);
    s.depth = 17;
    assert_false(bb_binding_d(&s, other));
}

static void test_only_uncompressed_p256_keys(void **state) {
    (void)state;
    json_t *v = vector();
    static struct hex_value spki;
    value_of(v, "spki", &spki);
    assert_true(bb_spki_is_p256(bb_span(spki.data, spki.len)));
    assert_false(bb_spki_is_p256(bb_span(spki.data, 90)));
    spki.data[26] = 0x02; /* compressed point */
    assert_false(bb_spki_is_p256(bb_span(spki.data, spki.len)));
    json_decref(v);
}

static void test_paths(void **state) {
    (void)state;
    static const unsigned depths[] = {0, 1, 2, 5};
    for (size_t k = 0; k < 4; k++) {
        unsigned depth = depths[k];
        uint32_t width = 1U << depth;
        static uint8_t tree[64 * BB_MERKLE_NODE], path[16 * BB_MERKLE_NODE], root[48];
        for (uint32_t i = 0; i < width; i++)
            memset(tree + (size_t)i * 48, (int)i + 1, 48);
        assert_true(bb_merkle_build(tree, depth));
        const uint8_t *top = tree + bb_merkle_tree_size(depth) - 48;
        for (uint32_t i = 0; i < width; i++) {
            size_t len = (size_t)depth * 48;
            bb_merkle_path(tree, depth, i, path);
            assert_true(bb_merkle_root_from_path(tree + (size_t)i * 48, i, depth,
                                                 bb_span(path, len), root));
            assert_memory_equal(root, top, 48);
            assert_false(bb_merkle_root_from_path(tree, i, depth, bb_span(path, len + 48), root));
            if (depth > 0)
                assert_false(
                    bb_merkle_root_from_path(tree, i, depth, bb_span(path, len - 48), root));
            assert_false(bb_merkle_root_from_path(tree, width, depth, bb_span(path, len), root));
        }
    }
    uint8_t a[48] = {0}, node[48], leaf[48];
    assert_true(bb_merkle_node(a, a, node));
    uint8_t spki[91] = {0};
    assert_false(bb_binding_leaf(BB_SPAN_OF(spki), a, leaf)); /* not a key */
}

#define NONCE                                                                                      \
    "5820"                                                                                         \
    "0000000000000000000000000000000000000000000000000000000000000000"

static void test_requests_that_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *hex, *why;
        bool good;
    } rows[] = {
        {"a6010102" NONCE "0381010401081975300981"
         "63726177",
         "good", true},
        {"a60102"
         "02" NONCE "0381010401081975300981"
         "63726177",
         "version 2", false},
        {"a5010102" NONCE "0381010401"
         "0981"
         "63726177",
         "no wait", false},
        {"a6010102" NONCE "03810104010819"
         "03e7"
         "0981"
         "63726177",
         "wait too short", false},
        {"a6010102" NONCE "0382010104010819"
         "7530"
         "0981"
         "63726177",
         "kind twice", false},
        {"a6010102" NONCE "03810104020819"
         "7530"
         "0981"
         "63726177",
         "token without issuer", false},
        {"a7010102" NONCE "038101040105"
         "6161"
         "0819"
         "7530"
         "0981"
         "63726177",
         "issuer without token", false},
        {"a7010102" NONCE "03810104010819"
         "7530"
         "0981"
         "63726177"
         "0b00",
         "unknown key", false},
        {"a7010102" NONCE "03810104010819"
         "7530"
         "0981"
         "63726177"
         "2000",
         "extension", true},
        {"a602" NONCE "010103810104010819"
         "7530"
         "0981"
         "63726177",
         "out of order", false},
        {"a6180102" NONCE "03810104010819"
         "7530"
         "0981"
         "63726177",
         "long head", false},
        {"a7010101"
         "0102" NONCE "03810104010819"
         "7530"
         "0981"
         "63726177",
         "duplicate", false},
        {"a6010102" NONCE "03810104010819"
         "7530"
         "0981"
         "6372617700",
         "trailing byte", false},
        {"bf010102" NONCE "03810104010819"
         "7530"
         "0981"
         "63726177ff",
         "indefinite", false},
        {"", "empty", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t body[512];
        size_t len = 0;
        struct bb_request q;
        assert_true(bb_hex_decode(bb_span_str(rows[i].hex), body, sizeof body, &len));
        if (bb_request_parse(bb_span(body, len), &q) != rows[i].good)
            fail_msg("request '%s' was %s", rows[i].why, rows[i].good ? "refused" : "taken");
    }
}

static void test_responses_round_trip(void **state) {
    (void)state;
    uint8_t salt[32] = {1}, spki[91] = {2}, path[48] = {3}, report[1184] = {4}, vek[100] = {5};
    static uint8_t cmw_buf[4096], config_buf[512], body[8192];
    static const char *const apps[] = {"http/1.1"};
    struct bb_cmw cmw = {.report = BB_SPAN_OF(report), .vek = BB_SPAN_OF(vek)}, cmw_back;
    struct bb_writer cw = bb_writer(cmw_buf, sizeof cmw_buf);
    struct bb_writer fw = bb_writer(config_buf, sizeof config_buf);
    struct bb_writer w = bb_writer(body, sizeof body);
    bb_cmw_build(&cmw, &cw);
    bb_config_build(&(struct bb_config){.software = "blindbox 0.1.0",
                                        .upstream = "unix:/run/app.sock",
                                        .apps = apps,
                                        .n_apps = 1},
                    &fw);
    assert_true(bb_config_is_valid(bb_writer_span(&fw)));
    struct bb_response p = {.salt = BB_SPAN_OF(salt),
                            .kind = 255,
                            .cmw = bb_writer_span(&cw),
                            .config = bb_writer_span(&fw),
                            .binding_spki = BB_SPAN_OF(spki),
                            .index = 1,
                            .depth = 1,
                            .path = BB_SPAN_OF(path),
                            .app = BB_SPAN_LIT("raw"),
                            .has_form = true,
                            .form = 1},
                       back;
    bb_response_build(&p, &w);
    assert_true(bb_response_parse(bb_writer_span(&w), &back));
    assert_int_equal(back.kind, 255);
    assert_int_equal(back.index, 1);
    assert_true(bb_cmw_parse(back.cmw, &cmw_back));
    assert_span(cmw_back.vek, cmw.vek);
    for (size_t len = 0; len < w.len; len++)
        assert_false(bb_response_parse(bb_span(body, len), &back));
    struct bb_writer rw = bb_writer(body, sizeof body);
    bb_refusal_build(BB_CHANNEL_BUSY, 1500, &rw);
    assert_true(bb_response_parse(bb_writer_span(&rw), &back));
    assert_int_equal(back.status, BB_CHANNEL_BUSY);
    assert_int_equal(back.retry_ms, 1500);
}

static void test_cbor_bombs_cost_nothing(void **state) {
    (void)state;
    static const uint8_t huge_array[] = {0x9a, 0x20, 0, 0, 0};
    static const uint8_t huge_map[] = {0xbb, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t deep[] = {0x81, 0x81, 0x81, 0x81, 0x81, 0x00};
    static const uint8_t huge_text[] = {0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_false(bb_cbor_is_deterministic(BB_SPAN_OF(huge_array)));
    assert_false(bb_cbor_is_deterministic(BB_SPAN_OF(huge_map)));
    assert_false(bb_cbor_is_deterministic(BB_SPAN_OF(deep)));
    assert_true(bb_cbor_is_deterministic(bb_span(deep + 1, sizeof deep - 1)));
    assert_false(bb_cbor_is_deterministic(BB_SPAN_OF(huge_text)));
}

/* One value of a row of the second implementation. */
static void check_hex(const json_t *hex, const char *key, struct bb_span got) {
    struct bb_span want = hex_member(hex, key);
    if (!bb_span_equal(got, want))
        fail_msg("%s differs", key);
    free_span(want);
}

static bool p256_signature_is_good(struct bb_span spki, struct bb_span message, struct bb_span rs) {
    const uint8_t *at = spki.ptr;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)spki.len);
    ECDSA_SIG *sig = ECDSA_SIG_new();
    uint8_t *der = NULL;
    assert_non_null(key);
    assert_non_null(sig);
    assert_int_equal(rs.len, 64);
    assert_int_equal(
        ECDSA_SIG_set0(sig, BN_bin2bn(rs.ptr, 32, NULL), BN_bin2bn(rs.ptr + 32, 32, NULL)), 1);
    int len = i2d_ECDSA_SIG(sig, &der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = len > 0 && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(ctx, der, (size_t)len, message.ptr, message.len) == 1;
    EVP_MD_CTX_free(ctx);
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
    EVP_PKEY_free(key);
    return good;
}

static void check_anchored(const json_t *row, const uint8_t d[48], const uint8_t binder[48],
                           struct bb_span binding) {
    uint8_t input[BB_ANCHORED_INPUT_SIZE];
    struct bb_span rs = hex_member(row, "anchored_signature");
    bb_binding_anchored_input(d, binder, input);
    check_hex(json_object_get(row, "hex"), "anchored_input", BB_SPAN_OF(input));
    assert_true(p256_signature_is_good(binding, BB_SPAN_OF(input), rs));
    for (size_t bit = 0; bit < sizeof input * 8; bit += 37) {
        input[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(p256_signature_is_good(binding, BB_SPAN_OF(input), rs));
        input[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    free_span(rs);
}

/* From the statement on: D, report_data in both forms, and what kind 2 and anchored mode need. */
static void check_statement(const json_t *row, const struct bb_statement *s,
                            const uint8_t binder[48]) {
    const json_t *hex = json_object_get(row, "hex");
    uint8_t out[64], statement[BB_STATEMENT_SIZE], d[48];
    char runtime[BB_RUNTIME_SIZE + 1];
    assert_true(bb_binding_statement(s, statement) && bb_binding_d(s, d));
    check_hex(hex, "statement", BB_SPAN_OF(statement));
    check_hex(hex, "D", BB_SPAN_OF(d));
    assert_true(bb_binding_runtime(d, runtime));
    assert_string_equal(runtime, row_text(row, "runtime"));
    assert_true(bb_binding_report_data(d, 0, out));
    check_hex(hex, "report_data_form_0", bb_span(out, 64));
    assert_true(bb_binding_report_data(d, 1, out));
    check_hex(hex, "report_data_form_1", bb_span(out, 64));
    assert_true(bb_binding_extra_data(d, out));
    check_hex(hex, "extraData", bb_span(out, 32));
    assert_true(bb_binding_hcl_user_data(s->spki, s->binding_spki, out));
    check_hex(hex, "user_data", bb_span(out, 64));
    check_anchored(row, d, binder, s->binding_spki);
}

static void check_frames(const json_t *row, struct bb_span request, struct bb_span response) {
    static uint8_t body[1 << 16];
    const json_t *hex = json_object_get(row, "hex");
    struct bb_request q;
    struct bb_response p;
    struct bb_cmw cmw;
    struct bb_writer w = bb_writer(body, sizeof body);
    assert_true(bb_request_parse(request, &q));
    assert_true(bb_response_parse(response, &p));
    assert_true(bb_cmw_parse(p.cmw, &cmw));
    assert_int_equal(p.kind, int_member(row, "kind"));
    assert_span(p.app, bb_span_str(row_text(row, "app")));
    bb_response_build(&p, &w);
    assert_span(bb_writer_span(&w), response);
    w = bb_writer(body, sizeof body);
    bb_cmw_build(&cmw, &w);
    check_hex(hex, "cmw", bb_writer_span(&w));
}

static void check_exchange(const json_t *row) {
    const json_t *hex = json_object_get(row, "hex");
    static const char *const names[] = {"request",      "salt",   "exported", "spki",
                                        "binding_spki", "config", "path",     "response"};
    struct bb_span in[8];
    uint8_t out[48], binder[48], leaf[48], root[48];
    for (size_t i = 0; i < 8; i++)
        in[i] = hex_member(hex, names[i]);
    assert_true(bb_binding_context(in[0], in[1].ptr, out));
    check_hex(hex, "context", BB_SPAN_OF(out));
    assert_true(bb_binding_binder(in[3], in[2].ptr, binder));
    check_hex(hex, "binder", BB_SPAN_OF(binder));
    assert_true(bb_binding_leaf(in[3], in[2].ptr, leaf));
    check_hex(hex, "leaf", BB_SPAN_OF(leaf));
    unsigned depth = int_member(row, "depth");
    assert_true(bb_merkle_root_from_path(leaf, int_member(row, "index"), depth, in[6], root));
    check_hex(hex, "root", BB_SPAN_OF(root));
    assert_true(bb_config_is_valid(in[5]));
    struct bb_statement s = {.depth = depth,
                             .flags = (uint16_t)int_member(row, "flags"),
                             .root = root,
                             .spki = in[3],
                             .binding_spki = in[4],
                             .config = in[5]};
    check_statement(row, &s, binder);
    check_frames(row, in[0], in[7]);
    for (size_t i = 0; i < 8; i++)
        free_span(in[i]);
}

static void test_vectors_of_the_second_implementation(void **state) {
    (void)state;
    json_t *rows = own_vectors("exchange.json"), *row;
    size_t i;
    assert_true(json_array_size(rows) >= 5);
    json_array_foreach(rows, i, row) check_exchange(row);
    json_decref(rows);
}

/* Every bit of what leads to the leaf. */
static void test_every_flip_changes_the_leaf(void **state) {
    (void)state;
    json_t *rows = own_vectors("exchange.json");
    const json_t *hex = json_object_get(json_array_get(rows, 0), "hex");
    struct bb_span key = hex_member(hex, "spki");
    uint8_t exported[48] = {7}, leaf[48], other[48], spki[91], salt[32] = {5}, request[40] = {6};
    memcpy(spki, key.ptr, sizeof spki);
    assert_true(bb_binding_leaf(BB_SPAN_OF(spki), exported, leaf));
    for (size_t bit = 0; bit < sizeof exported * 8; bit++) {
        exported[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_true(bb_binding_leaf(BB_SPAN_OF(spki), exported, other));
        assert_memory_not_equal(leaf, other, 48);
        exported[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t bit = 0; bit < sizeof spki * 8; bit++) {
        spki[bit / 8] ^= (uint8_t)(1U << bit % 8);
        if (bb_binding_leaf(BB_SPAN_OF(spki), exported, other))
            assert_memory_not_equal(leaf, other, 48);
        spki[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_true(bb_binding_context(BB_SPAN_OF(request), salt, leaf));
    for (size_t bit = 0; bit < (sizeof salt + sizeof request) * 8; bit++) {
        uint8_t *at = bit / 8 < sizeof salt ? salt + bit / 8 : request + bit / 8 - sizeof salt;
        *at ^= (uint8_t)(1U << bit % 8);
        assert_true(bb_binding_context(BB_SPAN_OF(request), salt, other));
        assert_memory_not_equal(leaf, other, 48);
        *at ^= (uint8_t)(1U << bit % 8);
    }
    free_span(key);
    json_decref(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_of_the_specification),
        cmocka_unit_test(test_vectors_of_the_second_implementation),
        cmocka_unit_test(test_every_flip_changes_the_leaf),
        cmocka_unit_test(test_every_flip_changes_d),
        cmocka_unit_test(test_only_uncompressed_p256_keys),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_requests_that_are_refused),
        cmocka_unit_test(test_responses_round_trip),
        cmocka_unit_test(test_cbor_bombs_cost_nothing),
    };
    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
