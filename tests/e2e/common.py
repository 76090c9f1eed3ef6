"""What the end-to-end tests share: one line a case, the program, a simulated TEE whose RSA keys are
made once for all builds."""
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("BLINDBOX", str(ROOT / "build" / "blindbox"))
KEYS = pathlib.Path(os.environ.get("BLINDBOX_TEST_KEYS", ROOT / "build" / "test-sim"))
DATA = "5a" * 64
failed = 0


def case(name, good, why=""):
    global failed
    failed += 0 if good else 1
    print(f"ok {name}" if good else f"FAIL {name}: {why}", flush=True)


def blindbox(*arguments, check=True, timeout=120, env=None, **more):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, env={**os.environ, **(env or {})}, **more)
    if check and done.returncode != 0:
        raise RuntimeError(f"{arguments}: exit {done.returncode}: {done.stderr}")
    return done


def simulator(folder):
    """Makes FOLDER/sim, with the kept keys."""
    blindbox("sim", "report", "--dir", KEYS, "-o", os.devnull, "--certs-out", folder / "warm")
    blindbox("sim", "report", "--dir", KEYS, "--defect", "amd-names-root", "-o", os.devnull,
             "--certs-out", folder / "warm")
    (folder / "sim").mkdir(mode=0o700)
    for key in KEYS.glob("*.key"):
        shutil.copy2(key, folder / "sim" / key.name)


def make(folder, defect=None, auxblob=False):
    """(report file, arguments that give its certificates)"""
    report, certs, table = folder / "report.bin", folder / "certs", folder / "table.bin"
    shutil.rmtree(certs, ignore_errors=True)
    arguments = ["sim", "report", "--dir", folder / "sim", "--report-data", DATA, "-o", report]
    arguments += ["--auxblob-out", table] if auxblob else ["--certs-out", certs]
    blindbox(*arguments, *(["--defect", defect] if defect else []))
    return report, ["--auxblob", table] if auxblob else ["--certs", certs]


def first_failed(result):
    return next((c["id"] for c in result["checks"] if c["outcome"] == "failed"), None)


def verify(report, certs, policy, *more, **run):
    """(class, id of the first failed check, result)"""
    done = blindbox("evidence", "verify", report, *certs, "--policy", policy, "--json", *more,
                    check=False, **run)
    result = json.loads(done.stdout)
    if result["exit"] != done.returncode:
        return f"exit {done.returncode}, JSON says {result['exit']}", None, result
    return result["class"], first_failed(result), result
