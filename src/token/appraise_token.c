#include "token/appraise_token.h"

#include "base/hex.h"
#include "base/rfc3339.h"

#include <stdio.h>
#include <strings.h>

/* A service signs other things too: what says that it is something else is no attestation result
 * (RFC 8725 3.11). */
static bool is_result(const struct bb_jws *jws, struct bb_result *r) {
    static const char *const types[] = {"JWT", "eat+jwt", "application/jwt", "application/eat+jwt"};
    const char *typ = json_string_value(json_object_get(jws->header, "typ"));
    char found[BB_VALUE_MAX];
    if (typ == NULL)
        return true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcasecmp(typ, types[i]) == 0)
            return true;
    bb_escape(bb_span_str(typ), found, sizeof found);
    bb_check_fail(r, BB_CHECK_TOKEN, BB_UNSUPPORTED_EVIDENCE, "typ JWT or eat+jwt", found,
                  "the token is of another type");
    return false;
}

/* The token's key is one of the pinned set or none: what its header says of keys and where to fetch
 * them is not read. */
static bool signed_by_pinned_key(struct bb_token *token, const struct bb_token_expectation *expect,
                                 struct bb_result *r) {
    struct bb_error err = {0};
    const struct bb_jws *jws = &token->jws;
    const char *issuer = expect->verifier == NULL ? NULL : expect->verifier->issuer;
    char found[BB_VALUE_MAX];
    if (expect->jwks == NULL || issuer == NULL) {
        bb_check_fail(r, BB_CHECK_TOKEN_SIGNATURE, BB_TOKEN_SIGNATURE_INVALID, "a pinned service",
                      "none", "no issuer and key set are pinned");
        return false;
    }
    if (bb_jwks_verify(expect->jwks, jws->kid, jws->alg, jws->signing_input, jws->signature,
                       &err) == BB_OK) {
        bb_check_pass(r, BB_CHECK_TOKEN_SIGNATURE, NULL, jws->alg);
        return true;
    }
    /* Whose token it is cannot be known; that it says to be another's explains the unknown key. */
    if (jws->kid != NULL && !bb_jwks_has(expect->jwks, jws->kid) &&
        bb_token_read_claims(token, NULL) == BB_OK && token->iss != NULL &&
        strcmp(token->iss, issuer) != 0) {
        bb_escape(bb_span_str(token->iss), found, sizeof found);
        bb_check_fail(r, BB_CHECK_ISSUER, BB_WRONG_ATTESTER, issuer, found,
                      "no pinned key has the token's kid, and it names another issuer");
        return false;
    }
    bb_check_fail(r, BB_CHECK_TOKEN_SIGNATURE, BB_TOKEN_SIGNATURE_INVALID, err.expected, err.found,
                  "%s", err.text);
    return false;
}

static bool issuer(struct bb_token_case *c) {
    const char *iss = NULL;
    char found[BB_VALUE_MAX];
    enum bb_claim_state state = bb_claim_text(c->claims, "iss", &iss);
    if (state != BB_CLAIM_READ) {
        bb_token_refuse_claim(c, BB_CHECK_ISSUER, state, c->claims, "iss", "text");
        return false;
    }
    bb_escape(bb_span_str(iss), found, sizeof found);
    if (c->expect->verifier == NULL || c->expect->verifier->issuer == NULL ||
        strcmp(iss, c->expect->verifier->issuer) != 0) {
        bb_check_fail(c->r, BB_CHECK_ISSUER, BB_WRONG_ATTESTER,
                      c->expect->verifier == NULL ? NULL : c->expect->verifier->issuer, found,
                      "a pinned key signed it, but for another issuer");
        return false;
    }
    bb_check_pass(c->r, BB_CHECK_ISSUER, found, found);
    return true;
}

/* A time that must not lie ahead. False: refused. */
static bool begun(struct bb_token_case *c, const char *name, bool needed) {
    int64_t at = 0;
    char expected[BB_VALUE_MAX], found[BB_RFC3339_SIZE], now[BB_RFC3339_SIZE];
    enum bb_claim_state state = bb_claim_integer(c->claims, name, 0, INT64_MAX, &at);
    if (state == BB_CLAIM_ABSENT && !needed)
        return true;
    if (state != BB_CLAIM_READ) {
        bb_token_refuse_claim(c, BB_CHECK_TOKEN_TIME, state, c->claims, name, "whole seconds");
        return false;
    }
    if (at <= c->now + BB_TOKEN_SKEW_S)
        return true;
    bb_rfc3339_text(at, found, sizeof found);
    bb_rfc3339_text(c->now, now, sizeof now);
    (void)snprintf(expected, sizeof expected, "%s at %s or before", name, now);
    bb_check_fail(c->r, BB_CHECK_TOKEN_TIME, BB_TOKEN_NOT_YET_VALID, expected, found,
                  "the token's %s lies in the future", name);
    return false;
}

static void validity(struct bb_token_case *c) {
    int64_t exp = 0;
    char expected[BB_VALUE_MAX], found[BB_RFC3339_SIZE], now[BB_RFC3339_SIZE];
    enum bb_claim_state state = bb_claim_integer(c->claims, "exp", 0, INT64_MAX, &exp);
    if (state != BB_CLAIM_READ) {
        bb_token_refuse_claim(c, BB_CHECK_TOKEN_TIME, state, c->claims, "exp", "whole seconds");
        return;
    }
    bb_rfc3339_text(exp, found, sizeof found);
    bb_rfc3339_text(c->now, now, sizeof now);
    if (exp <= c->now - BB_TOKEN_SKEW_S) {
        (void)snprintf(expected, sizeof expected, "exp after %s", now);
        bb_check_fail(c->r, BB_CHECK_TOKEN_TIME, BB_TOKEN_EXPIRED, expected, found,
                      "the token's validity is over");
        return;
    }
    if (begun(c, "nbf", false) && begun(c, "iat", c->profile == BB_PROFILE_EAR))
        bb_check_pass(c->r, BB_CHECK_TOKEN_TIME, now, found);
}

/* RFC 7519 4.1.3: a token for somebody else is none here. Who its reader is, no policy says. */
static void audience(struct bb_token_case *c) {
    char found[BB_VALUE_MAX];
    if (json_object_get(c->claims, "aud") == NULL)
        return;
    bb_claim_show(c->claims, "aud", found, sizeof found);
    bb_check_fail(c->r, BB_CHECK_TOKEN_TYPE, BB_UNSUPPORTED_EVIDENCE, "no aud", found,
                  "the token is meant for a named reader");
}

void bb_token_appraise_claims(const json_t *claims, const struct bb_token_expectation *expect,
                              const struct bb_policy *policy, int64_t now,
                              struct bb_result *result) {
    struct bb_token_case c = {
        .claims = claims, .expect = expect, .policy = policy, .now = now, .r = result};
    if (!issuer(&c))
        return;
    c.profile = expect->verifier->profile;
    bool ear = c.profile == BB_PROFILE_EAR;
    validity(&c);
    audience(&c);
    if (!(ear ? bb_ear_type(&c) : bb_maa_type(&c)))
        return;
    if (ear) {
        bb_ear_binding(&c);
        bb_ear_code(&c);
    } else {
        bb_maa_binding(&c);
        bb_maa_code(&c);
    }
    bb_token_rules(&c);
}

const char *bb_token_kind_name(const json_t *claims, enum bb_token_profile profile) {
    const char *type = NULL;
    if (profile == BB_PROFILE_EAR)
        return json_object_get(claims, "submods") != NULL ? "sev-snp" : "unknown";
    if (bb_claim_text(claims, "x-ms-attestation-type", &type) != BB_CLAIM_READ)
        return "unknown";
    if (strcmp(type, "azurevm") == 0)
        return "azure-hcl";
    return strcmp(type, "sevsnpvm") == 0 ? "sev-snp" : "unknown";
}

bool bb_token_check_is_fixed(enum bb_check_id id) {
    return id == BB_CHECK_TOKEN || id == BB_CHECK_TOKEN_SIGNATURE || id == BB_CHECK_ISSUER;
}

static uint64_t skippable(uint64_t skip) {
    for (int i = 0; i < BB_CHECK_COUNT; i++)
        if (bb_token_check_is_fixed((enum bb_check_id)i))
            skip &= ~(UINT64_C(1) << i);
    return skip;
}

static void refuse_token(struct bb_result *r, enum bb_check_id id, const struct bb_error *err) {
    bb_check_fail(r, id, err->status, err->expected, err->found, "%s", err->text);
}

/* Cheap things first, and nothing of the claims before a pinned key stands behind them. */
static void appraise(struct bb_span text, struct bb_token *token,
                     const struct bb_token_expectation *expect, const struct bb_policy *policy,
                     int64_t now, struct bb_result *r) {
    struct bb_error err = {0};
    enum bb_status status = bb_jws_parse(text, &token->jws, &err);
    if (status != BB_OK) {
        refuse_token(
            r, status == BB_TOKEN_SIGNATURE_INVALID ? BB_CHECK_TOKEN_SIGNATURE : BB_CHECK_TOKEN,
            &err);
        return;
    }
    if (!is_result(&token->jws, r))
        return;
    bb_check_pass(r, BB_CHECK_TOKEN, NULL, NULL);
    if (!signed_by_pinned_key(token, expect, r))
        return;
    if (bb_token_read_claims(token, &err) != BB_OK)
        refuse_token(r, BB_CHECK_TOKEN, &err);
    else
        bb_token_appraise_claims(token->claims, expect, policy, now, r);
}

enum bb_status bb_token_appraise(struct bb_span text, const struct bb_token_expectation *expect,
                                 const struct bb_policy *policy, int64_t now,
                                 struct bb_result *result) {
    struct bb_token token = {0};
    *result = (struct bb_result){.subject = BB_OF_TOKEN};
    appraise(text, &token, expect, policy, now, result);
    bb_token_done(&token);
    bb_result_skip(result, skippable(expect->skip));
    bb_result_close(result);
    return result->status;
}
