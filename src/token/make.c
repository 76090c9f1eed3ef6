#include "token/make.h"

#include "codec/jws.h"
#include "token/json_build.h"

#include <stdlib.h>

bool bb_make_snp_claims(json_t *claims, const struct bb_make_input *in) {
    static const struct {
        const char *name;
        enum bb_snp_tcb_part part;
    } svns[] = {{"x-ms-sevsnpvm-bootloader-svn", BB_SNP_TCB_BOOTLOADER},
                {"x-ms-sevsnpvm-tee-svn", BB_SNP_TCB_TEE},
                {"x-ms-sevsnpvm-snpfw-svn", BB_SNP_TCB_SNP},
                {"x-ms-sevsnpvm-microcode-svn", BB_SNP_TCB_MICROCODE}};
    const struct bb_snp_report *r = in->report;
    struct bb_build b = {.o = claims};
    bb_build_hex(&b, "x-ms-sevsnpvm-authorkeydigest", r->author_key_digest);
    bb_build_hex(&b, "x-ms-sevsnpvm-idkeydigest", r->id_key_digest);
    bb_build_hex(&b, "x-ms-sevsnpvm-launchmeasurement", r->measurement);
    bb_build_hex(&b, "x-ms-sevsnpvm-hostdata", r->host_data);
    bb_build_hex(&b, "x-ms-sevsnpvm-reportid", r->report_id);
    bb_build_hex(&b, "x-ms-sevsnpvm-reportdata", r->report_data);
    bb_build_hex(&b, "x-ms-sevsnpvm-familyId", r->family_id);
    bb_build_hex(&b, "x-ms-sevsnpvm-imageId", r->image_id);
    for (size_t i = 0; i < sizeof svns / sizeof svns[0]; i++) {
        /* By name, for the bytes mean different things on Turin. Of the reported TCB, for that is
         * what the certificate vouches for. */
        uint8_t value = 0;
        b.failed = !bb_snp_tcb_part(r->reported_tcb, in->product, svns[i].part, &value) || b.failed;
        bb_build_int(&b, svns[i].name, value);
    }
    bb_build_int(&b, "x-ms-sevsnpvm-guestsvn", r->guest_svn);
    bb_build_int(&b, "x-ms-sevsnpvm-vmpl", r->vmpl);
    bb_build_bool(&b, "x-ms-sevsnpvm-is-debuggable", (r->policy & BB_SNP_POLICY_DEBUG) != 0);
    bb_build_bool(&b, "x-ms-sevsnpvm-migration-allowed",
                  (r->policy & BB_SNP_POLICY_MIGRATE_MA) != 0);
    bb_build_bool(&b, "x-ms-sevsnpvm-smt-allowed", (r->policy & BB_SNP_POLICY_SMT) != 0);
    if (in->result->simulated)
        bb_build_bool(&b, "x-ms-blindbox-simulated", true);
    return !b.failed;
}

/* One text for one value: sorted at every depth. */
static char *dump(const json_t *value) { return json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS); }

static char *header_text(const struct bb_make_header *header) {
    struct bb_build b = {.o = json_object()};
    bb_build_text(&b, "alg", bb_sig_alg_name(header->alg));
    bb_build_text(&b, "kid", header->kid);
    bb_build_text(&b, "typ", header->typ);
    if (header->issuer != NULL)
        bb_build_value(&b, "jku", json_sprintf("%s/certs", header->issuer));
    char *text = b.failed ? NULL : dump(b.o);
    json_decref(b.o);
    return text;
}

static enum bb_status unreadable(struct bb_error *err) {
    return bb_fail(err, BB_MALFORMED_EVIDENCE, "runtimeData", "data that fits into a token",
                   "too large or too deep", "nobody could read a token with this data");
}

/* Header and payload, if a reader as strict as our own would take them. */
static enum bb_status signing_input(const json_t *claims, const struct bb_make_header *header,
                                    char **input, struct bb_error *err) {
    json_t *read = NULL;
    char *head = header_text(header), *payload = dump(claims), *made = NULL;
    bool good =
        head != NULL && payload != NULL &&
        bb_json_parse_object(bb_span_str(payload), BB_JWS_MAX, "token", &read, NULL) == BB_OK;
    if (good)
        made = bb_jws_signing_input(bb_span_str(head), bb_span_str(payload));
    json_decref(read);
    free(head);
    free(payload);
    if (made == NULL || strlen(made) + BB_B64URL_SIZE(BB_SIGNATURE_MAX) > BB_JWS_MAX) {
        free(made);
        return unreadable(err);
    }
    *input = made;
    return BB_OK;
}

enum bb_status bb_make_token(const json_t *claims, const struct bb_make_header *header,
                             const struct bb_key *key, char **token, struct bb_error *err) {
    uint8_t signature[BB_SIGNATURE_MAX];
    size_t len = 0;
    char *input = NULL;
    BB_TRY(signing_input(claims, header, &input, err));
    enum bb_status status =
        bb_key_sign(key, header->alg, bb_span_str(input), signature, sizeof signature, &len, err);
    if (status != BB_OK) {
        free(input);
        return status;
    }
    char *whole = bb_jws_finish(input, bb_span(signature, len));
    if (whole == NULL)
        return bb_fail_internal(err, "memory for a token");
    *token = whole;
    return BB_OK;
}
