/* The gateway's engine: states, limits, deadlines, refusals; and the batch builder. */
#include "own_vectors.h"

#include "channel/batch.h"
#include "channel/gateway.h"

static uint8_t spki[BB_SPKI_SIZE];
static const char *const apps[] = {"http/1.1", "raw"};
static const struct bb_gateway_offer offer = {
    .kind = 255, .form = 1, .apps = apps, .n_apps = 2, .spki = {spki, sizeof spki}};
static unsigned exporter_calls;

static bool exporter(void *ctx, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]) {
    exporter_calls++;
    return ctx == NULL && bb_sha384(context, out);
}

static bool exporter_fails(void *ctx, struct bb_span context, uint8_t out[BB_EXPORTED_SIZE]) {
    (void)ctx, (void)context, (void)out;
    return false;
}

static int setup(void **state) {
    (void)state;
    json_t *rows = own_vectors("exchange.json");
    struct bb_span key = hex_member(json_object_get(json_array_get(rows, 0), "hex"), "spki");
    memcpy(spki, key.ptr, sizeof spki);
    free_span(key);
    json_decref(rows);
    return 0;
}

static struct bb_gateway_conn *conn_new(void) {
    static const uint8_t salt[BB_SALT_SIZE] = {3};
    struct bb_gateway_conn *conn = NULL;
    assert_int_equal(bb_gateway_conn_new(&offer, salt, exporter, NULL, 1000, &conn, NULL), BB_OK);
    return conn;
}

static const uint8_t nonce[BB_NONCE_SIZE] = {1};

static struct bb_request good_request(void) {
    return (struct bb_request){.nonce = BB_SPAN_OF(nonce),
                               .kinds = {1, 255},
                               .n_kinds = 2,
                               .want = BB_WANT_EVIDENCE,
                               .wait_ms = 2000,
                               .apps = {BB_SPAN_LIT("h2"), BB_SPAN_LIT("raw")},
                               .n_apps = 2,
                               .forms = 1U << 1};
}

static size_t frame_of(const struct bb_request *q, uint8_t *frame, size_t cap) {
    struct bb_writer w = bb_writer(frame + 4, cap - 4);
    bb_request_build(q, &w);
    assert_false(w.failed);
    struct bb_writer head = bb_writer(frame, 4);
    bb_write_u32be(&head, (uint32_t)w.len);
    return w.len + 4;
}

static struct bb_gateway_conn *conn_with(const struct bb_request *q) {
    uint8_t frame[8192];
    size_t used = 0, len = frame_of(q, frame, sizeof frame);
    struct bb_gateway_conn *conn = conn_new();
    (void)bb_gateway_conn_feed(conn, bb_span(frame, len), 1100, &used);
    return conn;
}

static void expect_refusal(struct bb_gateway_conn *conn, unsigned status) {
    struct bb_response p;
    assert_int_equal(bb_gateway_conn_state(conn), BB_GATEWAY_RESPONSE);
    struct bb_span out = bb_gateway_conn_output(conn);
    assert_true(bb_response_parse(bb_span(out.ptr + 4, out.len - 4), &p));
    assert_int_equal(p.status, status);
    assert_int_equal(bb_gateway_conn_refused(conn), status);
    assert_bytes(p.text, bb_span_str(bb_channel_status_text(status)));
    assert_int_equal(bb_gateway_conn_wrote(conn, out.len, 1200), BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
}

static void test_what_this_build_does_not_have(void **state) {
    (void)state;
    static const uint8_t anchor[BB_D_SIZE] = {1};
    struct bb_request q = good_request();
    q.want = BB_WANT_TOKEN;
    q.issuer = BB_SPAN_LIT("https://attest.example");
    expect_refusal(conn_with(&q), BB_CHANNEL_ISSUER_NOT_CONFIGURED);
    q.want = BB_WANT_BOTH;
    expect_refusal(conn_with(&q), BB_CHANNEL_ISSUER_NOT_CONFIGURED);
    q = good_request();
    q.kinds[1] = 2;
    expect_refusal(conn_with(&q), BB_CHANNEL_NOTHING_IN_COMMON);
    q = good_request();
    q.forms = 1;
    expect_refusal(conn_with(&q), BB_CHANNEL_NOTHING_IN_COMMON);
    q = good_request();
    q.n_apps = 1; /* h2 */
    expect_refusal(conn_with(&q), BB_CHANNEL_NOTHING_IN_COMMON);
    q = good_request();
    q.anchor = BB_SPAN_OF(anchor); /* answered fresh */
    struct bb_gateway_conn *conn = conn_with(&q);
    assert_int_equal(bb_gateway_conn_state(conn), BB_GATEWAY_BATCH);
    bb_gateway_conn_free(conn);
}

static void test_malformed_requests(void **state) {
    (void)state;
    static const char *const heads[] = {"00000000", "00001001", "ffffffff",
                                        "00000001"
                                        "00",
                                        "00000001"
                                        "a0"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        uint8_t bytes[8];
        size_t len = 0, used = 0;
        struct bb_gateway_conn *conn = conn_new();
        assert_true(bb_hex_decode(bb_span_str(heads[i]), bytes, sizeof bytes, &len));
        exporter_calls = 0;
        (void)bb_gateway_conn_feed(conn, bb_span(bytes, len), 1100, &used);
        assert_int_equal(exporter_calls, 0);
        expect_refusal(conn, BB_CHANNEL_MALFORMED);
    }
}

static void test_bytes_out_of_turn_close(void **state) {
    (void)state;
    struct bb_request q = good_request();
    uint8_t frame[512];
    size_t used = 0, len = frame_of(&q, frame, sizeof frame);
    frame[len] = 0;
    struct bb_gateway_conn *conn = conn_new();
    assert_int_equal(bb_gateway_conn_feed(conn, bb_span(frame, len + 1), 1100, &used),
                     BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
    conn = conn_with(&q); /* while the batch is made */
    assert_int_equal(bb_gateway_conn_feed(conn, bb_span(frame, 1), 1100, &used), BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
    conn = conn_with(&q); /* while the response is written */
    bb_gateway_conn_refuse(conn, BB_CHANNEL_BUSY, 100);
    (void)bb_gateway_conn_wrote(conn, 5, 1100);
    assert_int_equal(bb_gateway_conn_feed(conn, bb_span(frame, 1), 1100, &used), BB_GATEWAY_CLOSED);
    assert_int_equal(bb_gateway_conn_output(conn).len, 0);
    bb_gateway_conn_free(conn);
}

static void test_exporter_failure_closes(void **state) {
    (void)state;
    static const uint8_t salt[BB_SALT_SIZE] = {3};
    struct bb_request q = good_request();
    uint8_t frame[512];
    size_t used = 0, len = frame_of(&q, frame, sizeof frame);
    struct bb_gateway_conn *conn = NULL;
    assert_int_equal(bb_gateway_conn_new(&offer, salt, exporter_fails, NULL, 0, &conn, NULL),
                     BB_OK);
    assert_int_equal(bb_gateway_conn_feed(conn, bb_span(frame, len), 0, &used), BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
}

static struct bb_gateway_conn *conn_answered(void) {
    struct bb_request q = good_request();
    struct bb_gateway_conn *conn = conn_with(&q);
    struct bb_gateway_evidence e = {.kind = 255,
                                    .form = 1,
                                    .cmw = BB_SPAN_LIT("cmw"),
                                    .config = BB_SPAN_LIT("config"),
                                    .binding_spki = BB_SPAN_OF(spki)};
    assert_int_equal(bb_gateway_conn_answer(conn, &e, NULL), BB_OK);
    struct bb_span out = bb_gateway_conn_output(conn);
    struct bb_response sent;
    assert_true(bb_response_parse(bb_span(out.ptr + 4, out.len - 4), &sent));
    assert_bytes(sent.app, BB_SPAN_LIT("raw"));
    size_t len = out.len;
    for (size_t i = 0; i + 1 < len; i++)
        assert_int_equal(bb_gateway_conn_wrote(conn, 1, 1500), BB_GATEWAY_RESPONSE);
    assert_int_equal(bb_gateway_conn_wrote(conn, 1, 1500), BB_GATEWAY_START);
    return conn;
}

/* The request in single bytes, the start in two pieces with application bytes behind it. */
static void test_way_to_open(void **state) {
    (void)state;
    struct bb_request q = good_request();
    uint8_t frame[512];
    size_t used = 0, len = frame_of(&q, frame, sizeof frame);
    struct bb_gateway_conn *conn = conn_new();
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bb_gateway_conn_feed(conn, bb_span(frame + i, 1), 1100, &used),
                         i + 1 < len ? BB_GATEWAY_REQUEST : BB_GATEWAY_BATCH);
    bb_gateway_conn_free(conn);
    conn = conn_answered();
    assert_int_equal(bb_gateway_conn_feed(conn, BB_SPAN_LIT("\x00\x00\x00"), 1600, &used),
                     BB_GATEWAY_START);
    assert_int_equal(
        bb_gateway_conn_feed(conn, BB_SPAN_LIT("\x05\xa2\x01\x01\x02\x00GET"), 1600, &used),
        BB_GATEWAY_OPEN);
    assert_int_equal(used, 6);
    assert_true(bb_gateway_conn_deadline(conn) == INT64_MAX);
    bb_gateway_conn_free(conn);
}

static void test_every_flip_of_the_start_closes(void **state) {
    (void)state;
    for (size_t bit = 0; bit < BB_START_FRAME_SIZE * 8; bit++) {
        uint8_t start[BB_START_FRAME_SIZE];
        size_t used = 0;
        struct bb_gateway_conn *conn = conn_answered();
        memcpy(start, BB_START_FRAME, sizeof start);
        start[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(bb_gateway_conn_feed(conn, BB_SPAN_OF(start), 1600, &used),
                         BB_GATEWAY_CLOSED);
        bb_gateway_conn_free(conn);
    }
}

static void test_deadlines(void **state) {
    (void)state;
    struct bb_request q = good_request();
    struct bb_gateway_conn *conn = conn_new(); /* at 1000 */
    assert_int_equal(bb_gateway_conn_deadline(conn), 1000 + BB_REQUEST_MS);
    assert_int_equal(bb_gateway_conn_expire(conn, 1000 + BB_REQUEST_MS - 1), BB_GATEWAY_REQUEST);
    assert_int_equal(bb_gateway_conn_expire(conn, 1000 + BB_REQUEST_MS), BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
    conn = conn_with(&q); /* at 1100; the client waits 2000 */
    assert_int_equal(bb_gateway_conn_deadline(conn), 1100 + 2000);
    assert_int_equal(bb_gateway_conn_expire(conn, 3099), BB_GATEWAY_BATCH);
    assert_int_equal(bb_gateway_conn_expire(conn, 3100), BB_GATEWAY_RESPONSE);
    expect_refusal(conn, BB_CHANNEL_DEADLINE);
    conn = conn_answered(); /* written at 1500 */
    assert_int_equal(bb_gateway_conn_deadline(conn), 1500 + BB_START_MS);
    assert_int_equal(bb_gateway_conn_expire(conn, 1500 + BB_START_MS), BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
}

static void test_refusals_by_the_service(void **state) {
    (void)state;
    struct bb_request q = good_request();
    struct bb_gateway_conn *conn = conn_with(&q);
    struct bb_response p;
    bb_gateway_conn_refuse(conn, BB_CHANNEL_BUSY, 1700);
    struct bb_span out = bb_gateway_conn_output(conn);
    assert_true(bb_response_parse(bb_span(out.ptr + 4, out.len - 4), &p));
    assert_int_equal(p.retry_ms, 1700);
    expect_refusal(conn, BB_CHANNEL_BUSY);
    conn = conn_new();
    bb_gateway_conn_refuse(conn, BB_CHANNEL_SHUTTING_DOWN, 0);
    expect_refusal(conn, BB_CHANNEL_SHUTTING_DOWN);
    conn = conn_answered(); /* too late for a refusal */
    bb_gateway_conn_refuse(conn, BB_CHANNEL_SHUTTING_DOWN, 0);
    assert_int_equal(bb_gateway_conn_state(conn), BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
}

static struct bb_batch_input batch_input(const uint8_t *leaves, size_t n) {
    return (struct bb_batch_input){.leaves = leaves,
                                   .n = n,
                                   .form = 1,
                                   .spki = BB_SPAN_OF(spki),
                                   .binding_spki = BB_SPAN_OF(spki),
                                   .config = BB_SPAN_LIT("\xa0")};
}

static void check_batch(const struct bb_batch *b, const uint8_t *leaves, size_t n) {
    static uint8_t path[BB_MERKLE_DEPTH_MAX * BB_MERKLE_NODE];
    static bool taken[BB_BATCH_LEAVES_MAX];
    memset(taken, 0, sizeof taken);
    for (size_t i = 0; i < n; i++) {
        uint32_t index = 0;
        uint8_t root[BB_MERKLE_NODE];
        bb_batch_proof(b, i, &index, path);
        assert_true(index < 1U << b->depth && !taken[index]);
        taken[index] = true;
        assert_true(bb_merkle_root_from_path(leaves + i * BB_MERKLE_NODE, index, b->depth,
                                             bb_span(path, (size_t)b->depth * BB_MERKLE_NODE),
                                             root));
        assert_memory_equal(root, b->root, sizeof root);
    }
    /* Free places hold no leaf twice and no zeros. */
    for (size_t i = 0; i < (size_t)1 << b->depth; i++)
        assert_false(bb_span_is_zero(bb_span(b->tree + i * BB_MERKLE_NODE, BB_MERKLE_NODE)));
}

static void test_batches_of_every_size(void **state) {
    (void)state;
    static uint8_t leaves[1100 * BB_MERKLE_NODE];
    static const size_t sizes[] = {1, 2, 3, 4, 5, 8, 9, 200, 1024, 1025};
    static const unsigned depths[] = {0, 1, 2, 2, 3, 3, 4, 8, 10, 11};
    assert_true(bb_random(leaves, sizeof leaves));
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct bb_batch_input in = batch_input(leaves, sizes[i]);
        struct bb_batch *b = NULL;
        assert_int_equal(bb_batch_new(&in, bb_random, &b, NULL), BB_OK);
        assert_int_equal(b->depth, depths[i]);
        if (sizes[i] == 1)
            assert_memory_equal(b->root, leaves, sizeof b->root);
        check_batch(b, leaves, sizes[i]);
        bb_batch_free(b);
    }
    assert_int_equal(bb_batch_depth(BB_BATCH_LEAVES_MAX), BB_MERKLE_DEPTH_MAX);
}

static bool no_random(uint8_t *out, size_t len) {
    memset(out, 0, len);
    return false;
}

static void test_batches_that_are_refused(void **state) {
    (void)state;
    uint8_t leaves[2 * BB_MERKLE_NODE] = {1};
    struct bb_batch *b = NULL;
    struct bb_batch_input in = batch_input(leaves, 0);
    assert_int_equal(bb_batch_new(&in, bb_random, &b, NULL), BB_USAGE);
    in = batch_input(leaves, BB_BATCH_LEAVES_MAX + 1);
    assert_int_equal(bb_batch_new(&in, bb_random, &b, NULL), BB_USAGE);
    in = batch_input(leaves, 2);
    in.form = 2;
    assert_int_equal(bb_batch_new(&in, bb_random, &b, NULL), BB_USAGE);
    in = batch_input(leaves, 2);
    in.flags = 2;
    assert_int_equal(bb_batch_new(&in, bb_random, &b, NULL), BB_USAGE);
    in = batch_input(leaves, 2);
    in.binding_spki.len--;
    assert_int_equal(bb_batch_new(&in, bb_random, &b, NULL), BB_USAGE);
    in = batch_input(leaves, 2);
    assert_int_equal(bb_batch_new(&in, no_random, &b, NULL), BB_INTERNAL);
    assert_null(b);
}

/* Two seals of the same leaves: other places or filling, so another root and another report. */
static void test_batches_are_never_repeated(void **state) {
    (void)state;
    uint8_t leaves[3 * BB_MERKLE_NODE] = {1};
    struct bb_batch_input in = batch_input(leaves, 3);
    struct bb_batch *a = NULL, *b = NULL;
    assert_int_equal(bb_batch_new(&in, bb_random, &a, NULL), BB_OK);
    assert_int_equal(bb_batch_new(&in, bb_random, &b, NULL), BB_OK);
    assert_memory_not_equal(a->root, b->root, sizeof a->root);
    assert_memory_not_equal(a->report_data, b->report_data, 32);
    bb_batch_free(a);
    bb_batch_free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_this_build_does_not_have),
        cmocka_unit_test(test_malformed_requests),
        cmocka_unit_test(test_bytes_out_of_turn_close),
        cmocka_unit_test(test_exporter_failure_closes),
        cmocka_unit_test(test_way_to_open),
        cmocka_unit_test(test_every_flip_of_the_start_closes),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_refusals_by_the_service),
        cmocka_unit_test(test_batches_of_every_size),
        cmocka_unit_test(test_batches_that_are_refused),
        cmocka_unit_test(test_batches_are_never_repeated),
    };
    return cmocka_run_group_tests_name("channel_gateway", tests, setup, NULL);
}
