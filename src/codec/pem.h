/* PEM (RFC 7468) to DER, and telling certificates from CRLs by content. */
#ifndef BB_CODEC_PEM_H
#define BB_CODEC_PEM_H

#include "base/error.h"

enum bb_der_kind { BB_DER_OTHER = 0, BB_DER_CERTIFICATE, BB_DER_CRL };

/* Finds the next whole PEM block at or after *pos, decodes it into `out` (cap bytes) and moves *pos
 * past it; broken blocks and other text are passed over. False if there is none left. */
bool bb_pem_next(struct bb_span text, size_t *pos, enum bb_der_kind *kind, uint8_t *out, size_t cap,
                 size_t *len);

/* How much text one certificate of `n` bytes becomes, at most. */
#define BB_PEM_SIZE(n) (((n) + 47) / 48 * 65 + 64)
/* Appends a certificate as a PEM block, 64 characters a line. */
void bb_pem_write_cert(struct bb_writer *w, struct bb_span der);

/* Certificate or CRL by the shape of the outer DER: both are SEQUENCE { SEQUENCE ... }; a
 * certificate's inner one begins with [0] version or a serial INTEGER followed by a SEQUENCE whose
 * issuer is followed by a SEQUENCE (validity), a CRL's by a time. */
enum bb_der_kind bb_der_kind(struct bb_span der);
/* True for bytes that begin as a long DER SEQUENCE does: what bb_der_kind() calls OTHER is then a
 * damaged certificate or CRL rather than no such thing. */
bool bb_der_looks_damaged(struct bb_span bytes);

#endif
