#include "service/verifier/framing.h"

#include <string.h>
#include <strings.h>

struct seen {
    unsigned lengths, codings, hosts;
    bool bad;
};

/* RFC 9110 5.6.2. */
static bool is_token(const char *name) {
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    return name[0] != '\0' && name[strspn(name, allowed)] == '\0';
}

/* The library appends the text of a folded line (RFC 9112 5.2) to the name. */
static bool is_field(const char *name, const char *field, bool *folded) {
    size_t len = strlen(field);
    if (strncasecmp(name, field, len) != 0)
        return false;
    *folded = *folded || name[len] != '\0';
    return true;
}

static enum MHD_Result look(void *cls, enum MHD_ValueKind kind, const char *name,
                            const char *value) {
    struct seen *s = cls;
    (void)kind;
    s->bad = s->bad || !is_token(name);
    if (is_field(name, "Content-Length", &s->bad))
        s->lengths++;
    else if (strcasecmp(name, "Host") == 0)
        s->hosts++;
    else if (is_field(name, "Transfer-Encoding", &s->bad)) {
        s->codings++;
        s->bad = s->bad || value == NULL || strcasecmp(value, "chunked") != 0;
    }
    return MHD_YES;
}

bool bb_http_framing_is_plain(struct MHD_Connection *connection) {
    struct seen s = {.bad = false};
    (void)MHD_get_connection_values(connection, MHD_HEADER_KIND, look, &s);
    return !s.bad && s.hosts <= 1 && s.lengths + s.codings <= 1;
}

size_t bb_http_unescape(void *cls, struct MHD_Connection *connection, char *text) {
    (void)cls, (void)connection;
    for (const char *at = strchr(text, '%'); at != NULL; at = strchr(at + 1, '%'))
        if (strncmp(at, "%00", 3) == 0 || strncasecmp(at, "%2f", 3) == 0)
            return strlen(text);
    return MHD_http_unescape(text);
}
