"""Evidence of the simulated TEE: every product, version and signer is accepted under its own policy;
every defect is refused with the class and the check of the one table; nothing passes without
permission."""
import json
import os
import pathlib
import sys
import tempfile

import common
from common import DATA, blindbox, case, make


def verify(report, certs, policy):
    return common.verify(report, certs, policy, "--report-data", DATA)


def variants(folder):
    policy = folder / "policy.json"
    for product in ("Milan", "Genoa", "Turin"):
        for version in (2, 3, 4, 5):
            for signer in ("vcek", "vlek"):
                blindbox("sim", "init", "--dir", folder / "sim", "--product", product, "--report-version",
                         version, "--signer", signer, "--latency-ms", 0, "--policy-out", policy)
                report, certs = make(folder, auxblob=signer == "vlek")
                got, first, result = verify(report, certs, policy)
                case(f"{product} v{version} {signer} accepted", got is None and result["simulated"],
                     f"{got} at {first}")


def chip_ids(folder):
    """A masked id is no wildcard; an id may begin like a DER tag."""
    policy, sim = folder / "policy.json", folder / "sim" / "sim.json"
    for label, chip, want in (("masked", "00" * 64, ("CertificateChainInvalid", "collateral")),
                              ("like an OCTET STRING", "0440" + "5c" * 62, (None, None)),
                              ("like an INTEGER", "023e" + "00" * 62, (None, None))):
        blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0, "--policy-out", policy)
        config = {**json.loads(sim.read_text()), "chip_id": chip}
        sim.write_text(json.dumps(config))
        got, first, _ = verify(*make(folder), policy)
        case(f"chip id {label}", (got, first) == want, f"{got} at {first}, want {want}")


def defects(folder):
    policy = folder / "policy.json"
    blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0, "--policy-out", policy)
    table = json.loads(blindbox("sim", "show", "--dir", folder / "sim", "--json").stdout)["defects"]
    case("the table has the defects", len(table) >= 21, str(table))
    for name, row in table.items():
        got, first, _ = verify(*make(folder, name), policy)
        case(f"defect {name}", (got, first) == (row["file"], row["check"]), f"{got} at {first}, want {row}")


def permission(folder):
    policy = folder / "policy.json"
    report, certs = make(folder)
    honest = json.loads(policy.read_text())

    def expect(label, want, remove=(), **change):
        changed = {k: v for k, v in {**honest, **change}.items() if k not in remove}
        (folder / "other.json").write_text(json.dumps(changed))
        got, first, _ = verify(report, certs, folder / "other.json")
        case(label, got == want, f"{got} at {first}, want {want}")

    expect("simulated without permission", "SimulatedTee", allow_simulated=False)
    expect("simulated, another root allowed", "SimulatedTee", simulated_roots=["11" * 32])
    expect("simulated, no root allowed", "SimulatedTee", remove=["simulated_roots"])
    expect("simulated, only sev-snp wanted", "NotAnEnclaveError", evidence=["sev-snp"])
    expect("policy without expected code", "MissingReferenceValues", remove=["measurements"])
    expect("host data alone is not code", "MissingReferenceValues", remove=["measurements"])
    expect("empty list accepts nothing", "MissingReferenceValues", measurements=[])
    expect("another measurement", "MeasurementMismatch", measurements=["22" * 48])
    expect("another product's minimum", "TcbTooOld", minimum_tcb={"Turin": {"snp": 1}})
    expect("config needs a connection", "UnsupportedEvidence", config_digests=["33" * 48])
    for key in ("uvm", "pcrs"):
        (folder / "other.json").write_text(json.dumps({**honest, key: {}}))
        got, _, result = verify(report, certs, folder / "other.json")
        case(f"policy key {key} refused by name", got == "UsageError" and key in result["error"], got)


def crowds(folder):
    """Certificates that fit stand among those that do not, in either order: the best path is found,
    and a CRL that revokes counts beside one that does not."""
    policy = folder / "policy.json"
    sets = {}
    for defect in ("honest", "wrong-chip", "wrong-tcb-cert", "wrong-issuer", "expired", "amd-names-root",
                   "revoked", "crl-expired"):
        sets[defect] = folder / f"set-{defect}"
        blindbox("sim", "report", "--dir", folder / "sim", "--report-data", DATA, "-o", folder / "report.bin",
                 "--certs-out", sets[defect], *([] if defect == "honest" else ["--defect", defect]))
    blindbox("sim", "report", "--dir", folder / "sim", "--report-data", DATA, "-o", folder / "report.bin")
    unfit = ["wrong-chip", "wrong-tcb-cert", "wrong-issuer", "expired", "amd-names-root"]
    rows = [("all", [*unfit, "honest", "crl-expired"], None, None),
            ("revoked too", ["honest", "revoked"], "CertificateRevoked", "crl"),
            ("two that fit no report", ["wrong-chip", "wrong-tcb-cert"], "CertificateChainInvalid", "collateral"),
            ("one that fits and is not signed", ["wrong-chip", "wrong-issuer"], "CertificateChainInvalid", "chain"),
            ("one that fits and is expired", ["wrong-issuer", "expired"], "CollateralUnavailable", "validity")]
    for label, names, want, check in rows:
        for order in (names, names[::-1]):
            certs = [a for name in order for a in ("--certs", sets[name])]
            got, first, _ = verify(folder / "report.bin", certs, policy)
            case(f"certificates: {label}, {order[0]} first", (got, first) == (want, check), f"{got} at {first}")


def command(folder):
    """What `sim` takes, and what it leaves in its folders."""
    sim = folder / "sim"
    for text in ("-1/1/1", "1/1/60001", "1/1", "1/1/1x", " 1/1/1", "1//1", ""):
        done = blindbox("sim", "init", "--dir", sim, "--throttle", text, check=False)
        case(f"throttle '{text}' refused", done.returncode == 1 and "--throttle" in done.stderr, done.stderr)
    blindbox("sim", "init", "--dir", sim, "--throttle", "2/3/60000", "--latency-ms", 0)
    shown = json.loads(blindbox("sim", "show", "--dir", sim, "--json").stdout)
    got = [shown[f"throttle_{key}"] for key in ("burst", "per_second", "stall_ms")]
    case("throttle kept", got == [2, 3, 60000], str(got))
    blindbox("sim", "init", "--dir", sim, "--latency-ms", 0)
    certs = folder / "twice"
    for defect in ([], ["--defect", "no-crl"]):
        blindbox("sim", "report", "--dir", sim, "-o", os.devnull, "--certs-out", certs, *defect)
    left = sorted(path.name for path in certs.iterdir())
    case("no CRL is left from another report", left == ["ark.der", "ask.der", "vek.der"], str(left))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        common.simulator(folder)
        variants(folder)
        chip_ids(folder)
        defects(folder)
        permission(folder)
        crowds(folder)
        command(folder)
    return 1 if common.failed else 0


if __name__ == "__main__":
    sys.exit(main())
