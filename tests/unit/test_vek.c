/* AMD's extensions in VEK certificates: what is taken, and every other form refused with its field.
 * The certificates are issued here, under the key of the simulated TEE's intermediate. */
#include "vectors.h"

#include "attester/sim/store.h"
#include "base/hex.h"
#include "crypto/issue.h"
#include "evidence/snp/chain.h"
#include "evidence/snp/roots.h"

#define ARC "2b060104019c7801"
#define H8 "0102030405060708"
#define H64 H8 H8 H8 H8 H8 H8 H8 H8
#define MILAN "16054d696c616e"          /* IA5String "Milan" */
#define TURIN "1605547572696e"          /* IA5String "Turin" */
#define MILAN_B0 "16084d696c616e2d4230" /* "Milan-B0" */
#define CSP "1604434e3d78"              /* "CN=x" */

enum { EXTS = 14 };

struct ext {
    const char *oid, *value; /* hex; oid behind AMD's arc */
};

static const struct ext milan[EXTS] = {{"01", "020100"},     {"02", MILAN_B0},   {"0301", "020104"},
                                       {"0302", "020100"},   {"0304", "020100"}, {"0305", "020100"},
                                       {"0306", "020100"},   {"0307", "020100"}, {"0303", "020118"},
                                       {"0308", "020200db"}, {"04", H64}};
static const struct ext turin[EXTS] = {{"01", "020101"},   {"02", TURIN},      {"0309", "020101"},
                                       {"0301", "020101"}, {"0302", "020101"}, {"0303", "020104"},
                                       {"0305", "020100"}, {"0306", "020100"}, {"0307", "020100"},
                                       {"0308", "020151"}, {"04", H8}};
static const struct ext vlek[EXTS] = {{"01", "020100"},     {"02", MILAN},      {"0301", "020104"},
                                      {"0302", "020100"},   {"0304", "020100"}, {"0305", "020100"},
                                      {"0306", "020100"},   {"0307", "020100"}, {"0303", "020118"},
                                      {"0308", "020200d9"}, {"05", CSP}};

static struct bb_key *ark_key, *ca_key, *p384_key, *p256_key;

static int make_keys(void **state) {
    (void)state;
    struct bb_sim_store store;
    return bb_sim_store_open(&store, kept_keys(), NULL) == BB_OK &&
                   bb_sim_store_key(&store, "ark.key", BB_KEY_RSA4096, &ark_key, NULL) == BB_OK &&
                   bb_sim_store_key(&store, "ask.key", BB_KEY_RSA4096, &ca_key, NULL) == BB_OK &&
                   bb_key_generate(BB_KEY_P384, &p384_key, NULL) == BB_OK &&
                   bb_key_generate(BB_KEY_P256, &p256_key, NULL) == BB_OK
               ? 0
               : 1;
}

static int free_keys(void **state) {
    (void)state;
    bb_key_free(ark_key);
    bb_key_free(ca_key);
    bb_key_free(p384_key);
    bb_key_free(p256_key);
    return 0;
}

struct shape {
    const char *subject, *issuer;
    const struct ext *exts; /* EXTS of them, ended by a NULL oid if fewer */
    const struct bb_key *key;
    enum bb_issue_profile profile;
};

static struct bb_cert *issue(const struct shape *shape) {
    static uint8_t bytes[EXTS][2][80], der[8192];
    struct bb_issue_ext exts[EXTS];
    size_t n = 0, len = 0;
    struct bb_cert *cert = NULL;
    for (; n < EXTS && shape->exts[n].oid != NULL; n++) {
        char oid[32];
        size_t oid_len = 0, value_len = 0;
        (void)snprintf(oid, sizeof oid, ARC "%s", shape->exts[n].oid);
        assert_true(bb_hex_decode(bb_span_str(oid), bytes[n][0], 80, &oid_len));
        assert_true(bb_hex_decode(bb_span_str(shape->exts[n].value), bytes[n][1], 80, &value_len));
        exts[n].oid = bb_span(bytes[n][0], oid_len);
        exts[n].value = bb_span(bytes[n][1], value_len);
    }
    struct bb_issue_cert spec = {.profile = shape->profile,
                                 .subject = {"Test", shape->subject},
                                 .issuer = {"Test", shape->issuer},
                                 .not_after = 2000000000,
                                 .exts = exts,
                                 .n_exts = n};
    assert_int_equal(bb_issue_cert(&spec, shape->key, ca_key, der, sizeof der, &len, NULL), BB_OK);
    assert_int_equal(bb_cert_parse(bb_span(der, len), &cert, NULL), BB_OK);
    return cert;
}

static void expect(const char *label, const struct shape *shape, const char *field) {
    struct bb_snp_vek vek = {.tcb = {{0xee}}};
    struct bb_error err = {0};
    struct bb_cert *cert = issue(shape);
    enum bb_status status = bb_snp_vek_read(cert, &vek, &err);
    bb_cert_free(cert);
    enum bb_status want = field == NULL ? BB_OK : BB_CERTIFICATE_CHAIN_INVALID;
    if (status != want || strcmp(err.field, field == NULL ? "" : field) != 0)
        fail_msg("%s: %s, field '%s'", label, bb_status_name(status), err.field);
    if (field != NULL)
        assert_int_equal(vek.tcb.raw[0], 0xee); /* written only on success */
}

/* One extension of an honest certificate changed: another value, left out (NULL) or repeated. */
static const struct {
    const struct ext *base;
    const char *oid, *value, *field;
} changes[] = {
    {milan, "02", MILAN, NULL},
    {milan, "04", "0440" H64, NULL}, /* AMD's announced form */
    {turin, "04", "0408" H8, NULL},
    {milan, "0308", "02017f", NULL},
    {milan, "01", "020101", "structVersion"},
    {milan, "01", NULL, "structVersion"},
    {turin, "01", "020100", "structVersion"},
    {milan, "02", NULL, "productName"},
    {milan, "02", TURIN, "productName"},
    {milan, "02", "16064d696c616e78", "productName"}, /* "Milanx" */
    {milan, "02", "16044d696c61", "productName"},     /* "Mila" */
    {milan, "02", "0c054d696c616e", "productName"},   /* UTF8String */
    {milan, "02", "16054d696c616e00", "productName"}, /* a byte after it */
    {milan, "02", "16064d696c616e", "productName"},   /* a byte short */
    {milan, "02", "", "productName"},
    {milan, "0301", NULL, "blSPL"},
    {milan, "0302", NULL, "teeSPL"},
    {milan, "0303", NULL, "snpSPL"},
    {milan, "0304", NULL, "spl_4"},
    {milan, "0307", NULL, "spl_7"},
    {milan, "0308", NULL, "ucodeSPL"},
    {turin, "0309", NULL, "fmcSPL"},
    {turin, "0305", NULL, "spl_5"},
    {milan, "0308", "0201db", "ucodeSPL"},     /* negative */
    {milan, "0308", "02020018", "ucodeSPL"},   /* not the shortest form */
    {milan, "0308", "0203000100", "ucodeSPL"}, /* 256 */
    {milan, "0308", "02020100", "ucodeSPL"},
    {milan, "0301", "0200", "blSPL"},
    {milan, "0301", "02010400", "blSPL"},
    {milan, "0301", "0a0104", "blSPL"}, /* ENUMERATED */
    {milan, "0301", "04", "blSPL"},
    {milan, "0301", "", "blSPL"},
    {milan, "04", NULL, "hwID"},
    {milan, "04", H8, "hwID"},
    {milan, "04", H64 "00", "hwID"},
    {milan, "04", "0440" H64 "00", "hwID"},
    {milan, "04", "0240" H64, "hwID"},
    {milan, "04", "", "hwID"},
    {turin, "04", H64, "hwID"},
    {turin, "04", "0440" H8, "hwID"},
    {vlek, "05", NULL, "CSP_ID"},
    {vlek, "05", "0c04434e3d78", "CSP_ID"},
};

static struct shape shape_of(const struct ext *base, const struct ext *exts) {
    bool is_vlek = base == vlek;
    return (struct shape){.subject = is_vlek ? "SEV-VLEK" : "SEV-VCEK",
                          .issuer = is_vlek         ? "SEV-VLEK-Milan"
                                    : base == milan ? "SEV-Milan"
                                                    : "SEV-Turin",
                          .exts = exts,
                          .key = p384_key};
}

static void test_each_extension(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct ext exts[EXTS] = {{0}};
        char label[64];
        size_t n = 0;
        for (size_t k = 0; changes[i].base[k].oid != NULL; k++) {
            bool this_one = strcmp(changes[i].base[k].oid, changes[i].oid) == 0;
            if (this_one && changes[i].value == NULL)
                continue;
            exts[n] = changes[i].base[k];
            if (this_one)
                exts[n].value = changes[i].value;
            n++;
        }
        (void)snprintf(label, sizeof label, "row %zu (.%s)", i, changes[i].oid);
        struct shape shape = shape_of(changes[i].base, exts);
        expect(label, &shape, changes[i].field);
    }
}

/* Extensions that are one too many: repeated with the same value, or of another product or kind. */
static void test_extensions_too_many(void **state) {
    (void)state;
    static const struct {
        const struct ext *base;
        struct ext more;
        const char *field;
    } rows[] = {
        {milan, {"01", "020100"}, "structVersion"},
        {milan, {"02", MILAN_B0}, "productName"},
        {milan, {"0301", "020104"}, "blSPL"},
        {milan, {"0308", "020200db"}, "ucodeSPL"},
        {milan, {"04", H64}, "hwID"},
        {milan, {"05", CSP}, "CSP_ID"},
        {milan, {"0309", "020100"}, "fmcSPL"},
        {turin, {"0304", "020100"}, "spl_4"},
        {turin, {"0309", "020101"}, "fmcSPL"},
        {vlek, {"05", CSP}, "CSP_ID"},
        {vlek, {"04", H64}, "hwID"},
        {milan, {"06", "0500"}, NULL},
        {milan, {"0401", H64}, NULL}, /* a longer OID is another one */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ext exts[EXTS] = {{0}};
        size_t n = 0;
        char label[32];
        for (; rows[i].base[n].oid != NULL; n++)
            exts[n] = rows[i].base[n];
        exts[n] = rows[i].more;
        (void)snprintf(label, sizeof label, "row %zu", i);
        struct shape shape = shape_of(rows[i].base, exts);
        expect(label, &shape, rows[i].field);
    }
}

static void test_names_and_keys(void **state) {
    (void)state;
    const struct {
        struct shape shape;
        const char *field;
    } rows[] = {
        {{"SEV-VCEK", "SEV-Milan", milan, p384_key, BB_ISSUE_LEAF}, NULL},
        {{"SEV-VCEK", "SEV-Turin", turin, p384_key, BB_ISSUE_LEAF}, NULL},
        {{"SEV-VLEK", "SEV-VLEK-Milan", vlek, p384_key, BB_ISSUE_LEAF}, NULL},
        {{"SEV-VCEK", "SEV-Milan", milan, p256_key, BB_ISSUE_LEAF}, "public key"},
        {{"SEV-VCEK", "SEV-Milan", milan, ca_key, BB_ISSUE_LEAF}, "public key"},
        {{"SEV-VCEK", "SEV-Milan", milan, p384_key, BB_ISSUE_CA}, "basicConstraints"},
        {{"VCEK", "SEV-Milan", milan, p384_key, BB_ISSUE_LEAF}, "subject CN"},
        {{"SEV-VCEK ", "SEV-Milan", milan, p384_key, BB_ISSUE_LEAF}, "subject CN"},
        {{"SEV-VCEK", "ARK-Milan", milan, p384_key, BB_ISSUE_LEAF}, "issuer CN"},
        {{"SEV-VCEK", "SEV-Genoa", milan, p384_key, BB_ISSUE_LEAF}, "productName"},
        {{"SEV-VCEK", "SEV-Rome", milan, p384_key, BB_ISSUE_LEAF}, "issuer CN"},
        {{"SEV-VCEK", "SEV-VLEK-Milan", milan, p384_key, BB_ISSUE_LEAF}, "issuer CN"},
        {{"SEV-VLEK", "SEV-Milan", vlek, p384_key, BB_ISSUE_LEAF}, "issuer CN"},
        {{"SEV-VLEK", "SEV-VLEK-Milan", milan, p384_key, BB_ISSUE_LEAF}, "hwID"},
        {{"SEV-VCEK", "SEV-Milan", vlek, p384_key, BB_ISSUE_LEAF}, "CSP_ID"},
        {{"SEV-VCEK", "SEV-Milan", turin, p384_key, BB_ISSUE_LEAF}, "productName"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char label[32];
        (void)snprintf(label, sizeof label, "row %zu", i);
        expect(label, &rows[i].shape, rows[i].field);
    }
}

static void test_what_is_read(void **state) {
    (void)state;
    static const struct {
        const struct ext *exts;
        const char *tcb, *chip; /* hex */
        enum bb_snp_product product;
    } rows[] = {{milan, "04000000000018db", H64, BB_SNP_PRODUCT_MILAN},
                {turin, "0101010400000051", H8, BB_SNP_PRODUCT_TURIN},
                {vlek, "04000000000018d9", "", BB_SNP_PRODUCT_MILAN}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct shape shape = shape_of(rows[i].exts, rows[i].exts);
        struct bb_cert *cert = issue(&shape);
        struct bb_snp_vek vek;
        uint8_t tcb[8], chip[64] = {0};
        size_t len = 0;
        assert_true(bb_hex_decode_exact(rows[i].tcb, tcb, 8));
        assert_true(bb_hex_decode(bb_span_str(rows[i].chip), chip, 64, &len));
        assert_int_equal(bb_snp_vek_read(cert, &vek, NULL), BB_OK);
        assert_memory_equal(vek.tcb.raw, tcb, 8);
        assert_memory_equal(vek.chip_id, chip, 64);
        assert_int_equal(vek.has_chip_id, len > 0);
        assert_int_equal(vek.product, rows[i].product);
        assert_int_equal(vek.signer, len > 0 ? BB_SNP_SIGNER_VCEK : BB_SNP_SIGNER_VLEK);
        bb_cert_free(cert);
    }
}

static struct bb_span authority(enum bb_issue_profile profile, const char *o, const char *cn,
                                const struct bb_key *key, const char *issuer_o, const char *issuer,
                                uint64_t serial, uint8_t out[4096]) {
    struct bb_issue_cert spec = {.profile = profile,
                                 .serial = serial,
                                 .subject = {o, cn},
                                 .issuer = {issuer_o, issuer},
                                 .not_after = 2000000000};
    size_t len = 0;
    assert_int_equal(bb_issue_cert(&spec, key, ark_key, out, 4096, &len, NULL), BB_OK);
    return bb_span(out, len);
}

/* A root is the simulator's by its organisation, and counts only if it is listed and named for the
 * product; nobody else's root counts at all. */
static void test_whose_root(void **state) {
    (void)state;
    static uint8_t ask_der[4096], ark_der[4096];
    static const char sim[] = BB_SNP_SIMULATOR_O, amd[] = "Advanced Micro Devices";
    static const struct {
        const char *o, *cn;
        bool listed;
        enum bb_snp_root_trust trust;
    } roots[] = {{sim, "ARK-Milan", true, BB_SNP_ROOT_SIMULATED},
                 {sim, "ARK-Milan", false, BB_SNP_ROOT_SIMULATOR},
                 {sim, "ARK-Genoa", true, BB_SNP_ROOT_SIMULATOR},
                 {sim, "ARK-", true, BB_SNP_ROOT_SIMULATOR},
                 {amd, "ARK-Milan", true, BB_SNP_ROOT_UNKNOWN},
                 {"", "ARK-Milan", true, BB_SNP_ROOT_UNKNOWN},
                 {amd, "My Root", true, BB_SNP_ROOT_UNKNOWN},
                 {sim, "Sim Root", true, BB_SNP_ROOT_SIMULATOR}};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        struct shape shape = shape_of(milan, milan);
        struct bb_cert *vek = issue(&shape), *root = NULL;
        struct bb_span ark = authority(BB_ISSUE_ROOT, roots[i].o, roots[i].cn, ark_key, roots[i].o,
                                       roots[i].cn, 1, ark_der);
        struct bb_span certs[] = {bb_cert_der(vek),
                                  authority(BB_ISSUE_CA, "Test", "SEV-Milan", ca_key, roots[i].o,
                                            roots[i].cn, 2, ask_der),
                                  ark};
        uint8_t hashes[64] = {0};
        struct bb_snp_certs *set = NULL;
        struct bb_snp_path path;
        assert_int_equal(bb_cert_parse(ark, &root, NULL), BB_OK);
        if (roots[i].listed) /* the second of two */
            memcpy(hashes + 32, bb_cert_spki_sha256(root), 32);
        struct bb_snp_need need = {
            .signer = BB_SNP_SIGNER_VCEK, .simulated_roots = hashes, .n_simulated_roots = 2};
        assert_int_equal(bb_snp_certs_new(certs, 3, NULL, 0, &set, NULL), BB_OK);
        bb_snp_certs_choose(set, &need, &path);
        assert_true(path.fit.readable && path.vek_signed && path.ask_signed);
        if (path.root != roots[i].trust)
            fail_msg("row %zu: %d", i, (int)path.root);
        bb_snp_certs_free(set);
        bb_cert_free(root);
        bb_cert_free(vek);
    }
}

/* The same intermediate issued again: whichever comes first, the one that is not revoked counts. */
static void test_reissued_intermediate(void **state) {
    (void)state;
    enum { OLD = 0x10001, NEW = 0x10002, NOW = 1000 };
    static uint8_t der[3][4096], crl_der[4096];
    static const char o[] = BB_SNP_SIMULATOR_O, root[] = "ARK-Milan", name[] = "SEV-Milan";
    const uint64_t revoked = OLD;
    struct bb_issue_crl list = {.issuer = {o, root},
                                .this_update = NOW - 1,
                                .next_update = NOW + 1,
                                .revoked = &revoked,
                                .n_revoked = 1};
    size_t crl_len = 0;
    assert_int_equal(bb_issue_crl(&list, ark_key, crl_der, sizeof crl_der, &crl_len, NULL), BB_OK);
    struct shape shape = shape_of(milan, milan);
    struct bb_cert *vek = issue(&shape);
    struct bb_span ask[] = {authority(BB_ISSUE_CA, "Test", name, ca_key, o, root, OLD, der[0]),
                            authority(BB_ISSUE_CA, "Test", name, ca_key, o, root, NEW, der[1])};
    struct bb_span ark = authority(BB_ISSUE_ROOT, o, root, ark_key, o, root, 1, der[2]);
    struct bb_span crl = bb_span(crl_der, crl_len);
    for (size_t first = 0; first < 2; first++) {
        struct bb_span certs[] = {bb_cert_der(vek), ask[first], ask[1 - first], ark};
        struct bb_snp_need need = {.signer = BB_SNP_SIGNER_VCEK, .now = NOW};
        struct bb_snp_certs *set = NULL;
        struct bb_snp_path path;
        assert_int_equal(bb_snp_certs_new(certs, 4, &crl, 1, &set, NULL), BB_OK);
        bb_snp_certs_choose(set, &need, &path);
        assert_true(path.vek_signed && path.ask_signed);
        assert_int_equal(bb_snp_certs_crl(set, &path, NOW, NULL), BB_SNP_CRL_GOOD);
        bb_snp_certs_free(set);
    }
    bb_cert_free(vek);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_extension), cmocka_unit_test(test_extensions_too_many),
        cmocka_unit_test(test_names_and_keys), cmocka_unit_test(test_what_is_read),
        cmocka_unit_test(test_whose_root),     cmocka_unit_test(test_reissued_intermediate),
    };
    return cmocka_run_group_tests_name("vek", tests, make_keys, free_keys);
}
