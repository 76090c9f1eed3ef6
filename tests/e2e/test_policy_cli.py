"""Where the policy comes from, and what `policy lint` and `policy show` say of it."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import common
from common import DATA, PROGRAM, blindbox, case, make

CODE = {"schema": "blindbox.policy/1", "measurements": ["11" * 48]}
WARNINGS = {"no minimum_tcb": {}, "names no expected code": {"measurements": None},
            "host_data alone": {"measurements": None, "host_data": ["22" * 32]},
            "allow_simulated: ": {"allow_simulated": True},
            "without simulated_roots": {"allow_simulated": True}, "crl if-present": {"crl": "if-present"},
            "report_data_forms with 0": {"report_data_forms": [0, 1]},
            "guest_policy.debug": {"guest_policy": {"debug": True}},
            "guest_policy.migration": {"guest_policy": {"migration": True}},
            "vmpl other than 0": {"vmpl": [0, 3]}, "provisional_firmware": {"provisional_firmware": True},
            "an empty list": {"products": []}}
EMPTY = [{key: []} for key in ("evidence", "vmpl", "signers", "report_versions", "measurements", "id_key_digests",
                               "author_key_digests", "host_data", "config_digests", "chip_ids", "family_ids",
                               "image_ids")] + [{"minimum_tcb": {}}, {"minimum_launch_tcb": {}}]


def write(path, value):
    path.write_text(json.dumps({k: v for k, v in value.items() if v is not None}))
    return path


def lint(folder):
    quiet = {**CODE, "minimum_tcb": {"Milan": {"snp": 24}}}
    done = blindbox("policy", "lint", write(folder / "p.json", quiet), "--json")
    found = json.loads(done.stdout)
    case("nothing to warn of", found == {"schema": "blindbox.policy-lint/1", "source": str(folder / "p.json"),
                                         "valid": True, "warnings": []}, done.stdout)
    for text, change in WARNINGS.items():
        changed = {**quiet, **change} if change else CODE
        file = write(folder / "p.json", changed)
        warnings = json.loads(blindbox("policy", "lint", file, "--json").stdout)["warnings"]
        plain = blindbox("policy", "lint", file)
        case(f"lint warns: {text}", any(text in w for w in warnings) and text in plain.stderr, str(warnings))
    for change in EMPTY:
        file = write(folder / "p.json", {**quiet, **change})
        warnings = json.loads(blindbox("policy", "lint", file, "--json").stdout)["warnings"]
        case(f"lint warns: {change}", any("an empty list" in w for w in warnings), str(warnings))
    for change, key in (({"pcrs": {}}, "pcrs"), ({"colour": 1}, "colour"), ({"vmpl": [9]}, "vmpl")):
        done = blindbox("policy", "lint", write(folder / "p.json", {**CODE, **change}), "--json", check=False)
        found = json.loads(done.stdout)
        case(f"lint refuses {key}", done.returncode == 1 and found["valid"] is False and found["key"] == key,
             done.stdout)
    done = blindbox("policy", "lint", folder / "none.json", "--json", check=False)
    case("lint of no file", done.returncode == 1 and json.loads(done.stdout)["valid"] is False, done.stdout)


def sources(folder):
    """Argument before environment before the user's own file, and none of them if there is none."""
    config = folder / "config"
    own = config / "blindbox" / "policy.json"
    own.parent.mkdir(parents=True)
    names = {"argument": folder / "a.json", "environment": folder / "e.json", "own": own}
    for path in names.values():
        write(path, CODE)
    base = {**os.environ, "XDG_CONFIG_HOME": str(config)}
    base.pop("BLINDBOX_POLICY", None)

    def used(arguments=(), **variables):
        done = blindbox("policy", "show", *arguments, "--json", check=False, env={**base, **variables})
        return json.loads(done.stdout)["source"] if done.returncode == 0 else done.stderr

    environment = {"BLINDBOX_POLICY": str(names["environment"])}
    case("the argument", used([names["argument"]], **environment) == str(names["argument"]))
    case("the environment", used(**environment) == str(names["environment"]))
    case("an empty environment", used(BLINDBOX_POLICY="") == str(own))
    case("the user's own", used() == str(own))
    own.chmod(0o620)
    case("the user's own, writable by others", "writable by nobody else" in used(), used())
    case("the same file by name", used([own]) == str(own))
    own.unlink()
    case("none", used().startswith("none"), used())


def forms(folder):
    text = json.dumps(CODE)
    done = blindbox("policy", "show", "-", "--json", input=text)
    case("standard input", json.loads(done.stdout)["measurements"] == CODE["measurements"], done.stdout)
    file = write(folder / "p.json", CODE)
    piped = subprocess.run(["bash", "-c", f'"{PROGRAM}" policy lint <(cat "{file}")'], capture_output=True, text=True)
    case("a pipe", piped.returncode == 0, piped.stderr)
    done = blindbox("policy", "lint", folder, check=False)
    case("a folder", done.returncode == 1 and "no file" in done.stderr, done.stderr)
    (folder / "large.json").write_text(text + " " * 262144)
    done = blindbox("policy", "lint", folder / "large.json", check=False)
    case("too large", done.returncode == 1 and "too large" in done.stderr, done.stderr)
    odd = os.fsencode(folder) + b"/\xff\x1b.json"
    pathlib.Path(os.fsdecode(odd)).write_text(text)
    done = subprocess.run([PROGRAM, "policy", "lint", odd, "--json"], capture_output=True, text=True)
    case("a path that is no text", json.loads(done.stdout)["source"].endswith("/\\xff\\x1b.json"), done.stdout)


def container_policy(folder):
    (folder / "policy.rego").write_bytes(b"abc")  # SHA-256 of FIPS 180's example
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    file = write(folder / "p.json", {**CODE, "cce_policy_file": "policy.rego"})
    shown = json.loads(blindbox("policy", "show", file, "--json", cwd="/").stdout)
    case("cce_policy_file beside the policy", shown["host_data"] == [digest], str(shown["host_data"]))
    for label, change in (("another digest", {"host_data": ["22" * 32]}), ("no such file", {"cce_policy_file": "none"})):
        done = blindbox("policy", "lint", write(folder / "p.json", {"cce_policy_file": "policy.rego", **CODE, **change}),
                        check=False)
        case(f"cce_policy_file: {label}", done.returncode == 1, done.stdout)


def measurement(folder):
    """--measurement stands for a policy of its own: it has no text, so no hash."""
    blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0)
    report, certs = make(folder)
    for given, want in ((report.read_bytes()[0x90:0xC0].hex(), "SimulatedTee"), ("11" * 47, "UsageError"),
                        ("00" * 48, "UsageError")):
        done = blindbox("evidence", "verify", report, *certs, "--measurement", given, "--report-data", DATA,
                        "--json", check=False)
        result = json.loads(done.stdout)
        case(f"--measurement {given[:4]}.. {len(given)}", (result["class"], result["policy"]["sha256"]) == (want, None),
             f"{result['class']} {result['policy']}")
    done = blindbox("evidence", "verify", report, "--policy", folder / "p.json", "--measurement", "11" * 48, "--json",
                    check=False)
    case("--policy and --measurement", json.loads(done.stdout)["class"] == "UsageError", done.stdout)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        common.simulator(folder)
        lint(folder)
        sources(folder)
        forms(folder)
        container_policy(folder)
        measurement(folder)
    return 1 if common.failed else 0


if __name__ == "__main__":
    sys.exit(main())
