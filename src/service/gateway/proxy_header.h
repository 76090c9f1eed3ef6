/* The header of HAProxy's PROXY protocol, version 2, in binary (proxy-protocol.txt, section 2.2):
 * tells the application who connected to the gateway. Sent on its connection before anything
 * else. */
#ifndef BB_SERVICE_GATEWAY_PROXY_HEADER_H
#define BB_SERVICE_GATEWAY_PROXY_HEADER_H

#include "base/span.h"

#include <sys/socket.h>

#define BB_PROXY_HEADER_MAX 52 /* 16 bytes and two IPv6 addresses with ports */

/* Command PROXY, with the client's address and the one it connected to. IPv4 mapped into IPv6 is
 * told as IPv4. Where there is no such pair (a Unix socket) the family is unspecified: no address.
 * Returns the length. */
size_t bb_proxy_header(const struct sockaddr_storage *client, const struct sockaddr_storage *local,
                       uint8_t out[BB_PROXY_HEADER_MAX]);

#endif
