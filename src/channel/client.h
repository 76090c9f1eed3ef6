/* The client's side of blindbox/1 as an engine without I/O, clock or randomness. The caller owns
 * the TLS connection and does, in the order of channel protocol 3.6:
 *
 *   bb_client_check_tls()   1  after the handshake, before any byte is sent
 *   send bb_client_request() whole
 *   bb_client_feed()        2  with every byte that arrives, until `done`
 *   bb_client_bind()        3-6 status, choices, this connection's own leaf, root, D, report_data
 *   bb_client_appraise()    7-11 chain, signature, token, binding, policy: the verdict
 *   send BB_START_FRAME        only if bb_client_appraise() returned BB_OK; else close_notify and
 *                              nothing more
 *
 * Nothing that the response says may be shown as found before bb_client_appraise() accepted it. */
#ifndef BB_CHANNEL_CLIENT_H
#define BB_CHANNEL_CLIENT_H

#include "channel/frame.h"
#include "token/token.h"

/* What the TLS layer says about the finished handshake. */
struct bb_client_tls {
    bool tls13;          /* the version negotiated is 1.3 */
    bool resumed;        /* SSL_session_reused(), or a PSK was taken */
    bool early_data;     /* any was sent or taken */
    bool x509;           /* the peer showed an X.509 certificate, no raw key */
    struct bb_span alpn; /* as selected; empty: none */
    struct bb_span spki; /* the leaf certificate's SubjectPublicKeyInfo DER */
};

/* What to ask for. */
struct bb_client_wants {
    uint8_t nonce[BB_NONCE_SIZE]; /* from the CSPRNG, never used before */
    uint8_t kinds[BB_KINDS_MAX];  /* preferred first */
    size_t n_kinds;
    const char
        *apps[BB_APPS_MAX]; /* application protocols, preferred first; live as long as the call */
    size_t n_apps;
    unsigned forms; /* bit n: report_data form n */
    uint32_t wait_ms;
    enum bb_want want;  /* 0: evidence */
    const char *issuer; /* whose token; exactly with BB_WANT_TOKEN or _BOTH */
};

/* Kinds and forms that the policy allows and this build verifies, wait BB_WAIT_MS_DEFAULT,
 * application protocol "raw"; the nonce is left zero for the caller. `verifier` is one of the
 * policy's: a passport's issuer is asked for its token, and for the evidence too where the policy
 * asks for something that the token cannot say. UnsupportedEvidence if no kind is left. */
BB_MUST_USE enum bb_status bb_client_wants_from(const struct bb_policy *policy,
                                                const struct bb_policy_verifier *verifier,
                                                struct bb_client_wants *out, struct bb_error *err);

struct bb_client;

BB_MUST_USE enum bb_status bb_client_new(const struct bb_client_wants *wants,
                                         struct bb_client **out, struct bb_error *err);
void bb_client_free(struct bb_client *client); /* NULL-safe */

/* Step 1: AttestationRefused unless TLS 1.3, full handshake, X.509 with a P-256 key, ALPN exactly
 * blindbox/1. Keeps a copy of the key for bb_client_bind(). */
BB_MUST_USE enum bb_status bb_client_check_tls(struct bb_client *client,
                                               const struct bb_client_tls *tls,
                                               struct bb_error *err);

/* The request frame with its length, owned by the client. */
struct bb_span bb_client_request(const struct bb_client *client);

/* Takes bytes of the response. A length of 0 or above the limit is MalformedEvidence before memory
 * is taken; so is a byte after the response, since the peer may send none before start. */
BB_MUST_USE enum bb_status bb_client_feed(struct bb_client *client, struct bb_span in, bool *done,
                                          struct bb_error *err);
/* The connection ended before `done`: always a failure (PeerUnreachable). */
BB_MUST_USE enum bb_status bb_client_eof(const struct bb_client *client, struct bb_error *err);

/* A parsed fresh response and what this client computed for it from its own values. Spans belong to
 * the client. */
struct bb_client_bound {
    struct bb_response response;
    struct bb_cmw cmw;
    bool path_good; /* index and path fit the depth; else root, d and report_data are zero */
    uint8_t context[48], leaf[48], root[48];
    uint8_t d[BB_D_SIZE]; /* names the batch: what client and gateway print */
    uint8_t report_data[BB_REPORT_DATA_SIZE];
    uint8_t config_digest[48];
};

/* Steps 2 to 6, after `done` and bb_client_check_tls(). Classes: MalformedEvidence for a frame,
 * CMW, config or flag out of form; the class of the status for a refusal (retry time in the error's
 * `text` too); NotAnEnclaveError for a kind that was not asked for (SimulatedTee for the simulated
 * one); AttestationRefused for a form or protocol that was not asked for; TokenNotFound without the
 * token that was asked for; StaleEvidence for an anchored answer, since no D was sent; ChannelBindingMismatch if the exporter fails. A path or key
 * that leads elsewhere is no failure here: bb_client_appraise() decides it on the verified report.
 */
BB_MUST_USE enum bb_status bb_client_bind(struct bb_client *client, bb_exporter_fn exporter,
                                          void *ctx, struct bb_error *err);
/* What was asked for. */
const struct bb_request *bb_client_asked(const struct bb_client *client);
/* NULL before bb_client_bind() succeeded. */
const struct bb_client_bound *bb_client_bound(const struct bb_client *client);
/* The response's body as received, for logs and tests; empty before `done`. */
struct bb_span bb_client_response(const struct bb_client *client);
/* After a refusal with a time (status 3): milliseconds to wait, else 0. */
uint64_t bb_client_retry_ms(const struct bb_client *client);

/* The runtime of this connection's batch, as a service is sent it; false before bb_client_bind() or
 * with a path that leads nowhere. */
BB_MUST_USE bool bb_client_runtime(const struct bb_client *client, char out[BB_RUNTIME_SIZE + 1]);

struct bb_client_appraisal {
    const struct bb_policy *policy;
    const struct bb_policy_verifier *verifier; /* one of the policy's; decides what is looked at */
    const struct bb_collateral *more;          /* besides the response's; NULL: none */
    const struct bb_jwks *jwks;                /* the issuer's pinned keys; NULL for local */
    struct bb_span token;                      /* background: the service's answer */
    const char *nonce;                         /* background: as sent to the service */
    int64_t now;
    uint64_t skip;
};

/* Steps 7 to 11. Local: the report, with the certificates and CRL of the response and those of
 * `more`, against the policy. Passport: the response's token, and where it was asked for the report
 * too. Background: the token at hand and the report. Both must then accept; a token alone leaves of
 * the report only that it has its form and is this connection's.
 *
 * Fills `result` always; returns its class. InternalError for a verifier that does not go with what
 * was asked for: a policy's service is never left out in silence. Binding rows (report-data,
 * runtime, nonce, leaf, path, key) are ChannelBindingMismatch and can never be skipped. Of a report
 * that is not authentic nothing is shown as found. */
BB_MUST_USE enum bb_status bb_client_appraise(const struct bb_client *client,
                                              const struct bb_client_appraisal *in,
                                              struct bb_result *result);
/* The token that bb_client_appraise() looks at; empty for local. */
struct bb_span bb_client_token(const struct bb_client *client,
                               const struct bb_client_appraisal *in);

/* The checks that bind the report to the connection, and those that say whose word a token is: bit n
 * for check n. */
uint64_t bb_client_never_skipped(void);
/* True if stages 1 to 5 of an appraisal of the evidence hold: the vendor's hardware made this report.
 */
bool bb_client_authentic(const struct bb_result *result);
/* True if the token's signature and issuer are good: what it says is the service's word. */
bool bb_client_token_authentic(const struct bb_result *result);

/* True if stage 6 holds: the report, or the token, was made for this connection. */
bool bb_client_is_bound_by(const struct bb_result *result);

/* The failure class of a refusal's status. */
enum bb_status bb_channel_status_class(unsigned status);

#endif
