/* The attester process: sole owner of the TEE and of the binding key. It takes leaves from a worker
 * and answers each with its place in a batch that the hardware signed. Group commit: while a report
 * is made, new leaves collect in the socket; when it is done the next batch is sealed at once. */
#ifndef BB_SERVICE_ATTESTER_PROCESS_H
#define BB_SERVICE_ATTESTER_PROCESS_H

#include "attester/attester.h"

/* Serves the worker at the other end of `fd` (SOCK_SEQPACKET) until it closes. Takes the attester's
 * ownership. Returns the exit code. */
int bb_attester_process(struct bb_attester *attester, int fd);

#endif
