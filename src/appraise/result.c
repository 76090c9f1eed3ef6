#include "appraise/result.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *shows;
    int stage;
    enum bb_subject of;
} checks[BB_CHECK_COUNT] = {
#define BB_CHECK(id, name, stage, of, shows) [BB_CHECK_##id] = {name, shows, stage, BB_OF_##of},
#include "appraise/checks.def"
#undef BB_CHECK
};

const char *bb_check_name(enum bb_check_id id) {
    return (unsigned)id < BB_CHECK_COUNT ? checks[id].name : "unknown";
}

const char *bb_check_shows(enum bb_check_id id) {
    return (unsigned)id < BB_CHECK_COUNT ? checks[id].shows : "";
}

int bb_check_stage(enum bb_check_id id) {
    return (unsigned)id < BB_CHECK_COUNT ? checks[id].stage : 0;
}

enum bb_subject bb_check_subject(enum bb_check_id id) {
    return (unsigned)id < BB_CHECK_COUNT ? checks[id].of : BB_OF_BOTH;
}

bool bb_check_from_name(const char *name, enum bb_check_id *out) {
    for (int i = 0; i < BB_CHECK_COUNT; i++) {
        if (strcmp(checks[i].name, name) != 0)
            continue;
        *out = (enum bb_check_id)i;
        return true;
    }
    return false;
}

const char *bb_outcome_name(enum bb_outcome outcome) {
    static const char *const names[] = {"not-made", "passed",        "failed",
                                        "skipped",  "not-requested", "not-applicable"};
    return (unsigned)outcome < sizeof names / sizeof names[0] ? names[outcome] : "unknown";
}

static struct bb_check *open_check(struct bb_result *r, enum bb_check_id id) {
    struct bb_check *c = &r->checks[id];
    return c->outcome == BB_OUTCOME_FAILED ? NULL : c;
}

static void set_text(char *out, size_t cap, const char *text) {
    bb_copy_text(out, cap, text == NULL ? "" : text);
}

void bb_check_pass(struct bb_result *r, enum bb_check_id id, const char *expected,
                   const char *found) {
    struct bb_check *c = open_check(r, id);
    if (c == NULL)
        return;
    c->outcome = BB_OUTCOME_PASSED;
    c->status = BB_OK;
    set_text(c->expected, sizeof c->expected, expected);
    set_text(c->found, sizeof c->found, found);
    c->reason[0] = '\0';
}

void bb_check_fail(struct bb_result *r, enum bb_check_id id, enum bb_status status,
                   const char *expected, const char *found, const char *fmt, ...) {
    struct bb_check *c = open_check(r, id);
    if (c == NULL)
        return;
    c->outcome = BB_OUTCOME_FAILED;
    c->status = status;
    set_text(c->expected, sizeof c->expected, expected);
    set_text(c->found, sizeof c->found, found);
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(c->reason, sizeof c->reason, fmt, args);
    va_end(args);
}

void bb_check_note(struct bb_result *r, enum bb_check_id id, enum bb_outcome outcome,
                   const char *reason) {
    struct bb_check *c = open_check(r, id);
    if (c == NULL)
        return;
    *c = (struct bb_check){.outcome = outcome, .status = BB_OK};
    set_text(c->reason, sizeof c->reason, reason);
}

/* True if the appraisal of this subject makes the check. */
static bool is_made(const struct bb_result *r, int id) {
    enum bb_subject subject = r->subject == 0 ? BB_OF_EVIDENCE : r->subject;
    return (checks[id].of & subject) != 0;
}

void bb_result_skip(struct bb_result *r, uint64_t skip) {
    enum bb_status cause = BB_INTERNAL;
    if (skip == 0)
        return;
    for (int i = 0; i < BB_CHECK_COUNT; i++) {
        if ((skip >> i & 1) == 0 || !is_made(r, i))
            continue;
        if (r->checks[i].outcome == BB_OUTCOME_FAILED)
            cause = r->checks[i].status;
        r->checks[i] = (struct bb_check){.outcome = BB_OUTCOME_SKIPPED, .status = BB_OK};
        set_text(r->checks[i].reason, sizeof r->checks[i].reason, "left out with --skip");
    }
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        if (r->checks[i].outcome == BB_OUTCOME_FAILED)
            return; /* refused anyway, by its real class */
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        if (r->checks[i].outcome == BB_OUTCOME_NONE && is_made(r, i))
            bb_check_fail(r, (enum bb_check_id)i, cause, "made", "not made",
                          "could not be made, because of a check that was left out");
}

/* Zero means "no verdict": acceptance needs every row, so a check that somebody forgot to make, or
 * that was lost, refuses. */
void bb_result_close(struct bb_result *r) {
    r->verdict = BB_VERDICT_REFUSED;
    for (int i = 0; i < BB_CHECK_COUNT; i++) {
        if (r->checks[i].outcome != BB_OUTCOME_FAILED)
            continue;
        r->status = r->checks[i].status;
        r->first_failed = (enum bb_check_id)i;
        return;
    }
    for (int i = 0; i < BB_CHECK_COUNT; i++) {
        if (r->checks[i].outcome != BB_OUTCOME_NONE || !is_made(r, i))
            continue;
        bb_check_fail(r, (enum bb_check_id)i, BB_INTERNAL, "made", "not made",
                      "the check was not made");
        r->status = BB_INTERNAL;
        r->first_failed = (enum bb_check_id)i;
        return;
    }
    r->status = BB_OK;
    r->verdict = BB_VERDICT_ACCEPTED;
}

/* Failed over passed over skipped over what says nothing. */
static bool outweighs(enum bb_outcome a, enum bb_outcome b) {
    static const int weight[] = {
        [BB_OUTCOME_NONE] = 0,    [BB_OUTCOME_NOT_APPLICABLE] = 1, [BB_OUTCOME_NOT_REQUESTED] = 2,
        [BB_OUTCOME_SKIPPED] = 3, [BB_OUTCOME_PASSED] = 4,         [BB_OUTCOME_FAILED] = 5};
    return weight[a] > weight[b];
}

void bb_result_join(struct bb_result *r, const struct bb_result *token) {
    bool both = r->verdict == BB_VERDICT_ACCEPTED && token->verdict == BB_VERDICT_ACCEPTED;
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        if (outweighs(token->checks[i].outcome, r->checks[i].outcome))
            r->checks[i] = token->checks[i];
    r->simulated = r->simulated || token->simulated;
    r->subject = BB_OF_BOTH;
    bb_result_close(r);
    if (r->verdict == BB_VERDICT_ACCEPTED && !both) { /* a verdict without its row */
        r->verdict = BB_VERDICT_REFUSED;
        r->status = BB_INTERNAL;
    }
}

void bb_result_error(const struct bb_result *r, struct bb_error *err) {
    const struct bb_check *c = &r->checks[r->first_failed];
    if (r->verdict == BB_VERDICT_REFUSED)
        (void)bb_fail(err, r->status, bb_check_name(r->first_failed), c->expected, c->found, "%s",
                      c->reason);
}
