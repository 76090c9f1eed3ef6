/* The verifier's signing keys and reference values: files, modes, rotation. */
#include "vectors.h"

#include "service/verifier/keys.h"
#include "service/verifier/reference.h"
#include "token/jwks.h"

#include <dirent.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ISSUER "https://v.example"
#define COUNT(list) (sizeof(list) / sizeof(list)[0])
enum { T0 = 1700000000 };

static char dir[64];

static int folder_new(void **state) {
    (void)state;
    bb_copy_text(dir, sizeof dir, "/tmp/blindbox-test-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static int folder_free(void **state) {
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct bb_ring *ring_open(int64_t now) {
    struct bb_ring *ring = NULL;
    struct bb_error err = {0};
    if (bb_ring_open(dir, ISSUER, now, &ring, &err) != BB_OK)
        fail_msg("%s", err.text);
    return ring;
}

/* How many files end in .pem; all of mode 0600. */
static size_t key_files(void) {
    size_t n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char path[512];
        struct stat st;
        if (strstr(e->d_name, ".pem") == NULL)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        n++;
    }
    (void)closedir(d);
    return n;
}

static void test_first_start_and_restart(void **state) {
    (void)state;
    static const enum bb_sig_alg algs[] = {BB_SIG_RS256, BB_SIG_ES256, BB_SIG_ES384};
    struct bb_ring *first = ring_open(T0), *again = ring_open(T0 + 1000);
    assert_int_equal(key_files(), 3);
    for (size_t i = 0; i < COUNT(algs); i++) {
        const struct bb_signing_key *a = bb_ring_current(first, algs[i], T0);
        const struct bb_signing_key *b = bb_ring_current(again, algs[i], T0 + 1000);
        assert_non_null(a);
        assert_string_equal(a->kid, b->kid);
        assert_int_equal(strlen(a->kid), 43);
        assert_ptr_equal(bb_ring_current(first, algs[i], T0 - 1), a); /* the clock was set back */
    }
    bb_ring_free(first);
    bb_ring_free(again);
}

static void test_published(void **state) {
    (void)state;
    struct bb_ring *ring = ring_open(T0);
    struct bb_jwks *jwks = NULL;
    json_t *set = bb_ring_jwks(ring, T0);
    char *text = json_dumps(set, JSON_COMPACT);
    assert_int_equal(bb_jwks_parse(bb_span_str(text), &jwks, NULL), BB_OK);
    assert_int_equal(bb_jwks_count(jwks), 3);
    for (size_t i = 0; i < 3; i++) { /* n/e and x5c agree, alg fits: else it would be skipped */
        const json_t *k = json_array_get(json_object_get(set, "keys"), i);
        assert_null(bb_jwks_at(jwks, i)->skipped);
        assert_string_equal(json_string_value(json_object_get(k, "use")), "sig");
        assert_int_equal(json_array_size(json_object_get(k, "x5c")), 1);
        assert_int_equal(json_object_size(k), json_object_get(k, "n") != NULL ? 7 : 8);
        assert_null(json_object_get(k, "d"));
    }
    bb_jwks_free(jwks);
    free(text);
    json_decref(set);
    bb_ring_free(ring);
}

static size_t published(const struct bb_ring *ring, int64_t now) {
    json_t *set = bb_ring_jwks(ring, now);
    size_t n = json_array_size(json_object_get(set, "keys"));
    json_decref(set);
    return n;
}

/* New keys are published before they sign, and old ones until their last token is over. */
static void test_rotation(void **state) {
    (void)state;
    const int64_t from = T0 + 600, over = from + 28800 + 600;
    char old[44];
    int64_t signs = 0;
    struct bb_ring *ring = ring_open(T0);
    bb_copy_text(old, sizeof old, bb_ring_current(ring, BB_SIG_RS256, T0)->kid);
    bb_ring_free(ring);
    assert_int_equal(bb_ring_rotate(dir, T0, from, &signs, NULL), BB_OK);
    assert_int_equal(signs, from);
    ring = ring_open(T0);
    assert_int_equal(key_files(), 6);
    assert_int_equal(published(ring, T0), 6);
    assert_string_equal(bb_ring_current(ring, BB_SIG_RS256, from - 1)->kid, old);
    assert_string_not_equal(bb_ring_current(ring, BB_SIG_RS256, from)->kid, old);
    assert_int_equal(published(ring, over - 1), 6);
    assert_int_equal(published(ring, over), 3);
    assert_true(bb_ring_is_current(ring, dir));
    /* The next rotation takes away what is over, and nothing else. */
    assert_int_equal(bb_ring_rotate(dir, over - 1, over - 1, &signs, NULL), BB_OK);
    assert_false(bb_ring_is_current(ring, dir));
    bb_ring_free(ring);
    assert_int_equal(key_files(), 9);
    assert_int_equal(bb_ring_rotate(dir, over, over, &signs, NULL), BB_OK);
    assert_int_equal(key_files(), 9);
}

static void test_rotations_of_one_second(void **state) {
    (void)state;
    struct bb_error err = {0};
    int64_t signs = 0;
    assert_int_equal(bb_ring_rotate(dir, T0, T0 + 600, &signs, NULL), BB_OK);
    assert_int_equal(signs, T0); /* the first ones */
    assert_int_equal(bb_ring_rotate(dir, T0, T0, &signs, NULL), BB_OK);
    assert_int_equal(bb_ring_rotate(dir, T0, T0, &signs, NULL), BB_OK);
    assert_int_equal(signs, T0 + 2);
    assert_int_equal(key_files(), 9);
    bb_ring_free(ring_open(T0));
    /* Many more, by other names of the first ones. */
    static const char *const names[] = {"rs256", "es256", "es384"};
    for (int i = 3; i < BB_RING_PER_ALG; i++)
        for (size_t a = 0; a < COUNT(names); a++) {
            char from[256], to[256];
            (void)snprintf(from, sizeof from, "%s/%s-%d.pem", dir, names[a], (int)T0);
            (void)snprintf(to, sizeof to, "%s/%s-%d.pem", dir, names[a], (int)T0 + i);
            assert_int_equal(link(from, to), 0);
        }
    assert_int_equal(bb_ring_rotate(dir, T0, T0, &signs, &err), BB_USAGE);
    assert_string_equal(err.field, "state-dir");
    assert_int_equal(key_files(), 3 * BB_RING_PER_ALG);
    bb_ring_free(ring_open(T0));
}

static void name_of_one(char *path, size_t cap) {
    (void)snprintf(path, cap, "%s/es256-%d.pem", dir, (int)T0);
}

static void refuses(const char *named) {
    struct bb_ring *ring = NULL;
    struct bb_error err = {0};
    assert_int_equal(bb_ring_open(dir, ISSUER, T0, &ring, &err), BB_USAGE);
    assert_string_equal(err.field, "state-dir");
    if (strstr(err.text, named) == NULL)
        fail_msg("%s is not named: %s", named, err.text);
    assert_null(ring);
}

static void test_exposed(void **state) {
    (void)state;
    char path[256];
    bb_ring_free(ring_open(T0));
    name_of_one(path, sizeof path);
    assert_int_equal(chmod(path, 0640), 0);
    refuses(path);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(chmod(dir, 0750), 0);
    refuses(dir);
    assert_int_equal(chmod(dir, 0700), 0);
    bb_ring_free(ring_open(T0));
}

static void put(const char *path, const char *text) {
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    (void)fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

/* None is replaced in silence: its tokens are out there. */
static void test_damaged(void **state) {
    (void)state;
    static const char *const wrong[] = {"", "-----BEGIN PRIVATE KEY-----\nAAAA\n", "x"};
    char path[256], other[300];
    bb_ring_free(ring_open(T0));
    name_of_one(path, sizeof path);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        put(path, wrong[i]);
        refuses(path);
    }
    assert_int_equal(unlink(path), 0);
    /* A key of another type under this name. */
    (void)snprintf(other, sizeof other, "%s/es384-%d.pem", dir, (int)T0);
    assert_int_equal(link(other, path), 0);
    refuses(path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(other, path), 0);
    refuses(path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* is not waited for */
    refuses(path);
}

/* A key file that a killed process did not finish, and a name that only looks like one of ours. */
static void test_leftovers(void **state) {
    (void)state;
    char left[256], alike[256];
    struct stat st;
    (void)snprintf(left, sizeof left, "%s/.new", dir);
    (void)snprintf(alike, sizeof alike, "%s/rs256-007.pem", dir);
    put(left, "x");
    put(alike, "x");
    assert_int_equal(chmod(left, 0644), 0);
    struct bb_ring *ring = ring_open(T0);
    assert_int_equal(bb_ring_count(ring), 3);
    assert_int_equal(stat(left, &st), -1);
    char path[256];
    name_of_one(path, sizeof path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    bb_ring_free(ring);
}

static void test_starts_at_once(void **state) {
    (void)state;
    pid_t pid[4];
    for (size_t i = 0; i < COUNT(pid); i++) {
        pid[i] = fork();
        if (pid[i] != 0)
            continue;
        struct bb_ring *ring = NULL;
        enum bb_status status = bb_ring_open(dir, ISSUER, T0 + (int64_t)i, &ring, NULL);
        bb_ring_free(ring);
        _exit(status == BB_OK ? 0 : 1);
    }
    for (size_t i = 0; i < COUNT(pid); i++) {
        int code = 1;
        assert_int_equal(waitpid(pid[i], &code, 0), pid[i]);
        assert_int_equal(code, 0);
    }
    assert_int_equal(key_files(), 3);
}

#define D48                                                                                        \
    "11111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111" \
    "1111"
#define D32 "2222222222222222222222222222222222222222222222222222222222222222"
#define Z32 "0000000000000000000000000000000000000000000000000000000000000000"
#define ALL "cadd74f71ebb8fbf9782baab649612520f3c416bc5ce9ac768808ddc8d9b031c"
#define HEAD "{\"schema\":\"blindbox.reference-values/1\","

static const struct {
    const char *json, *field; /* NULL: taken */
} references[] = {
    {HEAD "\"measurements\":[\"" D48 "\"],\"host_data\":[\"" D32 "\"]}", NULL},
    {HEAD "\"measurements\":[],\"host_data\":[]}", NULL},
    {"{}", "schema"},
    {"{\"schema\":\"blindbox.reference-values/2\",\"measurements\":[],\"host_data\":[]}", "schema"},
    {HEAD "\"measurements\":[]}", "host_data"},
    {HEAD "\"host_data\":[]}", "measurements"},
    {HEAD "\"measurements\":[],\"host_data\":[],\"more\":1}", "more"},
    {HEAD "\"measurements\":[],\"measurements\":[],\"host_data\":[]}", "reference values"},
    {HEAD "\"measurements\":[\"" D32 "\"],\"host_data\":[]}", "measurements"},
    {HEAD "\"measurements\":[],\"host_data\":[\"" D48 "\"]}", "host_data"},
    {HEAD "\"measurements\":[],\"host_data\":[\"" Z32 "\"]}", "host_data"},
    {HEAD "\"measurements\":[],\"host_data\":[\"" ALL "\"]}", "host_data"},
    {HEAD "\"measurements\":[5],\"host_data\":[]}", "measurements"},
    {HEAD "\"measurements\":\"" D48 "\",\"host_data\":[]}", "measurements"},
    {"[]", "reference values"},
};

static void test_references(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(references); i++) {
        struct bb_reference *r = NULL;
        struct bb_error err = {0};
        enum bb_status status = bb_reference_parse(bb_span_str(references[i].json), &r, &err);
        assert_int_equal(status, references[i].field == NULL ? BB_OK : BB_USAGE);
        assert_string_equal(err.field, references[i].field == NULL ? "" : references[i].field);
        assert_true((r != NULL) == (status == BB_OK));
        free(r);
    }
}

static void test_what_references_list(void **state) {
    (void)state;
    uint8_t m[48], h[32];
    struct bb_reference *r = NULL;
    memset(m, 0x11, sizeof m);
    memset(h, 0x22, sizeof h);
    assert_int_equal(bb_reference_parse(bb_span_str(references[0].json), &r, NULL), BB_OK);
    assert_true(bb_reference_measurement(r, BB_SPAN_OF(m)));
    assert_true(bb_reference_host_data(r, BB_SPAN_OF(h)));
    assert_false(bb_reference_measurement(NULL, BB_SPAN_OF(m)));
    assert_false(bb_reference_host_data(NULL, BB_SPAN_OF(h)));
    m[47] = h[0] = 0;
    assert_false(bb_reference_measurement(r, BB_SPAN_OF(m)));
    assert_false(bb_reference_host_data(r, BB_SPAN_OF(h)));
    free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_start_and_restart, folder_new, folder_free),
        cmocka_unit_test_setup_teardown(test_published, folder_new, folder_free),
        cmocka_unit_test_setup_teardown(test_rotation, folder_new, folder_free),
        cmocka_unit_test_setup_teardown(test_rotations_of_one_second, folder_new, folder_free),
        cmocka_unit_test_setup_teardown(test_exposed, folder_new, folder_free),
        cmocka_unit_test_setup_teardown(test_damaged, folder_new, folder_free),
        cmocka_unit_test_setup_teardown(test_leftovers, folder_new, folder_free),
        cmocka_unit_test_setup_teardown(test_starts_at_once, folder_new, folder_free),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_what_references_list),
    };
    return cmocka_run_group_tests_name("verifier keys", tests, NULL, NULL);
}
