/* Policy `blindbox.policy/1`: what a relying party expects. Parsed strictly from JSON: unknown and
 * duplicate keys, wrong types and wrong lengths are refused. Pure: files named in it are read by
 * the caller through bb_policy_host_data_from(). */
#ifndef BB_APPRAISE_POLICY_H
#define BB_APPRAISE_POLICY_H

#include "evidence/snp/report.h"

#include <blindbox/policy.h>

#define BB_POLICY_JSON_MAX 262144 /* input cap: memory */
#define BB_POLICY_LIST_MAX 256    /* values of one list: time */
#define BB_CONNECTION_AGE_S_DEFAULT 3600

/* "report_data_forms", "products", "vmpl" ... are small sets: bit n = value n allowed. */
typedef uint32_t bb_bits;

enum bb_evidence_kind { /* numbers of channel.md */
                        BB_KIND_SEV_SNP = 1,
                        BB_KIND_AZURE_HCL = 2,
                        BB_KIND_SIMULATED = 255,
};

/* A list of byte strings of one size. `given` false: the key is absent (not requested). */
struct bb_policy_digests {
    bool given;
    size_t size; /* bytes of each */
    size_t count;
    uint8_t *data; /* count * size */
};

enum bb_tri { BB_ANY = 0, BB_MUST, BB_MUST_NOT };

struct bb_policy_minimum_tcb {
    bool given;                             /* the key is there */
    bool has_product[BB_SNP_PRODUCT_COUNT]; /* this product is listed */
    uint8_t part[BB_SNP_PRODUCT_COUNT][BB_SNP_TCB_PARTS];
};

struct bb_policy_guest {
    bool debug_allowed;     /* "debug": true */
    bool migration_allowed; /* "migration": true */
    enum bb_tri smt, single_socket, cxl, mem_aes_256_xts, rapl_dis, ciphertext_hiding,
        page_swap_disable;
    bool has_abi_min;
    uint8_t abi_min_major, abi_min_minor;
};

/* Who checks the evidence: this program, a service that the gateway asks (passport), or one that
 * this program asks (background). */
enum bb_verifier_mode { BB_MODE_LOCAL = 0, BB_MODE_PASSPORT, BB_MODE_BACKGROUND };
enum bb_token_profile { BB_PROFILE_MAA = 0, BB_PROFILE_EAR };

#define BB_POLICY_VERIFIERS_MAX 8  /* time of a connection whose services are all down */
#define BB_POLICY_COMPLIANCE_MAX 8 /* values of one list */
#define BB_POLICY_URL_MAX 1024
#define BB_POLICY_PASSPORT_ISSUER_MAX 255 /* key 5 of a request (channel protocol 2) */

struct bb_policy_verifier {
    enum bb_verifier_mode mode;
    enum bb_token_profile profile;
    char *url;    /* background: the service, without a slash at its end; else NULL */
    char *issuer; /* the token's iss; NULL for local */
    char *jwks; /* key set: a file, an https URL, http to loopback, unix:/SOCKET; NULL for local */
    bool jwks_is_file;
    char *ca;            /* PEM file: trust anchors for the URLs; NULL: the system's */
    size_t n_compliance; /* accepted x-ms-compliance-status; 0: azure-compliant-uvm for containers,
                            azure-compliant-cvm for confidential VMs */
    char *compliance[BB_POLICY_COMPLIANCE_MAX];
};

struct bb_policy {
    uint8_t sha256[32]; /* of the JSON text; zero where there is none */
    bool evidence_given;
    bool kind_sev_snp, kind_azure_hcl, kind_simulated; /* kinds that "evidence" allows */
    struct bb_policy_digests measurements, id_key_digests, author_key_digests; /* 48 */
    struct bb_policy_digests host_data;                                        /* 32 */
    char *cce_policy_file;                                                     /* NULL if absent */
    struct bb_policy_digests config_digests;                                   /* 48 */
    bool allow_simulated;
    struct bb_policy_digests simulated_roots; /* 32 */
    struct bb_policy_minimum_tcb minimum_tcb, minimum_launch_tcb;
    struct bb_policy_guest guest;
    uint64_t platform_required, platform_forbidden;   /* bits of PLATFORM_INFO */
    bb_bits vmpl, products, signers, report_versions; /* bit n; products by enum bb_snp_product */
    struct bb_policy_digests chip_ids;                /* 64 bytes, or 8 for Turin: zero-padded */
    struct bb_policy_digests family_ids, image_ids;   /* 16 */
    bool has_minimum_guest_svn;
    uint32_t minimum_guest_svn;
    bool crl_required;
    bool provisional_allowed;
    /* The policy says so itself, not by default. */
    bool products_given, signers_given, report_versions_given, crl_given, provisional_given;
    bb_bits report_data_forms;
    uint32_t max_age, max_connection_age;
    struct bb_policy_verifier verifiers[BB_POLICY_VERIFIERS_MAX]; /* tried in this order */
    size_t n_verifiers;                                           /* at least 1 */
};

/* All defaults, no expected code: refuses everything with MissingReferenceValues. */
BB_MUST_USE enum bb_status bb_policy_new(struct bb_policy **out, struct bb_error *err);
/* Adds one expected measurement (48 bytes), as --measurement does. */
BB_MUST_USE enum bb_status bb_policy_add_measurement(struct bb_policy *policy,
                                                     struct bb_span digest, struct bb_error *err);
/* Content of cce_policy_file: its SHA-256 becomes (or must be among) host_data. */
BB_MUST_USE enum bb_status bb_policy_host_data_from(struct bb_policy *policy,
                                                    struct bb_span content, struct bb_error *err);
/* True for the digest of a container policy that is known to allow everything. */
bool bb_policy_allows_everything(struct bb_span host_data);
/* True if the policy names expected code. */
bool bb_policy_names_code(const struct bb_policy *policy);
/* True if every verifier of the policy is a pinned service: its tokens then say that the code is
 * known. */
bool bb_policy_services_name_code(const struct bb_policy *policy);
bool bb_policy_digests_contain(const struct bb_policy_digests *list, struct bb_span value);

#endif
