/* One local connection and the attested connection that it becomes. Internal to the forwarder. */
#ifndef BB_SERVICE_FORWARD_CONN_H
#define BB_SERVICE_FORWARD_CONN_H

#include "service/forward/forward.h"

#include <event2/event.h>

struct bb_forward_conn;

/* What connections share. */
struct bb_forward_host {
    struct event_base *base;
    const struct bb_forward_options *options;
    struct bb_target target;
    bool target_stale;             /* no address answered: ask the resolver again */
    const char *user_password;     /* HTTP proxy; NULL: raw */
    struct bb_forward_conn *first; /* of the open ones */
    size_t open;
    bool ending; /* the last one to go ends the loop */
    uint64_t attested, refused;
};

/* Takes ownership of the accepted socket `fd`; lives on the loop until it is over. */
void bb_forward_conn_new(struct bb_forward_host *host, int fd);
/* Ends all that are open: what was relayed is reset. */
void bb_forward_conns_end(struct bb_forward_host *host);

#endif
