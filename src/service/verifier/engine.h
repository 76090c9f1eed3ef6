/* The verifier without its HTTP server: one request in, one answer out. No sockets, files or clock;
 * random numbers for token ids only. Threads may share an engine.
 *
 *   POST /attest/SevSnpVm                    evidence in, token out
 *   GET  /certs                              the keys that sign (RFC 7517)
 *   GET  /.well-known/openid-configuration   where they are
 *   GET  /healthz, /readyz, /metrics         for whoever runs it */
#ifndef BB_SERVICE_VERIFIER_ENGINE_H
#define BB_SERVICE_VERIFIER_ENGINE_H

#include "appraise/appraise.h"
#include "service/verifier/keys.h"
#include "service/verifier/reference.h"

/* What authenticity does not settle is stated in the claims, for the relying party to judge: as
 * Microsoft's default policy does. */
#define BB_VERIFIER_DEFAULT_POLICY                                                                 \
    "{\"schema\":\"blindbox.policy/1\",\"guest_policy\":{\"debug\":true,\"migration\":true},"      \
    "\"vmpl\":[0,1,2,3],\"crl\":\"if-present\",\"provisional_firmware\":true}"

/* All is borrowed, until bb_verifier_free(). */
struct bb_verifier_config {
    const char *issuer;        /* URL without a slash at its end */
    enum bb_sig_alg algorithm; /* of MAA tokens: RS256, ES256 or ES384; EARs: ES384 if that, else
                                  ES256 */
    struct bb_span policy;     /* blindbox.policy/1 (JSON); empty: the default one */
    const struct bb_policy *own_policy;   /* the same, loaded; NULL: the default one */
    const struct bb_reference *reference; /* NULL: none */
    bool
        allow_simulated; /* any simulator's root, or those that the policy lists; the token says so */
    struct bb_collateral own; /* certificates and CRLs at hand */
};

struct bb_verifier;

/* Takes `ring`, also on failure. UsageError for a policy that asks for what no report shows. */
BB_MUST_USE enum bb_status bb_verifier_new(const struct bb_verifier_config *config,
                                           struct bb_ring *ring, struct bb_verifier **out,
                                           struct bb_error *err);
void bb_verifier_free(struct bb_verifier *v); /* NULL-safe */
/* Other keys from now on; takes `ring`. */
void bb_verifier_set_ring(struct bb_verifier *v, struct bb_ring *ring);
/* From now on /readyz says no. */
void bb_verifier_drain(struct bb_verifier *v);

enum bb_http_route {
    BB_ROUTE_OTHER = 0,
    BB_ROUTE_ATTEST,
    BB_ROUTE_CERTS,
    BB_ROUTE_OPENID,
    BB_ROUTE_HEALTH,
    BB_ROUTE_READY,
    BB_ROUTE_METRICS,
    BB_ROUTE_COUNT
};

/* Header fields NULL where absent. */
struct bb_http_request {
    const char *method, *path; /* path decoded, without the query */
    const char *api_version;   /* of the query; "" if it is there more than once */
    const char *content_type, *content_encoding, *accept;
    struct bb_span body;
    bool body_too_large; /* it was not kept */
    bool unclear;        /* where it ends is not: see framing.h */
};

#define BB_HTTP_NOTE_MAX 384
struct bb_http_answer {
    enum bb_http_route route;
    unsigned status;
    char *body; /* malloced; NULL only without memory */
    size_t len;
    const char *type;
    const char *cache_control;   /* NULL: none */
    const char *allow;           /* with 405 */
    const char *error_code;      /* x-ms-error-code; NULL: no error */
    const char *basis;           /* x-blindbox-compliance-basis; NULL: no token */
    char note[BB_HTTP_NOTE_MAX]; /* for the log: verdict, class, basis; no secret, no token */
};

/* Always gives an answer. Free with bb_http_answer_done(). */
void bb_verifier_answer(struct bb_verifier *v, const struct bb_http_request *request, int64_t now,
                        struct bb_http_answer *answer);
void bb_http_answer_done(struct bb_http_answer *answer);
/* How long the answer took, for /metrics. */
void bb_verifier_took(struct bb_verifier *v, enum bb_http_route route, uint64_t us);

#endif
