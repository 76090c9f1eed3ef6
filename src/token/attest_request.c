#include "token/attest_request.h"
