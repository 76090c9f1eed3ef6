#include "base/rfc3339.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* `n` digits as a number; -1 if one is none. Moves *at. */
static int digits(const char **at, int n) {
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (isdigit((unsigned char)**at) == 0)
            return -1;
        value = value * 10 + (*(*at)++ - '0');
    }
    return value;
}

static bool literal(const char **at, char want) {
    if (**at != want)
        return false;
    (*at)++;
    return true;
}

static bool read_offset(const char **at, int *seconds) {
    if (literal(at, 'Z') || literal(at, 'z')) {
        *seconds = 0;
        return true;
    }
    int sign = **at == '-' ? -1 : 1;
    if (!literal(at, '+') && !literal(at, '-'))
        return false;
    int hours = digits(at, 2);
    if (!literal(at, ':'))
        return false;
    int minutes = digits(at, 2);
    *seconds = sign * (hours * 3600 + minutes * 60);
    return hours >= 0 && hours < 24 && minutes >= 0 && minutes < 60;
}

bool bb_rfc3339_parse(const char *text, int64_t *seconds) {
    struct tm tm = {0};
    const char *at = text;
    int year = digits(&at, 4), offset = 0;
    if (year < 1970 || !literal(&at, '-'))
        return false;
    int month = digits(&at, 2);
    if (!literal(&at, '-'))
        return false;
    int day = digits(&at, 2);
    if (!literal(&at, 'T') && !literal(&at, 't') && !literal(&at, ' '))
        return false;
    tm.tm_hour = digits(&at, 2);
    if (!literal(&at, ':'))
        return false;
    tm.tm_min = digits(&at, 2);
    if (!literal(&at, ':'))
        return false;
    tm.tm_sec = digits(&at, 2);
    if (literal(&at, '.')) {
        if (digits(&at, 1) < 0)
            return false;
        while (isdigit((unsigned char)*at) != 0)
            at++;
    }
    if (!read_offset(&at, &offset) || *at != '\0' || month < 1 || day < 1 || tm.tm_hour < 0 ||
        tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 59)
        return false;
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    time_t t = timegm(&tm); /* normalises: the 30th of February becomes March */
    if (tm.tm_mon != month - 1 || tm.tm_mday != day)
        return false;
    *seconds = (int64_t)t - offset;
    return true;
}

void bb_rfc3339_text(int64_t seconds, char *out, size_t cap) {
    time_t t = (time_t)seconds;
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(out, cap, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        (void)snprintf(out, cap, "unknown time");
}
