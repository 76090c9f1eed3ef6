/* The messages of blindbox/1 (channel protocol section 2): parsed strictly, built
 * deterministically. */
#ifndef BB_CHANNEL_FRAME_H
#define BB_CHANNEL_FRAME_H

#include "channel/binding.h"
#include "channel/limits.h"

#define BB_ALPN "blindbox/1"
#define BB_NONCE_SIZE 32
#define BB_START_FRAME "\x00\x00\x00\x05\xa2\x01\x01\x02\x00"
#define BB_START_FRAME_SIZE 9

enum bb_want { BB_WANT_EVIDENCE = 1, BB_WANT_TOKEN = 2, BB_WANT_BOTH = 3 };

enum bb_channel_status {
    BB_CHANNEL_OK = 0,
    BB_CHANNEL_MALFORMED = 1,
    BB_CHANNEL_NOTHING_IN_COMMON = 2,
    BB_CHANNEL_BUSY = 3,
    BB_CHANNEL_ATTESTER_DEAD = 4,
    BB_CHANNEL_VERIFIER_UNAVAILABLE = 5,
    BB_CHANNEL_ISSUER_NOT_CONFIGURED = 6,
    BB_CHANNEL_OWN_EVIDENCE_REFUSED = 7,
    BB_CHANNEL_DEADLINE = 8,
    BB_CHANNEL_SHUTTING_DOWN = 9,
};

/* The fixed text of a status. */
const char *bb_channel_status_text(unsigned status);

struct bb_request {
    struct bb_span nonce;
    uint8_t kinds[BB_KINDS_MAX];
    size_t n_kinds;
    unsigned want;
    struct bb_span issuer;            /* empty unless want has bit 2 */
    struct bb_span have[BB_HAVE_MAX]; /* SHA-256 of certificates the client holds */
    size_t n_have;
    struct bb_span anchor; /* empty if absent */
    uint32_t wait_ms;
    struct bb_span apps[BB_APPS_MAX];
    size_t n_apps;
    unsigned forms; /* bit n: report_data form n */
};

/* Spans point into `body`. False: malformed (status 1). */
BB_MUST_USE bool bb_request_parse(struct bb_span body, struct bb_request *out);
/* Appends the body. */
void bb_request_build(const struct bb_request *request, struct bb_writer *w);

/* One answer: fresh evidence (status 0), or a refusal. */
struct bb_response {
    unsigned status;
    struct bb_span salt;
    unsigned kind;
    struct bb_span cmw, config, binding_spki;
    uint32_t index;
    unsigned depth;
    struct bb_span path;
    struct bb_span app;
    struct bb_span token; /* empty if absent */
    bool has_form;
    unsigned form;
    uint16_t flags;
    bool anchored; /* key 13 instead of evidence */
    struct bb_span anchor_signature;
    struct bb_span text; /* refusals: untrusted */
    uint64_t retry_ms;   /* 0 if absent */
};

BB_MUST_USE bool bb_response_parse(struct bb_span body, struct bb_response *out);
void bb_response_build(const struct bb_response *response, struct bb_writer *w);
/* { 1: 1, 2: status, ?14: text, ?15: retry }. */
void bb_refusal_build(unsigned status, uint64_t retry_ms, struct bb_writer *w);

/* The gateway's configuration as it is hashed and sent. */
struct bb_config {
    const char *software, *upstream; /* "blindbox 0.1", "tcp:127.0.0.1:8000" */
    const char *const *issuers;      /* whose tokens it can get */
    size_t n_issuers;
    const char *const *apps; /* application protocols */
    size_t n_apps;
};
void bb_config_build(const struct bb_config *config, struct bb_writer *w);
bool bb_config_is_valid(struct bb_span config);

/* Evidence of kinds 1 and 255 as a CMW collection (RFC 9999) with text labels. */
struct bb_cmw {
    struct bb_span report, vek, ask, ark, crl, uvm; /* empty if absent */
};
BB_MUST_USE bool bb_cmw_parse(struct bb_span in, struct bb_cmw *out);
void bb_cmw_build(const struct bb_cmw *cmw, struct bb_writer *w);

#endif
