/* Messages of blindbox/1 with one key changed, added or left out: each limit of the channel
 * protocol's section 2 on both of its sides, each with the class and the field of the refusal. */
#include "channel_world.h"

#include "codec/cbor.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

/* A map by its keys, so that a case names only what it changes. Slots 0 to 23 are the key of that
 * number; behind them stand a negative key, a byte string and a text (whose length is a known
 * key's number: the type has to count). */
enum { NEGATIVE = 24, BYTES_KEY, TEXT_KEY, N_SLOTS };

struct message {
    struct bb_span value[N_SLOTS]; /* encoded; empty: the key is left out */
};

static void split(struct bb_span body, struct message *m) {
    struct bb_reader r = bb_reader(body);
    size_t pairs = 0;
    *m = (struct message){0};
    assert_true(bb_cbor_read_map(&r, &pairs));
    for (size_t i = 0; i < pairs; i++) {
        uint64_t key = 0;
        assert_true(bb_cbor_read_uint(&r, 0, NEGATIVE - 1, &key));
        size_t from = r.pos;
        assert_true(bb_cbor_skip(&r));
        m->value[key] = bb_span(body.ptr + from, r.pos - from);
    }
}

static void join(const struct message *m, struct bb_writer *w) {
    size_t pairs = 0;
    for (size_t i = 0; i < N_SLOTS; i++)
        pairs += m->value[i].len > 0;
    bb_cbor_write_map(w, pairs);
    for (size_t i = 0; i < N_SLOTS; i++) {
        if (m->value[i].len == 0)
            continue;
        if (i < NEGATIVE)
            bb_cbor_write_uint(w, i);
        else
            bb_write_bytes(w, i == NEGATIVE    ? BB_SPAN_LIT("\x20")
                              : i == BYTES_KEY ? BB_SPAN_LIT("\x41\x00")
                                               : BB_SPAN_LIT("\x61\x61"));
        bb_write_bytes(w, m->value[i]);
    }
    assert_false(w->failed);
}

/* Hex in which {32:aa} stands for 32 bytes 0xaa. */
static void write_pattern(struct bb_writer *w, const char *pattern) {
    while (*pattern != '\0') {
        size_t count = 1;
        uint8_t byte = 0;
        bool run = *pattern == '{';
        if (run) {
            char *end = NULL;
            count = strtoul(pattern + 1, &end, 10);
            assert_int_equal(*end, ':');
            pattern = end + 1;
        }
        const char digits[3] = {pattern[0], pattern[1], '\0'};
        assert_true(bb_hex_decode_exact(digits, &byte, 1));
        pattern += 2;
        while (count-- > 0)
            bb_write_u8(w, byte);
        if (run)
            assert_int_equal(*pattern++, '}');
    }
    assert_false(w->failed);
}

struct change {
    int key;
    const char *value; /* "": left out */
};
enum { CHANGES_MAX = 3 };

/* Rows end at the first change without a value. */
static void apply(struct message *m, const struct change changes[CHANGES_MAX]) {
    static uint8_t values[CHANGES_MAX][20000];
    for (size_t i = 0; i < CHANGES_MAX && changes[i].value != NULL; i++) {
        struct bb_writer w = bb_writer(values[i], sizeof values[i]);
        write_pattern(&w, changes[i].value);
        m->value[changes[i].key] = bb_writer_span(&w);
    }
}

#define HASH(byte) "5820{32:" byte "}"
#define HASHES_1_TO_5 HASH("01") HASH("02") HASH("03") HASH("04") HASH("05")
#define HASHES_6_TO_10 HASH("06") HASH("07") HASH("08") HASH("09") HASH("0a")
#define HASHES_11_TO_15 HASH("0b") HASH("0c") HASH("0d") HASH("0e") HASH("0f")
#define HASHES_15 HASHES_1_TO_5 HASHES_6_TO_10 HASHES_11_TO_15
#define WANT(number) 4, number
#define ISSUER 5, "6161"

static const struct {
    const char *name;
    struct change change[CHANGES_MAX];
    unsigned status; /* BB_CHANNEL_OK: a leaf was made */
} requests[] = {
    {"unchanged", {{0}}, BB_CHANNEL_OK},
    {"no version", {{1, ""}}, BB_CHANNEL_MALFORMED},
    {"version 0", {{1, "00"}}, BB_CHANNEL_MALFORMED},
    {"version 2", {{1, "02"}}, BB_CHANNEL_MALFORMED},
    {"no nonce", {{2, ""}}, BB_CHANNEL_MALFORMED},
    {"nonce of 31 bytes", {{2, "581f{31:07}"}}, BB_CHANNEL_MALFORMED},
    {"nonce of 33 bytes", {{2, "5821{33:07}"}}, BB_CHANNEL_MALFORMED},
    {"nonce as text", {{2, "7820{32:61}"}}, BB_CHANNEL_MALFORMED},
    {"no kinds", {{3, ""}}, BB_CHANNEL_MALFORMED},
    {"no kind in them", {{3, "80"}}, BB_CHANNEL_MALFORMED},
    {"8 kinds", {{3, "880102030405060718ff"}}, BB_CHANNEL_OK},
    {"9 kinds", {{3, "89010203040506070818ff"}}, BB_CHANNEL_MALFORMED},
    {"kind 0", {{3, "820018ff"}}, BB_CHANNEL_MALFORMED},
    {"kind 256", {{3, "8218ff190100"}}, BB_CHANNEL_MALFORMED},
    {"a kind twice", {{3, "8218ff18ff"}}, BB_CHANNEL_MALFORMED},
    {"a kind twice, another between", {{3, "8318ff0118ff"}}, BB_CHANNEL_MALFORMED},
    {"a kind as text", {{3, "8218ff6131"}}, BB_CHANNEL_MALFORMED},
    {"one kind, no array", {{3, "18ff"}}, BB_CHANNEL_MALFORMED},
    {"kinds that the gateway has not", {{3, "820102"}}, BB_CHANNEL_NOTHING_IN_COMMON},
    {"no want", {{4, ""}}, BB_CHANNEL_MALFORMED},
    {"want 0", {{WANT("00")}}, BB_CHANNEL_MALFORMED},
    {"want 4", {{WANT("04")}}, BB_CHANNEL_MALFORMED},
    {"want 4 with an issuer", {{WANT("04")}, {ISSUER}}, BB_CHANNEL_MALFORMED},
    {"want 1 with an issuer", {{ISSUER}}, BB_CHANNEL_MALFORMED},
    {"want 2 without issuer", {{WANT("02")}}, BB_CHANNEL_MALFORMED},
    {"want 3 without issuer", {{WANT("03")}}, BB_CHANNEL_MALFORMED},
    {"want 2", {{WANT("02")}, {ISSUER}}, BB_CHANNEL_ISSUER_NOT_CONFIGURED},
    {"want 3", {{WANT("03")}, {ISSUER}}, BB_CHANNEL_ISSUER_NOT_CONFIGURED},
    {"empty issuer", {{WANT("02")}, {5, "60"}}, BB_CHANNEL_MALFORMED},
    {"issuer of 255 bytes", {{WANT("02")}, {5, "78ff{255:61}"}}, BB_CHANNEL_ISSUER_NOT_CONFIGURED},
    {"issuer of 256 bytes", {{WANT("02")}, {5, "790100{256:61}"}}, BB_CHANNEL_MALFORMED},
    {"issuer as bytes", {{WANT("02")}, {5, "4161"}}, BB_CHANNEL_MALFORMED},
    {"one certificate at hand", {{6, "81" HASH("01")}}, BB_CHANNEL_OK},
    {"two certificates at hand", {{6, "82" HASH("01") HASH("02")}}, BB_CHANNEL_OK},
    {"certificates descending", {{6, "82" HASH("02") HASH("01")}}, BB_CHANNEL_MALFORMED},
    {"the last certificate out of order",
     {{6, "83" HASH("01") HASH("03") HASH("02")}},
     BB_CHANNEL_MALFORMED},
    {"a certificate twice", {{6, "82" HASH("01") HASH("01")}}, BB_CHANNEL_MALFORMED},
    {"16 certificates", {{6, "90" HASHES_15 HASH("10")}}, BB_CHANNEL_OK},
    {"17 certificates", {{6, "91" HASHES_15 HASH("10") HASH("11")}}, BB_CHANNEL_MALFORMED},
    {"no certificate in the list", {{6, "80"}}, BB_CHANNEL_MALFORMED},
    {"certificate hash of 31 bytes", {{6, "81581f{31:01}"}}, BB_CHANNEL_MALFORMED},
    {"certificate hash of 33 bytes", {{6, "815821{33:01}"}}, BB_CHANNEL_MALFORMED},
    {"certificate hash as text", {{6, "817820{32:61}"}}, BB_CHANNEL_MALFORMED},
    {"anchor: answered fresh", {{7, "5830{48:01}"}}, BB_CHANNEL_OK},
    {"anchor of 47 bytes", {{7, "582f{47:01}"}}, BB_CHANNEL_MALFORMED},
    {"anchor of 49 bytes", {{7, "5831{49:01}"}}, BB_CHANNEL_MALFORMED},
    {"no wait", {{8, ""}}, BB_CHANNEL_MALFORMED},
    {"wait 999", {{8, "1903e7"}}, BB_CHANNEL_MALFORMED},
    {"wait 1000", {{8, "1903e8"}}, BB_CHANNEL_OK},
    {"wait 120000", {{8, "1a0001d4c0"}}, BB_CHANNEL_OK},
    {"wait 120001", {{8, "1a0001d4c1"}}, BB_CHANNEL_MALFORMED},
    {"wait 2^32 + 30000", {{8, "1b0000000100007530"}}, BB_CHANNEL_MALFORMED},
    {"no protocols", {{9, ""}}, BB_CHANNEL_MALFORMED},
    {"no protocol in the list", {{9, "80"}}, BB_CHANNEL_MALFORMED},
    {"4 protocols", {{9, "8461616162616363726177"}}, BB_CHANNEL_OK},
    {"5 protocols", {{9, "85616161626163616463726177"}}, BB_CHANNEL_MALFORMED},
    {"empty protocol", {{9, "826063726177"}}, BB_CHANNEL_MALFORMED},
    {"protocol of 32 bytes", {{9, "827820{32:61}63726177"}}, BB_CHANNEL_OK},
    {"protocol of 33 bytes", {{9, "827821{33:61}63726177"}}, BB_CHANNEL_MALFORMED},
    {"protocol as bytes", {{9, "8143726177"}}, BB_CHANNEL_MALFORMED},
    {"protocol that the gateway has not", {{9, "81626832"}}, BB_CHANNEL_NOTHING_IN_COMMON},
    {"no form in the list", {{10, "80"}}, BB_CHANNEL_MALFORMED},
    {"form 1 stated", {{10, "8101"}}, BB_CHANNEL_OK},
    {"form 0 alone", {{10, "8100"}}, BB_CHANNEL_NOTHING_IN_COMMON},
    {"both forms", {{10, "820001"}}, BB_CHANNEL_OK},
    {"both forms, preferred last", {{10, "820100"}}, BB_CHANNEL_OK},
    {"form 0 twice", {{10, "820000"}}, BB_CHANNEL_MALFORMED},
    {"form 1 twice", {{10, "820101"}}, BB_CHANNEL_MALFORMED},
    {"form 2", {{10, "820102"}}, BB_CHANNEL_MALFORMED},
    {"three forms", {{10, "83000101"}}, BB_CHANNEL_MALFORMED},
    {"form without array", {{10, "01"}}, BB_CHANNEL_MALFORMED},
    {"key 0", {{0, "01"}}, BB_CHANNEL_MALFORMED},
    {"key 11", {{11, "00"}}, BB_CHANNEL_MALFORMED},
    {"key 23", {{23, "00"}}, BB_CHANNEL_MALFORMED},
    {"key of bytes", {{BYTES_KEY, "01"}}, BB_CHANNEL_MALFORMED},
    {"key of text", {{TEXT_KEY, "01"}}, BB_CHANNEL_MALFORMED},
    {"an extension", {{NEGATIVE, "83006161a0"}}, BB_CHANNEL_OK},
    {"an extension out of form", {{NEGATIVE, "1800"}}, BB_CHANNEL_MALFORMED},
};

/* The gateway's connection after the honest request with the changes; its own salt every time the
 * same, so that equal leaves mean equal hashed bytes. */
static struct bb_gateway_conn *asked(struct world *w, const struct change change[CHANGES_MAX]) {
    static struct session session = {.secret = 1, .label = BB_EXPORTER_LABEL};
    static const struct bb_gateway_offer form_1 = {
        .kind = BB_KIND_SIMULATED, .form = 1, .apps = world_apps, .n_apps = 2};
    static struct bb_gateway_offer offer;
    static uint8_t frame[BB_FRAME_HEAD_SIZE + BB_REQUEST_MAX];
    const uint8_t salt[BB_SALT_SIZE] = {9};
    struct bb_client *client = client_new(w, 0);
    struct bb_gateway_conn *conn = NULL;
    struct message m;
    size_t used = 0;
    offer = form_1;
    offer.spki = BB_SPAN_OF(w->spki);
    struct bb_span request = bb_client_request(client);
    split(bb_span(request.ptr + 4, request.len - 4), &m);
    apply(&m, change);
    struct bb_writer body = bb_writer(frame + 4, sizeof frame - 4), head = bb_writer(frame, 4);
    join(&m, &body);
    bb_write_u32be(&head, (uint32_t)body.len);
    assert_int_equal(bb_gateway_conn_new(&offer, salt, session_export, &session, 0, &conn, NULL),
                     BB_OK);
    (void)bb_gateway_conn_feed(conn, bb_span(frame, body.len + 4), 0, &used);
    bb_client_free(client);
    return conn;
}

static void test_every_limit_of_a_request(void **state) {
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct bb_gateway_conn *conn = asked(*state, requests[i].change);
        bool taken = bb_gateway_conn_state(conn) == BB_GATEWAY_BATCH;
        if (taken != (requests[i].status == BB_CHANNEL_OK) ||
            bb_gateway_conn_refused(conn) != requests[i].status)
            fail_msg("request '%s': status %u, expected %u", requests[i].name,
                     bb_gateway_conn_refused(conn), requests[i].status);
        bb_gateway_conn_free(conn);
    }
}

/* What the gateway does not understand it attests all the same: as the bytes that came. */
static void test_extensions_are_hashed(void **state) {
    static const struct change rows[][CHANGES_MAX] = {
        {{0}}, {{NEGATIVE, "00"}}, {{NEGATIVE, "01"}}};
    uint8_t leaf[3][BB_MERKLE_NODE];
    for (size_t i = 0; i < 3; i++) {
        struct bb_gateway_conn *conn = asked(*state, rows[i]);
        assert_int_equal(bb_gateway_conn_state(conn), BB_GATEWAY_BATCH);
        memcpy(leaf[i], bb_gateway_conn_leaf(conn), sizeof leaf[i]);
        bb_gateway_conn_free(conn);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(leaf[k], leaf[i], sizeof leaf[i]);
    }
}

/* The gateway refuses the length before it reads; the parser does not rely on that. */
static void test_longest_request(void **state) {
    static uint8_t body[2 * BB_REQUEST_MAX];
    struct bb_client *client = client_new(*state, 0);
    struct bb_span honest = bb_client_request(client);
    honest = bb_span(honest.ptr + 4, honest.len - 4);
    for (size_t len = BB_REQUEST_MAX; len <= BB_REQUEST_MAX + 1; len++) {
        char extension[64];
        struct message m;
        struct bb_request q;
        struct bb_writer w = bb_writer(body, sizeof body);
        size_t more = len - honest.len - 4; /* key and head */
        (void)snprintf(extension, sizeof extension, "59%04zx{%zu:00}", more, more);
        split(honest, &m);
        apply(&m, (struct change[CHANGES_MAX]){{NEGATIVE, extension}});
        join(&m, &w);
        assert_int_equal(w.len, len);
        assert_int_equal(bb_request_parse(bb_writer_span(&w), &q), len == BB_REQUEST_MAX);
    }
    bb_client_free(client);
}

static void expect_class(struct exchange *x, const char *name, enum bb_status status,
                         const char *where) {
    char found[BB_FIELD_MAX] = "";
    struct bb_result result;
    enum bb_status got = client_verdict(x, x->w->policy, found, &result);
    if (got != status || strcmp(found, where) != 0)
        fail_msg("%s: %s at '%s', expected %s at '%s'", name, bb_status_name(got), found,
                 bb_status_name(status), where);
    exchange_free(x);
}

#define BAD BB_MALFORMED_EVIDENCE, "response"

static const struct {
    const char *name;
    struct change change[CHANGES_MAX];
    enum bb_status status;
    const char *where;
} responses[] = {
    {"unchanged", {{0}}, BB_OK, ""},
    {"no version", {{1, ""}}, BAD},
    {"version 0", {{1, "00"}}, BAD},
    {"no status", {{2, ""}}, BAD},
    {"status 256", {{2, "190100"}}, BAD},
    {"no salt", {{3, ""}}, BAD},
    {"salt of 31 bytes", {{3, "581f{31:09}"}}, BAD},
    {"salt of 33 bytes", {{3, "5821{33:09}"}}, BAD},
    {"no kind", {{4, ""}}, BAD},
    {"kind 0", {{4, "00"}}, BAD},
    {"kind 256", {{4, "190100"}}, BAD},
    {"kind 3", {{4, "03"}}, BB_NOT_AN_ENCLAVE, "kind"},
    /* Key 11 exactly if the kind is not 2. */
    {"kind 2 with a form", {{4, "02"}}, BAD},
    {"kind 2", {{4, "02"}, {11, ""}}, BB_NOT_AN_ENCLAVE, "kind"},
    {"kind 255 without form", {{11, ""}}, BAD},
    {"form 2", {{11, "02"}}, BAD},
    {"no collection", {{5, ""}}, BAD},
    {"empty collection", {{5, "40"}}, BAD},
    {"no configuration", {{6, ""}}, BAD},
    {"empty configuration", {{6, "40"}}, BAD},
    {"configuration of 4096 bytes", {{6, "591000{4096:00}"}}, BB_MALFORMED_EVIDENCE, "config"},
    {"configuration of 4097 bytes", {{6, "591001{4097:00}"}}, BAD},
    {"no binding key", {{7, ""}}, BAD},
    {"binding key of 90 bytes", {{7, "585a{90:04}"}}, BAD},
    {"binding key of 92 bytes", {{7, "585c{92:04}"}}, BAD},
    {"binding key of 91 other bytes", {{7, "585b{91:04}"}}, BB_CHANNEL_BINDING_MISMATCH, "key"},
    {"no proof", {{8, ""}}, BAD},
    {"proof of two items", {{8, "820000"}}, BAD},
    {"proof of four items", {{8, "8400004000"}}, BAD},
    {"path as text", {{8, "83000060"}}, BAD},
    {"index 65535", {{8, "8319ffff0040"}}, BB_CHANNEL_BINDING_MISMATCH, "path"},
    {"index 65536", {{8, "831a000100000040"}}, BAD},
    {"depth 17",
     {{8, "831159"
          "0330{816:00}"}},
     BAD},
    {"index = 2^0", {{8, "83010040"}}, BB_CHANNEL_BINDING_MISMATCH, "path"},
    {"index = 2^1", {{8, "8302015830{48:00}"}}, BB_CHANNEL_BINDING_MISMATCH, "path"},
    {"depth 0 with a node", {{8, "8300005830{48:00}"}}, BB_CHANNEL_BINDING_MISMATCH, "path"},
    {"depth 1 without a node", {{8, "83000140"}}, BB_CHANNEL_BINDING_MISMATCH, "path"},
    {"depth 1, path one byte short",
     {{8, "830001582f{47:00}"}},
     BB_CHANNEL_BINDING_MISMATCH,
     "path"},
    {"depth 1, path one byte long",
     {{8, "8300015831{49:00}"}},
     BB_CHANNEL_BINDING_MISMATCH,
     "path"},
    {"longest path",
     {{8, "83001059"
          "0300{768:00}"}},
     BB_CHANNEL_BINDING_MISMATCH,
     "report-data"},
    {"path of 17 nodes at depth 16",
     {{8, "83001059"
          "0330{816:00}"}},
     BB_CHANNEL_BINDING_MISMATCH,
     "path"},
    {"path longer than any",
     {{8, "83001059"
          "0331{817:00}"}},
     BAD},
    {"no protocol", {{9, ""}}, BAD},
    {"empty protocol", {{9, "60"}}, BAD},
    {"protocol of 33 bytes", {{9, "7821{33:61}"}}, BAD},
    {"protocol as bytes", {{9, "43726177"}}, BAD},
    {"a token that was not asked for", {{10, "63657949"}}, BB_MALFORMED_EVIDENCE, "token"},
    {"empty token", {{10, "60"}}, BAD},
    {"token of 16384 bytes", {{10, "794000{16384:61}"}}, BB_MALFORMED_EVIDENCE, "token"},
    {"token of 16385 bytes", {{10, "794001{16385:61}"}}, BAD},
    {"no flags", {{12, ""}}, BAD},
    {"flag bit 1", {{12, "02"}}, BB_MALFORMED_EVIDENCE, "flags"},
    {"flags 65534", {{12, "19fffe"}}, BB_MALFORMED_EVIDENCE, "flags"},
    {"flags 65535", {{12, "19ffff"}}, BB_MALFORMED_EVIDENCE, "flags"},
    {"flags 65536", {{12, "1a00010000"}}, BAD},
    {"flags 65537", {{12, "1a00010001"}}, BAD},
    /* No key means two things: the shapes do not mix. */
    {"fresh with a text of refusal", {{14, "6161"}}, BAD},
    {"fresh with a retry time", {{15, "00"}}, BAD},
    {"fresh with a signature", {{13, "5840{64:00}"}}, BAD},
    {"a refusal with all keys of a fresh one", {{2, "03"}}, BAD},
    {"key 0", {{0, "01"}}, BAD},
    {"key 16", {{16, "01"}}, BAD},
    {"key 23", {{23, "01"}}, BAD},
    {"key of bytes", {{BYTES_KEY, "01"}}, BAD},
    {"key of text", {{TEXT_KEY, "01"}}, BAD},
    {"an extension", {{NEGATIVE, "83006161a0"}}, BB_OK, ""},
};

static void test_every_limit_of_a_response(void **state) {
    static uint8_t body[1 << 16];
    for (size_t i = 0; i < sizeof responses / sizeof responses[0]; i++) {
        struct exchange *x = exchange_new(*state, &(struct plan){.others = 3});
        struct bb_writer w = bb_writer(body, sizeof body);
        struct message m;
        split(bb_span(x->frame + 4, x->frame_len - 4), &m);
        apply(&m, responses[i].change);
        join(&m, &w);
        set_body(x, bb_writer_span(&w));
        expect_class(x, responses[i].name, responses[i].status, responses[i].where);
    }
}

/* The two short shapes: whole bodies. */
static void test_shapes_of_a_response(void **state) {
    static const struct {
        const char *name, *body;
        enum bb_status status;
        const char *where;
    } rows[] = {
        {"refusal", "a201010203", BB_TRY_AGAIN, "status"},
        {"refusal with both",
         "a4010102030e61610f19"
         "05dc",
         BB_TRY_AGAIN, "status"},
        {"refusal with an extension",
         "a30101020320"
         "00",
         BB_TRY_AGAIN, "status"},
        {"empty text", "a3010102030e60", BB_TRY_AGAIN, "status"},
        {"text of 256 bytes", "a3010102030e790100{256:61}", BB_TRY_AGAIN, "status"},
        {"text of 257 bytes", "a3010102030e790101{257:61}", BAD},
        {"text as bytes", "a3010102030e4161", BAD},
        {"retry time as text", "a3010102030f6131", BAD},
        {"status 0 alone", "a201010200", BAD},
        {"refusal with a salt", "a30101020303" HASH("09"), BAD},
        {"refusal with a kind",
         "a30101020304"
         "18ff",
         BAD},
        {"refusal with a protocol",
         "a30101020309"
         "63726177",
         BAD},
        {"refusal with a token",
         "a3010102030a"
         "6161",
         BAD},
        {"refusal with a form",
         "a3010102030b"
         "01",
         BAD},
        {"refusal with flags",
         "a3010102030c"
         "00",
         BAD},
        {"refusal with a signature",
         "a3010102030d"
         "5840{64:00}",
         BAD},
        {"anchored", "a50101020003" HASH("09") "09637261770d5840{64:00}", BB_STALE_EVIDENCE,
         "signature"},
        {"anchored, signature of 63 bytes", "a50101020003" HASH("09") "09637261770d583f{63:00}",
         BAD},
        {"anchored, signature of 65 bytes", "a50101020003" HASH("09") "09637261770d5841{65:00}",
         BAD},
        {"anchored without salt", "a40101020009637261770d5840{64:00}", BAD},
        {"anchored without protocol", "a40101020003" HASH("09") "0d5840{64:00}", BAD},
        {"anchored with flags", "a60101020003" HASH("09") "09637261770c000d5840{64:00}", BAD},
        {"anchored with a text", "a60101020003" HASH("09") "09637261770d5840{64:00}0e6161", BAD},
        {"an empty map", "a0", BAD},
        {"no map", "01", BAD},
    };
    static uint8_t body[1024];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exchange *x = exchange_new(*state, &(struct plan){0});
        struct bb_writer w = bb_writer(body, sizeof body);
        write_pattern(&w, rows[i].body);
        set_body(x, bb_writer_span(&w));
        expect_class(x, rows[i].name, rows[i].status, rows[i].where);
    }
}

/* A configuration in form is only another one than the report's; out of form it is not hashed. */
#define IN_FORM BB_CHANNEL_BINDING_MISMATCH

static const struct {
    const char *name;
    struct change change[CHANGES_MAX];
    const char *behind; /* bytes behind the map */
    enum bb_status status;
} configs[] = {
    {"unchanged", {{0}}, "", BB_OK},
    {"no software", {{1, ""}}, "", BB_MALFORMED_EVIDENCE},
    {"no upstream", {{2, ""}}, "", BB_MALFORMED_EVIDENCE},
    {"no issuers", {{3, ""}}, "", BB_MALFORMED_EVIDENCE},
    {"no protocols", {{4, ""}}, "", BB_MALFORMED_EVIDENCE},
    {"software as bytes", {{1, "4161"}}, "", BB_MALFORMED_EVIDENCE},
    {"software as number", {{1, "01"}}, "", BB_MALFORMED_EVIDENCE},
    {"empty software", {{1, "60"}}, "", IN_FORM},
    {"upstream as bytes", {{2, "4161"}}, "", BB_MALFORMED_EVIDENCE},
    {"upstream as array", {{2, "816161"}}, "", BB_MALFORMED_EVIDENCE},
    {"issuers as text", {{3, "6161"}}, "", BB_MALFORMED_EVIDENCE},
    {"an issuer as bytes", {{3, "814161"}}, "", BB_MALFORMED_EVIDENCE},
    {"two issuers", {{3, "8261616162"}}, "", IN_FORM},
    {"protocols as text", {{4, "6161"}}, "", BB_MALFORMED_EVIDENCE},
    {"no protocol in the list", {{4, "80"}}, "", BB_MALFORMED_EVIDENCE},
    {"a protocol as number", {{4, "82616101"}}, "", BB_MALFORMED_EVIDENCE},
    {"one protocol", {{4, "816161"}}, "", IN_FORM},
    {"key 0", {{0, "6161"}}, "", BB_MALFORMED_EVIDENCE},
    {"key 5", {{5, "816161"}}, "", BB_MALFORMED_EVIDENCE},
    {"key 23", {{23, "816161"}}, "", BB_MALFORMED_EVIDENCE},
    {"key of bytes", {{BYTES_KEY, "6161"}}, "", BB_MALFORMED_EVIDENCE},
    {"key of text", {{TEXT_KEY, "6161"}}, "", BB_MALFORMED_EVIDENCE},
    {"an extension", {{NEGATIVE, "a0"}}, "", IN_FORM},
    {"an extension out of form", {{NEGATIVE, "1800"}}, "", BB_MALFORMED_EVIDENCE},
    {"a byte behind", {{0}}, "00", BB_MALFORMED_EVIDENCE},
    {"a second map behind", {{0}}, "a0", BB_MALFORMED_EVIDENCE},
};

static void test_every_limit_of_a_configuration(void **state) {
    static uint8_t config[BB_CONFIG_MAX];
    const struct world *world = *state;
    for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++) {
        struct exchange *x = exchange_new(*state, &(struct plan){0});
        struct bb_writer w = bb_writer(config, sizeof config);
        struct bb_response p = response_of(x);
        struct message m;
        split(bb_span(world->config, world->config_len), &m);
        apply(&m, configs[i].change);
        join(&m, &w);
        write_pattern(&w, configs[i].behind);
        p.config = bb_writer_span(&w);
        assert_int_equal(bb_config_is_valid(p.config), configs[i].status != BB_MALFORMED_EVIDENCE);
        set_response(x, &p);
        expect_class(x, configs[i].name, configs[i].status,
                     configs[i].status == BB_OK     ? ""
                     : configs[i].status == IN_FORM ? "report-data"
                                                    : "config");
    }
}

/* The frame's own limit hides this one from the client; the gateway's operator meets it. */
static void test_longest_configuration(void **state) {
    const struct world *world = *state;
    static uint8_t config[2 * BB_CONFIG_MAX];
    for (size_t len = BB_CONFIG_MAX; len <= BB_CONFIG_MAX + 1; len++) {
        char software[64];
        struct message m;
        struct bb_writer w = bb_writer(config, sizeof config);
        split(bb_span(world->config, world->config_len), &m);
        size_t text = len - (world->config_len - m.value[1].len) - 3;
        (void)snprintf(software, sizeof software, "79%04zx{%zu:61}", text, text);
        apply(&m, (struct change[CHANGES_MAX]){{1, software}});
        join(&m, &w);
        assert_int_equal(w.len, len);
        assert_int_equal(bb_config_is_valid(bb_writer_span(&w)), len == BB_CONFIG_MAX);
    }
}

/* One record of a collection of evidence. */
struct record {
    const char *label, *media;
    struct bb_span bytes;
    uint64_t indicator;
};
enum { ARK, ASK, CRL, UVM, VEK, REPORT, N_RECORDS };

/* In the deterministic order: shorter labels first. */
static int by_label(const void *a, const void *b) {
    const char *left = ((const struct record *)a)->label,
               *right = ((const struct record *)b)->label;
    size_t m = strlen(left), n = strlen(right);
    return m != n ? (m < n ? -1 : 1) : strcmp(left, right);
}

static void write_records(struct bb_writer *w, struct record *records, size_t n) {
    qsort(records, n, sizeof *records, by_label);
    bb_cbor_write_map(w, n);
    for (size_t i = 0; i < n; i++) {
        bb_cbor_write_text(w, bb_span_str(records[i].label));
        bb_cbor_write_array(w, 3);
        bb_cbor_write_text(w, bb_span_str(records[i].media));
        bb_cbor_write_bytes(w, records[i].bytes);
        bb_cbor_write_uint(w, records[i].indicator);
    }
    assert_false(w->failed);
}

#define PKIX "application/pkix-cert"
#define NO_CMW BB_MALFORMED_EVIDENCE

/* How a collection of all six labels deviates in one of its records. */
static const struct {
    const char *name;
    int at;
    const char *label, *media; /* NULL: as they are */
    unsigned indicator;        /* 0: as it is */
    int longer;                /* bytes more than it has */
    enum { CHANGED, LEFT_OUT, TWICE, ADDED } how;
    enum bb_status status;
} cmws[] = {
    {"unchanged", ARK, NULL, NULL, 0, 0, CHANGED, BB_OK},
    {"no uvm, which is optional", UVM, NULL, NULL, 0, 0, LEFT_OUT, BB_OK},
    {"unknown label", UVM, "uvn", NULL, 0, 0, CHANGED, NO_CMW},
    {"unknown label more", VEK, "vez", NULL, 0, 0, ADDED, NO_CMW},
    {"label of kind 2", VEK, "hcl", NULL, 0, 0, ADDED, NO_CMW},
    {"first letters of a label", VEK, "ve", NULL, 0, 0, ADDED, NO_CMW},
    {"label in capitals", VEK, "VEK", NULL, 0, 0, ADDED, NO_CMW},
    {"empty label", VEK, "", NULL, 0, 0, ADDED, NO_CMW},
    {"ark as CRL", ARK, NULL, "application/pkix-crl", 0, 0, CHANGED, NO_CMW},
    {"ask as COSE", ASK, NULL, "application/cose", 0, 0, CHANGED, NO_CMW},
    {"crl as certificate", CRL, NULL, PKIX, 0, 0, CHANGED, NO_CMW},
    {"uvm as certificate", UVM, NULL, PKIX, 0, 0, CHANGED, NO_CMW},
    {"vek as CRL", VEK, NULL, "application/pkix-crl", 0, 0, CHANGED, NO_CMW},
    {"report as certificate", REPORT, NULL, PKIX, 0, 0, CHANGED, NO_CMW},
    {"media type with a parameter", VEK, NULL, PKIX ";a=b", 0, 0, CHANGED, NO_CMW},
    {"media type cut", VEK, NULL, "application/pkix-cer", 0, 0, CHANGED, NO_CMW},
    {"media type in capitals", VEK, NULL, "application/PKIX-cert", 0, 0, CHANGED, NO_CMW},
    {"empty media type", VEK, NULL, "", 0, 0, CHANGED, NO_CMW},
    {"ark as evidence", ARK, NULL, NULL, 4, 0, CHANGED, NO_CMW},
    {"ask as evidence", ASK, NULL, NULL, 4, 0, CHANGED, NO_CMW},
    {"crl as evidence", CRL, NULL, NULL, 4, 0, CHANGED, NO_CMW},
    {"uvm as evidence", UVM, NULL, NULL, 4, 0, CHANGED, NO_CMW},
    {"vek as evidence", VEK, NULL, NULL, 4, 0, CHANGED, NO_CMW},
    {"vek as both", VEK, NULL, NULL, 6, 0, CHANGED, NO_CMW},
    {"report as endorsement", REPORT, NULL, NULL, 2, 0, CHANGED, NO_CMW},
    {"report as both", REPORT, NULL, NULL, 6, 0, CHANGED, NO_CMW},
    {"report one byte short", REPORT, NULL, NULL, 0, -1, CHANGED, NO_CMW},
    {"report one byte long", REPORT, NULL, NULL, 0, 1, CHANGED, NO_CMW},
    {"empty report", REPORT, NULL, NULL, 0, -BB_SNP_REPORT_SIZE, CHANGED, NO_CMW},
    {"no report", REPORT, NULL, NULL, 0, 0, LEFT_OUT, NO_CMW},
    {"report twice", REPORT, NULL, NULL, 0, 0, TWICE, NO_CMW},
    {"vek twice", VEK, NULL, NULL, 0, 0, TWICE, NO_CMW},
};

static size_t deviate(size_t row, struct record records[N_RECORDS + 1]) {
    size_t n = N_RECORDS;
    struct record *r = &records[cmws[row].at];
    if (cmws[row].how == TWICE || cmws[row].how == ADDED) {
        records[n] = *r;
        r = &records[n++];
    }
    r->label = cmws[row].label != NULL ? cmws[row].label : r->label;
    r->media = cmws[row].media != NULL ? cmws[row].media : r->media;
    r->indicator = cmws[row].indicator != 0 ? cmws[row].indicator : r->indicator;
    r->bytes.len = (size_t)((long)r->bytes.len + cmws[row].longer);
    if (cmws[row].how == LEFT_OUT)
        *r = records[--n];
    return n;
}

static void test_every_deviation_of_a_collection(void **state) {
    static uint8_t bytes[1 << 16];
    const struct world *world = *state;
    for (size_t i = 0; i < sizeof cmws / sizeof cmws[0]; i++) {
        struct exchange *x = exchange_new(*state, &(struct plan){.others = 1});
        uint8_t report[BB_SNP_REPORT_SIZE + 1] = {0};
        struct bb_response p = response_of(x);
        struct bb_writer w = bb_writer(bytes, sizeof bytes);
        memcpy(report, x->report, sizeof x->report);
        struct record records[N_RECORDS + 1] = {
            [ARK] = {"ark", PKIX, world->certs.ark, 2},
            [ASK] = {"ask", PKIX, world->certs.ask, 2},
            [CRL] = {"crl", "application/pkix-crl", world->certs.crl, 2},
            [UVM] = {"uvm", "application/cose", BB_SPAN_LIT("\xd2"), 2},
            [VEK] = {"vek", PKIX, world->certs.vek, 2},
            [REPORT] = {"report", "application/vnd.amd.sev-snp.attestation-report",
                        bb_span(report, BB_SNP_REPORT_SIZE), 4}};
        write_records(&w, records, deviate(i, records));
        p.cmw = bb_writer_span(&w);
        set_response(x, &p);
        expect_class(x, cmws[i].name, cmws[i].status, cmws[i].status == BB_OK ? "" : "cmw");
    }
}

/* Collections that are no map of records. */
static void test_collections_out_of_form(void **state) {
    static const struct {
        const char *name, *bytes;
    } rows[] = {
        {"empty map", "a0"},
        {"array", "80"},
        {"number as label", "a101"
                            "83756170706c69636174696f6e2f706b69782d63657274410002"},
        {"record of two items", "a16376656b"
                                "82756170706c69636174696f6e2f706b69782d636572744100"},
        {"record without array", "a16376656b"
                                 "4100"},
        {"cut", "a16376656b"
                "83756170706c69636174696f6e2f706b69782d636572744100"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct exchange *x = exchange_new(*state, &(struct plan){0});
        struct bb_response p = response_of(x);
        uint8_t bytes[128];
        struct bb_writer w = bb_writer(bytes, sizeof bytes);
        write_pattern(&w, rows[i].bytes);
        p.cmw = bb_writer_span(&w);
        set_response(x, &p);
        expect_class(x, rows[i].name, BB_MALFORMED_EVIDENCE, "cmw");
    }
}

/* The same key, with its point compressed: valid for TLS, but not the 91 bytes that are hashed. */
static void test_compressed_tls_key(void **state) {
    const struct world *w = *state;
    const uint8_t *at = w->spki;
    uint8_t *der = NULL;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, sizeof w->spki);
    assert_non_null(key);
    assert_int_equal(
        EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                       OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_COMPRESSED),
        1);
    int len = i2d_PUBKEY(key, &der);
    assert_int_equal(len, 59);
    struct bb_client *client = client_new(w, 0);
    struct bb_client_tls tls = good_tls(w);
    struct bb_error err = {0};
    tls.spki = bb_span(der, (size_t)len);
    assert_int_equal(bb_client_check_tls(client, &tls, &err), BB_ATTESTATION_REFUSED);
    assert_string_equal(err.field, "key");
    bb_client_free(client);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_limit_of_a_request),
        cmocka_unit_test(test_extensions_are_hashed),
        cmocka_unit_test(test_longest_request),
        cmocka_unit_test(test_every_limit_of_a_response),
        cmocka_unit_test(test_shapes_of_a_response),
        cmocka_unit_test(test_every_limit_of_a_configuration),
        cmocka_unit_test(test_longest_configuration),
        cmocka_unit_test(test_every_deviation_of_a_collection),
        cmocka_unit_test(test_collections_out_of_form),
        cmocka_unit_test(test_compressed_tls_key),
    };
    return cmocka_run_group_tests_name("channel_forms", tests, world_new, world_free);
}
