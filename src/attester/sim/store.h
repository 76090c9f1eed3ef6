/* The simulator's folder: keys, configuration, counter; shared by processes under one lock.
 * Internal to the simulator. */
#ifndef BB_ATTESTER_SIM_STORE_H
#define BB_ATTESTER_SIM_STORE_H

#include "attester/sim/certs.h"

#include <limits.h>

struct bb_sim_store {
    char dir[PATH_MAX / 2];
};

/* `dir` NULL: ${BLINDBOX_SIM_DIR:-$XDG_STATE_HOME/blindbox/sim}. Made with mode 0700. */
BB_MUST_USE enum bb_status bb_sim_store_open(struct bb_sim_store *s, const char *dir,
                                             struct bb_error *err);
/* True if a file of that name stands in the folder, readable or not. */
bool bb_sim_store_has(const struct bb_sim_store *s, const char *name);
/* False if the file is not there, cannot be read or is too large. */
bool bb_sim_store_read(const struct bb_sim_store *s, const char *name, uint8_t *out, size_t cap,
                       size_t *len);
/* Atomic, mode 0600. */
BB_MUST_USE enum bb_status bb_sim_store_write(const struct bb_sim_store *s, const char *name,
                                              struct bb_span data, struct bb_error *err);
/* Reads the key, or makes it once among all processes. */
BB_MUST_USE enum bb_status bb_sim_store_key(const struct bb_sim_store *s, const char *name,
                                            enum bb_key_type type, struct bb_key **out,
                                            struct bb_error *err);
/* Waits for the signer as hardware makes one wait, and counts the signature. */
BB_MUST_USE enum bb_status bb_sim_store_take_turn(const struct bb_sim_store *s, uint32_t latency_ms,
                                                  const struct bb_sim_throttle *throttle,
                                                  struct bb_error *err);
BB_MUST_USE enum bb_status bb_sim_store_count(const struct bb_sim_store *s, uint64_t *count,
                                              struct bb_error *err);

#endif
