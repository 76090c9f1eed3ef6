#include "evidence/snp/report.h"

static const char *const product_names[BB_SNP_PRODUCT_COUNT] = {
    [BB_SNP_PRODUCT_UNKNOWN] = "unknown",
    [BB_SNP_PRODUCT_MILAN] = "Milan",
    [BB_SNP_PRODUCT_GENOA] = "Genoa",
    [BB_SNP_PRODUCT_TURIN] = "Turin",
};

/* Combined family and model (CPUID Fn0000_0001). Genoa's row pair holds Bergamo and Siena too,
 * whose certificates come under Genoa's authorities. */
static const struct {
    uint8_t family, model_first, model_last;
    enum bb_snp_product product;
} cpuid_table[] = {
    {0x19, 0x00, 0x0f, BB_SNP_PRODUCT_MILAN},
    {0x19, 0x10, 0x1f, BB_SNP_PRODUCT_GENOA},
    {0x19, 0xa0, 0xaf, BB_SNP_PRODUCT_GENOA},
    {0x1a, 0x00, 0x11, BB_SNP_PRODUCT_TURIN},
};

/* Byte of TCB_VERSION per component; -1: the product has none. Table TCB_VERSION of the ABI. */
static const int8_t tcb_layout[BB_SNP_PRODUCT_COUNT][BB_SNP_TCB_PARTS] = {
    [BB_SNP_PRODUCT_UNKNOWN] = {-1, -1, -1, -1, -1},
    [BB_SNP_PRODUCT_MILAN] = {-1, 0, 1, 6, 7},
    [BB_SNP_PRODUCT_GENOA] = {-1, 0, 1, 6, 7},
    [BB_SNP_PRODUCT_TURIN] = {0, 1, 2, 3, 7},
};

const char *bb_snp_product_name(enum bb_snp_product product) {
    return (unsigned)product < BB_SNP_PRODUCT_COUNT ? product_names[product] : "unknown";
}

enum bb_snp_product bb_snp_product_from_name(const char *name) {
    for (int p = BB_SNP_PRODUCT_UNKNOWN + 1; p < BB_SNP_PRODUCT_COUNT; p++)
        if (strcmp(product_names[p], name) == 0)
            return (enum bb_snp_product)p;
    return BB_SNP_PRODUCT_UNKNOWN;
}

enum bb_snp_product bb_snp_product_from_cpuid(uint8_t family, uint8_t model) {
    for (size_t i = 0; i < sizeof cpuid_table / sizeof cpuid_table[0]; i++)
        if (family == cpuid_table[i].family && model >= cpuid_table[i].model_first &&
            model <= cpuid_table[i].model_last)
            return cpuid_table[i].product;
    return BB_SNP_PRODUCT_UNKNOWN;
}

const char *bb_snp_tcb_part_name(enum bb_snp_tcb_part part) {
    static const char *const names[BB_SNP_TCB_PARTS] = {"fmc", "bootloader", "tee", "snp",
                                                        "microcode"};
    return (unsigned)part < BB_SNP_TCB_PARTS ? names[part] : "unknown";
}

int bb_snp_tcb_index(enum bb_snp_product product, enum bb_snp_tcb_part part) {
    if ((unsigned)product >= BB_SNP_PRODUCT_COUNT || (unsigned)part >= BB_SNP_TCB_PARTS)
        return -1;
    return tcb_layout[product][part];
}

bool bb_snp_tcb_part(struct bb_snp_tcb tcb, enum bb_snp_product product, enum bb_snp_tcb_part part,
                     uint8_t *value) {
    int at = bb_snp_tcb_index(product, part);
    if (at < 0)
        return false;
    *value = tcb.raw[at];
    return true;
}
