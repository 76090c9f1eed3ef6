/* The kinds of evidence: what this build verifies, and what it can tell apart but not verify. */
#ifndef BB_EVIDENCE_KINDS_H
#define BB_EVIDENCE_KINDS_H

#include "base/span.h"

struct bb_evidence_form {
    const char *name; /* as in a policy's "evidence"; "" for kinds no policy can name */
    const char *text; /* for messages */
    bool (*looks_like)(struct bb_span bytes);
    bool verified_here;
};

/* The form that the bytes have at first sight, or NULL. Says nothing about their worth. */
const struct bb_evidence_form *bb_evidence_form(struct bb_span bytes);

#endif
