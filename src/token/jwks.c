#include "token/jwks.h"
