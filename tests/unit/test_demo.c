/* The demo's table, and the comparison that makes it fail when an answer is not the row's. */
#include "cli/demo/rows.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

/* What a client that does everything right answers. */
static struct bb_demo_outcome right(const struct bb_demo_row *row) {
    struct bb_demo_outcome o = {.status = row->status, .exit = row->exit};
    bb_copy_text(o.field, sizeof o.field, row->field);
    bb_demo_expected_text(row, o.text, sizeof o.text);
    return o;
}

static void test_rows_are_whole_and_agree_with_the_failure_table(void **state) {
    (void)state;
    assert_true(bb_demo_row_count() == 28);
    for (size_t i = 0; i < bb_demo_row_count(); i++) {
        const struct bb_demo_row *row = bb_demo_row(i);
        assert_int_not_equal(row->status, BB_OK);
        assert_int_equal(row->exit, bb_status_exit(row->status));
        assert_true(row->name[0] != '\0' && row->title[0] != '\0' && row->field[0] != '\0');
        /* A chapter's heading names the mode of all its rows. */
        assert_true(i == 0 ? row->chapter != NULL
                           : row->chapter != NULL || row->mode == bb_demo_row(i - 1)->mode);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(row->name, bb_demo_row(j)->name);
    }
    assert_null(bb_demo_row(bb_demo_row_count()));
}

/* Of tokens and services: exactly these, in mode passport. */
static void test_rows_of_tokens(void **state) {
    static const struct {
        const char *name;
        enum bb_status status;
        int exit;
        const char *field;
    } rows[] = {
        {"uvm", BB_NON_COMPLIANT_UVM, 5, "uvm"},
        {"tampered-token", BB_TOKEN_SIGNATURE_INVALID, 2, "token-signature"},
        {"token-key", BB_TOKEN_SIGNATURE_INVALID, 2, "token-signature"},
        {"alg-none", BB_TOKEN_SIGNATURE_INVALID, 2, "token-signature"},
        {"wrong-attester", BB_WRONG_ATTESTER, 2, "issuer"},
        {"expired-token", BB_TOKEN_EXPIRED, 6, "token-time"},
        {"replayed-token", BB_CHANNEL_BINDING_MISMATCH, 6, "report-data"},
        {"service-down", BB_VERIFIER_UNAVAILABLE, 8, "status"},
        {"marked-token", BB_SIMULATED_TEE, 9, "token-type"},
        {"laundered", BB_SIMULATED_TEE, 9, "root"},
    };
    size_t found = 0, of_tokens = 0;
    (void)state;
    for (size_t i = 0; i < bb_demo_row_count(); i++) {
        const struct bb_demo_row *row = bb_demo_row(i);
        of_tokens += row->how == BB_DEMO_TOKEN ? 1 : 0;
        for (size_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
            if (strcmp(row->name, rows[j].name) != 0)
                continue;
            found++;
            assert_int_equal(row->how, BB_DEMO_TOKEN);
            assert_int_equal(row->mode, BB_MODE_PASSPORT);
            assert_int_equal(row->status, rows[j].status);
            assert_int_equal(row->exit, rows[j].exit);
            assert_string_equal(row->field, rows[j].field);
        }
    }
    assert_true(found == sizeof rows / sizeof rows[0] && of_tokens == found);
}

static void test_the_right_answer_matches(void **state) {
    char why[64] = "before";
    (void)state;
    for (size_t i = 0; i < bb_demo_row_count(); i++) {
        struct bb_demo_outcome o = right(bb_demo_row(i));
        assert_true(bb_demo_matches(bb_demo_row(i), &o, why, sizeof why));
        assert_string_equal(why, "");
    }
}

static void accepted(struct bb_demo_outcome *o) { o->status = BB_OK; }
static void other_class(struct bb_demo_outcome *o) { o->status = BB_INTERNAL; }
static void other_exit(struct bb_demo_outcome *o) { o->exit++; }
static void other_field(struct bb_demo_outcome *o) { o->field[0] ^= 1; }
static void no_field(struct bb_demo_outcome *o) { o->field[0] = '\0'; }
static void other_text(struct bb_demo_outcome *o) { o->text[0] ^= 1; }
static void a_byte(struct bb_demo_outcome *o) { o->app_bytes = 1; }
static void a_connection(struct bb_demo_outcome *o) { o->app_connections = 1; }
static void no_control(struct bb_demo_outcome *o) { o->control_failed = true; }

static void test_each_difference_is_told(void **state) {
    static const struct {
        const char *says;
        void (*change)(struct bb_demo_outcome *o);
    } changes[] = {
        {"class: expected DebugMode, got Ok", accepted},
        {"class: expected DebugMode, got InternalError", other_class},
        {"exit: expected 5, got 6", other_exit},
        {"field: expected debug, got eebug", other_field},
        {"field: expected debug, got ", no_field},
        {"text: expected Attestation", other_text},
        {"application bytes: expected 0, got 1", a_byte},
        {"application connections: expected 0, got 1", a_connection},
        {"control: expected accepted without the trouble, got refused", no_control},
    };
    char why[200];
    (void)state;
    assert_string_equal(bb_demo_row(0)->name, "debug");
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct bb_demo_outcome o = right(bb_demo_row(0));
        changes[i].change(&o);
        assert_false(bb_demo_matches(bb_demo_row(0), &o, why, sizeof why));
        assert_memory_equal(why, changes[i].says, strlen(changes[i].says));
    }
}

/* A row that expects something else makes a right client's answer a difference: exit 1. */
static void test_a_changed_expectation_does_not_match(void **state) {
    char why[200];
    (void)state;
    for (size_t i = 0; i < bb_demo_row_count(); i++) {
        struct bb_demo_outcome o = right(bb_demo_row(i));
        struct bb_demo_row changed = *bb_demo_row(i);
        changed.status = changed.status == BB_DEBUG_MODE ? BB_TCB_TOO_OLD : BB_DEBUG_MODE;
        assert_false(bb_demo_matches(&changed, &o, why, sizeof why));
        changed = *bb_demo_row(i);
        changed.exit++;
        assert_false(bb_demo_matches(&changed, &o, why, sizeof why));
        changed = *bb_demo_row(i);
        changed.field = "another";
        assert_false(bb_demo_matches(&changed, &o, why, sizeof why));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_whole_and_agree_with_the_failure_table),
        cmocka_unit_test(test_rows_of_tokens),
        cmocka_unit_test(test_the_right_answer_matches),
        cmocka_unit_test(test_each_difference_is_told),
        cmocka_unit_test(test_a_changed_expectation_does_not_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
