/* Every limit of protocol blindbox/1, and the attack it stops. Pure numbers: no includes. */
#ifndef BB_CHANNEL_LIMITS_H
#define BB_CHANNEL_LIMITS_H

/* Bodies of frames; checked on the four length bytes, before memory is taken: memory. */
#define BB_REQUEST_MAX 4096
#define BB_RESPONSE_MAX 262144
#define BB_FRAME_HEAD_SIZE 4
/* Parts of bodies: memory and time. */
#define BB_CONFIG_MAX 4096
#define BB_TOKEN_MAX 16384
#define BB_KINDS_MAX 8
#define BB_APPS_MAX 4
#define BB_APP_NAME_MAX 32
#define BB_HAVE_MAX 16
#define BB_REFUSAL_TEXT_MAX 256

/* Key 8 of the request: how long the client waits for the response. */
#define BB_WAIT_MS_MIN 1000
#define BB_WAIT_MS_MAX 120000
#define BB_WAIT_MS_DEFAULT 30000 /* one stall of 10.2 s of the host's throttle passes */
/* Key 15 of a refusal, as a client takes it: a gateway that sends it away for good. */
#define BB_RETRY_MS_MAX 3600000
/* Section 5: slow peers that hold a connection. */
#define BB_HANDSHAKE_MS 10000 /* TCP and TLS */
#define BB_REQUEST_MS 5000    /* from the end of the handshake to the whole request */
#define BB_START_MS 60000     /* from the whole response to the whole start frame */

/* Leaves of one batch: 2^16, the depth's maximum. */
#define BB_BATCH_LEAVES_MAX 65536

#endif
