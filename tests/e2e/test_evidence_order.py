"""Exit codes, JSON, the order of the checks, and what --skip does and does not do, with evidence of
the simulated TEE."""
import json
import pathlib
import sys
import tempfile

import common
from common import DATA, blindbox, case, make, verify

FIELDS = {"schema", "verdict", "class", "exit", "kind", "simulated", "policy", "checks", "claims"}
ORDER = ["format", "version", "collateral", "root", "chain", "validity", "crl", "signature", "tcb", "chip-id",
         "product", "signer", "report-data", "leaf", "path", "key", "expected-code", "debug", "guest-policy",
         "vmpl", "platform", "provisional", "minimum-tcb", "measurement", "host-data", "id-keys", "uvm",
         "pcrs", "config", "chip-ids", "rest"]


def write(path, value):
    path.write_text(json.dumps(value))
    return path


def well_formed(result, code):
    """What is wrong with a result, or ''."""
    if not FIELDS <= set(result) or result["schema"] != "blindbox.evidence-result/1":
        return f"members {sorted(result)}"
    if result["exit"] != code or (result["class"] is None) != (code == 0):
        return f"exit {result['exit']}, class {result['class']}"
    if result["verdict"] != ("accepted" if code == 0 else "refused"):
        return result["verdict"]
    ids = [c["id"] for c in result["checks"]]
    if ids != [i for i in ORDER if i in ids]:
        return f"order {ids}"
    for c in result["checks"]:
        if not {"id", "outcome", "expected", "found", "reason"} <= set(c):
            return f"row {c}"
    if code == 0 and (ids != ORDER or any(c["outcome"] == "failed" for c in result["checks"])):
        return f"accepted with {ids}"
    return ""


def exits(folder, honest):
    """One case for each exit code that the command can reach."""
    policy = write(folder / "p.json", honest)
    stranger = write(folder / "q.json", {**honest, "allow_simulated": False})
    rows = [(0, None, None, policy, ()), (1, "UsageError", None, policy, ("--at", "yesterday")),
            (2, "ReportSignatureInvalid", "forged-signature", policy, ()),
            (3, "CollateralUnavailable", "expired", policy, ()), (4, "CrlUnavailable", "no-crl", policy, ()),
            (5, "DebugMode", "debug", policy, ()), (6, "FalseAttestationReport", "nonce", policy, ()),
            (7, "MalformedEvidence", "reserved", policy, ()), (9, "SimulatedTee", None, stranger, ())]
    for code, want, defect, with_policy, more in rows:
        report, certs = make(folder, defect)
        arguments = ["evidence", "verify", report, *certs, "--policy", with_policy, "--report-data", DATA, *more]
        done = blindbox(*arguments, "--json", check=False)
        result = json.loads(done.stdout)
        wrong = well_formed(result, code)
        case(f"exit {code} JSON", done.returncode == code and result["class"] == want and not wrong,
             f"exit {done.returncode} {result['class']}, {wrong}")
        case(f"exit {code} stderr", (done.stderr == "") == (code == 0), done.stderr)
        human = blindbox(*arguments, check=False)
        case(f"exit {code} text", human.returncode == code and (code in (0, 1) or want in human.stdout),
             human.stdout + human.stderr)
        if code not in (0, 1):
            case(f"exit {code} says what to do", all(w in human.stderr for w in (want, "check ", "next ")), human.stderr)


def order(folder, honest):
    """A report and a policy with every fault; each step mends one, and the next fault names the class."""
    sim = folder / "sim"
    blindbox("sim", "init", "--dir", sim, "--latency-ms", 0, "--guest-policy", "0xf001f", "--vmpl", 2)
    report, certs = make(folder, "provisional")
    blindbox("sim", "init", "--dir", sim, "--latency-ms", 0)
    raw = bytearray(report.read_bytes())
    good = bytes(raw)
    forged = bytearray(raw)
    forged[0x2A0] ^= 1
    unknown = bytearray(forged)
    unknown[0] = 6
    no_crl = [folder / "certs" / f"{name}.der" for name in ("vek", "ask", "ark")]
    files = [a for path in no_crl for a in ("--certs", path)]
    state = {"raw": unknown, "certs": [], "data": "11" * 64, "at": ["--at", "2001-01-01T00:00:00Z"], "policy": {
        **honest, "allow_simulated": False, "measurements": [], "minimum_tcb": {"Milan": {"snp": 255}},
        "host_data": ["22" * 32], "author_key_digests": ["33" * 48], "config_digests": ["44" * 48],
        "chip_ids": ["55" * 64], "platform_info": {"required": ["tio"]}}}
    mend = lambda **keys: lambda: state["policy"].update(keys)
    drop = lambda key: lambda: state["policy"].pop(key)
    put = lambda **values: lambda: state.update(values)
    steps = [("UnsupportedEvidence", "version", put(raw=forged)),
             ("CollateralUnavailable", "collateral", put(certs=files)),
             ("SimulatedTee", "root", mend(allow_simulated=True)),
             ("CollateralUnavailable", "validity", put(at=[])),
             ("CrlUnavailable", "crl", put(certs=certs)),
             ("ReportSignatureInvalid", "signature", put(raw=good)),
             ("FalseAttestationReport", "report-data", put(data=DATA)),
             ("MissingReferenceValues", "expected-code", mend(measurements=["66" * 48])),
             ("DebugMode", "debug", mend(guest_policy={"debug": True})),
             ("GuestPolicyRejected", "guest-policy", mend(guest_policy={"debug": True, "migration": True})),
             ("GuestPolicyRejected", "vmpl", mend(vmpl=[2])),
             ("GuestPolicyRejected", "platform", drop("platform_info")),
             ("ProvisionalFirmware", "provisional", mend(provisional_firmware=True)),
             ("TcbTooOld", "minimum-tcb", drop("minimum_tcb")),
             ("MeasurementMismatch", "measurement", mend(measurements=honest["measurements"])),
             ("InvalidEnclaveCode", "host-data", mend(host_data=honest["host_data"])),
             ("MeasurementMismatch", "id-keys", drop("author_key_digests")),
             ("UnsupportedEvidence", "config", drop("config_digests")),
             ("GuestPolicyRejected", "chip-ids", drop("chip_ids")),
             (None, None, None)]
    last = None
    for number, (want, check, step) in enumerate(steps):
        report.write_bytes(state["raw"])
        got, first, result = verify(report, state["certs"], write(folder / "p.json", state["policy"]),
                                    "--report-data", state["data"], *state["at"])
        case(f"order {number}: {check}", (got, first) == (want, check), f"{got} at {first}")
        failures = [c["id"] for c in result["checks"] if c["outcome"] == "failed"]
        if last is not None:
            case(f"order {number}: the later faults were listed too", failures == last[1:], f"{last} then {failures}")
        # Rows that could not be made before a report, certificates and a root were at hand.
        last = failures if check not in ("version", "collateral", "root") else None
        if step:
            step()


def outcomes(result):
    return {c["id"]: c["outcome"] for c in result["checks"]}


def skips(folder, honest):
    policy = write(folder / "p.json", honest)
    report, certs = make(folder)
    full = outcomes(verify(report, certs, policy)[2])
    for check in ORDER:
        got, first, result = verify(report, certs, policy, "--skip", check)
        if check in ("format", "version"):
            case(f"skip {check} refused", got == "UsageError" and check in result["error"], got)
            continue
        case(f"skip {check} shown", got is None and outcomes(result) == {**full, check: "skipped"}, f"{got} at {first}")
    got, _, _ = verify(report, certs, policy, "--skip", "everything")
    case("skip of no check", got == "UsageError", got)

    early = ORDER[2:7] + ORDER[8:12]  # certificates, revocation, fit
    forged, certs = make(folder, "forged-signature")
    for check in early + ["all"]:
        left_out = early if check == "all" else [check]
        got, first, _ = verify(forged, certs, policy, *[a for c in left_out for a in ("--skip", c)])
        case(f"skip {check}: the signature stays", (got, first) == ("ReportSignatureInvalid", "signature"), f"{got} at {first}")

    def refused(label, arguments, left_out, want):
        got, first, result = verify(*arguments, policy, *[a for c in left_out for a in ("--skip", c)])
        shown = all(outcomes(result)[c] == "skipped" for c in left_out)
        case(label, got == want and shown, f"{got} at {first}")

    refused("no certificate: nothing to skip", (report, []), early, "CollateralUnavailable")
    refused("self-made root, root skipped", make(folder, "amd-names-root"), ["root"], "CertificateChainInvalid")
    refused("wrong chip, fit skipped", make(folder, "wrong-chip"), ["chip-id"], "CertificateChainInvalid")
    refused("revoked, chain skipped", make(folder, "revoked"), ["chain"], "CertificateRevoked")
    refused("debug, measurement skipped", make(folder, "debug"), ["measurement"], "DebugMode")
    refused("debug skipped", make(folder, "debug"), ["debug"], None)
    present = write(folder / "q.json", {**honest, "crl": "if-present"})
    for defect, want in (("no-crl", None), ("crl-expired", None), ("revoked", "CertificateRevoked")):
        got, first, _ = verify(*make(folder, defect), present)
        case(f"{defect} where the policy says if-present", got == want, f"{got} at {first}")
    refused("no CRL, crl skipped", make(folder, "no-crl"), ["crl"], None)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        common.simulator(folder)
        blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0, "--policy-out", folder / "policy.json")
        honest = json.loads((folder / "policy.json").read_text())
        exits(folder, honest)
        order(folder, honest)
        skips(folder, honest)
    return 1 if common.failed else 0


if __name__ == "__main__":
    sys.exit(main())
