/* Which URLs may be asked. One strict form, so that no two parsers can read one URL differently. */
#ifndef BB_SERVICE_FETCH_URL_H
#define BB_SERVICE_FETCH_URL_H

#include "base/error.h"

#define BB_FETCH_URL_MAX 2048
#define BB_FETCH_SOCKET_MAX 107 /* sun_path */

/* For a Unix socket, `text` is http://localhost/... and `socket` its path; else `socket` is "". */
struct bb_fetch_url {
    char text[BB_FETCH_URL_MAX + 1];
    char socket[BB_FETCH_SOCKET_MAX + 1];
};

/* `url` with `path` (NULL: none) appended. UsageError for anything but
 *   https://HOST[:PORT][/PATH]
 *   http://HOST[:PORT][/PATH] with HOST localhost, 127.x.x.x or [::1]: others are asked with TLS
 *   unix:/SOCKET, which needs `path`
 * HOST: letters, digits, dots, hyphens, underscores, or an IPv6 address in brackets; so no user
 * information. PATH: printable ASCII without spaces, quotes, backslashes or a fragment. */
BB_MUST_USE enum bb_status bb_fetch_url_join(const char *url, const char *path,
                                             struct bb_fetch_url *out, struct bb_error *err);
/* True if the text's scheme is https. */
bool bb_fetch_url_is_tls(const struct bb_fetch_url *url);

#endif
