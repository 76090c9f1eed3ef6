#include "service/verifier/engine.h"

#include "base/hex.h"
#include "crypto/digest.h"
#include "service/verifier/accept.h"
#include "service/verifier/attest.h"
#include "service/verifier/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define JSON_TYPE "application/json; charset=utf-8"
#define EAR_TYPE BB_MEDIA_EAR "; eat_profile=\"" BB_EAR_PROFILE "\""

struct bb_verifier {
    struct bb_verifier_config config;
    struct bb_policy *default_policy; /* NULL: the operator's own */
    char policy_hash[BB_B64URL_SIZE(BB_SHA256_SIZE)];
    struct bb_attest_setup setup;
    struct bb_chains *chains;
    struct bb_metrics metrics;
    pthread_rwlock_t lock; /* of what follows */
    struct bb_ring *ring;
    bool draining;
};

/* Of a policy's text, as Microsoft's service states it: SHA-256 of its base64url. */
static bool hash_policy(struct bb_span text, char out[BB_B64URL_SIZE(BB_SHA256_SIZE)]) {
    uint8_t digest[BB_SHA256_SIZE];
    size_t cap = BB_B64URL_SIZE(text.len);
    char *b64 = malloc(cap);
    bool good = b64 != NULL && bb_b64url_encode(text, b64, cap) &&
                bb_sha256(bb_span_str(b64), digest) &&
                bb_b64url_encode(BB_SPAN_OF(digest), out, BB_B64URL_SIZE(BB_SHA256_SIZE));
    free(b64);
    return good;
}

static enum bb_status set_policy(struct bb_verifier *v, struct bb_error *err) {
    const struct bb_policy *own = v->config.own_policy;
    struct bb_span text = v->config.policy;
    if (own == NULL) {
        text = BB_SPAN_LIT(BB_VERIFIER_DEFAULT_POLICY);
        BB_TRY(bb_policy_parse(text, &v->default_policy, err));
    } else if (own->config_digests.given) {
        return bb_fail(err, BB_USAGE, "config_digests", "nothing", NULL,
                       "a report does not show a gateway's configuration: every evidence would be "
                       "refused");
    }
    return hash_policy(text, v->policy_hash) ? BB_OK : bb_fail_internal(err, "a hash");
}

/* Signatures are made under the lock: with readers first, a flood of requests would keep new keys out
 * for good. No reader takes it twice. */
static bool lock_init(pthread_rwlock_t *lock) {
    pthread_rwlockattr_t writers_first;
    if (pthread_rwlockattr_init(&writers_first) != 0)
        return false;
    bool good = pthread_rwlockattr_setkind_np(&writers_first,
                                              PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0 &&
                pthread_rwlock_init(lock, &writers_first) == 0;
    (void)pthread_rwlockattr_destroy(&writers_first);
    return good;
}

enum bb_status bb_verifier_new(const struct bb_verifier_config *config, struct bb_ring *ring,
                               struct bb_verifier **out, struct bb_error *err) {
    struct bb_verifier *v = calloc(1, sizeof *v);
    if (v == NULL || !lock_init(&v->lock) || !bb_metrics_init(&v->metrics)) {
        free(v);
        bb_ring_free(ring);
        return bb_fail_internal(err, "memory for a verifier");
    }
    v->config = *config;
    v->ring = ring;
    v->chains = bb_chains_new(&config->own);
    enum bb_status status =
        v->chains == NULL ? bb_fail_internal(err, "memory for certificates") : set_policy(v, err);
    if (status != BB_OK) {
        bb_verifier_free(v);
        return status;
    }
    v->setup = (struct bb_attest_setup){.config = &v->config,
                                        .policy = v->default_policy != NULL ? v->default_policy
                                                                            : v->config.own_policy,
                                        .policy_hash = v->policy_hash,
                                        .chains = v->chains};
    *out = v;
    return BB_OK;
}

void bb_verifier_free(struct bb_verifier *v) {
    if (v == NULL)
        return;
    bb_ring_free(v->ring);
    bb_chains_free(v->chains);
    bb_policy_free(v->default_policy);
    bb_metrics_done(&v->metrics);
    (void)pthread_rwlock_destroy(&v->lock);
    free(v);
}

void bb_verifier_set_ring(struct bb_verifier *v, struct bb_ring *ring) {
    (void)pthread_rwlock_wrlock(&v->lock);
    struct bb_ring *old = v->ring;
    v->ring = ring;
    (void)pthread_rwlock_unlock(&v->lock);
    bb_ring_free(old);
}

void bb_verifier_drain(struct bb_verifier *v) {
    (void)pthread_rwlock_wrlock(&v->lock);
    v->draining = true;
    (void)pthread_rwlock_unlock(&v->lock);
}

void bb_verifier_took(struct bb_verifier *v, enum bb_http_route route, uint64_t us) {
    bb_metrics_took(&v->metrics, route, us);
}

/* ---- answers ---- */

static void give_text(struct bb_http_answer *a, const char *type, char *text) {
    a->status = text == NULL ? 500 : 200;
    a->type = type;
    a->body = text;
    a->len = text == NULL ? 0 : strlen(text);
}

static void give_json(struct bb_http_answer *a, json_t *value) {
    give_text(a, JSON_TYPE,
              value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS));
    json_decref(value);
}

/* {"error": {"code", "message"}}, the only body of an answer that is not good. */
static void give_error(struct bb_http_answer *a, unsigned status, const char *code,
                       const char *message) {
    give_json(a, json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", message));
    a->status = status;
    a->error_code = code;
    if (a->note[0] == '\0')
        (void)snprintf(a->note, sizeof a->note, "error=%s", code);
}

/* A refusal by its class: what, expected, found. */
static void give_refusal(struct bb_verifier *v, struct bb_http_answer *a, bool by_policy,
                         const struct bb_error *err) {
    char message[2 * BB_VALUE_MAX + 2 * BB_TEXT_MAX];
    bool internal = err->status == BB_INTERNAL;
    (void)snprintf(message, sizeof message, "%s: %s: %s%s%s%s%s", bb_status_name(err->status),
                   err->field[0] != '\0' ? err->field : "verifier", err->text,
                   err->expected[0] != '\0' ? "; expected " : "", err->expected,
                   err->found[0] != '\0' ? ", found " : "", err->found);
    (void)snprintf(a->note, sizeof a->note, "verdict=refused class=%s check=%s",
                   bb_status_name(err->status), err->field[0] != '\0' ? err->field : "-");
    bb_metrics_refusal(&v->metrics, err->status);
    if (internal)
        give_error(a, 500, "InternalServerError", message);
    else
        give_error(a, 400, by_policy ? "PolicyEvaluationError" : "InvalidParameter", message);
}

static void malformed(struct bb_verifier *v, struct bb_http_answer *a, const char *field,
                      const char *expected, const char *text) {
    struct bb_error err = {0};
    (void)bb_fail(&err, BB_MALFORMED_EVIDENCE, field, expected, NULL, "%s", text);
    give_refusal(v, a, false, &err);
}

/* ---- POST /attest/SevSnpVm ---- */

static bool known_version(const char *version) {
    static const char *const known[] = {"2020-10-01", "2022-08-01", "2025-06-01"};
    for (size_t i = 0; version != NULL && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], version) == 0)
            return true;
    return false;
}

/* A media type without its parameters. */
static bool is_media(const char *field, const char *type) {
    size_t len = strlen(type);
    if (field == NULL || strncasecmp(field, type, len) != 0)
        return false;
    return field[len] == '\0' || strchr("; \t,", field[len]) != NULL;
}

/* An EAR is signed with an elliptic curve, whatever MAA's readers need. */
static enum bb_sig_alg algorithm(const struct bb_verifier *v, bool ear) {
    enum bb_sig_alg chosen = v->config.algorithm;
    return ear && chosen != BB_SIG_ES384 ? BB_SIG_ES256 : chosen;
}

/* Signs with the key that does so now. TryAgain if none does yet. */
static enum bb_status sign(struct bb_verifier *v, const json_t *claims, bool ear, int64_t now,
                           char **token, struct bb_error *err) {
    enum bb_sig_alg alg = algorithm(v, ear);
    (void)pthread_rwlock_rdlock(&v->lock);
    const struct bb_signing_key *k = bb_ring_current(v->ring, alg, now);
    const struct bb_make_header header = {.alg = alg,
                                          .kid = k == NULL ? NULL : k->kid,
                                          .typ = ear ? "eat+jwt" : "JWT",
                                          .issuer = v->config.issuer};
    enum bb_status status = k == NULL ? bb_fail(err, BB_TRY_AGAIN, "key", NULL, NULL,
                                                "no key of this service signs now")
                                      : bb_make_token(claims, &header, k->key, token, err);
    (void)pthread_rwlock_unlock(&v->lock);
    return status;
}

static void give_token(struct bb_http_answer *a, bool ear, char *token) {
    if (ear) {
        give_text(a, EAR_TYPE, token);
    } else {
        give_json(a, json_pack("{s:s}", "token", token));
        free(token);
    }
    a->cache_control = "no-store";
}

static void attest(struct bb_verifier *v, const struct bb_http_request *q, int64_t now,
                   struct bb_http_answer *a) {
    bool ear = bb_accept_is_ear(q->accept);
    json_t *claims = NULL;
    char *token = NULL;
    struct bb_attest_verdict verdict;
    struct bb_error err = {0};
    enum bb_status status = bb_attest(&v->setup, q->body, ear, now, &claims, &verdict, &err);
    if (status == BB_OK)
        status = sign(v, claims, ear, now, &token, &err);
    json_decref(claims);
    if (status == BB_TRY_AGAIN) {
        give_error(a, 503, "ServiceUnavailable", "TryAgain: no key of this service signs now");
        return;
    }
    if (status != BB_OK) {
        err.status = status;
        give_refusal(v, a, verdict.by_policy, &err);
        return;
    }
    bb_metrics_token(&v->metrics, ear, algorithm(v, ear));
    a->basis = verdict.compliant ? "reference-values" : "none";
    (void)snprintf(a->note, sizeof a->note,
                   "verdict=accepted profile=%s alg=%s kind=%s compliance=%s", ear ? "ear" : "maa",
                   bb_sig_alg_name(algorithm(v, ear)), verdict.simulated ? "simulated" : "sev-snp",
                   a->basis);
    give_token(a, ear, token);
}

static void post_attest(struct bb_verifier *v, const struct bb_http_request *q, int64_t now,
                        struct bb_http_answer *a) {
    if (q->body_too_large)
        give_error(a, 413, "RequestEntityTooLarge",
                   "MalformedEvidence: request: expected at most 262144 bytes");
    else if (!known_version(q->api_version))
        malformed(v, a, "api-version", "2020-10-01, 2022-08-01 or 2025-06-01",
                  "the api-version of the query is missing or not known");
    else if (!is_media(q->content_type, "application/json"))
        give_error(a, 415, "UnsupportedMediaType",
                   "MalformedEvidence: Content-Type: expected application/json");
    else if (q->content_encoding != NULL && strcasecmp(q->content_encoding, "identity") != 0)
        give_error(a, 415, "UnsupportedMediaType",
                   "MalformedEvidence: Content-Encoding: a body is not taken in any encoding");
    else
        attest(v, q, now, a);
}

/* ---- the documents ---- */

static void get_certs(struct bb_verifier *v, int64_t now, struct bb_http_answer *a) {
    (void)pthread_rwlock_rdlock(&v->lock);
    give_json(a, bb_ring_jwks(v->ring, now));
    (void)pthread_rwlock_unlock(&v->lock);
    _Static_assert(BB_JWKS_MAX_AGE_S == 300, "as in the next line");
    a->cache_control = "max-age=300";
}

static void get_openid(struct bb_verifier *v, struct bb_http_answer *a) {
    static const char *const claims[] = {"exp",
                                         "iat",
                                         "iss",
                                         "jti",
                                         "nbf",
                                         "nonce",
                                         "x-ms-attestation-type",
                                         "x-ms-compliance-status",
                                         "x-ms-inittime",
                                         "x-ms-policy-hash",
                                         "x-ms-runtime",
                                         "x-ms-sevsnpvm-authorkeydigest",
                                         "x-ms-sevsnpvm-bootloader-svn",
                                         "x-ms-sevsnpvm-familyId",
                                         "x-ms-sevsnpvm-guestsvn",
                                         "x-ms-sevsnpvm-hostdata",
                                         "x-ms-sevsnpvm-idkeydigest",
                                         "x-ms-sevsnpvm-imageId",
                                         "x-ms-sevsnpvm-is-debuggable",
                                         "x-ms-sevsnpvm-launchmeasurement",
                                         "x-ms-sevsnpvm-microcode-svn",
                                         "x-ms-sevsnpvm-migration-allowed",
                                         "x-ms-sevsnpvm-reportdata",
                                         "x-ms-sevsnpvm-reportid",
                                         "x-ms-sevsnpvm-smt-allowed",
                                         "x-ms-sevsnpvm-snpfw-svn",
                                         "x-ms-sevsnpvm-tee-svn",
                                         "x-ms-sevsnpvm-vmpl",
                                         "x-ms-ver"};
    json_t *list = json_array(),
           *algorithms = json_pack("[s]", bb_sig_alg_name(algorithm(v, false)));
    for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
        (void)json_array_append_new(list, json_string(claims[i]));
    if (algorithm(v, true) != algorithm(v, false))
        (void)json_array_append_new(algorithms, json_string(bb_sig_alg_name(algorithm(v, true))));
    json_t *uri = json_sprintf("%s/certs", v->config.issuer);
    give_json(a, json_pack("{s:s, s:o, s:[s, s], s:[s], s:o, s:o}", "issuer", v->config.issuer,
                           "jwks_uri", uri, "response_types_supported", "token", "none",
                           "subject_types_supported", "public",
                           "id_token_signing_alg_values_supported", algorithms, "claims_supported",
                           list));
    a->cache_control = "max-age=300";
}

static void get_ready(struct bb_verifier *v, int64_t now, struct bb_http_answer *a) {
    (void)pthread_rwlock_rdlock(&v->lock);
    bool draining = v->draining;
    bool signs = bb_ring_current(v->ring, algorithm(v, false), now) != NULL &&
                 bb_ring_current(v->ring, algorithm(v, true), now) != NULL;
    (void)pthread_rwlock_unlock(&v->lock);
    if (draining || !signs)
        give_error(a, 503, "ServiceUnavailable",
                   draining ? "TryAgain: the service is ending" : "TryAgain: no key signs now");
    else
        give_text(a, "text/plain", strdup("ready\n"));
}

static void get_metrics(struct bb_verifier *v, struct bb_http_answer *a) {
    uint64_t found = 0, made = 0;
    bb_chains_counts(v->chains, &found, &made);
    (void)pthread_rwlock_rdlock(&v->lock);
    size_t keys = bb_ring_count(v->ring);
    (void)pthread_rwlock_unlock(&v->lock);
    give_text(a, "text/plain; version=0.0.4", bb_metrics_text(&v->metrics, found, made, keys));
}

static void get(struct bb_verifier *v, int64_t now, struct bb_http_answer *a) {
    switch (a->route) {
    case BB_ROUTE_CERTS:
        get_certs(v, now, a);
        return;
    case BB_ROUTE_OPENID:
        get_openid(v, a);
        return;
    case BB_ROUTE_HEALTH:
        give_text(a, "text/plain", strdup("ok\n"));
        return;
    case BB_ROUTE_READY:
        get_ready(v, now, a);
        return;
    case BB_ROUTE_METRICS:
        get_metrics(v, a);
        return;
    case BB_ROUTE_OTHER:
    case BB_ROUTE_ATTEST:
    case BB_ROUTE_COUNT:
        break;
    }
    give_error(a, 404, "NotFound", "UsageError: there is nothing at this path");
}

/* Clients spell the type of evidence in different cases. */
static enum bb_http_route route_of(const char *path) {
    static const struct {
        const char *path;
        enum bb_http_route route;
    } table[] = {{"/certs", BB_ROUTE_CERTS},
                 {"/.well-known/openid-configuration", BB_ROUTE_OPENID},
                 {"/healthz", BB_ROUTE_HEALTH},
                 {"/readyz", BB_ROUTE_READY},
                 {"/metrics", BB_ROUTE_METRICS}};
    if (strcasecmp(path, "/attest/SevSnpVm") == 0)
        return BB_ROUTE_ATTEST;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(path, table[i].path) == 0)
            return table[i].route;
    return BB_ROUTE_OTHER;
}

static void answer(struct bb_verifier *v, const struct bb_http_request *q, int64_t now,
                   struct bb_http_answer *a) {
    bool reads = strcmp(q->method, "GET") == 0 || strcmp(q->method, "HEAD") == 0;
    bool posts = strcmp(q->method, "POST") == 0;
    if (q->unclear) {
        malformed(v, a, "request", "one Content-Length or chunked, one Host",
                  "the end of the request is not clear");
    } else if (a->route == BB_ROUTE_OTHER) {
        give_error(a, 404, "NotFound", "UsageError: there is nothing at this path");
    } else if (a->route == BB_ROUTE_ATTEST ? !posts : !reads) {
        a->allow = a->route == BB_ROUTE_ATTEST ? "POST" : "GET, HEAD";
        give_error(a, 405, "MethodNotAllowed", "UsageError: this path takes another method");
    } else if (a->route == BB_ROUTE_ATTEST) {
        post_attest(v, q, now, a);
    } else {
        get(v, now, a);
    }
}

void bb_verifier_answer(struct bb_verifier *v, const struct bb_http_request *request, int64_t now,
                        struct bb_http_answer *a) {
    *a = (struct bb_http_answer){.route = route_of(request->path)};
    answer(v, request, now, a);
    bb_metrics_request(&v->metrics, a->route, a->status);
}

void bb_http_answer_done(struct bb_http_answer *a) {
    free(a->body);
    *a = (struct bb_http_answer){.status = 0};
}
