/* Messages between a gateway's worker and its attester process: one datagram each on a
 * SOCK_SEQPACKET pair, same machine, same build: plain structs. The worker states leaves, never
 * report data. */
#ifndef BB_SERVICE_ATTESTER_WIRE_H
#define BB_SERVICE_ATTESTER_WIRE_H

#include "channel/batch.h"

#define BB_WIRE_LEAVES_MAX 512 /* leaves of one message: datagram size */
#define BB_WIRE_EVIDENCE_MAX 65536
#define BB_WIRE_PROOFS_MAX 16384  /* bytes of proofs in one message */
#define BB_WIRE_MESSAGE_MAX 98304 /* larger datagrams are a broken peer: memory */

enum bb_wire_type {
    BB_WIRE_HELLO = 1, /* worker: TLS key, flags, config */
    BB_WIRE_READY,     /* attester: kind, binding key */
    BB_WIRE_LEAVES,    /* worker: leaves with the worker's ids */
    BB_WIRE_BATCH,     /* attester: evidence of the batch whose proofs follow */
    BB_WIRE_PROOFS,    /* attester: some leaves' places in the last BATCH */
    BB_WIRE_DENIED,    /* attester: a leaf gets no evidence, with the status for its client */
};

struct bb_wire_hello {
    uint32_t type;
    uint32_t flags;
    uint8_t spki[BB_SPKI_SIZE];
    uint32_t config_len;
    uint8_t config[BB_CONFIG_MAX];
};

struct bb_wire_ready {
    uint32_t type;
    uint32_t kind;
    uint8_t binding_spki[BB_SPKI_SIZE];
};

struct bb_wire_leaf {
    uint64_t id;
    uint8_t leaf[BB_MERKLE_NODE];
};

struct bb_wire_leaves {
    uint32_t type;
    uint32_t n;
    struct bb_wire_leaf leaf[BB_WIRE_LEAVES_MAX];
};

struct bb_wire_batch {
    uint32_t type;
    uint32_t depth;
    uint32_t form;
    uint32_t flags;
    uint64_t number;
    uint32_t report_us; /* what the hardware took */
    uint32_t n;         /* leaves */
    uint8_t d[BB_D_SIZE];
    uint32_t cmw_len;
    uint8_t cmw[BB_WIRE_EVIDENCE_MAX];
};

/* One leaf's place: its path, depth * 48 bytes, follows. */
struct bb_wire_place {
    uint64_t id;
    uint32_t index;
    uint32_t reserved; /* zero */
};

struct bb_wire_proofs {
    uint32_t type;
    uint32_t n;
    uint8_t places[BB_WIRE_PROOFS_MAX]; /* n times place and path */
};

struct bb_wire_denied {
    uint32_t type;
    uint32_t status;
    uint64_t id;
    uint64_t retry_ms;
};

#endif
