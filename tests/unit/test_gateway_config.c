/* The gateway's configuration: what the file may say, what a flag overrides, what is missing. */
#include "vectors.h"

#include "service/gateway/config.h"

#include <unistd.h>

#define S "\"schema\": \"blindbox.gateway/1\""
#define WHOLE S ", \"attester\": \"sim\", \"upstream\": \"tcp:127.0.0.1:1\""

/* The descriptor of a copy; -1 if it is refused. */
static int copy_of(const void *text, size_t len, struct bb_error *err) {
    char path[] = "/tmp/blindbox-config-XXXXXX";
    int fd = mkstemp(path), copy = -1;
    assert_int_equal(write(fd, text, len), len);
    (void)close(fd);
    if (bb_gateway_config_copy(path, &copy, err) != BB_OK)
        copy = -1;
    (void)unlink(path);
    return copy;
}

static enum bb_status make(const struct bb_gateway_options *flags, const char *text,
                           struct bb_gateway_config *out, struct bb_error *err) {
    int copy = copy_of(text, strlen(text), err);
    assert_true(copy >= 0);
    enum bb_status status = bb_gateway_config_make(flags, copy, out, err);
    (void)close(copy);
    return status;
}

static const struct {
    const char *why, *text, *field;
} bad[] = {
    {"nothing", "", "configuration"},
    {"no JSON", "listen = [::]:8443", "configuration"},
    {"a list", "[]", "configuration"},
    {"something after it", "{" WHOLE "} {}", "configuration"},
    {"a key twice", "{" WHOLE ", \"idle\": 1, \"idle\": 1}", "configuration"},
    {"deep", "{\"a\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]}", "configuration"},
    {"no schema", "{\"attester\": \"sim\", \"upstream\": \"tcp:127.0.0.1:1\"}", "schema"},
    {"another schema", "{\"schema\": \"blindbox.policy/1\"}", "schema"},
    {"an unknown key", "{" WHOLE ", \"upstreams\": []}", "upstreams"},
    {"a key in capitals", "{" WHOLE ", \"Idle\": 1}", "Idle"},
    {"no attester", "{" S ", \"upstream\": \"tcp:127.0.0.1:1\"}", "attester"},
    {"another attester", "{" S ", \"attester\": \"any\", \"upstream\": \"tcp:a:1\"}", "attester"},
    {"no upstream", "{" S ", \"attester\": \"sim\"}", "upstream"},
    {"an empty upstream", "{" S ", \"attester\": \"sim\", \"upstream\": \"\"}", "upstream"},
    {"an upstream that is no text", "{" S ", \"attester\": \"sim\", \"upstream\": 1}", "upstream"},
    {"a zero byte", "{" WHOLE ", \"listen\": \"a\\u0000b\"}", "configuration"},
    {"a folder that is null", "{" WHOLE ", \"sim_dir\": null}", "sim_dir"},
    {"an age of zero", "{" WHOLE ", \"max_age\": 0}", "max_age"},
    {"a negative age", "{" WHOLE ", \"max_age\": -1}", "max_age"},
    {"too long an age", "{" WHOLE ", \"max_age\": 1000001}", "max_age"},
    {"an age with a point", "{" WHOLE ", \"max_age\": 1.5}", "max_age"},
    {"an age as text", "{" WHOLE ", \"max_age\": \"60\"}", "max_age"},
    {"too long idle", "{" WHOLE ", \"idle\": 4294968}", "idle"},
    {"a number for true", "{" WHOLE ", \"proxy_protocol\": 1}", "proxy_protocol"},
};

static void test_bad(void **state) {
    const struct bb_gateway_options none = {.config = NULL};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bb_gateway_config config = {.file = NULL};
        struct bb_error err = {0};
        enum bb_status status = make(&none, bad[i].text, &config, &err);
        if (status != BB_USAGE || strcmp(err.field, bad[i].field) != 0 || config.file != NULL)
            fail_msg("%s: %s %s", bad[i].why, bb_status_name(status), err.field);
    }
}

static void test_a_flag_does_not_excuse_a_wrong_value(void **state) {
    const struct bb_gateway_options flags = {.idle_ms = 1000, .listen = "[::]:1"};
    struct bb_gateway_config config;
    struct bb_error err = {0};
    (void)state;
    assert_int_equal(make(&flags, "{" WHOLE ", \"idle\": \"x\"}", &config, &err), BB_USAGE);
    assert_string_equal(err.field, "idle");
}

static void test_defaults(void **state) {
    const struct bb_gateway_options flags = {.attester = "sim", .upstream = "unix:/a"};
    struct bb_gateway_config config;
    struct bb_error err = {0};
    (void)state;
    assert_int_equal(bb_gateway_config_make(&flags, -1, &config, &err), BB_OK);
    assert_string_equal(config.options.listen, "[::]:8443");
    assert_int_equal(config.options.max_age_s, 3600);
    assert_int_equal(config.options.idle_ms, 600000);
    assert_false(config.options.proxy_protocol);
    assert_null(config.options.sim_dir);
    bb_gateway_config_done(&config);
}

#define FULL                                                                                       \
    "{" WHOLE ", \"listen\": \"[::1]:1\", \"sim_dir\": \"/sim\", \"max_age\": 60, \"idle\": 5, "   \
    "\"proxy_protocol\": true}"

static void test_the_file(void **state) {
    const struct bb_gateway_options none = {.config = NULL};
    struct bb_gateway_config config;
    struct bb_error err = {0};
    (void)state;
    assert_int_equal(make(&none, FULL, &config, &err), BB_OK);
    assert_string_equal(config.options.listen, "[::1]:1");
    assert_string_equal(config.options.upstream, "tcp:127.0.0.1:1");
    assert_string_equal(config.options.attester, "sim");
    assert_string_equal(config.options.sim_dir, "/sim");
    assert_int_equal(config.options.max_age_s, 60);
    assert_int_equal(config.options.idle_ms, 5000);
    assert_true(config.options.proxy_protocol);
    bb_gateway_config_done(&config);
}

static void test_flags_win(void **state) {
    const struct bb_gateway_options flags = {.listen = "[::]:2",
                                             .upstream = "unix:/b",
                                             .sim_dir = "/other",
                                             .max_age_s = 1,
                                             .idle_ms = 2000};
    struct bb_gateway_config config;
    struct bb_error err = {0};
    (void)state;
    assert_int_equal(make(&flags, FULL, &config, &err), BB_OK);
    assert_string_equal(config.options.listen, "[::]:2");
    assert_string_equal(config.options.upstream, "unix:/b");
    assert_string_equal(config.options.sim_dir, "/other");
    assert_int_equal(config.options.max_age_s, 1);
    assert_int_equal(config.options.idle_ms, 2000);
    bb_gateway_config_done(&config);
}

static void test_copies(void **state) {
    static uint8_t text[BB_GATEWAY_CONFIG_MAX + 1];
    struct bb_error err = {0};
    int copy = -1;
    (void)state;
    memset(text, ' ', sizeof text);
    copy = copy_of(text, sizeof text - 1, &err);
    assert_true(copy >= 0);
    assert_int_equal(write(copy, "x", 1), -1); /* sealed */
    (void)close(copy);
    assert_int_equal(copy_of(text, sizeof text, &err), -1);
    assert_string_equal(err.field, "config");
    err = (struct bb_error){0};
    assert_int_equal(bb_gateway_config_copy("/nowhere/at/all", &copy, &err), BB_USAGE);
    assert_string_equal(err.field, "config");
    err = (struct bb_error){0};
    assert_int_equal(bb_gateway_config_copy("/", &copy, &err), BB_USAGE);
    assert_string_equal(err.text, "cannot read /: it is no file");
    err = (struct bb_error){0};
    assert_int_equal(bb_gateway_config_copy("/dev/zero", &copy, &err), BB_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_a_flag_does_not_excuse_a_wrong_value),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_the_file),
        cmocka_unit_test(test_flags_win),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests_name("gateway_config", tests, NULL, NULL);
}
