/* Both engines of protocol blindbox/1 against each other, and every deviation with its class. */
#include "channel_world.h"

#include "codec/cbor.h"

static void expect_verdict(struct exchange *x, const char *name, enum bb_status status,
                           const char *where) {
    char found[BB_FIELD_MAX] = "";
    struct bb_result result;
    enum bb_status got = client_verdict(x, x->w->policy, found, &result);
    if (got != status || strcmp(found, where) != 0)
        fail_msg("%s: %s at '%s', expected %s at '%s'", name, bb_status_name(got), found,
                 bb_status_name(status), where);
    assert_int_equal(result.verdict == BB_VERDICT_ACCEPTED, status == BB_OK);
    exchange_free(x);
}

static void test_honest_exchanges_are_accepted(void **state) {
    static const struct {
        const char *name;
        struct plan plan;
    } rows[] = {
        {"direct mode", {0}},
        {"two leaves", {.others = 1}},
        {"one of 34 leaves", {.others = 33}},
        {"form 0, which the client accepts", {.form = 1, .client_forms = 3}},
        {"form 1, both accepted", {.client_forms = 3}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_verdict(exchange_new(*state, &rows[i].plan), rows[i].name, BB_OK, "");
}

/* What the client prints comes from its own values and equals the gateway's. */
static void test_both_sides_name_the_same_batch(void **state) {
    struct exchange *x = exchange_new(*state, &(struct plan){.others = 2});
    assert_null(bb_client_bound(x->client));
    assert_int_equal(client_bind(x, NULL), BB_OK);
    const struct bb_client_bound *b = bb_client_bound(x->client);
    assert_memory_equal(b->d, x->batch->d, sizeof b->d);
    assert_memory_equal(b->leaf, bb_gateway_conn_leaf(x->conn), sizeof b->leaf);
    assert_memory_equal(b->root, x->batch->root, sizeof b->root);
    assert_memory_equal(b->report_data, x->batch->report_data, sizeof b->report_data);
    exchange_free(x);
}

static void zero_tail(struct bb_batch *batch, uint8_t report_data[64]) {
    assert_true(bb_binding_report_data(batch->d, 0, report_data));
}

static void evidence_get_tail(struct bb_batch *batch, uint8_t report_data[64]) {
    (void)batch;
    assert_true(bb_sha256(BB_SPAN_LIT("blindbox/1 evidence-get"), report_data + 32));
}

static void other_d(struct bb_batch *batch, uint8_t report_data[64]) {
    batch->d[0] ^= 1;
    assert_true(bb_binding_report_data(batch->d, 1, report_data));
}

static void other_nonce(uint8_t *frame, size_t len) {
    assert_true(len > 20);
    frame[12] ^= 1; /* inside the nonce */
}

static void test_evidence_of_something_else(void **state) {
    static const struct {
        const char *name;
        struct plan plan;
    } rows[] = {
        {"zero tail where form 1 is due", {.report_data = zero_tail}},
        {"tail of evidence get", {.report_data = evidence_get_tail}},
        {"D of another batch", {.report_data = other_d}},
        {"request of another connection", {.request = other_nonce}},
        {"exporter of another connection", {.client_session = {2, BB_EXPORTER_LABEL}}},
        {"label of the other role", {.client_session = {1, "EXPERIMENTAL-blindbox-1-client"}}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        expect_verdict(exchange_new(*state, &rows[i].plan), rows[i].name,
                       BB_CHANNEL_BINDING_MISMATCH, "report-data");
}

static uint8_t changed[BB_RESPONSE_MAX];

/* A copy of a span that a case changes. */
static uint8_t *copy_of(struct bb_span *s) {
    memcpy(changed, s->ptr, s->len);
    s->ptr = changed;
    return changed;
}

static void salt(struct bb_response *p) { copy_of(&p->salt)[31] ^= 1; }
static void binding_key(struct bb_response *p) { copy_of(&p->binding_spki)[90] ^= 1; }
static void binding_compressed(struct bb_response *p) { copy_of(&p->binding_spki)[26] = 2; }
static void config(struct bb_response *p) { copy_of(&p->config)[p->config.len - 1] ^= 1; }
static void config_broken(struct bb_response *p) { p->config.len--; }
static void path_flip(struct bb_response *p) { copy_of(&p->path)[50] ^= 0x80; }
static void path_short(struct bb_response *p) { p->path.len -= 48; }
static void path_long(struct bb_response *p) {
    (void)copy_of(&p->path);
    p->path.len += 48;
}
static void path_odd(struct bb_response *p) { p->path.len--; }
static void index_other(struct bb_response *p) { p->index ^= 1; }
static void index_outside(struct bb_response *p) { p->index = 1U << p->depth; }
static void node_as_leaf(struct bb_response *p) {
    p->depth--;
    p->index >>= 1;
    p->path = bb_span(p->path.ptr + 48, p->path.len - 48);
}
static void flag_outside(struct bb_response *p) { p->flags = 1; }
static void flag_reserved(struct bb_response *p) { p->flags = 2; }
static void flag_high(struct bb_response *p) { p->flags = 0x8000; }
static void form_zero(struct bb_response *p) { p->form = 0; }
static void kind_snp(struct bb_response *p) { p->kind = 1; }
static void app_other(struct bb_response *p) { p->app = BB_SPAN_LIT("h2"); }
static void token(struct bb_response *p) { p->token = BB_SPAN_LIT("eyJ"); }
static void cmw_cut(struct bb_response *p) { p->cmw.len--; }
static void report_flip(struct bb_response *p) {
    /* In report_data: as far as the binding goes it would be another report, so the signature's
     * failure must come first. */
    struct bb_cmw cmw;
    assert_true(bb_cmw_parse(p->cmw, &cmw));
    size_t at = (size_t)(cmw.report.ptr - p->cmw.ptr) + 0x50;
    copy_of(&p->cmw)[at] ^= 1;
}

static void test_changed_responses(void **state) {
    static const struct {
        const char *name;
        void (*change)(struct bb_response *p);
        enum bb_status status;
        const char *where;
    } rows[] = {
        {"another salt", salt, BB_CHANNEL_BINDING_MISMATCH, "report-data"},
        {"another binding key", binding_key, BB_CHANNEL_BINDING_MISMATCH, "report-data"},
        {"compressed binding key", binding_compressed, BB_CHANNEL_BINDING_MISMATCH, "key"},
        {"another configuration", config, BB_CHANNEL_BINDING_MISMATCH, "report-data"},
        {"configuration cut", config_broken, BB_MALFORMED_EVIDENCE, "config"},
        {"path flipped", path_flip, BB_CHANNEL_BINDING_MISMATCH, "report-data"},
        {"path one node short", path_short, BB_CHANNEL_BINDING_MISMATCH, "path"},
        {"path one node long", path_long, BB_CHANNEL_BINDING_MISMATCH, "path"},
        {"path one byte short", path_odd, BB_CHANNEL_BINDING_MISMATCH, "path"},
        {"another index", index_other, BB_CHANNEL_BINDING_MISMATCH, "report-data"},
        {"index = 2^depth", index_outside, BB_CHANNEL_BINDING_MISMATCH, "path"},
        {"node given as leaf", node_as_leaf, BB_CHANNEL_BINDING_MISMATCH, "report-data"},
        {"bit 0 of the flags", flag_outside, BB_CHANNEL_BINDING_MISMATCH, "report-data"},
        {"reserved flag", flag_reserved, BB_MALFORMED_EVIDENCE, "flags"},
        {"highest flag", flag_high, BB_MALFORMED_EVIDENCE, "flags"},
        {"form 0 not asked for", form_zero, BB_ATTESTATION_REFUSED, "form"},
        {"a kind not asked for", kind_snp, BB_NOT_AN_ENCLAVE, "kind"},
        {"a protocol not asked for", app_other, BB_ATTESTATION_REFUSED, "application protocol"},
        {"a token not asked for", token, BB_MALFORMED_EVIDENCE, "token"},
        {"collection cut", cmw_cut, BB_MALFORMED_EVIDENCE, "cmw"},
        {"report changed: its signature decides first", report_flip, BB_REPORT_SIGNATURE_INVALID,
         "signature"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exchange *x = exchange_new(*state, &(struct plan){.others = 3});
        struct bb_response p = response_of(x);
        rows[i].change(&p);
        set_response(x, &p);
        expect_verdict(x, rows[i].name, rows[i].status, rows[i].where);
    }
}

/* The evidence of one connection shown on another: both batches are genuine. */
static void test_response_of_another_connection(void **state) {
    struct exchange *victim = exchange_new(*state, &(struct plan){.others = 1});
    struct exchange *x = exchange_new(*state, &(struct plan){.others = 1});
    struct bb_response theirs = response_of(victim), ours = response_of(x);
    ours.cmw = theirs.cmw;
    set_response(x, &ours);
    expect_verdict(x, "report of another connection", BB_CHANNEL_BINDING_MISMATCH, "report-data");
    exchange_free(victim);
}

static void test_peer_key_that_is_not_the_statements(void **state) {
    struct world *w = *state;
    struct exchange *x = exchange_new(w, &(struct plan){0});
    uint8_t other[BB_SPKI_SIZE];
    memcpy(other, w->spki, sizeof other);
    other[90] ^= 1;
    struct bb_client_tls tls = good_tls(w);
    tls.spki = BB_SPAN_OF(other);
    assert_int_equal(bb_client_check_tls(x->client, &tls, NULL), BB_OK);
    expect_verdict(x, "another TLS key", BB_CHANNEL_BINDING_MISMATCH, "report-data");
}

/* What a flipped bit of a message must lead to. */
struct outcome {
    enum bb_status status;
    const char *where;
};

static const struct outcome out_of_form = {BB_MALFORMED_EVIDENCE, "response"};
static const struct outcome unbound = {BB_CHANNEL_BINDING_MISMATCH, "report-data"};
static const struct outcome wrong_path = {BB_CHANNEL_BINDING_MISMATCH, "path"};

/* What stands at each byte of a frame; whatever is not named is a head, a key or a fixed value. */
enum region {
    STRUCTURE,
    LENGTH,
    HASHED,   /* any value is in form and leads to another report */
    KEY_HEAD, /* of the binding key, up to the point */
    KIND,
    FORM,
    APP,
    INDEX,
    DEPTH,
    RESERVED_FLAGS,
    CONFIG_FORM,
    CONFIG_TEXT,
    CMW_FORM,
    SIGNED, /* report, certificates, CRL: test_snp and test_snp_certs name their classes */
};

static void mark(enum region *at, const struct exchange *x, struct bb_span s, enum region region) {
    for (size_t i = 0; i < s.len; i++)
        at[(size_t)(s.ptr - x->frame) + i] = region;
}

/* Texts of the configuration, their heads not among them. */
static void mark_config(enum region *at, const struct exchange *x, struct bb_span config) {
    struct bb_reader r = bb_reader(config);
    struct bb_cbor_item item;
    mark(at, x, config, CONFIG_FORM);
    while (bb_reader_left(&r) > 0) {
        assert_true(bb_cbor_next(&r, &item));
        if (item.type == BB_CBOR_TEXT)
            mark(at, x, item.bytes, CONFIG_TEXT);
    }
}

static void mark_response(enum region *at, const struct exchange *x) {
    struct bb_response p = response_of(x);
    struct bb_cmw cmw;
    assert_true(bb_cmw_parse(p.cmw, &cmw));
    mark(at, x, bb_span(x->frame, 4), LENGTH);
    mark(at, x, p.salt, HASHED);
    at[p.cmw.ptr - x->frame - 5] = KIND; /* then key 5 and a head of 3 bytes */
    mark(at, x, p.cmw, CMW_FORM);
    const struct bb_span signed_[] = {cmw.report, cmw.vek, cmw.ask, cmw.ark, cmw.crl};
    for (size_t i = 0; i < 5; i++)
        mark(at, x, signed_[i], SIGNED);
    mark_config(at, x, p.config);
    mark(at, x, p.binding_spki, KEY_HEAD);
    mark(at, x, bb_span(p.binding_spki.ptr + 27, 64), HASHED);
    mark(at, x, p.path, HASHED);
    at[p.path.ptr - x->frame - 4] = INDEX; /* then depth and a head of 2 bytes */
    at[p.path.ptr - x->frame - 3] = DEPTH;
    mark(at, x, p.app, APP);
    at[x->frame_len - 3] = FORM; /* key 12 and its value end the map */
    at[x->frame_len - 1] = RESERVED_FLAGS;
}

static struct outcome other_length(const struct exchange *x, uint8_t byte, size_t at) {
    uint8_t head[4];
    memcpy(head, x->frame, sizeof head);
    head[at] = byte;
    struct bb_reader r = bb_reader(BB_SPAN_OF(head));
    uint32_t len = bb_read_u32be(&r);
    if (len == 0 || len > BB_RESPONSE_MAX)
        return (struct outcome){BB_MALFORMED_EVIDENCE, "frame length"};
    return len < x->frame_len - 4 ? (struct outcome){BB_MALFORMED_EVIDENCE, "frame"}
                                  : (struct outcome){BB_PEER_UNREACHABLE, "frame"};
}

/* `byte` is the changed one, `at` its place. */
static struct outcome flipped(const struct exchange *x, enum region region, uint8_t byte,
                              size_t at) {
    enum { SMALL_INT_MAX = 23, DEPTH_HERE = 2 };
    struct outcome malformed_config = {BB_MALFORMED_EVIDENCE, "config"};
    switch (region) {
    case STRUCTURE:
    case SIGNED:
        break;
    case LENGTH:
        return other_length(x, byte, at);
    case HASHED:
        return unbound;
    case KEY_HEAD:
        return (struct outcome){BB_CHANNEL_BINDING_MISMATCH, "key"};
    case KIND:
        assert_true(byte > SMALL_INT_MAX);
        return (struct outcome){BB_NOT_AN_ENCLAVE, "kind"};
    case FORM:
        return byte == 0 ? (struct outcome){BB_ATTESTATION_REFUSED, "form"} : out_of_form;
    case APP: /* one byte above 0x7f is no UTF-8 */
        return byte < 0x80 ? (struct outcome){BB_ATTESTATION_REFUSED, "application protocol"}
                           : out_of_form;
    case INDEX:
        if (byte > SMALL_INT_MAX)
            return out_of_form;
        return byte < 1U << DEPTH_HERE ? unbound : wrong_path;
    case DEPTH:
        return byte > BB_MERKLE_DEPTH_MAX ? out_of_form : wrong_path;
    case RESERVED_FLAGS:
        if (byte == BB_FLAG_OUTSIDE_UPSTREAM)
            return unbound;
        return byte <= SMALL_INT_MAX ? (struct outcome){BB_MALFORMED_EVIDENCE, "flags"}
                                     : out_of_form;
    case CONFIG_FORM:
        /* "http/1.1" two bytes longer takes the head and the "r" of "raw", and "aw" is a text. */
        return byte == 0x6a ? unbound : malformed_config;
    case CONFIG_TEXT:
        return byte < 0x80 ? unbound : malformed_config;
    case CMW_FORM:
        return (struct outcome){BB_MALFORMED_EVIDENCE, "cmw"};
    }
    return out_of_form;
}

/* Every bit of the response outside of what is signed, with the class of its place. */
static void test_every_flip_of_a_response(void **state) {
    static enum region at[1 << 16];
    struct exchange *x = exchange_new(*state, &(struct plan){.others = 3});
    size_t done[SIGNED + 1] = {0};
    mark_response(at, x);
    for (size_t bit = 0; bit < x->frame_len * 8; bit++) {
        uint8_t *byte = &x->frame[bit / 8];
        char where[BB_FIELD_MAX];
        struct bb_result result;
        done[at[bit / 8]]++;
        if (at[bit / 8] == SIGNED)
            continue;
        bb_client_free(x->client);
        x->client = client_new(x->w, 0);
        *byte ^= (uint8_t)(1U << bit % 8);
        struct outcome want = flipped(x, at[bit / 8], *byte, bit / 8);
        enum bb_status got = client_verdict(x, x->w->policy, where, &result);
        *byte ^= (uint8_t)(1U << bit % 8);
        if (got != want.status || strcmp(where, want.where) != 0)
            fail_msg("byte %zu, bit %zu: %s at '%s', expected %s at '%s'", bit / 8, bit % 8,
                     bb_status_name(got), where, bb_status_name(want.status), want.where);
    }
    for (size_t i = 0; i <= SIGNED; i++)
        assert_true(done[i] > 0);
    exchange_free(x);
}

static size_t flipped_bit;
static void flip_one(uint8_t *frame, size_t len) {
    assert_true(flipped_bit / 8 < len);
    frame[flipped_bit / 8] ^= (uint8_t)(1U << flipped_bit % 8);
}

/* What the gateway says of a request in which the byte at `at` was changed to `byte`; OK: it
 * attests another request than the client's. */
static unsigned request_status(struct bb_span frame, size_t at, uint8_t byte) {
    struct bb_request q;
    assert_true(bb_request_parse(bb_span(frame.ptr + 4, frame.len - 4), &q));
    const uint8_t *place = frame.ptr + at;
    const uint8_t *app = q.apps[0].ptr, *wait = app - 5; /* 2 bytes, key 9, two heads */
    assert_int_equal(wait[0] << 8 | wait[1], q.wait_ms);
    /* Kinds are the last array before "want"; a one-byte kind has its head before it. */
    const uint8_t *kind = wait - 5;
    assert_int_equal(*kind, BB_KIND_SIMULATED);
    if (place >= q.nonce.ptr && place < q.nonce.ptr + q.nonce.len)
        return BB_CHANNEL_OK;
    if (place == wait || place == wait + 1) { /* each single flip stays within the bounds */
        unsigned ms = place == wait ? (unsigned)byte << 8 | wait[1] : (unsigned)wait[0] << 8 | byte;
        return ms >= BB_WAIT_MS_MIN ? BB_CHANNEL_OK : BB_CHANNEL_MALFORMED;
    }
    if (place == kind) {
        assert_true(byte > 23);
        return BB_CHANNEL_NOTHING_IN_COMMON;
    }
    if (place >= app && place < app + q.apps[0].len) /* above 0x7f it is no UTF-8 */
        return byte < 0x80 ? BB_CHANNEL_NOTHING_IN_COMMON : BB_CHANNEL_MALFORMED;
    return BB_CHANNEL_MALFORMED;
}

/* A longer length than was sent: the gateway waits for the rest, no longer than for any request. */
static void gateway_waits(const struct exchange *x, struct bb_span frame) {
    const uint8_t salt_bytes[BB_SALT_SIZE] = {9};
    struct session session = x->gateway_session;
    struct bb_gateway_conn *conn = NULL;
    size_t used = 0;
    assert_int_equal(
        bb_gateway_conn_new(&x->offer, salt_bytes, session_export, &session, 0, &conn, NULL),
        BB_OK);
    assert_int_equal(bb_gateway_conn_feed(conn, frame, 0, &used), BB_GATEWAY_REQUEST);
    assert_int_equal(bb_gateway_conn_output(conn).len, 0);
    assert_int_equal(bb_gateway_conn_expire(conn, BB_REQUEST_MS), BB_GATEWAY_CLOSED);
    bb_gateway_conn_free(conn);
}

/* Every bit of the request changed on its way: the gateway names what is wrong, or it attests the
 * request that came, and the client sees that this is not its own. */
static void test_every_flip_of_a_request(void **state) {
    struct exchange *honest = exchange_new(*state, &(struct plan){0});
    struct bb_span request = bb_client_request(honest->client);
    size_t done[BB_CHANNEL_NOTHING_IN_COMMON + 1] = {0};
    uint8_t frame[256];
    assert_true(request.len <= sizeof frame);
    for (flipped_bit = 0; flipped_bit < request.len * 8; flipped_bit++) {
        size_t at = flipped_bit / 8;
        memcpy(frame, request.ptr, request.len);
        flip_one(frame, request.len);
        struct bb_reader r = bb_reader(bb_span(frame, 4));
        uint32_t len = bb_read_u32be(&r);
        if (len > request.len - 4 && len <= BB_REQUEST_MAX) {
            gateway_waits(honest, bb_span(frame, request.len));
            continue;
        }
        unsigned want = request_status(request, at, frame[at]);
        struct exchange *x = exchange_new(*state, &(struct plan){.request = flip_one});
        if (bb_gateway_conn_refused(x->conn) != want)
            fail_msg("byte %zu, bit %zu: status %u, expected %u", at, flipped_bit % 8,
                     bb_gateway_conn_refused(x->conn), want);
        done[want]++;
        if (want == BB_CHANNEL_OK)
            expect_verdict(x, "a changed request", unbound.status, unbound.where);
        else
            expect_verdict(x, "a refused request", BB_ATTESTATION_REFUSED, "status");
    }
    for (size_t i = 0; i <= BB_CHANNEL_NOTHING_IN_COMMON; i++)
        assert_true(done[i] > 0);
    exchange_free(honest);
}

/* The body with one thing changed in its CBOR. */
static void test_responses_out_of_form(void **state) {
    static const struct {
        const char *name;
        size_t at, cut; /* bytes replaced: from, how many */
        const char *hex;
        bool at_end;
        enum bb_status status;
    } rows[] = {
        {"unknown negative key", 0, 1, "ac", true, BB_OK},
        {"unknown key", 0, 1, "ad", true, BB_MALFORMED_EVIDENCE},
        {"long head", 0, 1, "b80b", false, BB_MALFORMED_EVIDENCE},
        {"indefinite map", 0, 1, "bf", false, BB_MALFORMED_EVIDENCE},
        {"duplicate key", 0, 3, "ac01010101", false, BB_MALFORMED_EVIDENCE},
        {"keys out of order", 1, 4, "02000101", false, BB_MALFORMED_EVIDENCE},
        {"version 2", 1, 2, "0102", false, BB_MALFORMED_EVIDENCE},
        {"trailing byte", 0, 0, "", true, BB_MALFORMED_EVIDENCE},
        {"an array", 0, 1, "8b", false, BB_MALFORMED_EVIDENCE},
    };
    static const char *const tails[] = {"2000", "10002000", "", "", "", "", "", "00", ""};
    static uint8_t body[1 << 16];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exchange *x = exchange_new(*state, &(struct plan){0});
        struct bb_writer w = bb_writer(body, sizeof body);
        uint8_t bytes[16];
        size_t len = 0, rest = 4 + rows[i].at + rows[i].cut;
        bb_write_bytes(&w, bb_span(x->frame + 4, rows[i].at));
        assert_true(bb_hex_decode(bb_span_str(rows[i].hex), bytes, sizeof bytes, &len));
        bb_write_bytes(&w, bb_span(bytes, len));
        bb_write_bytes(&w, bb_span(x->frame + rest, x->frame_len - rest));
        assert_true(bb_hex_decode(bb_span_str(tails[i]), bytes, sizeof bytes, &len));
        bb_write_bytes(&w, bb_span(bytes, len));
        set_body(x, bb_writer_span(&w));
        expect_verdict(x, rows[i].name, rows[i].status, rows[i].status == BB_OK ? "" : "response");
    }
}

static void test_frames_cut_empty_large_or_followed(void **state) {
    struct exchange *x = exchange_new(*state, &(struct plan){0});
    for (size_t len = 0; len < x->frame_len; len += len < 64 ? 1 : 97) {
        bool done = true;
        struct bb_error err = {0};
        struct bb_client *client = client_new(x->w, 0);
        assert_int_equal(bb_client_feed(client, bb_span(x->frame, len), &done, &err), BB_OK);
        assert_false(done);
        assert_int_equal(bb_client_eof(client, &err), BB_PEER_UNREACHABLE);
        /* Nothing may be bound, appraised or accepted on part of a response. */
        struct bb_result result;
        assert_int_not_equal(bb_client_bind(client, session_export, &x->client_session, NULL),
                             BB_OK);
        const struct bb_client_appraisal in = local_appraisal(x->w->policy);
        assert_int_not_equal(bb_client_appraise(client, &in, &result), BB_OK);
        assert_int_equal(result.verdict, BB_VERDICT_REFUSED);
        bb_client_free(client);
    }
    static const char *const heads[] = {"00000000", "00040001", "ffffffff"};
    for (size_t i = 0; i < 3; i++) {
        uint8_t head[4];
        bool done = false;
        struct bb_error err = {0};
        struct bb_client *client = client_new(x->w, 0);
        assert_true(bb_hex_decode_exact(heads[i], head, 4));
        assert_int_equal(bb_client_feed(client, BB_SPAN_OF(head), &done, &err),
                         BB_MALFORMED_EVIDENCE);
        assert_string_equal(err.field, "frame length");
        bb_client_free(client);
    }
    x->frame[x->frame_len++] = 0; /* a byte before start */
    expect_verdict(x, "bytes after the response", BB_MALFORMED_EVIDENCE, "frame");
}

static void test_response_in_single_bytes(void **state) {
    struct exchange *x = exchange_new(*state, &(struct plan){.others = 1});
    bool done = false;
    for (size_t i = 0; i < x->frame_len; i++) {
        assert_false(done);
        assert_int_equal(bb_client_feed(x->client, bb_span(x->frame + i, 1), &done, NULL), BB_OK);
    }
    assert_true(done);
    assert_int_equal(bb_client_bind(x->client, session_export, &x->client_session, NULL), BB_OK);
    exchange_free(x);
}

static void test_refusals_have_their_class(void **state) {
    static const struct {
        unsigned status;
        uint64_t retry;
        enum bb_status class;
    } rows[] = {
        {1, 0, BB_ATTESTATION_REFUSED},
        {2, 0, BB_ATTESTATION_REFUSED},
        {3, 1500, BB_TRY_AGAIN},
        {4, 0, BB_ATTESTATION_REFUSED},
        {5, 0, BB_VERIFIER_UNAVAILABLE},
        {6, 0, BB_ATTESTATION_REFUSED},
        {7, 0, BB_ATTESTATION_REFUSED},
        {8, 0, BB_TRY_AGAIN},
        {9, 0, BB_TRY_AGAIN},
        {10, 0, BB_ATTESTATION_REFUSED},
        {255, 0, BB_ATTESTATION_REFUSED},
        {3, BB_RETRY_MS_MAX, BB_TRY_AGAIN},
        {3, UINT64_MAX, BB_TRY_AGAIN}, /* not for ever, and no negative number in the result */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exchange *x = exchange_new(*state, &(struct plan){0});
        uint8_t body[512];
        struct bb_writer w = bb_writer(body, sizeof body);
        bb_refusal_build(rows[i].status, rows[i].retry, &w);
        set_body(x, bb_writer_span(&w));
        struct bb_error err = {0};
        assert_int_equal(client_bind(x, &err), rows[i].class);
        assert_string_equal(err.field, "status");
        assert_int_equal(bb_client_retry_ms(x->client),
                         rows[i].retry > BB_RETRY_MS_MAX ? BB_RETRY_MS_MAX : rows[i].retry);
        exchange_free(x);
    }
}

static void test_anchored_answer_that_was_not_asked_for(void **state) {
    struct exchange *x = exchange_new(*state, &(struct plan){0});
    uint8_t body[512], zeros[64] = {0};
    struct bb_writer w = bb_writer(body, sizeof body);
    bb_write_bytes(&w, BB_SPAN_LIT("\xa5\x01\x01\x02\x00\x03\x58\x20"));
    bb_write_bytes(&w, bb_span(zeros, 32));
    bb_write_bytes(&w, BB_SPAN_LIT("\x09\x63raw\x0d\x58\x40"));
    bb_write_bytes(&w, bb_span(zeros, 64));
    set_body(x, bb_writer_span(&w));
    expect_verdict(x, "anchored unasked", BB_STALE_EVIDENCE, "signature");
}

static void test_handshakes_that_are_refused(void **state) {
    const struct world *w = *state;
    struct bb_client_tls tls[8];
    static const char *const fields[8] = {"ALPN",      "ALPN",      "ALPN", "TLS version",
                                          "handshake", "handshake", "key",  "key"};
    for (size_t i = 0; i < 8; i++)
        tls[i] = good_tls(w);
    tls[0].alpn = bb_span(NULL, 0);
    tls[1].alpn = BB_SPAN_LIT("http/1.1");
    tls[2].alpn = BB_SPAN_LIT("blindbox/10");
    tls[3].tls13 = false;
    tls[4].resumed = true;
    tls[5].early_data = true;
    tls[6].spki.len--;
    tls[7].x509 = false;
    for (size_t i = 0; i < 8; i++) {
        struct bb_error err = {0};
        struct bb_client *client = client_new(w, 0);
        assert_int_equal(bb_client_check_tls(client, &tls[i], &err), BB_ATTESTATION_REFUSED);
        assert_string_equal(err.field, fields[i]);
        bb_client_free(client);
    }
}

static void test_exporter_that_fails(void **state) {
    struct exchange *x = exchange_new(*state, &(struct plan){0});
    x->client_session.secret = 0;
    expect_verdict(x, "exporter fails", BB_CHANNEL_BINDING_MISMATCH, "leaf");
}

static void test_outside_upstream_needs_a_pinned_configuration(void **state) {
    struct world *w = *state;
    struct exchange *x = exchange_new(w, &(struct plan){.flags = BB_FLAG_OUTSIDE_UPSTREAM});
    char where[BB_FIELD_MAX];
    struct bb_result result;
    assert_int_equal(client_verdict(x, w->policy, where, &result), BB_CONFIGURATION_REFUSED);
    assert_string_equal(where, "config");
    struct bb_policy pinned = *w->policy;
    uint8_t digest[48];
    assert_true(bb_sha384(bb_span(w->config, w->config_len), digest));
    pinned.config_digests = (struct bb_policy_digests){
        .given = true, .size = sizeof digest, .count = 1, .data = digest};
    const struct bb_client_appraisal in = local_appraisal(&pinned);
    assert_int_equal(bb_client_appraise(x->client, &in, &result), BB_OK);
    digest[0] ^= 1;
    assert_int_equal(bb_client_appraise(x->client, &in, &result), BB_CONFIGURATION_REFUSED);
    exchange_free(x);
}

/* The binding cannot be left out, whatever --skip says. */
static void test_binding_is_never_skipped(void **state) {
    struct exchange *x = exchange_new(*state, &(struct plan){.report_data = other_d});
    struct bb_result result;
    assert_int_equal(client_bind(x, NULL), BB_OK);
    struct bb_client_appraisal in = local_appraisal(x->w->policy);
    in.skip = UINT64_C(1) << BB_CHECK_REPORT_DATA | UINT64_C(1) << BB_CHECK_LEAF |
              UINT64_C(1) << BB_CHECK_PATH | UINT64_C(1) << BB_CHECK_KEY;
    assert_int_equal(bb_client_appraise(x->client, &in, &result), BB_CHANNEL_BINDING_MISMATCH);
    assert_int_equal(result.checks[BB_CHECK_REPORT_DATA].outcome, BB_OUTCOME_FAILED);
    exchange_free(x);
}

static void test_simulated_without_permission(void **state) {
    struct world *w = *state;
    struct exchange *x = exchange_new(w, &(struct plan){0});
    struct bb_policy strict = *w->policy;
    char where[BB_FIELD_MAX];
    struct bb_result result;
    strict.allow_simulated = false;
    assert_int_equal(client_verdict(x, &strict, where, &result), BB_SIMULATED_TEE);
    assert_string_equal(where, "root");
    exchange_free(x);
}

/* The kinds that the policy's "evidence" names, or all; permission is the verdict's matter. */
static void test_wants_follow_the_policy(void **state) {
    static const struct {
        bool given, sev_snp, simulated, allowed;
        size_t n;
        uint8_t first;
    } rows[] = {
        {false, true, false, false, 2, BB_KIND_SEV_SNP},
        {true, true, false, false, 1, BB_KIND_SEV_SNP},
        {true, true, false, true, 1, BB_KIND_SEV_SNP},
        {true, false, true, true, 1, BB_KIND_SIMULATED},
        {true, false, true, false, 1, BB_KIND_SIMULATED},
    };
    const struct world *w = *state;
    struct bb_client_wants wants;
    struct bb_policy p = *w->policy;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        p.evidence_given = rows[i].given;
        p.kind_sev_snp = rows[i].sev_snp;
        p.kind_simulated = rows[i].simulated;
        p.allow_simulated = rows[i].allowed;
        assert_int_equal(bb_client_wants_from(&p, &p.verifiers[0], &wants, NULL), BB_OK);
        assert_int_equal(wants.n_kinds, rows[i].n);
        assert_int_equal(wants.kinds[0], rows[i].first);
        assert_int_equal(wants.forms, 1U << 1);
    }
    p.evidence_given = true;
    p.kind_sev_snp = p.kind_simulated = false;
    assert_int_equal(bb_client_wants_from(&p, &p.verifiers[0], &wants, NULL),
                     BB_UNSUPPORTED_EVIDENCE);
}

/* Of a report that nobody vouches for no value is shown as found. */
static void test_nothing_unverified_is_shown(void **state) {
    struct world *w = *state;
    struct exchange *x = exchange_new(w, &(struct plan){0});
    char where[BB_FIELD_MAX];
    struct bb_result result;
    struct bb_response p = response_of(x);
    struct bb_cmw cmw;
    static uint8_t report[BB_SNP_REPORT_SIZE], bytes[32768];
    assert_true(bb_cmw_parse(p.cmw, &cmw));
    memcpy(report, cmw.report.ptr, sizeof report);
    report[0x90] ^= 1; /* MEASUREMENT */
    cmw.report = BB_SPAN_OF(report);
    struct bb_writer out = bb_writer(bytes, sizeof bytes);
    bb_cmw_build(&cmw, &out);
    p.cmw = bb_writer_span(&out);
    set_response(x, &p);
    assert_int_equal(client_verdict(x, w->policy, where, &result), BB_REPORT_SIGNATURE_INVALID);
    assert_int_equal(result.checks[BB_CHECK_MEASUREMENT].outcome, BB_OUTCOME_FAILED);
    assert_string_equal(result.checks[BB_CHECK_MEASUREMENT].found, "");
    assert_string_equal(result.checks[BB_CHECK_REPORT_DATA].found, "");
    assert_false(bb_client_authentic(&result));
    exchange_free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest_exchanges_are_accepted),
        cmocka_unit_test(test_both_sides_name_the_same_batch),
        cmocka_unit_test(test_evidence_of_something_else),
        cmocka_unit_test(test_changed_responses),
        cmocka_unit_test(test_response_of_another_connection),
        cmocka_unit_test(test_peer_key_that_is_not_the_statements),
        cmocka_unit_test(test_every_flip_of_a_response),
        cmocka_unit_test(test_every_flip_of_a_request),
        cmocka_unit_test(test_responses_out_of_form),
        cmocka_unit_test(test_frames_cut_empty_large_or_followed),
        cmocka_unit_test(test_response_in_single_bytes),
        cmocka_unit_test(test_refusals_have_their_class),
        cmocka_unit_test(test_anchored_answer_that_was_not_asked_for),
        cmocka_unit_test(test_handshakes_that_are_refused),
        cmocka_unit_test(test_exporter_that_fails),
        cmocka_unit_test(test_outside_upstream_needs_a_pinned_configuration),
        cmocka_unit_test(test_binding_is_never_skipped),
        cmocka_unit_test(test_simulated_without_permission),
        cmocka_unit_test(test_wants_follow_the_policy),
        cmocka_unit_test(test_nothing_unverified_is_shown),
    };
    return cmocka_run_group_tests_name("channel_engine", tests, world_new, world_free);
}
