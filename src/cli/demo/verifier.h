/* A real `blindbox verifier` as a child: the verification service of the demo. */
#ifndef BB_CLI_DEMO_VERIFIER_H
#define BB_CLI_DEMO_VERIFIER_H

#include "cli/demo/program.h"
#include "service/fetch/fetch.h"

#define BB_DEMO_STATE "verifier" /* its folder of keys, which all share */

struct bb_demo_verifier {
    const struct bb_demo_place *place;
    const char *log;
    struct bb_demo_child child;
    char address[96];
};

/* With reference values it knows the simulator's VM; without, it knows no code at all. Two at a time
 * at most, one of each. */
BB_MUST_USE enum bb_status bb_demo_verifier_start(const struct bb_demo_place *place,
                                                  bool reference_values,
                                                  struct bb_demo_verifier *out,
                                                  struct bb_error *err);
void bb_demo_verifier_stop(struct bb_demo_verifier *verifier); /* zeroed memory is fine */

/* Writes its public keys to BB_DEMO_KEY_SET: whoever has that file has pinned them. */
BB_MUST_USE enum bb_status bb_demo_verifier_keys(const struct bb_demo_verifier *verifier,
                                                 struct bb_fetcher *fetcher, struct bb_error *err);

/* What its log says of the last report that it judged. */
struct bb_demo_judged {
    int64_t us; /* what it took; -1: there was none */
    char verdict[32], kind[32], compliance[64];
};
void bb_demo_verifier_judged(const struct bb_demo_verifier *verifier, struct bb_demo_judged *out);

#endif
