/* The gateway's configuration: flags, then the file "blindbox.gateway/1", then defaults. The parent
 * takes a copy of the file, which the processes that it starts read: all of them have the same one,
 * whatever becomes of the file. */
#ifndef BB_SERVICE_GATEWAY_CONFIG_H
#define BB_SERVICE_GATEWAY_CONFIG_H

#include "service/gateway/gateway.h"

#define BB_GATEWAY_CONFIG_MAX 65536 /* a wrong file given as the configuration: memory */
#define BB_GATEWAY_SECONDS_MAX 1000000
#define BB_GATEWAY_WHY_MAX 640 /* a text of bb_gateway_config_why() */

struct bb_gateway_config {
    struct bb_gateway_options options; /* complete; its texts live as long as the flags and this */
    struct json_t *file;               /* NULL: none */
};

/* A copy of the file in memory that nobody can change, as a descriptor. Fails with UsageError. */
BB_MUST_USE enum bb_status bb_gateway_config_copy(const char *path, int *copy,
                                                  struct bb_error *err);
/* Fails with UsageError for a wrong file, and if something is missing. `copy` -1: no file. */
BB_MUST_USE enum bb_status bb_gateway_config_make(const struct bb_gateway_options *flags, int copy,
                                                  struct bb_gateway_config *out,
                                                  struct bb_error *err);
void bb_gateway_config_done(struct bb_gateway_config *config);
/* What is wrong, in one line: text, key, expected and found. */
void bb_gateway_config_why(const struct bb_error *err, char *out, size_t cap);

#endif
