/* Certificates, CRLs and AMD's extensions of any bytes, DER or PEM. */
#include "codec/pem.h"
#include "evidence/snp/vek.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t der[BB_CERT_DER_MAX];
    struct bb_cert *cert = NULL;
    struct bb_crl *crl = NULL;
    struct bb_snp_vek vek;
    size_t pos = 0, len = 0;
    enum bb_der_kind kind = bb_der_kind(bb_span(data, size));
    if (bb_cert_parse(bb_span(data, size), &cert, NULL) == BB_OK) {
        (void)!bb_snp_vek_read(cert, &vek, NULL);
        (void)!bb_cert_issued_by(cert, cert);
    }
    if (bb_crl_parse(bb_span(data, size), &crl, NULL) == BB_OK && cert != NULL)
        (void)!bb_crl_lists(crl, cert);
    while (bb_pem_next(bb_span(data, size), &pos, &kind, der, sizeof der, &len))
        (void)bb_der_kind(bb_span(der, len));
    bb_crl_free(crl);
    bb_cert_free(cert);
    return 0;
}
