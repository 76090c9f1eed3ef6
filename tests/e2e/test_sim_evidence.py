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


def init(folder, *arguments, **keys):
    """Makes FOLDER/sim and FOLDER/policy.json of these keys."""
    sets = [a for key, value in keys.items() for a in ("--set", f"{key}={json.dumps(value)}")]
    blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0, "--policy-out", folder / "policy.json",
             *arguments, *sets)


def models(folder):
    """Which line's chain a processor must have, its family and model say."""
    refused = ("CertificateChainInvalid", "collateral")
    for label, product, family, model, want in (("Bergamo, Siena", "Genoa", 0x19, 0xa0, (None, None)),
                                                ("the last of Siena", "Genoa", 0x19, 0xaf, (None, None)),
                                                ("Turin Dense", "Turin", 0x1a, 0x11, (None, None)),
                                                ("Bergamo under Milan", "Milan", 0x19, 0xa0, refused),
                                                ("Turin Dense under Genoa", "Genoa", 0x1a, 0x11, refused),
                                                ("beyond Siena", "Genoa", 0x19, 0xb0, refused),
                                                ("beyond Turin Dense", "Turin", 0x1a, 0x12, refused),
                                                ("no known family", "Genoa", 0x1b, 0x11, refused)):
        for version in (3, 5):
            init(folder, "--product", product, "--report-version", version, cpuid_family=family, cpuid_model=model)
            got, first, _ = verify(*make(folder), folder / "policy.json")
            case(f"model {label}, v{version}", (got, first) == want, f"{got} at {first}, want {want}")


def author_keys(folder):
    digest, other = "a7" * 48, "a8" * 48
    refused = ("MeasurementMismatch", "id-keys")
    for label, enabled, listed, want in (("listed", True, [other, digest], (None, None)),
                                         ("another", True, [other], refused),
                                         ("not enabled", False, [digest], refused)):
        init(folder, author_key_en=enabled, author_key_digest=digest)
        policy = json.loads((folder / "policy.json").read_text())
        (folder / "other.json").write_text(json.dumps({**policy, "author_key_digests": listed}))
        got, first, _ = verify(*make(folder), folder / "other.json")
        case(f"author key {label}", (got, first) == want, f"{got} at {first}, want {want}")


def firmware(folder):
    want = ("ProvisionalFirmware", "provisional")
    for part in ("build", "minor", "major"):
        init(folder, **{f"committed_{part}": 0})
        got, first, _ = verify(*make(folder), folder / "policy.json")
        case(f"firmware {part} not committed", (got, first) == want, f"{got} at {first}, want {want}")
    init(folder, **{f"{which}_{part}": value for which in ("current", "committed")
                    for part, value in (("build", 7), ("minor", 58), ("major", 2))})
    report, certs = make(folder)
    got, first, _ = verify(report, certs, folder / "policy.json")
    case("other firmware, committed", got is None, f"{got} at {first}")
    shown = json.loads(blindbox("evidence", "show", report, "--json").stdout)
    case("its version shown", shown["current_version"] == shown["committed_version"] == "2.58.7", str(shown))


def mitigations(folder):
    keys = {"launch_mit_vector": 2**63 - 1, "current_mit_vector": 5}
    for version in (3, 5):
        init(folder, "--report-version", version, report_id_ma="77" * 32, **keys)
        report, certs = make(folder)
        got, first, _ = verify(report, certs, folder / "policy.json")
        case(f"mitigations v{version} accepted", got is None, f"{got} at {first}")
        shown = json.loads(blindbox("evidence", "show", report, "--json").stdout)
        want = ["0x7fffffffffffffff", "0x5"] if version == 5 else [None, None]
        got = [shown.get(key) for key in keys]
        case(f"mitigations v{version} shown", [None if g is None else hex(int(g, 16)) for g in got] == want, str(got))
        case(f"report_id_ma v{version} shown", shown["report_id_ma"] == "77" * 32, shown["report_id_ma"])


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


def sets(folder):
    """`sim init --set`: strict as the file is, said with the key's name, and seen by --policy-out."""
    sim, policy = folder / "sim", folder / "policy.json"
    init(folder)
    before = (sim / "sim.json").read_bytes()
    for text, field in (("colour=1", "colour"), ("vmpl=-1", "vmpl"), ("vmpl=one", "vmpl"), ("vmpl=", "vmpl"),
                        ("cpuid_model=256", "cpuid_model"), ("cpuid_model=0xa0", "cpuid_model"),
                        ("author_key_en=1", "author_key_en"), ("author_key_en=yes", "author_key_en"),
                        ("launch_mit_vector=9223372036854775808", "launch_mit_vector"),
                        ("current_build=1.0", "current_build"), ("measurement=b1", "measurement"),
                        ("product=Rome", "product"), ("product=1", "product"), ("signer=VCEK", "signer"),
                        ("chip_id=5", "chip_id"), ("vmpl=[]", "vmpl"), ("vmpl={}", "vmpl"), ("defects={}", "defects"),
                        ("vmpl=" + "[" * 40, "vmpl"), ("vmpl=0 0", "vmpl"), ("vmpl", "--set"), ("=1", "--set"),
                        ("", "--set"), ("vmpl=" + "1" * 20000, "--set")):
        done = blindbox("sim", "init", "--dir", sim, "--set", text, check=False)
        case(f"--set '{text[:40]}' refused", done.returncode == 1 and
             done.stderr.startswith(f"blindbox: {field}: "), done.stderr)
    case("a refused --set changes nothing", (sim / "sim.json").read_bytes() == before)
    for verb in ("report", "show"):
        done = blindbox("sim", verb, "--dir", sim, "--set", "vmpl=1", check=False)
        case(f"--set is not for {verb}", done.returncode == 1 and done.stderr.startswith("usage:"), done.stderr)

    tcb, code, data = "1111111111111111", "12" * 48, "34" * 32
    blindbox("sim", "init", "--dir", sim, "--latency-ms", 0, "--vmpl", 1, "--policy-out", policy, "--set", "vmpl=2",
             "--set", "vmpl=0", "--set", f"measurement={code}", "--set", f'host_data="{data}"', "--set",
             f"reported_tcb={tcb}", "--set", f"current_tcb={'2' * 16}", "--set", f"committed_tcb={'2' * 16}",
             "--set", "product=Turin")
    shown = json.loads(blindbox("sim", "show", "--dir", sim, "--json").stdout)
    got = [shown[key] for key in ("vmpl", "measurement", "host_data", "reported_tcb", "product", "cpuid_family")]
    case("--set kept, the last one of a key", got == [0, code, data, tcb, "Turin", 0x1a], str(got))
    written = json.loads(policy.read_text())
    got = [written[key] for key in ("measurements", "host_data", "minimum_tcb")]
    parts = {part: 0x11 for part in ("fmc", "bootloader", "tee", "snp", "microcode")}
    case("--policy-out has what --set chose", got == [[code], [data], {"Turin": parts}], str(got))
    got, first, _ = verify(*make(folder), policy)
    case("--set accepted by that policy", got is None, f"{got} at {first}")
    keys = set(json.loads((sim / "sim.json").read_text()))
    case("sim show has every key of sim.json", len(keys) == 36 and keys <= set(shown), str(keys))
    text = blindbox("sim", "show", "--dir", sim).stdout
    case("and so has its text", keys <= {line.split()[0] for line in text.splitlines() if line}, text)
    init(folder, chip_id="5c" * 64)
    init(folder, chip_id=None)
    got, first, _ = verify(*make(folder), policy)
    case("chip id of the key again", got is None, f"{got} at {first}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        common.simulator(folder)
        variants(folder)
        chip_ids(folder)
        models(folder)
        author_keys(folder)
        firmware(folder)
        mitigations(folder)
        defects(folder)
        permission(folder)
        crowds(folder)
        command(folder)
        sets(folder)
    return 1 if common.failed else 0


if __name__ == "__main__":
    sys.exit(main())
