"""Every real SNP report against `blindbox evidence verify`: verdict and class of the manifest, the
classes that the defaults call for, and chains that must not be taken.

The vectors stand outside the project (BLINDBOX_VECTORS). Prints one line a case:
"ok NAME", "FAIL NAME: why" or "skip NAME: why".
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = pathlib.Path(os.environ.get("BLINDBOX_VECTORS", ROOT.parent / "shared" / "vectors"))
PROGRAM = os.environ.get("BLINDBOX", str(ROOT / "build" / "blindbox"))
LENIENT = {"crl": "if-present", "vmpl": [0, 1, 2, 3], "provisional_firmware": True}
ALL_CA = ["milan-ark", "milan-ask", "milan-asvk", "genoa-ark", "genoa-ask", "genoa-asvk",
          "turin-ark", "turin-ask", "turin-asvk"]
failed = 0


def case(name, good, why=""):
    global failed
    failed += 0 if good else 1
    print(f"ok {name}" if good else f"FAIL {name}: {why}", flush=True)


def run(report, certs, at=None, policy=None, extra=()):
    """(class or None, exit code, result) of one verification."""
    command = [PROGRAM, "evidence", "verify", str(report), "--json"]
    for cert in certs:
        command += ["--certs", str(cert)]
    if at:
        command += ["--at", at]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(policy, file)
        file.flush()
        done = subprocess.run(command + ["--policy", file.name, *extra], capture_output=True,
                              text=True, timeout=60)
    try:
        result = json.loads(done.stdout)
    except ValueError:
        return f"no JSON: {done.stderr}", done.returncode, {}
    if result["exit"] != done.returncode:
        return f"exit {done.returncode}, JSON says {result['exit']}", done.returncode, result
    return result["class"], done.returncode, result


def policy_for(raw, **more):
    base = {"schema": "blindbox.policy/1"}
    measurement = raw[0x90:0xC0].hex()
    if measurement != "0" * 96:
        base["measurements"] = [measurement]
    else:  # a report of a VM that was not measured: no policy can name it
        base["id_key_digests"] = ["11" * 48]
    return {**base, **more}


def default_class(raw, provisional):
    """What the defaults (crl aside) call for in an authentic report, from its bytes alone."""
    if raw[0x08 + 2] & 0x08:
        return "DebugMode"
    if raw[0x08 + 2] & 0x04:
        return "GuestPolicyRejected"
    if int.from_bytes(raw[0x30:0x34], "little") != 0:
        return "GuestPolicyRejected"
    return "ProvisionalFirmware" if provisional else None


def committed_differs(raw):
    return raw[0x38:0x40] != raw[0x1E0:0x1E8] or raw[0x1E8:0x1EB] != raw[0x1EC:0x1EF]


def reports(rows):
    milan_crl = VECTORS / "snp/crl/milan-crl-20220509-05708666.der"
    for row in rows:
        if row["kind"] != "snp-report":
            continue
        name = row["file"].split("/")[-1]
        report = VECTORS / row["file"]
        raw = report.read_bytes()
        certs = [VECTORS / f for f in row["related"]] or [VECTORS / f"snp/ca/{c}.der" for c in ALL_CA]
        at = row.get("verify_time")
        want = None if row["verdict"] == "accept" else row["class"]
        got, _, _ = run(report, certs, at, policy_for(raw, **LENIENT))
        case(f"{name} lenient", got == want, f"{got}, want {want}")
        provisional = committed_differs(raw)
        if row.get("committed_equals_current") is not None:
            case(f"{name} committed", provisional != row["committed_equals_current"], "manifest differs")
        after = want or default_class(raw, provisional)
        got, _, _ = run(report, certs, at, policy_for(raw, crl="if-present"))
        case(f"{name} defaults", got == after, f"{got}, want {after}")
        early = want if want and want not in ("DebugMode",) else "CrlUnavailable"
        got, _, _ = run(report, certs, at, policy_for(raw))
        case(f"{name} crl required", got == early, f"{got}, want {early}")
        if not want and "milan" in name and at and "2022-05-09T17:07:45Z" <= at < "2023-05-09T23:00:00Z":
            got, _, _ = run(report, certs + [milan_crl], at, policy_for(raw))
            case(f"{name} crl at hand", got == default_class(raw, provisional), f"{got}")


def refusals(rows):
    """Chains that must not be taken."""
    by_name = {r["file"].split("/")[-1]: r for r in rows}

    def path(name):
        return VECTORS / by_name[name]["file"]

    def expect(label, report, certs, want, at=None, **policy):
        raw = path(report).read_bytes()
        when = at or by_name[report].get("verify_time")
        got, _, result = run(path(report), [path(c) for c in certs], when,
                             policy_for(raw, **{**LENIENT, **policy}))
        case(label, got == want, f"{got}, want {want}: {[c for c in result.get('checks', []) if c['outcome'] == 'failed'][:1]}")

    report = "v3-milan-vcek-azure-aci-15cef6f9.bin"
    vcek = "milan-vcek-c0d9c77d.der"
    bad = "CertificateChainInvalid"
    none = "CollateralUnavailable"
    expect("another product's authorities", report, [vcek, "genoa-ask.der", "genoa-ark.der"], bad)
    for name, place in (("milan-ark.der", "root"), ("milan-ask.der", "chain"), (vcek, "chain")):
        with tempfile.NamedTemporaryFile(suffix=".der") as copy:
            cert = bytearray(path(name).read_bytes())
            cert[-1] ^= 1  # its signature: the key is still the right one
            copy.write(cert)
            copy.flush()
            raw = path(report).read_bytes()
            others = [path(c) for c in (vcek, "milan-ask.der", "milan-ark.der") if c != name]
            got, _, result = run(path(report), [*others, copy.name], by_name[report]["verify_time"],
                                 policy_for(raw, **LENIENT))
            first = next((c["id"] for c in result["checks"] if c["outcome"] == "failed"), None)
            case(f"an altered copy of {name}", (got, first) == (bad, place), f"{got} at {first}")
    expect("another product's root only", report, [vcek, "milan-ask.der", "genoa-ark.der"], bad)
    expect("ASVK where ASK belongs", report, [vcek, "milan-asvk.der", "milan-ark.der"], bad)
    expect("VCEK of another chip", report, ["milan-vcek-d63fc253.der", "milan-ask.der", "milan-ark.der"], bad)
    expect("no VCEK", report, ["milan-ask.der", "milan-ark.der"], none)
    expect("a VLEK is no VCEK", report, ["milan-vlek-296a7c99.der", "milan-ask.der", "milan-ark.der"], none)
    expect("no intermediate", report, [vcek, "milan-ark.der"], none)
    expect("no root", report, [vcek, "milan-ask.der"], none)
    expect("expired", report, [vcek, "milan-ask.der", "milan-ark.der"], none, at="2044-01-01T00:00:00Z")
    expect("not yet valid", report, [vcek, "milan-ask.der", "milan-ark.der"], none, at="2021-01-01T00:00:00Z")
    expect("all certificates at hand", report,
           [vcek, "milan-vcek-d63fc253.der"] + [f"{c}.der" for c in ALL_CA] + ["genoa-ask-alt-54467b96.der"], None)
    altered = "v2-milan-vcek-azure-aci-7c614616.bin"
    for cert in ("milan-vcek-cee96955.der", "milan-vcek-f875ab6f.der"):
        expect(f"altered {cert}", altered, [cert, "milan-ask.der", "milan-ark.der"], bad)
    genoa = "v3-genoa-vcek-baremetal-or-other-8d8bfb3e.bin"
    leaf = "genoa-vcek-ab5a6bc8.der"
    expect("the alternative Genoa ASK", genoa, [leaf, "genoa-ask-alt-54467b96.der", "genoa-ark.der"], bad)
    vlek = "v3-milan-vlek-aws-decdab94.bin"
    expect("ASK where ASVK belongs", vlek, ["milan-vlek-296a7c99.der", "milan-ask.der", "milan-ark.der"], bad)


def revocation(rows):
    """The two CRLs: windows to the second, the issuer, and the intermediate that one of them lists."""
    by_name = {r["file"].split("/")[-1]: VECTORS / r["file"] for r in rows}
    milan, genoa = by_name["milan-crl-20220509-05708666.der"], by_name["genoa-crl-20221031-db04d2f0.der"]

    def expect(label, report, certs, crl, at, want, row_class):
        raw = by_name[report].read_bytes()
        policy = policy_for(raw, **{**LENIENT, "crl": "required"})
        got, _, result = run(by_name[report], [by_name[c] for c in certs], at, policy, ["--crl", str(crl)])
        row = next((c.get("class") for c in result["checks"] if c["id"] == "crl"), "no row")
        case(label, (got, row) == (want, row_class), f"{got}, crl {row}")

    report, chain = "v2-milan-vcek-azure-aci-8aa04429.bin", ["milan-vcek-914363d8.der", "milan-ask.der", "milan-ark.der"]
    none = "CrlUnavailable"
    expect("the CRL's last second", report, chain, milan, "2023-05-09T22:59:59Z", None, None)
    expect("the CRL's end", report, chain, milan, "2023-05-09T23:00:00Z", none, none)
    expect("another root's CRL", report, chain, genoa, "2023-01-31T00:00:00Z", none, none)
    expect("a certificate as CRL", report, chain, by_name["milan-ark.der"], "2023-01-31T00:00:00Z", none, none)
    old = ["genoa-vcek-ab5a6bc8.der", "genoa-ask-alt-54467b96.der", "genoa-ark.der"]
    new = ["genoa-vcek-ab5a6bc8.der", "genoa-ask.der", "genoa-ark.der"]
    report, bad = "v3-genoa-vcek-baremetal-or-other-8d8bfb3e.bin", "CertificateChainInvalid"
    expect("the revoked ASK", report, old, genoa, "2022-11-01T13:34:46Z", bad, "CertificateRevoked")
    expect("the revoked ASK after the CRL's end", report, old, genoa, "2025-05-20T18:31:36Z", bad, none)
    expect("its replacement", report, new, genoa, "2022-11-01T13:34:46Z", "CollateralUnavailable", None)


def missing(what):
    print(f"skip {what} vectors: no MANIFEST.json in {VECTORS}")
    return 1 if os.environ.get("BLINDBOX_REQUIRE_VECTORS") == "1" else 0


def main():
    if not (VECTORS / "MANIFEST.json").exists():
        return missing("snp")
    rows = json.loads((VECTORS / "MANIFEST.json").read_text())
    reports(rows)
    refusals(rows)
    revocation(rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
