/* Certificate table of an extended report request (GHCB specification 2.x, "SNP Extended Guest
 * Request"; auxblob of configfs-tsm). Host-supplied and untrusted. */
#ifndef BB_EVIDENCE_SNP_CERTTABLE_H
#define BB_EVIDENCE_SNP_CERTTABLE_H

#include "base/error.h"

#define BB_SNP_CERTTABLE_MAX (16U << 20) /* what the kernel hands out at most: memory */
#define BB_SNP_CERTTABLE_ENTRIES 32      /* more entries are refused: time */

enum bb_snp_certtable_kind {
    BB_SNP_CERTTABLE_OTHER = 0, /* an id that this build does not use */
    BB_SNP_CERTTABLE_VCEK,
    BB_SNP_CERTTABLE_VLEK,
    BB_SNP_CERTTABLE_ASK, /* also the ASVK */
    BB_SNP_CERTTABLE_ARK,
    BB_SNP_CERTTABLE_CRL,
};

struct bb_snp_certtable {
    size_t count;
    struct {
        enum bb_snp_certtable_kind kind;
        struct bb_span guid; /* 16 bytes in the order as printed */
        struct bb_span data; /* DER; some hosts put PEM here */
    } entry[BB_SNP_CERTTABLE_ENTRIES];
};

/* Spans point into `raw`. An empty blob is an empty table. Fails with MalformedEvidence: no ending
 * entry, an offset inside the header or past the end, the same known id twice. */
BB_MUST_USE enum bb_status bb_snp_certtable_parse(struct bb_span raw, struct bb_snp_certtable *out,
                                                  struct bb_error *err);

#endif
