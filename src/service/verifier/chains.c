#include "service/verifier/chains.h"

#include "crypto/digest.h"

#include <pthread.h>
#include <stdlib.h>

struct bb_chains {
    pthread_mutex_t lock;
    struct bb_collateral own;
    struct bb_chain kept[BB_CHAINS_MAX]; /* the oldest first; none is in use */
    size_t n;
    uint64_t found, made;
};

struct bb_chains *bb_chains_new(const struct bb_collateral *own) {
    struct bb_chains *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->own = *own;
    if (pthread_mutex_init(&c->lock, NULL) == 0)
        return c;
    free(c);
    return NULL;
}

void bb_chains_free(struct bb_chains *c) {
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n; i++)
        bb_snp_certs_free(c->kept[i].certs);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

/* Takes place `i` out; the lock is held. */
static struct bb_chain take_out(struct bb_chains *c, size_t i) {
    struct bb_chain chain = c->kept[i];
    c->n--;
    memmove(&c->kept[i], &c->kept[i + 1], (c->n - i) * sizeof c->kept[0]);
    return chain;
}

static bool find(struct bb_chains *c, const uint8_t id[32], struct bb_chain *out) {
    bool found = false;
    (void)pthread_mutex_lock(&c->lock);
    for (size_t i = c->n; i-- > 0 && !found;) {
        found = memcmp(c->kept[i].id, id, 32) == 0;
        if (found)
            *out = take_out(c, i);
    }
    if (found)
        c->found++;
    else
        c->made++;
    (void)pthread_mutex_unlock(&c->lock);
    return found;
}

enum bb_status bb_chains_take(struct bb_chains *c, struct bb_span pem, const struct bb_span *certs,
                              size_t n, struct bb_chain *out, struct bb_error *err) {
    struct bb_span all[BB_COLLATERAL_MAX];
    struct bb_chain chain = {.certs = NULL};
    size_t count = 0;
    if (!bb_sha256(pem, chain.id))
        return bb_fail_internal(err, "a hash");
    if (find(c, chain.id, out))
        return BB_OK;
    for (size_t i = 0; i < n && count < BB_COLLATERAL_MAX; i++)
        all[count++] = certs[i];
    for (size_t i = 0; i < c->own.n_certs && count < BB_COLLATERAL_MAX; i++)
        all[count++] = c->own.certs[i];
    BB_TRY(bb_snp_certs_new(all, count, c->own.crls, c->own.n_crls, &chain.certs, err));
    *out = chain;
    return BB_OK;
}

void bb_chains_give(struct bb_chains *c, const struct bb_chain *chain) {
    struct bb_snp_certs *old = NULL;
    (void)pthread_mutex_lock(&c->lock);
    if (c->n == BB_CHAINS_MAX)
        old = take_out(c, 0).certs;
    c->kept[c->n++] = *chain;
    (void)pthread_mutex_unlock(&c->lock);
    bb_snp_certs_free(old);
}

void bb_chains_counts(struct bb_chains *c, uint64_t *found, uint64_t *made) {
    (void)pthread_mutex_lock(&c->lock);
    *found = c->found;
    *made = c->made;
    (void)pthread_mutex_unlock(&c->lock);
}
