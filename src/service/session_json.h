/* A connection's result as JSON: blindbox.connection-result/1. */
#ifndef BB_SERVICE_SESSION_JSON_H
#define BB_SERVICE_SESSION_JSON_H

#include "service/session.h"

#include <jansson.h>

/* The object; the caller must json_decref it. `policy_source` is where the policy came from. NULL:
 * no memory. */
json_t *bb_session_to_json(const struct bb_session *session, const struct bb_policy *policy,
                           const char *policy_source);

/* The same for a connection that could not even be begun. */
json_t *bb_connection_failed_to_json(const struct bb_error *err, const struct bb_policy *policy,
                                     const char *policy_source);

#endif
