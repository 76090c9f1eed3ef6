"""Mistakes that real verifiers and attested channels made, and the tests that would notice each here.
The test run fails if one of these tests was not run or did not pass; docs/pitfalls.md is made of this
table.

usage: pitfalls.py   writes docs/pitfalls.md"""
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]

VTPM = "vTPM evidence is not in this build"

# (number, the mistake, [(test, class of the failure)]) or (number, the mistake, why it cannot be made yet)
PITFALLS = [
    (1, "the signature's result is dropped, or other bytes are hashed", [
        ("test_snp: test_flips_give_their_class", "ReportSignatureInvalid"),
        ("test_sim_evidence.py: defect forged-signature", "ReportSignatureInvalid")]),
    (2, "the check is lost in a refactor", [
        ("test_attest.py: defect forged-signature", "ReportSignatureInvalid"),
        ("test_verifier.py: forged-signature: ReportSignatureInvalid", "ReportSignatureInvalid"),
        ("test_demo.py: refusal forged-signature", "ReportSignatureInvalid")]),
    (3, "a chain is checked only against certificates that came with the evidence", [
        ("test_attest.py: defect amd-names-root", "CertificateChainInvalid"),
        ("test_vek: test_whose_root", "CertificateChainInvalid")]),
    (4, "a root is matched by name and key, then the caller's copy is the anchor", [
        ("snp_vectors.py: an altered copy of milan-ark.der", "CertificateChainInvalid")]),
    (5, "a VLEK or ASVK is taken where a VCEK or ASK is meant, or the reverse", [
        ("snp_vectors.py: ASVK where ASK belongs", "CertificateChainInvalid"),
        ("snp_vectors.py: ASK where ASVK belongs", "CertificateChainInvalid"),
        ("snp_vectors.py: a VLEK is no VCEK", "CollateralUnavailable")]),
    (6, "the chain's product is not the one of the report's CPUID", [
        ("snp_vectors.py: another product's authorities", "CertificateChainInvalid"),
        ("test_snp: test_flips_give_their_class", "CertificateChainInvalid")]),
    (7, "a parsed report is written again and that is verified", [
        ("test_snp: test_flip_table_covers_every_byte", "every byte"),
        ("test_snp: test_flips_give_their_class", "ReportSignatureInvalid")]),
    (8, "r or s zero, at or above n, or with other bytes in the padding", [
        ("test_snp: test_signatures_out_of_range", "ReportSignatureInvalid"),
        ("test_snp: test_flips_give_their_class", "MalformedEvidence")]),
    (9, "a signature algorithm other than 1", [("test_snp: test_flips_give_their_class", "UnsupportedEvidence")]),
    (10, "MASK_CHIP_KEY is set: zeros instead of a signature", [
        ("test_sim_evidence.py: defect masked-key", "MalformedEvidence")]),
    (11, "a version above the known ones is parsed as the newest", [
        ("test_sim_evidence.py: defect version", "UnsupportedEvidence")]),
    (12, "a comparison of chip ids that never runs", [
        ("snp_vectors.py: VCEK of another chip", "CertificateChainInvalid"),
        ("test_attest.py: defect wrong-chip", "CertificateChainInvalid")]),
    (13, "the first byte of a chip id is taken for a DER tag", [
        ("test_sim_evidence.py: chip id like an OCTET STRING", "accepted"),
        ("test_sim_evidence.py: chip id like an INTEGER", "accepted")]),
    (14, "a TCB extension matched by its end, or a missing one read as 0", [
        ("test_vek: test_each_extension", "CertificateChainInvalid")]),
    (15, "Turin's short chip id and its FMC", [
        ("test_vek: test_what_is_read", "values"), ("test_sim_evidence.py: Turin v5 vcek accepted", "accepted")]),
    (16, "an all-zero chip id as a wildcard", [
        ("test_sim_evidence.py: chip id masked", "CertificateChainInvalid"),
        ("test_sim: test_a_masked_chip_id_matches_nothing", "CertificateChainInvalid")]),
    (17, "CURRENT_TCB used where REPORTED_TCB is meant", [
        ("test_snp: test_flips_give_their_class", "CertificateChainInvalid"),
        ("test_attest.py: defect wrong-tcb-cert", "CertificateChainInvalid")]),
    (18, "a TCB compared as one integer", [("test_rules: test_each_rule", "TcbTooOld")]),
    (19, "the endorsed TCB is the caller's word", [
        ("test_sim_evidence.py: defect wrong-tcb-cert", "CertificateChainInvalid")]),
    (20, "a certificate with an AMD extension twice", [
        ("test_vek: test_each_extension", "CertificateChainInvalid"),
        ("test_vek: test_extensions_too_many", "CertificateChainInvalid")]),
    (21, "an index of -1, an ASN.1 integer that cannot be decoded, trailing bytes", [
        ("test_vek: test_each_extension", "CertificateChainInvalid"),
        ("test_evidence_forms.py: certificate file: DER and a byte", "CertificateChainInvalid")]),
    (22, "debug is looked at in one entry point and not in another, or as text", [
        ("test_sim_evidence.py: defect debug", "DebugMode"), ("test_attest.py: defect debug", "DebugMode"),
        ("test_token: test_debug_and_guest_policy", "DebugMode"),
        ("test_token_cli.py: refused: debug as text", "MalformedEvidence")]),
    (23, "reports that the host asked for, or of a VMPL above the policy's", [
        ("test_attest.py: defect vmpl", "GuestPolicyRejected"),
        ("test_rules: test_each_rule", "GuestPolicyRejected")]),
    (24, "other report data is only a warning", [
        ("test_sim_evidence.py: defect nonce", "FalseAttestationReport"),
        ("test_attest.py: defect nonce", "ChannelBindingMismatch"),
        ("test_verifier.py: another tail", "FalseAttestationReport")]),
    (25, "no expected value means no check", [
        ("test_attest.py: no expected code", "MissingReferenceValues"),
        ("test_sim_evidence.py: empty list accepts nothing", "MissingReferenceValues"),
        ("test_snp: test_a_result_without_every_check_refuses", "InternalError")]),
    (26, "a nonce that is fixed, used again or never compared", [
        ("test_attest.py: no leaf comes twice", "fresh"),
        ("test_channel_engine: test_response_of_another_connection", "ChannelBindingMismatch")]),
    (27, "an expired token is only a warning", [
        ("test_token: test_times", "TokenExpired"), ("test_token_cli.py: refused: expired", "TokenExpired"),
        ("maa_vectors.py: today", "TokenExpired")]),
    (28, "a kept verdict is used past its time or for another connection", [
        ("test_snp: test_flips_give_their_class", "CollateralUnavailable"),
        ("test_demo.py: refusal replay", "ChannelBindingMismatch")]),
    (29, "CRLs: optional and never looked at, stale, another issuer's, serial of the ASVK not compared", [
        ("test_attest.py: defect revoked", "CertificateRevoked"),
        ("test_attest.py: defect crl-expired", "CrlUnavailable"),
        ("snp_vectors.py: another root's CRL", "CrlUnavailable"),
        ("test_snp_certs: test_revoked_intermediate_is_seen", "CertificateRevoked")]),
    (30, "simulated evidence is taken because there is no hardware", [
        ("test_attest.py: simulated not allowed", "SimulatedTee"),
        ("test_demo.py: refusal no-permission", "SimulatedTee"),
        ("test_demo.py: refusal laundered", "SimulatedTee"),
        ("test_verifier.py: simulated evidence without the flag", "SimulatedTee")]),
    (31, "PCRs outside the signed selection", VTPM),
    (32, "the quote's signature, magic or type is not looked at", VTPM),
    (33, "the report of an earlier boot is shown again", VTPM),
    (34, "another hash type ends the process", VTPM),
    (35, "a second JSON key of the same name in claims", [
        ("test_token: test_a_member_twice", "MalformedEvidence")]),
    (36, "an attestation key that is not the one of the claims", VTPM),
    (37, "duplicate keys, trailing bytes, endless lengths in CBOR and JSON", [
        ("test_cbor: test_table", "refused"), ("test_channel: test_cbor_bombs_cost_nothing", "refused"),
        ("test_json: test_what_is_json", "UsageError"),
        ("test_channel_engine: test_responses_out_of_form", "MalformedEvidence")]),
    (38, "an empty or cut report ends the process", [
        ("test_evidence_forms.py: no report: nothing", "MalformedEvidence"),
        ("test_evidence_forms.py: no report: cut by a byte", "MalformedEvidence"),
        ("test_verifier.py: refused: an empty report", "MalformedEvidence"),
        ("test_verifier.py: refused: a short report", "MalformedEvidence")]),
    (39, "costly work before the first cheap check", [
        ("test_evidence_order.py: order 0: version", "UnsupportedEvidence"),
        ("test_hostile_servers.py: length 4 GiB", "MalformedEvidence")]),
    (40, "addresses that stand in evidence are followed", [
        ("test_fetch.py: not connected to: 169.254.169.254", "VerifierUnavailable"),
        ("test_fetch.py: names: all were tried", "VerifierUnavailable"),
        ("test_library.py: the offline program calls no network function", "none")]),
    (41, "compressed bombs", [
        ("test_hostile_servers.py: length 262145", "MalformedEvidence"),
        ("test_fetch.py: answer /gzip", "not inflated"),
        ("test_verifier.py: refused: a compressed body", "MalformedEvidence"),
        ("test_fetch.py: failure /endless", "VerifierUnavailable")]),
    (42, "chosen chip ids make a service flood the vendor's server", "nothing is fetched in this build"),
    (43, "alg none, keys in the header and the other mistakes with signed tokens", [
        ("test_jwks: test_whose_token_counts", "TokenSignatureInvalid"),
        ("test_jwks: test_keys_in_the_header", "TokenSignatureInvalid"),
        ("test_jws: test_each_spelling", "MalformedEvidence, UnsupportedEvidence, TokenSignatureInvalid"),
        ("test_demo.py: refusal alg-none", "TokenSignatureInvalid"),
        ("test_jwks: test_which_keys_are_taken", "skipped"),
        ("test_jwks: test_real_sets", "skipped"),
        ("jose_vectors.py: json_web_signature_test.json: invalid, 303 vectors", "TokenSignatureInvalid"),
        ("jose_vectors.py: json_web_signature_test.json: malformed, 22 vectors", "MalformedEvidence")]),
    (44, "global options changed for one connection, races in a cache", [
        ("test_threads: test_threads_share_policies_and_contexts", "accepted"),
        ("test_verifier: test_threads", "accepted")]),
    (45, "secrets in logs", [
        ("test_attest.py: the log has none of the user's bytes and no key", "none"),
        ("test_passport.py: tokens are not logged", "none"),
        ("test_verifier.py: the log has no tokens and no nonces", "none")]),
    (46, "a fake device is used because the real one is missing", [
        ("test_attest.py: no attester is chosen because hardware is missing", "UsageError")]),
    (47, "evidence that is bound to the key only: relay", [
        ("test_demo.py: refusal relay", "ChannelBindingMismatch"),
        ("test_hostile_servers.py: a relay in the middle", "ChannelBindingMismatch")]),
    (48, "an exporter that fails and falls open", [
        ("test_channel_engine: test_exporter_that_fails", "ChannelBindingMismatch"),
        ("test_channel_gateway: test_exporter_failure_closes", "closed")]),
    (49, "one exporter label for both roles: reflection", [
        ("test_channel_engine: test_evidence_of_something_else", "ChannelBindingMismatch")]),
    (50, "tickets, resumption, early data", [
        ("test_hostile_clients.py: no NewSessionTicket on the wire", "full handshake"),
        ("test_hostile_clients.py: a session: a full handshake", "full handshake"),
        ("test_hostile_clients.py: early data: no early data", "full handshake"),
        ("test_channel_engine: test_handshakes_that_are_refused", "AttestationRefused")]),
    (51, "a caller chooses report data", [
        ("test_channel_engine: test_evidence_of_something_else", "ChannelBindingMismatch")]),
    (52, "trees: doubled leaves, paths of any length, nodes taken for leaves", [
        ("test_merkle: test_proofs_of_a_wrong_size", "refused"),
        ("test_merkle: test_node_given_as_leaf", "another root"),
        ("test_channel_engine: test_changed_responses", "ChannelBindingMismatch")]),
    (53, "a redirect, retry, second dial or proxy variable leaves the attested connection", [
        ("test_attest.py: no proxy of the environment is used", "accepted"),
        ("test_exec.py: and there is no way around it", "refused"), ("test_exec.py: https://: refused", "refused"),
        ("test_fetch.py: no redirect was followed", "0 connections"),
        ("test_fetch.py: no proxy was asked", "0 connections"),
        ("test_fetch.py: not asked: http://example.com/", "UsageError")]),
    (54, "bytes are sent before the verdict", [
        ("test_attest.py: no defect reached the application", "0 bytes"),
        ("test_hostile_servers.py: no byte reached the application", "0 bytes")]),
    (55, "a key that is kept outside the TEE", [("test_attest.py: the gateway writes no key", "none")]),
    (56, "cut TLS is read as a whole answer", [
        ("test_library.py: a cut is no end", "PeerUnreachable"),
        ("test_fetch.py: TLS, a body cut", "VerifierUnavailable")]),
    (57, "a client that stays dead after the server came back with a new key", [
        ("test_operation.py: another gateway, another key: connected", "accepted")]),
    (58, "a refusal that shows only as a TLS alert", [
        ("test_hostile_servers.py: s_server with another ALPN", "AttestationRefused"),
        ("test_attest.py: another measurement", "MeasurementMismatch")]),
]


def page():
    rows = ["# Mistakes that others made, and the test for each\n",
            "Made by `python3 tests/pitfalls.py`. The test run fails if one of these tests was not run, or did "
            "not pass.\n", "| | mistake | test | outcome |", "|---|---|---|---|"]
    for number, mistake, tests in PITFALLS:
        if isinstance(tests, str):
            rows.append(f"| {number} | {mistake} | - | {tests} |")
            continue
        for i, (test, outcome) in enumerate(tests):
            rows.append(f"| {number if i == 0 else ''} | {mistake if i == 0 else ''} | `{test}` | {outcome} |")
    return "\n".join(rows) + "\n"


def gaps(passed):
    """Rows without a passed test, and numbers without a row."""
    missing = [f"pitfall {n} has no row" for n in range(1, 59) if [p[0] for p in PITFALLS].count(n) != 1]
    for number, _, tests in PITFALLS:
        if not isinstance(tests, str):
            missing += [f"pitfall {number}: '{test}' did not pass" for test, _ in tests if test not in passed]
    return missing


if __name__ == "__main__":
    (ROOT / "docs" / "pitfalls.md").write_text(page())
