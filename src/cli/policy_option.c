#include "cli/policy_option.h"

#include "base/hex.h"

enum bb_status bb_option_policy(const char *path, const char *measurement, struct bb_policy **out,
                                char *source, size_t cap, struct bb_error *err) {
    uint8_t digest[BB_SNP_MEASUREMENT_SIZE];
    if (path != NULL && measurement != NULL)
        return bb_fail(err, BB_USAGE, "--measurement", NULL, NULL,
                       "give --policy or --measurement, not both");
    if (measurement == NULL)
        return bb_policy_load(path, out, source, cap, err);
    if (!bb_hex_decode_exact(measurement, digest, sizeof digest))
        return bb_fail(err, BB_USAGE, "--measurement", "96 hex digits", NULL,
                       "the measurement is not 48 bytes in hex");
    bb_copy_text(source, cap, "defaults with --measurement");
    BB_TRY(bb_policy_new(out, err));
    return bb_policy_add_measurement(*out, BB_SPAN_OF(digest), err);
}

enum bb_status bb_option_skip(const char *name, uint64_t *skip, struct bb_error *err) {
    enum bb_check_id id = BB_CHECK_FORMAT;
    if (!bb_check_from_name(name, &id) || bb_check_stage(id) == 1)
        return bb_fail(err, BB_USAGE, "--skip", "the id of a check after format and version", name,
                       "'%s' is no check that can be skipped", name);
    *skip |= UINT64_C(1) << id;
    return BB_OK;
}
