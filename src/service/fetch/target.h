/* Which addresses may be connected to. Names are the network's word; so the address itself is looked
 * at, after it was resolved and before a socket is opened for it. */
#ifndef BB_SERVICE_FETCH_TARGET_H
#define BB_SERVICE_FETCH_TARGET_H

#include <stdbool.h>
#include <sys/socket.h>

/* Loopback, IPv4 inside IPv6 too. Without TLS nothing else is asked. */
bool bb_fetch_is_loopback(const struct sockaddr *address);

/* May a TLS connection be made there? Not to this-network, multicast, link-local and the addresses
 * of cloud metadata services: no verifier lives there, every one of them answers whoever asks from
 * this machine, and a name that leads there was turned. Private networks are fine: a verifier of
 * one's own. */
bool bb_fetch_is_askable(const struct sockaddr *address);

#endif
