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
    assert_true(bb_demo_row_count() == 18);
    for (size_t i = 0; i < bb_demo_row_count(); i++) {
        const struct bb_demo_row *row = bb_demo_row(i);
        assert_int_not_equal(row->status, BB_OK);
        assert_int_equal(row->exit, bb_status_exit(row->status));
        assert_true(row->name[0] != '\0' && row->title[0] != '\0' && row->field[0] != '\0');
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(row->name, bb_demo_row(j)->name);
    }
    assert_null(bb_demo_row(bb_demo_row_count()));
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
        cmocka_unit_test(test_the_right_answer_matches),
        cmocka_unit_test(test_each_difference_is_told),
        cmocka_unit_test(test_a_changed_expectation_does_not_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
