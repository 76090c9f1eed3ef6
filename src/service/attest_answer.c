#include "service/attest_answer.h"

#include "codec/json.h"
#include "token/attest_request.h"

#include <stdio.h>

bool bb_answer_may_pass(unsigned http) {
    enum { REFUSED = 400, TIMED_OUT = 408, TOO_MANY = 429, FAILED = 500 };
    return http < REFUSED || http >= FAILED || http == TIMED_OUT || http == TOO_MANY;
}

void bb_answer_said(struct bb_span body, char out[BB_ANSWER_SAID_MAX]) {
    static const char *const members[] = {"code", "message"};
    char text[2][BB_VALUE_MAX] = {"", ""};
    json_t *o = NULL;
    if (bb_json_parse_object(body, BB_ATTEST_BODY_MAX, "answer", &o, NULL) == BB_OK)
        for (size_t i = 0; i < 2; i++) {
            const json_t *value = json_object_get(json_object_get(o, "error"), members[i]);
            if (json_is_string(value))
                bb_escape(bb_span(json_string_value(value), json_string_length(value)), text[i],
                          sizeof text[i]);
        }
    json_decref(o);
    (void)snprintf(out, BB_ANSWER_SAID_MAX, "%.32s%s%.64s", text[0], text[1][0] == '\0' ? "" : ": ",
                   text[1]);
}
