#include "service/verifier/accept.h"

#include "token/attest_request.h"

#include <string.h>
#include <strings.h>

enum { WEIGHT_ONE = 1000 };

/* The end of a list's element, or of one of its parameters: `ends`, outside of quotes. */
static const char *skip_to(const char *at, const char *ends) {
    bool quoted = false;
    for (; *at != '\0' && (quoted || strchr(ends, *at) == NULL); at++) {
        if (quoted && *at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '"')
            quoted = !quoted;
    }
    return at;
}

/* 0.000 to 1.000 as thousandths; -1: none. */
static int weight_of(const char *at) {
    int value = *at == '1' ? WEIGHT_ONE : 0, step = WEIGHT_ONE / 10;
    if (*at != '0' && *at != '1')
        return -1;
    at++;
    if (*at == '.')
        for (at++; *at >= '0' && *at <= '9'; at++, step /= 10)
            value += step * (*at - '0');
    at += strspn(at, " \t");
    return value <= WEIGHT_ONE && strchr(",;", *at) != NULL ? value : -1;
}

/* The weight of the range that begins at `at` and ends at `end`. */
static int read_weight(const char *at, const char *end) {
    for (at = skip_to(at, ",;"); at < end; at = skip_to(at, ",;")) {
        at += 1 + strspn(at + 1, " \t");
        if (strncasecmp(at, "q=", 2) == 0)
            return weight_of(at + 2);
    }
    return WEIGHT_ONE;
}

static bool is_range(const char *at, const char *type) {
    size_t len = strlen(type);
    return strncasecmp(at, type, len) == 0 && (at[len] == '\0' || strchr("; \t,", at[len]) != NULL);
}

bool bb_accept_is_ear(const char *accept) {
    int ear = -1, json = -1, covering = -1;
    bool json_first = false;
    for (const char *at = accept; at != NULL && *at != '\0';) {
        at += strspn(at, ", \t");
        const char *end = skip_to(at, ",");
        int weight = read_weight(at, end);
        if (is_range(at, BB_MEDIA_EAR)) {
            ear = weight > ear ? weight : ear;
        } else if (is_range(at, BB_MEDIA_JWT)) {
            json_first = json_first || ear < 0;
            json = weight > json ? weight : json;
        } else if (is_range(at, "*/*") || is_range(at, "application/*")) {
            covering = weight > covering ? weight : covering;
        }
        at = end;
    }
    int other = json >= 0 ? json : covering;
    return ear > 0 && (ear > other || (ear == other && !json_first));
}
