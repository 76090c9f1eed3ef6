/* SIGINT, SIGTERM and SIGHUP end the demo in order: every wait looks here, so that children are
 * ended and the folder is removed on every path. */
#ifndef BB_CLI_DEMO_STOP_H
#define BB_CLI_DEMO_STOP_H

#include "base/error.h"

void bb_demo_stop_on_signals(void);
bool bb_demo_stopping(void);
/* 128 + the signal's number. */
int bb_demo_stop_code(void);
/* Sleeps a moment (a signal cuts it short). False if the demo is to stop or `deadline`, in
 * bb_now_ms(), is over. */
bool bb_demo_wait(int64_t deadline);
/* What a wait that ended without its event means. */
BB_MUST_USE enum bb_status bb_demo_gave_up(const char *what, struct bb_error *err);

#endif
