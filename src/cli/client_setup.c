#include "cli/client_setup.h"

#include "base/hex.h"
#include "cli/policy_option.h"

#include <stdlib.h>

static enum bb_status take_wait(struct bb_client_setup *c, const char *text, struct bb_error *err) {
    char *end = NULL;
    unsigned long seconds = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || seconds < BB_WAIT_MS_MIN / 1000 ||
        seconds > BB_WAIT_MS_MAX / 1000)
        return bb_fail(err, BB_USAGE, "--wait", "1 to 120 seconds", text, "not a time to wait");
    c->wait_ms = (uint32_t)seconds * 1000;
    return BB_OK;
}

enum bb_status bb_client_setup_option(struct bb_client_setup *c, int option, const char *value,
                                      struct bb_error *err) {
    switch (option) {
    case BB_OPT_POLICY:
        c->policy_path = value;
        return BB_OK;
    case BB_OPT_MEASUREMENT:
        c->measurement = value;
        return BB_OK;
    case BB_OPT_CERTS:
        return bb_store_add_path(&c->store, value, err);
    case BB_OPT_WAIT:
        return take_wait(c, value, err);
    case BB_OPT_SKIP:
        BB_TRY(bb_option_skip(value, &c->skip, err));
        return (c->skip & bb_client_never_skipped()) == 0
                   ? BB_OK
                   : bb_fail(err, BB_USAGE, "--skip",
                             "a check other than the binding's and the token's origin", value,
                             "on a connection '%s' cannot be left out", value);
    default:
        return bb_fail(err, BB_USAGE, NULL, NULL, NULL, "unknown or incomplete option");
    }
}

static bool asks_network(const struct bb_policy *p) {
    for (size_t i = 0; i < p->n_verifiers; i++)
        if (p->verifiers[i].mode == BB_MODE_BACKGROUND ||
            (p->verifiers[i].mode == BB_MODE_PASSPORT && !p->verifiers[i].jwks_is_file))
            return true;
    return false;
}

enum bb_status bb_client_setup_ready(struct bb_client_setup *c, struct bb_error *err) {
    BB_TRY(bb_option_policy(c->policy_path, c->measurement, &c->policy, c->policy_source,
                            sizeof c->policy_source, err));
    c->collateral =
        (struct bb_collateral){c->store.certs, c->store.n_certs, c->store.crls, c->store.n_crls};
    /* A fetcher that cannot be started is a service that cannot be had: the sessions' matter. */
    if (asks_network(c->policy) && bb_fetcher_new(&c->fetcher, NULL) == BB_OK)
        BB_TRY(bb_keysets_new(c->fetcher, NULL, &c->keysets, err));
    return bb_tls_client_new(&c->tls, err);
}

struct bb_session_options bb_client_setup_session(struct bb_client_setup *c,
                                                  const struct bb_target *target) {
    return (struct bb_session_options){.target = target,
                                       .tls = c->tls,
                                       .policy = c->policy,
                                       .more = &c->collateral,
                                       .wait_ms = c->wait_ms,
                                       .fetcher = c->fetcher,
                                       .keysets = c->keysets,
                                       .turns = c->turns,
                                       .skip = c->skip};
}

void bb_client_setup_free(struct bb_client_setup *c) {
    bb_store_free(&c->store);
    bb_policy_free(c->policy);
    bb_tls_context_free(c->tls);
    bb_keysets_free(c->keysets);
    bb_fetcher_free(c->fetcher);
}
