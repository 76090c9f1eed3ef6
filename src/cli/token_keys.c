#include "cli/token_keys.h"

static bool is_url(const char *where) {
    static const char *const schemes[] = {"https://", "http://", "unix:"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(where, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

static enum bb_status from_file(struct bb_token_keys *k, const char *path, struct bb_error *err) {
    BB_TRY(bb_blob_read(path, BB_JWKS_MAX, &k->file, err));
    BB_TRY(bb_jwks_parse(bb_blob_span(&k->file), &k->of_file, err));
    k->jwks = k->of_file;
    return BB_OK;
}

enum bb_status bb_token_keys_read(struct bb_token_keys *k, const char *where, const char *ca_file,
                                  struct bb_error *err) {
    const struct bb_keyset_source source = {.where = where, .ca_file = ca_file};
    if (!is_url(where))
        return from_file(k, where, err);
    BB_TRY(bb_fetcher_new(&k->fetcher, err));
    BB_TRY(bb_keysets_new(k->fetcher, NULL, &k->sets, err));
    return bb_keyset_run(k->sets, &source, NULL, &k->set, &k->jwks, err);
}

void bb_token_keys_done(struct bb_token_keys *k) {
    bb_keyset_end(k->set);
    bb_keysets_free(k->sets);
    bb_fetcher_free(k->fetcher);
    bb_jwks_free(k->of_file);
    bb_blob_free(&k->file);
    *k = (struct bb_token_keys){.jwks = NULL};
}
