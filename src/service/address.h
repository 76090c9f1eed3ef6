/* Addresses: where to listen, where an application is, where a gateway is. */
#ifndef BB_SERVICE_ADDRESS_H
#define BB_SERVICE_ADDRESS_H

#include "base/error.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BB_GATEWAY_PORT "8443"
#define BB_TARGET_ADDRESSES 8 /* more of one name are not tried: time */

/* HOST:PORT, [V6]:PORT, *:PORT, and without a port where there is a default. `host` gets no
 * brackets.
 */
BB_MUST_USE enum bb_status bb_host_port(const char *text, const char *default_port, char *host,
                                        size_t host_cap, char *port, size_t port_cap,
                                        struct bb_error *err);
/* "[::1]:8443" of a socket's own (or its peer's) address. */
void bb_address_text(const struct sockaddr_storage *address, char *out, size_t cap);

/* A listening socket, non-blocking, close-on-exec: HOST:PORT (dual stack for an IPv6 wildcard), or
 * unix:PATH (mode 0600; a stale socket is replaced). `local_only` refuses, before anybody can connect,
 * what is neither loopback nor a Unix socket. */
BB_MUST_USE enum bb_status bb_listen(const char *text, bool local_only, int *fd,
                                     struct bb_error *err);

/* Where the application is: tcp:HOST:PORT or unix:PATH, resolved once, at start. A name may have
 * several addresses ("localhost" often does): they are tried in turn. */
struct bb_upstream {
    struct sockaddr_storage address[BB_TARGET_ADDRESSES];
    socklen_t len[BB_TARGET_ADDRESSES];
    size_t count;
    bool outside; /* an address is neither loopback nor a Unix socket: leaves the TEE */
    char uri[512];
};
BB_MUST_USE enum bb_status bb_upstream_parse(const char *text, struct bb_upstream *out,
                                             struct bb_error *err);

/* The gateway that a client connects to: a name, and the addresses it has. */
struct bb_target {
    char host[256]; /* no brackets; what is sent as SNI unless it is an address */
    char port[16];
    struct sockaddr_storage address[BB_TARGET_ADDRESSES];
    socklen_t len[BB_TARGET_ADDRESSES];
    size_t count;
};
/* HOST, HOST:PORT, [V6]:PORT; the port is 8443 where none is given. Asks the resolver, and may
 * block for as long as that does. UsageError for what is no address, PeerUnreachable if it has
 * none. */
BB_MUST_USE enum bb_status bb_target_resolve(const char *text, struct bb_target *out,
                                             struct bb_error *err);

#endif
