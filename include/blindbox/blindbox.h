/* BlindBox: the whole public interface. Link with `pkg-config --cflags --libs blindbox`. */
#ifndef BLINDBOX_BLINDBOX_H
#define BLINDBOX_BLINDBOX_H

#include <blindbox/bytes.h>
#include <blindbox/connect.h>
#include <blindbox/error.h>
#include <blindbox/evidence.h>
#include <blindbox/policy.h>
#include <blindbox/token.h>

#endif
