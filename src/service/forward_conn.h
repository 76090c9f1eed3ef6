/* One local connection and the attested connection that it becomes. Internal to the forwarder. */
#ifndef BB_SERVICE_FORWARD_CONN_H
#define BB_SERVICE_FORWARD_CONN_H

#include "service/forward.h"

#include <event2/event.h>

struct bb_forward_conn;

/* What connections share. */
struct bb_forward_host {
    struct event_base *base;
    const struct bb_forward_options *options;
    struct bb_target target;
    bool target_stale;         /* no address answered: ask the resolver again */
    const char *user_password; /* HTTP proxy; NULL: raw */
    size_t open;
    struct bb_forward_conn *first; /* the open ones */
    uint64_t attested, refused;
};

/* Takes ownership of the accepted socket `fd`; lives on the loop until it is over. */
void bb_forward_conn_new(struct bb_forward_host *host, int fd);
/* Closes all that are open, as cuts. */
void bb_forward_conns_end(struct bb_forward_host *host);

#endif
