"""Removes one check at a time from a copy of the sources, and asks the tests to notice. A mutant that
every test still passes is a check that nothing guards. Prints 'ok' or 'FAIL' lines.

usage: mutants.py [NAME]...   (needs the vectors; takes minutes: part of ./dev test --full)"""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
WORK = ROOT / "build-mutants"
TREE, BUILD = WORK / "tree", WORK / "build"
COPIED = ("src", "include", "libexec", "examples", "tests", "fuzz", "bench", "README.md", "meson.build", "meson_options.txt")

SNP, CERTS = "unit/test_snp", "unit/test_snp_certs"
ENGINE, FORMS = "unit/test_channel_engine", "unit/test_channel_forms"
GATEWAY, CHANNEL, MERKLE = "unit/test_channel_gateway", "unit/test_channel", "unit/test_merkle"
CBOR, POLICY = "unit/test_cbor", "unit/test_policy"
SIM_UNIT = "unit/test_sim"
SIM, ATTEST, LIBRARY = "e2e/test_sim_evidence.py", "e2e/test_attest.py", "e2e/test_library.py"
RELAY, HEAD, RELOAD = "e2e/test_relay.py", "unit/test_http_head", "e2e/test_reload.py"
VECTORS, JOSE = "vectors/snp_vectors.py", "vectors/jose_vectors.py"
JWS, JWKS, PUBKEY = "unit/test_jws", "unit/test_jwks", "unit/test_pubkey"
VECTORS = "vectors/snp_vectors.py"
MAKE, REQUEST = "unit/test_make", "unit/test_attest_request"
VERIFIER, VERIFIER_KEYS = "unit/test_verifier", "unit/test_verifier_keys"
TOKEN, EAR = "unit/test_token", "unit/test_token_ear"
TOKENS, WAY = "unit/test_channel_token", "unit/test_passport"
PASSPORT, BACKGROUND = "e2e/test_passport.py", "e2e/test_background.py"
DEMO = "e2e/test_demo.py"
FETCH, KEYSET = "e2e/test_fetch.py", "unit/test_keyset"

# (name, file below src/, what stands there, what the mutant has instead, tests that must notice)
MUTANTS = [
    ("report-signature", "appraise/appraise_snp.c",
     "if (bb_cert_verify_p384(a->path.vek, a->report.signed_, a->report.signature_rs))",
     "if (bb_cert_verify_p384(a->path.vek, a->report.signed_, a->report.signature_rs) || true)", [SNP]),
    ("signed-bytes", "evidence/snp/report.c", "rep.signed_ = bb_span_slice(raw, 0, BB_SNP_SIGNED_SIZE);",
     "rep.signed_ = bb_span_slice(raw, 0, BB_SNP_SIGNED_SIZE - 1);", [SNP, SIM]),
    ("reserved-bytes", "evidence/snp/report.c", "BB_TRY(check_reserved(&rep, err));", "", [SNP]),
    ("signature-algorithm", "evidence/snp/report.c",
     "if (rep.signature_algo != SIGNATURE_ALGO_ECDSA_P384_SHA384)", "if (false)", [SNP]),
    ("report-version", "evidence/snp/report.c", "rep.version > BB_SNP_VERSION_MAX", "false", [SNP]),
    ("masked-chip-key", "evidence/snp/report.c", "if ((rep->flags & FLAG_MASK_CHIP_KEY) != 0)", "if (false)",
     [SNP, SIM]),
    ("pinned-root", "evidence/snp/chain.c", "if (!simulator || !names_product(root, product)",
     "if (!simulator)\n        return BB_SNP_ROOT_VENDOR;\n    if (!names_product(root, product)", [SIM]),
    ("root-self-signature", "evidence/snp/chain.c", "return pinned == product && issued_by(set, at, at)",
     "return pinned == product", [SNP, VECTORS]),
    ("simulated-root", "evidence/snp/chain.c", "return listed(need, hash) ? BB_SNP_ROOT_SIMULATED",
     "return need != NULL ? BB_SNP_ROOT_SIMULATED", [SIM]),
    ("leaf-signed", "evidence/snp/chain.c", "names_product(candidate.ask, candidate.info.product) &&\n"
     "                               issued_by(s->set, vek, j);",
     "names_product(candidate.ask, candidate.info.product);", [SIM, VECTORS]),
    ("intermediate-signed", "evidence/snp/chain.c",
     "candidate.ask_signed = candidate.ask != NULL && issued_by(s->set, ask, k);",
     "candidate.ask_signed = candidate.ask != NULL;", [VECTORS]),
    ("tcb-fit", "evidence/snp/chain.c",
     "path->fit.tcb = memcmp(path->info.tcb.raw, rep->reported_tcb.raw, 8) == 0;",
     "path->fit.tcb = true;", [SNP, SIM]),
    ("chip-fit", "evidence/snp/chain.c",
     "bb_span_equal(rep->chip_id, BB_SPAN_OF(path->info.chip_id));", "true;", [SNP, SIM]),
    ("zero-chip-id", "evidence/snp/chain.c", ": !bb_span_is_zero(rep->chip_id) &&\n"
     "                                  bb_span_equal(rep->chip_id, BB_SPAN_OF(path->info.chip_id));",
     ": bb_span_is_zero(rep->chip_id) ||\n"
     "                                  bb_span_equal(rep->chip_id, BB_SPAN_OF(path->info.chip_id));",
     [SIM]),
    ("product-fit", "evidence/snp/chain.c",
     "path->fit.product = !rep->has_cpuid || path->info.product == rep->product;",
     "path->fit.product = true;", [SNP]),
    ("certificate-validity", "appraise/appraise_snp.c",
     "if (bb_cert_not_before(all[i]) <= a->now && a->now <= bb_cert_not_after(all[i]))", "if (true)",
     [SIM, VECTORS]),
    ("crl-signature", "crypto/crl.c", "X509_CRL_verify(c->crl, X509_get0_pubkey(x509)) == 1;", "true;", [CERTS]),
    ("crl-window", "evidence/snp/chain.c",
     "if (now < bb_crl_this_update(crl) || now >= bb_crl_next_update(crl)) {", "if (false) {", [SNP, SIM]),
    ("crl-entry", "evidence/snp/chain.c", "if (bb_crl_lists(crl, path->ask) || bb_crl_lists(crl, path->ark))",
     "if (false)", [SNP, SIM]),
    ("report-data", "appraise/appraise_snp.c",
     "if (!bb_span_equal(a->report.report_data, BB_SPAN_OF(e->report_data))) {", "if (false) {", [SIM, ENGINE]),
    ("every-row", "appraise/result.c", "if (r->checks[i].outcome != BB_OUTCOME_NONE || !is_made(r, i))\n            continue;",
     "continue;", [SNP]),
    ("expected-code", "appraise/rules_snp.c", "    expected_code(in, r);\n",
     "    bb_check_pass(r, BB_CHECK_EXPECTED_CODE, NULL, NULL);\n", [SIM]),
    ("debug", "appraise/rules_snp.c", "    debug(in, r);\n", "    bb_check_pass(r, BB_CHECK_DEBUG, NULL, NULL);\n",
     [SIM]),
    ("vmpl", "appraise/rules_snp.c", "if (level <= VMPL_MAX && (in->policy->vmpl >> level & 1) != 0)", "if (true)",
     [SIM]),
    ("migration", "appraise/rules_snp.c", "want->migration_allowed ? BB_ANY : BB_MUST_NOT", "BB_ANY", [SIM]),
    ("measurement", "appraise/rules_snp.c", "&in->policy->measurements,\n                       in->report->measurement,",
     "&in->policy->measurements,\n                       bb_span(in->policy->measurements.data, 48),", [SIM]),
    ("tcb-component", "appraise/rules_snp.c",
     "if (!bb_snp_tcb_part(tcb, product, (enum bb_snp_tcb_part)p, &value) || value >= minimum[p])",
     "if (true)", [SIM]),
    ("outside-upstream", "appraise/rules_snp.c", "else if (e->outside_upstream && !list->given)",
     "else if (false)", [ENGINE]),
    ("policy-duplicate-key", "codec/json.c", "JSON_REJECT_DUPLICATES", "0", ["unit/test_json", POLICY]),
    ("policy-unknown-key", "appraise/policy_json.c", 'BB_TRY(bb_json_known_keys(object, known, "", err));', "",
     [POLICY]),
    ("cbor-deterministic", "channel/response.c", "bb_cbor_is_deterministic(body)", "true", [CHANNEL, ENGINE]),
    ("merkle-index", "crypto/merkle.c", "index >= (uint32_t)1 << depth ||", "false ||", [MERKLE, ENGINE]),
    ("alpn-client", "channel/client.c", "if (!bb_span_equal(tls->alpn, BB_SPAN_LIT(BB_ALPN)))", "if (false)",
     [ENGINE]),
    ("resumed-session", "channel/client.c", "if (tls->resumed)", "if (false)", [ENGINE]),
    ("exporter-failure", "channel/client.c", "!exporter(ctx, BB_SPAN_OF(b->context), exported) ||",
     "(!exporter(ctx, BB_SPAN_OF(b->context), exported) && false) ||", [ENGINE]),
    ("kind-asked-for", "channel/client.c", "    if (!kind)\n", "    if (false)\n", [ENGINE]),
    ("bytes-before-start", "channel/client.c", "    if (used < in.len)\n        return malformed",
     "    if (false)\n        return malformed", [ENGINE]),
    ("early-byte", "channel/gateway.c", "    case BB_GATEWAY_RESPONSE:\n        close_conn(c);",
     "    case BB_GATEWAY_RESPONSE:\n        break;", [GATEWAY]),
    ("start-frame", "channel/gateway.c", "if (memcmp(c->start, BB_START_FRAME, c->start_len) != 0) {",
     "if (false) {", [GATEWAY]),
    ("gateway-alpn", "service/gateway/conn.c", "!bb_span_equal(facts.alpn, BB_SPAN_LIT(BB_ALPN))", "false", [ATTEST]),
    ("truncation", "service/tls.c", "return cut ? BB_TLS_CUT : BB_TLS_FAILED;", "return BB_TLS_EOF;", [LIBRARY]),
    ("tickets", "service/tls.c", "SSL_CTX_set_num_tickets(context->ctx, 0) != 1 ||", "",
     ["e2e/test_hostile_clients.py"]),
    ("cut-is-reset", "service/relay.c", "bb_reset_on_close(plain_fd, true);", "", [RELAY]),
    ("upstream-after-start", "service/gateway/conn.c", "if (after == BB_GATEWAY_OPEN)",
     "if (after == BB_GATEWAY_OPEN || after == BB_GATEWAY_START)", ["e2e/test_no_bytes.py"]),
    ("proxy-secret", "service/forward/http_head.c", "if (!h.authorized)", "if (false)", [HEAD]),
    ("proxy-ambiguous", "service/forward/http_head.c", " || is_ambiguous(&h)", "", [HEAD]),
    ("quota", "service/gateway/worker.c", "|| *count >= w->address_max", "", ["e2e/test_quota.py"]),
    ("leaves-between-attesters", "service/gateway/worker.c", "flush_queue(w); /* what came while", "/* what came while",
     ["e2e/test_operation.py"]),
    ("retire-refuses-nobody", "service/gateway/worker.c", "w->retired = true;", "w->retired = w->host.draining = true;",
     [RELOAD]),
    ("listener-left-in-loop", "service/gateway/worker.c",
     "(void)event_base_once(w->host.base, -1, EV_TIMEOUT, close_listener, w, &next_turn);",
     "close_listener(-1, 0, w);", [RELOAD]),
    ("reload-listen", "service/gateway/parent.c", "strcmp(config.options.listen, p->listen) == 0", "true", [RELOAD]),
    ("gateway-config-keys", "service/gateway/config.c", "BB_TRY(bb_json_known_keys(file, known, \"\", err));", "",
     ["unit/test_gateway_config"]),
    ("proxy-header", "service/gateway/conn.c", "if (!introduce(c)) {", "if (false) {", ["e2e/test_proxy_protocol.py"]),
    ("token-issuer", "token/appraise_token.c", "    if (!issuer(&c))\n        return;\n", "    (void)issuer;\n", [TOKEN]),
    ("token-signature", "token/appraise_token.c", "if (!signed_by_pinned_key(token, expect, r))",
     "if (!signed_by_pinned_key(token, expect, r) && false)", [TOKEN]),
    ("token-expiry", "token/appraise_token.c", "if (exp <= c->now - BB_TOKEN_SKEW_S)", "if (false)", [TOKEN]),
    ("token-future", "token/appraise_token.c", "if (at <= c->now + BB_TOKEN_SKEW_S)", "if (true)", [TOKEN]),
    ("token-skip-fixed", "token/appraise_token.c", "bb_result_skip(result, skippable(expect->skip));",
     "(void)skippable;\n    bb_result_skip(result, expect->skip);", [TOKEN]),
    ("claim-bool-as-text", "token/claims.c", "if (!json_is_boolean(v))", "if (json_is_null(v))", [TOKEN]),
    ("claim-hex-case", "token/claims.c", "strspn(text, \"0123456789abcdef\") != 2 * len ||", "", [TOKEN]),
    ("token-simulated", "token/rules_token.c", "    if (simulated)\n        return take_simulated(c);\n",
     "    if (simulated && c->policy->allow_simulated)\n        return take_simulated(c);\n", [TOKEN]),
    ("token-debug", "token/rules_token.c", "else if (on && !allowed)", "else if (false)", [TOKEN]),
    ("token-debug-absent", "token/rules_token.c",
     "(state == BB_CLAIM_ABSENT && c->profile == BB_PROFILE_MAA)", "false", [TOKEN]),
    ("token-unstated", "token/rules_token.c", "        if (!all[i].asked || (all", "        if (true || (all", [TOKEN]),
    ("token-simulated-roots", "token/rules_token.c", "defaults && p->allow_simulated && p->simulated_roots.given}",
     "false}", [TOKENS]),
    ("skip-token-origin", "channel/client_verdict.c", "            bb_token_check_is_fixed((enum bb_check_id)i))",
     "            false)", [ATTEST]),
    ("named-batch", "service/session_json.c", "(parsed || by_token) && bb_client_is_bound_by(r)", "(parsed || by_token)",
     ["e2e/test_hostile_servers.py"]),
    ("gateway-verifier-url", "service/gateway/verifiers.c", "    BB_TRY(check_url(v->url, err));\n", "", [WAY]),
    ("background-oversized", "service/verify_step.c", "if (strlen(body) > BB_ATTEST_BODY_MAX) {", "if (false) {", [BACKGROUND]),
    ("retry-end", "channel/client.c", "p->retry_ms < BB_RETRY_MS_MAX ?", "true ?", [ENGINE]),
    ("token-config", "token/rules_token.c", "else if (e->outside_upstream && !list->given)", "else if (false)", [TOKEN]),
    ("token-runtime-member", "token/rules_maa.c", "json_object_size(runtime) == 1 &&", "true &&", [TOKEN]),
    ("token-compliance", "token/rules_maa.c", "bool good = state == BB_CLAIM_READ && is_listed(c, status);",
     "bool good = state == BB_CLAIM_READ;\n    (void)is_listed;", [TOKEN]),
    ("token-azurevm-connection", "token/rules_maa.c", "if (c->expect->on_connection)\n        return refuse_type",
     "if (false)\n        return refuse_type", [TOKEN]),
    ("ear-status-vector", "token/rules_ear.c", "return *status >= vector->worst ||",
     "return *status >= BB_TIER_NONE ||", [EAR]),
    ("ear-top-status", "token/rules_ear.c", "if (state == BB_CLAIM_READ && top < worst)", "if (false)", [EAR]),
    ("ear-affirming", "token/rules_ear.c", "bool affirming = ear->status == BB_TIER_AFFIRMING;",
     "bool affirming = ear->status <= BB_TIER_AFFIRMING;", [EAR]),
    ("ear-nonce", "token/rules_ear.c", "return holds ? BB_CLAIM_READ : BB_CLAIM_ABSENT;",
     "(void)holds;\n    return BB_CLAIM_READ;", [EAR]),
    ("skip-binding", "channel/client_verdict.c", "in->skip & ~bb_client_never_skipped(), result);",
     "in->skip, result);", [ENGINE, ATTEST]),
    ("request-have-order", "channel/request.c", "(i > 0 && bb_span_compare(q->have[i - 1], q->have[i]) >= 0)",
     "false", [FORMS]),
    ("request-have-repeated", "channel/request.c", "bb_span_compare(q->have[i - 1], q->have[i]) >= 0",
     "bb_span_compare(q->have[i - 1], q->have[i]) > 0", [FORMS]),
    ("request-have-count", "channel/request.c", "bb_cbor_read_array(r, 1, BB_HAVE_MAX, &q->n_have)",
     "bb_cbor_read_array(r, 0, BB_HAVE_MAX, &q->n_have)", [FORMS]),
    ("request-have-many", "channel/limits.h", "#define BB_HAVE_MAX 16", "#define BB_HAVE_MAX 17", [FORMS]),
    ("request-kinds-many", "channel/limits.h", "#define BB_KINDS_MAX 8", "#define BB_KINDS_MAX 9", [FORMS]),
    ("request-apps-many", "channel/limits.h", "#define BB_APPS_MAX 4", "#define BB_APPS_MAX 5", [FORMS]),
    ("request-have-size", "channel/request.c", "bb_cbor_read_bytes(r, BB_SHA256_SIZE, BB_SHA256_SIZE, &q->have[i])",
     "bb_cbor_read_bytes(r, 0, 99, &q->have[i])", [FORMS]),
    ("request-kinds-repeated", "channel/request.c", "if (q->kinds[k] == kind)",
     "if (false)", [FORMS]),
    ("request-kind-bounds", "channel/request.c", "bb_cbor_read_uint(r, 1, 255, &kind)",
     "bb_cbor_read_uint(r, 0, 65535, &kind)", [FORMS]),
    ("request-form-repeated", "channel/request.c", " || (q->forms >> form & 1) != 0",
     "", [FORMS]),
    ("request-form-bounds", "channel/request.c", "bb_cbor_read_uint(r, 0, 1, &form)",
     "bb_cbor_read_uint(r, 0, 31, &form)", [FORMS]),
    ("request-forms-count", "channel/request.c", "bb_cbor_read_array(r, 1, 2, &n)",
     "bb_cbor_read_array(r, 0, 3, &n)", [FORMS]),
    ("request-apps-empty", "channel/request.c", "bb_cbor_read_text(r, 1, BB_APP_NAME_MAX, &q->apps[i])",
     "bb_cbor_read_text(r, 0, BB_APP_NAME_MAX, &q->apps[i])", [FORMS]),
    ("request-apps-long", "channel/request.c", "BB_APP_NAME_MAX, &q->apps[i]",
     "BB_APP_NAME_MAX + 1, &q->apps[i]", [FORMS]),
    ("request-wait-bounds", "channel/request.c", "BB_WAIT_MS_MIN, BB_WAIT_MS_MAX",
     "0, UINT32_MAX", [FORMS]),
    ("request-issuer", "channel/request.c", " || wants_token != ((seen >> K_ISSUER & 1) != 0)",
     "", [FORMS]),
    ("request-issuer-size", "channel/request.c", "bb_cbor_read_text(r, 1, 255, &q->issuer)",
     "bb_cbor_read_text(r, 0, 300, &q->issuer)", [FORMS]),
    ("request-required", "channel/request.c", "(seen & required) != required || ",
     "", [FORMS]),
    ("request-unknown-key", "channel/request.c", "return false; /* unknown and not negative: refuse */",
     "return bb_cbor_skip(r);", [FORMS]),
    ("request-key-type", "channel/request.c", "key.type != BB_CBOR_UINT || ",
     "", [FORMS]),
    ("request-extension", "channel/request.c",
     "if (!bb_cbor_skip(&r))\n                return false;\n            continue;", "return false;", [FORMS]),
    ("request-size", "channel/request.c", "body.len > BB_REQUEST_MAX || ",
     "", [FORMS]),
    ("config-required", "channel/config.c", "return seen == (1U << K_END) - 2;",
     "return true;", [FORMS]),
    ("config-apps-empty", "channel/config.c", "key.value == K_APPS ? 1 : 0",
     "0", [FORMS]),
    ("config-unknown-key", "channel/config.c", "} else\n            good = false;",
     "} else\n            good = bb_cbor_skip(&r);", [FORMS]),
    ("config-size", "channel/config.c", "config.len > BB_CONFIG_MAX || ",
     "", [FORMS]),
    ("config-deterministic", "channel/config.c", "!bb_cbor_is_deterministic(config) ||",
     "false ||", [FORMS]),
    ("config-text-items", "channel/config.c",
     "if (!bb_cbor_read_text(r, 0, BB_CONFIG_MAX, &text))\n            return false;", "(void)bb_cbor_skip(r);",
     [FORMS]),
    ("response-form-by-kind", "channel/response.c", " && p->has_form == (p->kind != 2)",
     "", [FORMS]),
    ("response-shape-fresh", "channel/response.c", "(seen & ~(BIT(K_TOKEN) | BIT(K_FORM))) == fresh",
     "(seen & fresh) == fresh", [FORMS]),
    ("response-shape-refusal", "channel/response.c", "(seen & ~(BIT(K_TEXT) | BIT(K_RETRY))) == head",
     "(seen & head) == head", [FORMS]),
    ("response-shape-anchored", "channel/response.c", "return seen == anchored;",
     "return (seen & anchored) == anchored;", [FORMS]),
    ("response-binding-size", "channel/response.c",
     "bb_cbor_read_bytes(r, BB_SPKI_SIZE, BB_SPKI_SIZE, &p->binding_spki)",
     "bb_cbor_read_bytes(r, 0, 200, &p->binding_spki)", [FORMS]),
    ("response-flags-bounds", "channel/response.c", "read_number(r, 0, UINT16_MAX, &number)",
     "read_number(r, 0, UINT32_MAX, &number)", [FORMS]),
    ("response-form-bounds", "channel/response.c", "read_number(r, 0, 1, &p->form)",
     "read_number(r, 0, 9, &p->form)", [FORMS]),
    ("response-unknown-key", "channel/response.c", "if (key.type == BB_CBOR_NINT) {",
     "if (key.type == BB_CBOR_NINT || key.value >= K_END) {", [FORMS]),
    ("flags-reserved", "channel/client.c", "if ((p->flags & ~BB_FLAG_OUTSIDE_UPSTREAM) != 0) {",
     "if (false) {", [FORMS]),
    ("token-asked-for", "channel/client.c", "if (p->token.len > 0 && !asked)",
     "if (false)", [FORMS]),
    ("path-length", "crypto/merkle.c", "path.len != (size_t)depth * BB_MERKLE_NODE",
     "false", [FORMS]),
    ("path-index", "crypto/merkle.c", "index >= (uint32_t)1 << depth",
     "false", [FORMS]),
    ("cmw-label", "channel/cmw.c", "if (i == LABELS || !read_record(&r, i, &cmw))",
     "if (i < LABELS ? !read_record(&r, i, &cmw) : !bb_cbor_skip(&r))", [FORMS]),
    ("cmw-media", "channel/cmw.c", "bb_span_equal(media, bb_span_str(labels[i].media)) &&",
     "true &&", [FORMS]),
    ("cmw-indicator", "channel/cmw.c", " && indicator == labels[i].indicator",
     "", [FORMS]),
    ("cmw-report-size", "channel/cmw.c", "if (cmw.report.len != BB_SNP_REPORT_SIZE)",
     "if (cmw.report.len == 0)", [FORMS]),
    ("cmw-no-report", "channel/cmw.c", "if (cmw.report.len != BB_SNP_REPORT_SIZE)",
     "if (cmw.report.len != BB_SNP_REPORT_SIZE && cmw.report.len != 0)", [FORMS]),
    ("cmw-label-twice", "channel/cmw.c", "!bb_cbor_is_deterministic(in) || ",
     "", [FORMS]),
    ("tls-key", "channel/client.c", "!tls->x509 || !bb_spki_is_p256(tls->spki)",
     "!tls->x509", [FORMS]),
    ("stated-kind-vendor", "appraise/appraise_snp.c",
     "&& (a->expect->kind == 0 || a->expect->kind == BB_KIND_SEV_SNP)", "", [SNP]),
    ("stated-kind-simulated", "appraise/appraise_snp.c",
     " &&\n           (a->expect->kind == 0 || a->expect->kind == BB_KIND_SIMULATED)", "", [SIM_UNIT]),
    ("vendor-not-taken", "appraise/appraise_snp.c", "return a->policy->kind_sev_snp && (", "return (", [SNP]),
    ("simulated-not-taken", "appraise/appraise_snp.c", "a->policy->allow_simulated && a->policy->kind_simulated &&",
     "a->policy->allow_simulated &&", [SIM_UNIT]),
    ("refused-form-class", "channel/client.c", "return bb_fail(err, BB_ATTESTATION_REFUSED, \"form\"",
     "return bb_fail(err, BB_MALFORMED_EVIDENCE, \"form\"", [ENGINE]),
    ("malformed-status", "channel/gateway.c", "return BB_CHANNEL_MALFORMED;", "return BB_CHANNEL_NOTHING_IN_COMMON;",
     [ENGINE]),
    ("token-parts", "codec/jws.c", "if (part == N_PARTS)\n            return malformed(",
     "if (part == N_PARTS)\n            break;\n        if (part > N_PARTS)\n            return malformed(", [JWS, JOSE]),
    ("token-empty-part", "codec/jws.c", "if (parts[part].len == 0)", "if (false)", [JWS]),
    ("token-crit", "codec/jws.c", "BB_TRY(no_extension(jws->header, err));", "", [JWS]),
    ("token-spare-bits", "base/hex.c", "if (bytes < 3 && (bits & ((1U << (24 - 8 * bytes)) - 1)) != 0)", "if (false)",
     [JWS]),
    ("token-alg-of-key", "token/jwks.c",
     "if (jwk->alg == BB_SIG_NONE ? !bb_pubkey_fits(jwk->key, alg) : jwk->alg != alg)",
     "if (!bb_pubkey_fits(jwk->key, alg))", [JWKS]),
    ("token-kid", "token/jwks.c", "if (by_kid && !is_kid(jwk, kid))", "if (false)", [JWKS, JOSE]),
    ("key-use", "token/jwks.c", "if (m->use != NULL && strcmp(m->use, \"sig\") != 0)", "if (false)", [JWKS, JOSE]),
    ("key-ops", "token/jwks.c", "if (m->key_ops != NULL && !holds(m->key_ops, \"verify\"))", "if (false)",
     [JWKS, JOSE]),
    ("key-private", "token/jwks.c", "if (m->is_private)", "if (false)", [JWKS]),
    ("key-certificate", "token/jwks.c", "if (numbers == NULL || cert == NULL)", "if (true)", [JWKS]),
    ("rsa-size", "crypto/pubkey.c", "BN_num_bits(n) < BB_RSA_BITS_MIN || ", "", [PUBKEY, JWKS]),
    ("rsa-exponent", "crypto/pubkey.c", "BN_is_odd(e) == 0 || BN_is_one(e) == 1 || ", "", [PUBKEY]),
    ("rsa-broken-generator", "crypto/pubkey.c", "if (bb_roca_marked(n))", "if (false)", [JOSE]),
    ("pss-salt", "crypto/sig_alg.c", "EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, (int)info->md_len)",
     "EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_AUTO)", [JOSE]),
    ("signature-length", "crypto/pubkey.c",
     "if (signature.len != (half == 0 ? key->rsa_size : 2 * half))", "if (false)", [JOSE]),
    ("ec-point", "crypto/pubkey.c", "ctx != NULL && EVP_PKEY_public_check(ctx) == 1;", "ctx != NULL;", [PUBKEY]),
    ("fetch-redirect", "service/fetch/transfer.c", "SET(e, FOLLOWLOCATION, 0L)", "SET(e, FOLLOWLOCATION, 1L)", [FETCH]),
    ("fetch-environment", "service/fetch/process.c", "(void)clearenv();", "", [FETCH]),
    ("fetch-peer", "service/fetch/transfer.c", "SET(e, SSL_VERIFYPEER, 1L)", "SET(e, SSL_VERIFYPEER, 0L)", [FETCH]),
    ("fetch-name", "service/fetch/transfer.c", "SET(e, SSL_VERIFYHOST, 2L)", "SET(e, SSL_VERIFYHOST, 0L)", [FETCH]),
    ("fetch-system-anchors", "service/fetch/transfer.c", " && SET(e, CAPATH, NULL)", "", [FETCH]),
    ("fetch-address", "service/fetch/transfer.c", "bb_fetch_is_askable(&a->addr)", "true", [FETCH]),
    ("fetch-body-cap", "service/fetch/transfer.c", "n > t->request->max - t->len", "false", [FETCH]),
    ("fetch-head-cap", "service/fetch/transfer.c", "t->head_len > BB_FETCH_HEAD_MAX", "false", [FETCH]),
    ("fetch-half-head", "service/fetch/transfer.c", "!t->head_done || http < 200", "http < 200", [FETCH]),
    ("fetch-cut", "service/fetch/transfer.c", "return length >= 0 ||", "return true ||", [FETCH]),
    ("fetch-resolver", "service/fetch/transfer.c", "SET(e, QUICK_EXIT, 1L)", "true", [FETCH]),
    ("fetch-many", "service/fetch/job.c", "jobs->running < BB_FETCH_TRANSFERS_MAX", "true", [FETCH]),
    ("fetch-loopback", "service/fetch/url.c", "if (!tls && !is_loopback(host, v6))", "if (false)",
     ["unit/test_fetch_url"]),
    ("keyset-pause", "service/fetch/keyset.c", "if (now - s->begun_ms < BB_KEYSET_PAUSE_MS)", "if (false)", [KEYSET]),
    ("keyset-age", "service/fetch/keyset.c", "sets->now_ms() < s->until_ms)", "true)", [KEYSET]),
    ("keyset-status", "service/fetch/keyset.c", "if (a->http != 200)", "if (false)", [KEYSET]),
    ("keyset-withdrawn", "service/fetch/keyset.c", "let_go(&s->version);\n        status = read_set",
     "status = read_set", [KEYSET]),
    ("request-draft-policy", "token/attest_parse.c", "BB_TRY(no_draft(request, err));", "", [REQUEST]),
    ("request-nonce-bits", "token/attest_parse.c", "if (!fits_64_bits(digits))", "if (false)", [REQUEST]),
    ("make-verdict", "token/make_maa.c", "if (in->result->verdict != BB_VERDICT_ACCEPTED)", "if (false)", [MAKE]),
    ("make-simulated", "token/make.c", "if (in->result->simulated)", "if (false)", [MAKE]),
    ("make-reported-tcb", "token/make.c", "bb_snp_tcb_part(r->reported_tcb,", "bb_snp_tcb_part(r->current_tcb,", [MAKE]),
    ("ear-simulated", "token/make_ear.c", "in->result->simulated ? SIMULATED_TEE : AFFIRMING", "AFFIRMING", [MAKE]),
    ("verifier-appraisal", "service/verifier/attest.c",
     "if (status != BB_OK || a->result.verdict != BB_VERDICT_ACCEPTED) {",
     "a->result.verdict = BB_VERDICT_ACCEPTED;\n    if (false) {", [VERIFIER]),
    ("verifier-runtime", "service/verifier/attest.c", "expect->has_report_data = true;",
     "expect->has_report_data = false;", [VERIFIER]),
    ("verifier-tail", "service/verifier/attest.c", "if (!bb_span_equal(found, bb_span(tail, BB_REPORT_DATA_TAIL_SIZE)) &&",
     "memcpy(tail, found.ptr, found.len);\n    if (false &&", [VERIFIER]),
    ("verifier-init-data", "service/verifier/attest.c",
     "if (bb_span_equal(BB_SPAN_OF(digest), a->report.host_data))", "if (true)", [VERIFIER]),
    ("verifier-simulated", "service/verifier/attest.c",
     "a->policy.allow_simulated = a->setup->config->allow_simulated;", "a->policy.allow_simulated = true;", [VERIFIER]),
    ("verifier-simulated-list", "service/verifier/attest.c", "if (listed || ", "if (", [VERIFIER]),
    ("verifier-compliant-debug", "service/verifier/attest.c", "named && !debug &&", "named &&", [VERIFIER]),
    ("verifier-ear-algorithm", "service/verifier/engine.c",
     "return ear && chosen != BB_SIG_ES384 ? BB_SIG_ES256 : chosen;", "return chosen;", [VERIFIER]),
    ("verifier-api-version", "service/verifier/engine.c", "else if (!known_version(q->api_version))",
     "else if (q->api_version == NULL)", [VERIFIER]),
    ("verifier-key-mode", "service/verifier/key_files.c",
     "if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {", "if (false) {",
     [VERIFIER_KEYS]),
    ("verifier-key-from", "service/verifier/keys.c", "ring->key[i].alg == alg && (best == NULL || ring->key[i].from <= now)",
     "ring->key[i].alg == alg", [VERIFIER_KEYS]),
    ("verifier-key-over", "service/verifier/keys.c",
     "return now >= successor + BB_TOKEN_LIFETIME_S + BB_RETIRED_GRACE_S;", "return now >= successor;", [VERIFIER_KEYS]),
    ("token-missing", "channel/client.c", "if (p->token.len == 0 && asked)", "if (false)", [TOKENS]),
    ("token-unasked", "channel/client.c", "if (p->token.len > 0 && !asked)", "if (false)", [TOKENS]),
    ("verifier-left-out", "channel/client_verdict.c", "if (b == NULL || in->verifier == NULL || !goes_with(c, in->verifier))",
     "if (b == NULL || in->verifier == NULL)", [TOKENS]),
    ("token-beside-report", "channel/client_verdict.c",
     "appraise_token(b, in, token_text, true, &token);\n    bb_result_join(result, &token);",
     "appraise_token(b, in, token_text, true, &token);", [TOKENS]),
    ("token-nonce", "channel/client_verdict.c", "in->verifier->mode == BB_MODE_BACKGROUND ? in->nonce : NULL",
     "NULL", [TOKENS]),
    ("background-nonce", "channel/client_verdict.c",
     "(in->verifier->mode == BB_MODE_BACKGROUND && in->nonce == NULL)", "false", [TOKENS]),
    ("token-alone-report", "channel/client_verdict.c",
     "if (!bb_span_equal(report.report_data, BB_SPAN_OF(b->report_data)))", "if (false)", [TOKENS]),
    ("token-outside", "channel/client_verdict.c",
     ".has_config_digest = true,\n        .outside_upstream = (b->response.flags & BB_FLAG_OUTSIDE_UPSTREAM) != 0,\n"
     "        .kind = (enum bb_evidence_kind)b->response.kind,\n        .report_is_checked",
     ".has_config_digest = true,\n        .kind = (enum bb_evidence_kind)b->response.kind,\n        .report_is_checked",
     [TOKENS]),
    ("gateway-token", "channel/gateway.c", "if (token && (e->token.len == 0 || e->token.len > BB_TOKEN_MAX))",
     "if (false)", [TOKENS]),
    ("gateway-issuer", "channel/gateway.c", "return c->issuer != BB_NO_ISSUER;", "return true;", [TOKENS, GATEWAY]),
    ("breaker", "service/breaker.c", "return b->failures >= BB_BREAKER_FAILURES;", "return false;", [WAY]),
    ("breaker-in-a-row", "service/breaker.c", "*b = (struct bb_breaker){0};", "(void)b;", [WAY]),
    ("verifier-order", "service/session.c", "if (s->error.status == BB_VERIFIER_UNAVAILABLE &&",
     "if (s->error.status != BB_OK &&", [BACKGROUND]),
    ("client-breaker", "service/verify_step.c", "    BB_TRY(take_turn(s, err));\n", "", [BACKGROUND]),
    ("service-refusal", "service/verify_step.c", "if (bb_answer_may_pass(a->http))", "if (true)", [BACKGROUND]),
    ("passport-few", "service/gateway/passport.c", "issuer->under_way < places(issuer, BB_PASSPORT_REQUESTS)", "true",
     [PASSPORT]),
    ("passport-token-text", "service/gateway/passport.c", "} else if (!may_be_sent(f->token)) {", "} else if (false) {",
     [PASSPORT]),
    ("verifier-two-lengths", "service/verifier/framing.c", "    return !s.bad && s.hosts <= 1 && s.lengths + s.codings <= 1;",
     "    return !s.bad;", ["e2e/test_verifier.py"]),
    ("token-readable", "token/make.c", "if (made == NULL || strlen(made) + BB_B64URL_SIZE(BB_SIGNATURE_MAX) > BB_JWS_MAX) {",
     "if (made == NULL) {", [MAKE]),
    ("token-unsigned-row", "token/appraise_token.c",
     "status == BB_TOKEN_SIGNATURE_INVALID ? BB_CHECK_TOKEN_SIGNATURE", "false ? BB_CHECK_TOKEN_SIGNATURE",
     [TOKEN, DEMO]),
    ("demo-control", "cli/demo/rows.c", "if (got->control_failed)", "if (false)", ["unit/test_demo"]),
    ("demo-trick", "cli/demo/by_token.c", "atomic_store(&s->service.trick, (int)s->setup->after);", "", [DEMO]),
    ("demo-unknown-vm", "cli/demo/by_token.c", "s->service.to = s->other.address;", "(void)s->other.address;", [DEMO]),
    ("verifier-slow", "service/verifier/http.c", "(void)shutdown(s->place[i].fd, SHUT_RDWR);", "(void)s->place[i].fd;",
     ["e2e/test_verifier.py"]),
]


def copy_tree():
    """A fresh copy, and a fresh build: an object of an earlier mutant may be newer than its source."""
    shutil.rmtree(WORK, ignore_errors=True)
    TREE.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, TREE / name, ignore=shutil.ignore_patterns("__pycache__"),
                            copy_function=shutil.copy)
        elif source.exists():
            shutil.copy(source, TREE / name)


def build():
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["meson", "setup", str(BUILD), str(TREE), "-Dbuildtype=debug", "-Dwerror=false"], check=True,
                       capture_output=True)
    done = subprocess.run(["ninja", "-C", str(BUILD), "--quiet"], capture_output=True, text=True)
    return None if done.returncode == 0 else (done.stdout + done.stderr)[-1500:]


def passes(test):
    """A program or script of the tests; a crash is noticed too."""
    kind, name = test.split("/")
    command = [str(BUILD / "tests" / name)] if kind == "unit" else [sys.executable, str(TREE / "tests" / test)]
    env = {**os.environ, "BLINDBOX": str(BUILD / "blindbox"), "BLINDBOX_BUILD": str(BUILD),
           "BLINDBOX_TEST_KEYS": str(ROOT / "build" / "test-sim")}
    env.setdefault("BLINDBOX_VECTORS", str(ROOT.parent / "shared" / "vectors"))
    env["BLINDBOX_REQUIRE_VECTORS"] = "1"
    try:
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, timeout=300).returncode == 0
    except (subprocess.TimeoutExpired, OSError):
        return False


def judge(name, file, old, new, tests):
    """None if a test noticed."""
    path = TREE / "src" / file
    text = path.read_text()
    if text.count(old) != 1:
        return f"src/{file} has {text.count(old)} places like {old!r}: update the mutant"
    path.write_text(text.replace(old, new))
    try:
        broken = build()
        if broken:
            return f"the mutant does not compile: {broken}"
        return None if any(not passes(test) for test in tests) else f"no test noticed: {', '.join(tests)}"
    finally:
        path.write_text(text)


def main():
    chosen = [m for m in MUTANTS if not sys.argv[1:] or m[0] in sys.argv[1:]]
    failed = 0
    copy_tree()
    broken = build()
    needed = sorted({test for m in chosen for test in m[4]})
    wrong = [broken] if broken else [f"{t} fails without any mutant" for t in needed if not passes(t)]
    for why in wrong:
        print(f"FAIL mutants: {why}", flush=True)
    for mutant in chosen if not wrong else []:
        why = judge(*mutant)
        failed += why is not None
        print(f"ok mutant {mutant[0]}" if why is None else f"FAIL mutant {mutant[0]}: {why}", flush=True)
    return 1 if failed or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
