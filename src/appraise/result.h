/* The result of an appraisal: one row a check, and a verdict. */
#ifndef BB_APPRAISE_RESULT_H
#define BB_APPRAISE_RESULT_H

#include "base/error.h"

enum bb_check_id {
#define BB_CHECK(id, name, stage, of, shows) BB_CHECK_##id,
#include "appraise/checks.def"
#undef BB_CHECK
    BB_CHECK_COUNT
};

enum bb_outcome {
    BB_OUTCOME_NONE = 0, /* could not be made, because an earlier check failed: not listed */
    BB_OUTCOME_PASSED,
    BB_OUTCOME_FAILED,
    BB_OUTCOME_SKIPPED, /* left out by the caller: never counts as passed */
    BB_OUTCOME_NOT_REQUESTED,
    BB_OUTCOME_NOT_APPLICABLE,
};

enum bb_verdict { BB_VERDICT_NONE = 0, BB_VERDICT_ACCEPTED, BB_VERDICT_REFUSED };

struct bb_check {
    enum bb_outcome outcome;
    enum bb_status status; /* class of a failure, else BB_OK */
    char expected[BB_VALUE_MAX];
    char found[BB_VALUE_MAX];
    char reason[BB_TEXT_MAX];
};

/* What was appraised: decides which checks must have been made. */
enum bb_subject { BB_OF_EVIDENCE = 1, BB_OF_TOKEN = 2, BB_OF_BOTH = 3 };

/* Caller-owned, no pointers inside. Zeroed = nothing checked, no verdict. */
struct bb_result {
    enum bb_subject subject; /* 0: evidence */
    enum bb_verdict verdict;
    enum bb_status status;         /* BB_OK if accepted, else the class of the first failed check */
    enum bb_check_id first_failed; /* meaningful if refused */
    bool simulated;
    struct bb_check checks[BB_CHECK_COUNT];
};

const char *bb_check_name(enum bb_check_id id);
const char *bb_check_shows(enum bb_check_id id);
int bb_check_stage(enum bb_check_id id);
enum bb_subject bb_check_subject(enum bb_check_id id);
/* False if no check has that name. */
bool bb_check_from_name(const char *name, enum bb_check_id *out);
const char *bb_outcome_name(enum bb_outcome outcome);

/* Record one check; texts may be NULL. A failed check stays failed. */
void bb_check_pass(struct bb_result *r, enum bb_check_id id, const char *expected,
                   const char *found);
void bb_check_fail(struct bb_result *r, enum bb_check_id id, enum bb_status status,
                   const char *expected, const char *found, const char *fmt, ...) BB_PRINTF(6, 7);
void bb_check_note(struct bb_result *r, enum bb_check_id id, enum bb_outcome outcome,
                   const char *reason);
/* Before closing: checks whose bit is set in `skip` are shown as skipped, never as passed. A check that
 * then cannot be made at all is a failure of the class that was skipped: leaving one out never lets
 * another fall away in silence. */
void bb_result_skip(struct bb_result *r, uint64_t skip);
/* Sets verdict and class: accepted only if every check of the subject was recorded and none failed.
 */
void bb_result_close(struct bb_result *r);
/* Joins two closed results, one of the evidence and one of a token, in `r`: a check that failed in
 * one has failed, one that passed in either has passed; accepted only if both are. */
void bb_result_join(struct bb_result *r, const struct bb_result *token);

/* The first check that failed as an error: its id is the field. Nothing for a result that accepts.
 */
void bb_result_error(const struct bb_result *r, struct bb_error *err);

#endif
