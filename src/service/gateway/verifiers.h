/* The verification services of a gateway: whose tokens its clients can have. */
#ifndef BB_SERVICE_GATEWAY_VERIFIERS_H
#define BB_SERVICE_GATEWAY_VERIFIERS_H

#include "appraise/policy.h"

struct json_t;

#define BB_GATEWAY_VERIFIERS_MAX 4 /* requests of one batch: load of the gateway and the services */
#define BB_GATEWAY_ISSUER_MAX 255  /* key 5 of a request */
#define BB_GATEWAY_CA_MAX 1024

struct bb_gateway_verifier {
    char url[BB_POLICY_URL_MAX + 1];        /* https://..., http://LOOPBACK..., unix:/SOCKET */
    char issuer[BB_GATEWAY_ISSUER_MAX + 1]; /* as clients ask for it */
    char ca[BB_GATEWAY_CA_MAX + 1];         /* trust anchors; empty: the system's */
    enum bb_token_profile profile;
};

struct bb_gateway_verifiers {
    struct bb_gateway_verifier list[BB_GATEWAY_VERIFIERS_MAX];
    size_t n;
};

/* Appends one: URL[,issuer=NAME][,profile=maa|ear][,ca=FILE]. The issuer is the URL, without a slash
 * at its end, where none is named. UsageError for anything else, one too many, an issuer twice. */
BB_MUST_USE enum bb_status bb_gateway_verifiers_add(struct bb_gateway_verifiers *all,
                                                    const char *text, struct bb_error *err);
/* The same of an object {"url": ..., "issuer": ..., "profile": ..., "ca": ...}. */
BB_MUST_USE enum bb_status bb_gateway_verifiers_add_json(struct bb_gateway_verifiers *all,
                                                         const struct json_t *object,
                                                         struct bb_error *err);

#endif
