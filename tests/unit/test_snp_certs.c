/* VEK certificates and CRLs of real hardware: their verdicts, and that no altered one is taken. */
#include "vectors.h"

#include "base/hex.h"
#include "evidence/snp/chain.h"

static bool full_run(void) {
    const char *full = getenv("BLINDBOX_FULL");
    return full != NULL && full[0] == '1';
}

/* Every authority there is; the path has to be found among them. */
static const char *const authorities[] = {
    "snp/ca/milan-ark.der",  "snp/ca/milan-ask.der",
    "snp/ca/milan-asvk.der", "snp/ca/genoa-ark.der",
    "snp/ca/genoa-ask.der",  "snp/ca/genoa-asvk.der",
    "snp/ca/turin-ark.der",  "snp/ca/turin-ask.der",
    "snp/ca/turin-asvk.der", "snp/ca/genoa-ask-alt-54467b96.der",
};
enum { N_AUTHORITIES = sizeof authorities / sizeof authorities[0] };

static struct vector_file authority_file[N_AUTHORITIES];
static struct bb_cert *authority[N_AUTHORITIES];

static int read_authorities(void **state) {
    (void)state;
    for (size_t i = 0; i < N_AUTHORITIES; i++)
        if (vector_read(authorities[i], &authority_file[i]) &&
            bb_cert_parse(vector_span(&authority_file[i]), &authority[i], NULL) != BB_OK)
            return 1;
    return 0;
}

static int free_authorities(void **state) {
    (void)state;
    for (size_t i = 0; i < N_AUTHORITIES; i++)
        bb_cert_free(authority[i]);
    return 0;
}

/* A VEK certificate on its own: readable, signed, pinned root, in its time. */
static enum bb_status judge_vek(struct bb_span vek, enum bb_snp_signer signer, int64_t at) {
    struct bb_span certs[N_AUTHORITIES + 1];
    struct bb_snp_certs *set = NULL;
    struct bb_snp_path path;
    struct bb_snp_need need = {.signer = signer, .now = at};
    for (size_t i = 0; i < N_AUTHORITIES; i++)
        certs[i] = vector_span(&authority_file[i]);
    certs[N_AUTHORITIES] = vek;
    assert_int_equal(bb_snp_certs_new(certs, N_AUTHORITIES + 1, NULL, 0, &set, NULL), BB_OK);
    bb_snp_certs_choose(set, &need, &path);
    bool good =
        path.fit.readable && path.vek_signed && path.ask_signed && path.root == BB_SNP_ROOT_VENDOR;
    bool in_time =
        path.vek != NULL && bb_cert_not_before(path.vek) <= at && at <= bb_cert_not_after(path.vek);
    bb_snp_certs_free(set);
    if (!good)
        return BB_CERTIFICATE_CHAIN_INVALID;
    return in_time ? BB_OK : BB_COLLATERAL_UNAVAILABLE;
}

static enum bb_snp_signer signer_of(const json_t *row) {
    return strstr(row_text(row, "file"), "vlek") != NULL ? BB_SNP_SIGNER_VLEK : BB_SNP_SIGNER_VCEK;
}

static void test_vek_certificates(void **state) {
    (void)state;
    json_t *rows = vectors_manifest();
    static struct vector_file file;
    size_t i = 0, done = 0;
    json_t *row = NULL;
    json_array_foreach(rows, i, row) {
        if (strcmp(row_text(row, "kind"), "amd-vek-cert") != 0)
            continue;
        assert_true(vector_read(row_text(row, "file"), &file));
        enum bb_status want = strcmp(row_text(row, "verdict"), "accept") == 0
                                  ? BB_OK
                                  : bb_status_from_name(row_text(row, "class"));
        enum bb_status got = judge_vek(vector_span(&file), signer_of(row), row_time(row));
        if (got != want)
            fail_msg("%s: %s, want %s", row_text(row, "file"), bb_status_name(got),
                     bb_status_name(want));
        enum { LONG_AGO = 1000000000 };
        if (want == BB_OK)
            assert_int_equal(judge_vek(vector_span(&file), signer_of(row), LONG_AGO),
                             BB_COLLATERAL_UNAVAILABLE);
        done++;
    }
    assert_true(done > 0);
    json_decref(rows);
}

/* True if any authority at hand signed it and it reads as a VEK certificate. */
static bool taken(struct bb_span der) {
    struct bb_cert *cert = NULL;
    struct bb_snp_vek vek;
    bool good = false;
    if (bb_cert_parse(der, &cert, NULL) != BB_OK)
        return false;
    for (size_t i = 0; i < N_AUTHORITIES && !good; i++)
        good = bb_cert_issued_by(cert, authority[i]) && bb_snp_vek_read(cert, &vek, NULL) == BB_OK;
    bb_cert_free(cert);
    return good;
}

/* In a full run each bit of each byte, and the byte inverted; else one bit of each byte. */
static bool flip_wanted(unsigned flip, size_t byte) { return full_run() || flip == byte % 8; }

/* There is no byte that does not count: what the signature does not cover is the outer head, the
 * outer AlgorithmIdentifier, which must be the inner one's bytes, and the signature itself. */
static void flip_certificate(const char *name, struct vector_file *file) {
    assert_true(taken(vector_span(file)));
    for (size_t at = 0; at < file->len; at++) {
        for (unsigned flip = 0; flip <= 8; flip++) {
            uint8_t mask = (uint8_t)(flip == 8 ? 0xffU : 1U << flip);
            if (!flip_wanted(flip, at))
                continue;
            file->data[at] ^= mask;
            bool accepted = taken(vector_span(file));
            file->data[at] ^= mask;
            if (accepted)
                fail_msg("%s: byte %zu ^ 0x%02x is taken", name, at, mask);
        }
    }
    for (size_t len = full_run() ? 0 : file->len - 1; len < file->len; len++)
        assert_false(taken(bb_span(file->data, len)));
    file->data[file->len] = 0;
    assert_false(taken(bb_span(file->data, file->len + 1)));
}

/* With trailerField stated and left out, VLEK, Turin; in a full run all of them. */
static bool flip_row(const json_t *row) {
    static const char *const some[] = {
        "snp/vek/milan-vcek-3bbfb6ee.der", "snp/vek/milan-vcek-c0d9c77d.der",
        "snp/vek/milan-vlek-296a7c99.der", "snp/vek/turin-vcek-14889815.der"};
    bool wanted = full_run();
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++)
        wanted |= strcmp(row_text(row, "file"), some[i]) == 0;
    return wanted && strcmp(row_text(row, "kind"), "amd-vek-cert") == 0 &&
           strcmp(row_text(row, "verdict"), "accept") == 0;
}

static void test_no_altered_certificate_is_taken(void **state) {
    (void)state;
    json_t *rows = vectors_manifest();
    static struct vector_file file;
    size_t i = 0, done = 0;
    json_t *row = NULL;
    json_array_foreach(rows, i, row) {
        if (!flip_row(row))
            continue;
        assert_true(vector_read(row_text(row, "file"), &file));
        flip_certificate(row_text(row, "file"), &file);
        done++;
    }
    assert_true(done >= 4);
    json_decref(rows);
}

static bool crl_taken(struct bb_span der, const struct bb_cert *issuer) {
    struct bb_crl *crl = NULL;
    if (bb_crl_parse(der, &crl, NULL) != BB_OK)
        return false;
    bool good = bb_crl_issued_by(crl, issuer);
    bb_crl_free(crl);
    return good;
}

static void test_no_altered_crl_is_taken(void **state) {
    (void)state;
    json_decref(vectors_manifest());
    static const struct {
        const char *name;
        size_t issuer; /* row of `authorities` */
    } rows[] = {{"snp/crl/milan-crl-20220509-05708666.der", 0},
                {"snp/crl/genoa-crl-20221031-db04d2f0.der", 3}};
    static struct vector_file file;
    for (size_t i = 0; i < 2; i++) {
        const struct bb_cert *issuer = authority[rows[i].issuer];
        assert_true(vector_read(rows[i].name, &file));
        for (size_t k = 0; k < N_AUTHORITIES; k++)
            assert_int_equal(crl_taken(vector_span(&file), authority[k]), k == rows[i].issuer);
        for (size_t bit = 0; bit < file.len * 8; bit++) {
            file.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            bool accepted = crl_taken(vector_span(&file), issuer);
            file.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
            if (accepted)
                fail_msg("%s: bit %zu of byte %zu is taken", rows[i].name, bit % 8, bit / 8);
        }
        for (size_t len = 0; len < file.len; len++)
            assert_false(crl_taken(bb_span(file.data, len), issuer));
    }
}

/* A certificate that can be read and is worthless is told from one that is not there. */
static const struct {
    const char *file, *find, *put; /* the first place of `find` (hex) is overwritten by `put` */
    const char *flaw;
} flaws[] = {
    {"snp/ca/milan-ask.der", "a003020102", "a003020101", "the certificate is not X.509 version 3"},
    {"snp/ca/milan-ask.der", "0603551d0f0101ff", "0603551d550101ff",
     "a critical extension is not known to this build"},
    {"snp/vek/milan-vcek-c0d9c77d.der", "170d3235", "170d3961",
     "serial number or validity cannot be read"},
    {"snp/vek/milan-vcek-c0d9c77d.der", "06052b81040022", "06052b81040023",
     "public key cannot be read"},
};

static void overwrite(struct vector_file *file, const char *find, const char *put) {
    uint8_t want[32], with[32];
    size_t len = 0, same = 0;
    assert_true(bb_hex_decode(bb_span_str(find), want, sizeof want, &len));
    assert_true(bb_hex_decode(bb_span_str(put), with, sizeof with, &same));
    assert_int_equal(len, same);
    uint8_t *at = memmem(file->data, file->len, want, len);
    assert_non_null(at);
    memcpy(at, with, len);
}

static void test_flawed_certificates(void **state) {
    (void)state;
    json_decref(vectors_manifest());
    static struct vector_file file;
    for (size_t i = 0; i < sizeof flaws / sizeof flaws[0]; i++) {
        struct bb_cert *cert = NULL;
        struct bb_snp_vek vek;
        struct bb_error err = {0};
        assert_true(vector_read(flaws[i].file, &file));
        assert_int_equal(bb_cert_parse(vector_span(&file), &cert, NULL), BB_OK);
        assert_null(bb_cert_flaw(cert));
        bb_cert_free(cert);
        overwrite(&file, flaws[i].find, flaws[i].put);
        assert_int_equal(bb_cert_parse(vector_span(&file), &cert, NULL), BB_OK);
        assert_string_equal(bb_cert_flaw(cert), flaws[i].flaw);
        assert_int_not_equal(bb_snp_cert_role(cert), BB_SNP_CERT_OTHER);
        assert_int_equal(bb_snp_vek_read(cert, &vek, &err), BB_CERTIFICATE_CHAIN_INVALID);
        assert_string_equal(err.text, flaws[i].flaw);
        for (size_t k = 0; k < N_AUTHORITIES; k++)
            assert_false(bb_cert_issued_by(cert, authority[k]) ||
                         bb_cert_issued_by(authority[k], cert));
        static const uint8_t rs[96] = {1};
        assert_false(bb_cert_verify_p384(cert, BB_SPAN_LIT("message"), rs));
        bb_cert_free(cert);
    }
}

static struct bb_cert *cert_of(const char *name) {
    static struct vector_file file;
    struct bb_cert *cert = NULL;
    assert_true(vector_read(name, &file));
    assert_int_equal(bb_cert_parse(vector_span(&file), &cert, NULL), BB_OK);
    return cert;
}

static struct bb_crl *crl_of(const char *name) {
    static struct vector_file file;
    struct bb_crl *crl = NULL;
    assert_true(vector_read(name, &file));
    assert_int_equal(bb_crl_parse(vector_span(&file), &crl, NULL), BB_OK);
    return crl;
}

static void test_crls(void **state) {
    (void)state;
    json_decref(vectors_manifest());
    struct bb_crl *milan = crl_of("snp/crl/milan-crl-20220509-05708666.der");
    struct bb_crl *genoa = crl_of("snp/crl/genoa-crl-20221031-db04d2f0.der");
    struct bb_cert *milan_ark = cert_of("snp/ca/milan-ark.der");
    struct bb_cert *genoa_ark = cert_of("snp/ca/genoa-ark.der");
    struct bb_cert *genoa_ask = cert_of("snp/ca/genoa-ask.der");
    struct bb_cert *genoa_old = cert_of("snp/ca/genoa-ask-alt-54467b96.der");
    assert_true(bb_crl_issued_by(milan, milan_ark));
    assert_false(bb_crl_issued_by(milan, genoa_ark));
    assert_true(bb_crl_issued_by(genoa, genoa_ark));
    assert_true(bb_crl_lists(genoa, genoa_old));
    assert_false(bb_crl_lists(genoa, genoa_ask));
    assert_true(bb_crl_this_update(milan) < bb_crl_next_update(milan));
    bb_crl_free(milan);
    bb_crl_free(genoa);
    bb_cert_free(milan_ark);
    bb_cert_free(genoa_ark);
    bb_cert_free(genoa_ask);
    bb_cert_free(genoa_old);
}

/* The Genoa CRL revokes an intermediate that is at hand: it counts in its window only. */
static void test_revoked_intermediate_is_seen(void **state) {
    (void)state;
    json_decref(vectors_manifest());
    static struct vector_file leaf, ask, ark, crl;
    assert_true(vector_read("snp/vek/genoa-vcek-ab5a6bc8.der", &leaf));
    assert_true(vector_read("snp/ca/genoa-ask-alt-54467b96.der", &ask));
    assert_true(vector_read("snp/ca/genoa-ark.der", &ark));
    assert_true(vector_read("snp/crl/genoa-crl-20221031-db04d2f0.der", &crl));
    struct bb_span certs[] = {vector_span(&leaf), vector_span(&ask), vector_span(&ark)};
    struct bb_span crls[] = {vector_span(&crl)};
    struct bb_snp_certs *set = NULL;
    struct bb_snp_path path;
    struct bb_snp_need need = {.signer = BB_SNP_SIGNER_VCEK};
    int64_t inside = 0, before = 0, after = 0;
    assert_true(bb_rfc3339_parse("2022-11-01T13:34:46Z", &inside));
    assert_true(bb_rfc3339_parse("2022-10-31T13:34:45Z", &before));
    assert_true(bb_rfc3339_parse("2023-10-31T23:00:00Z", &after));
    assert_int_equal(bb_snp_certs_new(certs, 3, crls, 1, &set, NULL), BB_OK);
    bb_snp_certs_choose(set, &need, &path);
    assert_true(path.ask_signed);
    assert_false(path.vek_signed);
    assert_int_equal(bb_snp_certs_crl(set, &path, inside, NULL), BB_SNP_CRL_REVOKED);
    assert_int_equal(bb_snp_certs_crl(set, &path, before, NULL), BB_SNP_CRL_NOT_IN_WINDOW);
    assert_int_equal(bb_snp_certs_crl(set, &path, after, NULL), BB_SNP_CRL_NOT_IN_WINDOW);
    bb_snp_certs_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vek_certificates),
        cmocka_unit_test(test_no_altered_certificate_is_taken),
        cmocka_unit_test(test_no_altered_crl_is_taken),
        cmocka_unit_test(test_flawed_certificates),
        cmocka_unit_test(test_crls),
        cmocka_unit_test(test_revoked_intermediate_is_seen),
    };
    return cmocka_run_group_tests_name("snp_certs", tests, read_authorities, free_authorities);
}
