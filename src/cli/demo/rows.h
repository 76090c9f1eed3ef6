/* The refusals that the demo shows: one table of what is wrong and what a client must answer, and
 * the comparison that decides whether it did. Pure. */
#ifndef BB_CLI_DEMO_ROWS_H
#define BB_CLI_DEMO_ROWS_H

#include "appraise/policy.h"

/* How a row's trouble is made. */
enum bb_demo_how {
    BB_DEMO_DEFECT, /* a gateway whose simulated TEE has the defect `argument` */
    BB_DEMO_POLICY, /* an honest gateway, and a policy without the key `argument` */
    BB_DEMO_FILE,   /* 'blindbox evidence verify' of a report with other report data */
    BB_DEMO_REPLAY, /* a gateway that shows the evidence of another connection */
    BB_DEMO_RELAY,  /* a man in the middle who holds the gateway's TLS key */
    BB_DEMO_TLS,    /* a TLS server that selects the protocol `argument`; NULL: none */
    BB_DEMO_TOKEN,  /* a verification service whose token is not good, as `argument` names it */
};

struct bb_demo_row {
    const char *chapter; /* a heading before this row; NULL: the same as before. One mode each */
    const char *name;    /* "debug" */
    const char *title;   /* what is wrong, for people */
    enum bb_demo_how how;
    const char *argument;
    enum bb_verifier_mode mode; /* of the client */
    /* What must refuse: class, exit code, and the check or field. */
    enum bb_status status;
    int exit;
    const char *field;
};

/* What a client met. */
struct bb_demo_outcome {
    enum bb_status status;       /* BB_OK: it was accepted */
    int exit;                    /* of the command that would end so */
    char field[BB_FIELD_MAX];    /* the check, or where there was no appraisal the field */
    char expected[BB_VALUE_MAX]; /* by the client */
    char found[BB_VALUE_MAX];
    char text[BB_TEXT_MAX];   /* the line that the user reads */
    uint64_t app_bytes;       /* that reached the application, a gateway or a hostile peer */
    uint64_t app_connections; /* that the application saw */
    bool control_failed;      /* without the trouble it was not accepted either: proves nothing */
    uint64_t control_bytes, control_connections; /* of the control, not counted above */
};

/* Row `i`, from 0; NULL past the end. */
const struct bb_demo_row *bb_demo_row(size_t i);
size_t bb_demo_row_count(void);

/* "Attestation validation failed (<reason>). Exiting." of the row's class. */
void bb_demo_expected_text(const struct bb_demo_row *row, char *out, size_t cap);
/* True if the outcome is the row's in every respect and nothing reached the application; else `why`
 * says the first difference. */
bool bb_demo_matches(const struct bb_demo_row *row, const struct bb_demo_outcome *got, char *why,
                     size_t cap);

#endif
