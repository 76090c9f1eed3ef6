/* A real `blindbox gateway` as a child, in front of the demo's application. */
#ifndef BB_CLI_DEMO_GATEWAY_H
#define BB_CLI_DEMO_GATEWAY_H

#include "cli/demo/program.h"

struct bb_demo_gateway {
    const struct bb_demo_place *place;
    struct bb_demo_child child;
    char address[96]; /* "127.0.0.1:41873" */
};

/* What its log says. */
struct bb_demo_gateway_log {
    size_t connections; /* that ended */
    uint64_t in;        /* application bytes that it took from clients */
    uint64_t report_us; /* what the last signature took; 0: none */
};

struct bb_demo_gateway_options {
    const char *upstream; /* as its option wants it */
    const char *service;  /* address of the verification service for clients that want a token */
    const char *defect;   /* of its simulated TEE; NULL: honest */
};

BB_MUST_USE enum bb_status bb_demo_gateway_start(const struct bb_demo_place *place,
                                                 const struct bb_demo_gateway_options *options,
                                                 struct bb_demo_gateway *out, struct bb_error *err);
/* Reads the log so far. After bb_demo_gateway_stop() it is whole. */
void bb_demo_gateway_read_log(const struct bb_demo_gateway *gateway,
                              struct bb_demo_gateway_log *out);
void bb_demo_gateway_stop(struct bb_demo_gateway *gateway);

#endif
