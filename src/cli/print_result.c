#include "cli/print_result.h"

#include <stdlib.h>
#include <unistd.h>

void bb_json_print(FILE *out, json_t *object) {
    (void)json_dumpf(object, out, JSON_INDENT(2));
    (void)fputc('\n', out);
    json_decref(object);
}

struct paint {
    const char *good, *bad, *dim, *off;
};

static struct paint paint_for(FILE *out) {
    const char *no_color = getenv("NO_COLOR");
    bool colour = (no_color == NULL || no_color[0] == '\0') && isatty(fileno(out)) != 0;
    return colour ? (struct paint){"\033[32m", "\033[31m", "\033[2m", "\033[0m"}
                  : (struct paint){"", "", "", ""};
}

/* Long hex on the terminal: head and tail. JSON has it whole. */
static void shorten(const char *in, char *out, size_t cap) {
    enum { LONG = 44, HEAD = 16, TAIL = 8 };
    size_t len = strlen(in);
    if (len <= LONG || strchr(in, ' ') != NULL)
        (void)snprintf(out, cap, "%s", in);
    else
        (void)snprintf(out, cap, "%.*s..%s", HEAD, in, in + len - TAIL);
}

static void print_row(FILE *out, const struct paint *p, const struct bb_result *r, int i) {
    const struct bb_check *c = &r->checks[i];
    char expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    const char *name = bb_check_name((enum bb_check_id)i);
    const char *shows = bb_check_shows((enum bb_check_id)i);
    shorten(c->expected, expected, sizeof expected);
    shorten(c->found, found, sizeof found);
    if (c->outcome == BB_OUTCOME_PASSED)
        (void)fprintf(out, "  %sok%s    %-15s %s%s%s%s\n", p->good, p->off, name, shows,
                      found[0] == '\0' ? "" : ": ", found, "");
    else if (c->outcome == BB_OUTCOME_FAILED)
        (void)fprintf(out, "  %sFAIL%s  %-15s %s: %s%s%s%s%s\n", p->bad, p->off, name,
                      bb_status_name(c->status), c->reason,
                      expected[0] == '\0' ? "" : "; expected ", expected,
                      found[0] == '\0' ? "" : "; found ", found);
    else
        (void)fprintf(out, "  %s--    %-15s %s: %s%s\n", p->dim, name, bb_outcome_name(c->outcome),
                      c->reason, p->off);
}

void bb_result_print(FILE *out, const struct bb_result_view *v, bool all) {
    struct paint p = paint_for(out);
    const struct bb_result *r = v->result;
    for (int i = 0; i < BB_CHECK_COUNT; i++) {
        enum bb_outcome o = r->checks[i].outcome;
        bool telling = o == BB_OUTCOME_PASSED || o == BB_OUTCOME_FAILED || o == BB_OUTCOME_SKIPPED;
        if (o != BB_OUTCOME_NONE && (all || telling))
            print_row(out, &p, r, i);
    }
    (void)fprintf(out, "policy   %s\n", v->policy_source);
    if (r->verdict == BB_VERDICT_ACCEPTED)
        (void)fprintf(out, "verdict  %saccepted%s%s\n", p.good, p.off,
                      r->simulated ? " (SIMULATED TEE: proves nothing about hardware)" : "");
    else
        (void)fprintf(out, "verdict  %srefused: %s%s\n", p.bad, bb_status_name(r->status), p.off);
}

void bb_refusal_print(FILE *out, const struct bb_result *r) {
    char message[128], expected[BB_VALUE_MAX], found[BB_VALUE_MAX];
    const struct bb_check *c = &r->checks[r->first_failed];
    bb_status_message(r->status, message, sizeof message);
    shorten(c->expected, expected, sizeof expected);
    shorten(c->found, found, sizeof found);
    (void)fprintf(out, "%s: %s\n", bb_status_name(r->status), message);
    (void)fprintf(out, "  check     %s: %s\n", bb_check_name(r->first_failed), c->reason);
    if (expected[0] != '\0')
        (void)fprintf(out, "  expected  %s\n", expected);
    if (found[0] != '\0')
        (void)fprintf(out, "  found     %s\n", found);
    (void)fprintf(out, "  next      %s\n", bb_status_next_step(r->status));
}

int bb_error_print(FILE *out, const struct bb_error *err) {
    if (err->status != BB_USAGE && err->status != BB_INTERNAL) {
        char message[128];
        bb_status_message(err->status, message, sizeof message);
        (void)fprintf(out, "%s: %s\n", bb_status_name(err->status), message);
    }
    (void)fprintf(out, "blindbox: %s%s%s\n", err->field, err->field[0] == '\0' ? "" : ": ",
                  err->text);
    if (err->expected[0] != '\0')
        (void)fprintf(out, "  expected  %s\n", err->expected);
    if (err->found[0] != '\0')
        (void)fprintf(out, "  found     %s\n", err->found);
    (void)fprintf(out, "  next      %s\n", bb_status_next_step(err->status));
    return bb_status_exit(err->status);
}

int bb_show_failed(const char *schema, bool json, const struct bb_error *err) {
    if (json) {
        json_t *o = json_pack("{s:s, s:s, s:i}", "schema", schema, "class",
                              bb_status_name(err->status), "exit", bb_status_exit(err->status));
        bb_result_json_error(o, err);
        bb_json_print(stdout, o);
    }
    return bb_error_print(stderr, err);
}
