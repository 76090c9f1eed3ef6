"""Evidence of the simulated TEE: every product, version and signer is accepted under its own policy;
every defect is refused with the class and the check of the one table; nothing passes without
permission."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("BLINDBOX", str(ROOT / "build" / "blindbox"))
KEYS = pathlib.Path(os.environ.get("BLINDBOX_TEST_KEYS", ROOT / "build" / "test-sim"))  # shared by all builds
DATA = "5a" * 64
failed = 0


def case(name, good, why=""):
    global failed
    failed += 0 if good else 1
    print(f"ok {name}" if good else f"FAIL {name}: {why}", flush=True)


def blindbox(*arguments, check=True):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    if check and done.returncode != 0:
        raise RuntimeError(f"{arguments}: {done.stderr}")
    return done


def make(folder, defect=None, auxblob=False):
    """(report file, arguments that give its certificates)"""
    report, certs, table = folder / "report.bin", folder / "certs", folder / "table.bin"
    shutil.rmtree(certs, ignore_errors=True)
    arguments = ["sim", "report", "--dir", folder / "sim", "--report-data", DATA, "-o", report]
    arguments += ["--auxblob-out", table] if auxblob else ["--certs-out", certs]
    blindbox(*arguments, *(["--defect", defect] if defect else []))
    return report, ["--auxblob", table] if auxblob else ["--certs", certs]


def verify(report, certs, policy, *more):
    done = blindbox("evidence", "verify", report, *certs, "--policy", policy, "--report-data", DATA,
                    "--json", *more, check=False)
    result = json.loads(done.stdout)
    first = next((c["id"] for c in result["checks"] if c["outcome"] == "failed"), None)
    return result["class"], first, result


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
        blindbox("sim", "report", "--dir", KEYS, "-o", os.devnull, "--certs-out", folder / "warm")
        blindbox("sim", "report", "--dir", KEYS, "--defect", "amd-names-root", "-o", os.devnull,
                 "--certs-out", folder / "warm")
        (folder / "sim").mkdir(mode=0o700)
        for key in KEYS.glob("*.key"):
            shutil.copy2(key, folder / "sim" / key.name)
        variants(folder)
        defects(folder)
        permission(folder)
        command(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
