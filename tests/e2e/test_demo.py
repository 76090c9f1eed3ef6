"""blindbox demo: every step and every refusal as expected, and nothing of it is left behind."""
import ctypes
import fcntl
import json
import os
import pathlib
import pty
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import world as w

# name -> (class, exit, check or field): the demo's own table, once more.
REFUSALS = {
    "debug": ("DebugMode", 5, "debug"),
    "measurement": ("MeasurementMismatch", 5, "measurement"),
    "host-data": ("InvalidEnclaveCode", 5, "host-data"),
    "nonce": ("FalseAttestationReport", 6, "report-data"),
    "not-snp": ("NotAnEnclaveError", 7, "format"),
    "old-tcb": ("TcbTooOld", 5, "minimum-tcb"),
    "provisional": ("ProvisionalFirmware", 5, "provisional"),
    "vmpl": ("GuestPolicyRejected", 5, "vmpl"),
    "migration": ("GuestPolicyRejected", 5, "guest-policy"),
    "forged-signature": ("ReportSignatureInvalid", 2, "signature"),
    "self-made-root": ("CertificateChainInvalid", 2, "root"),
    "revoked": ("CertificateRevoked", 2, "crl"),
    "replay": ("ChannelBindingMismatch", 6, "report-data"),
    "relay": ("ChannelBindingMismatch", 6, "report-data"),
    "plain-tls": ("AttestationRefused", 6, "ALPN"),
    "other-alpn": ("AttestationRefused", 6, "TLS"),
    "no-permission": ("SimulatedTee", 9, "root"),
    "no-expected-code": ("MissingReferenceValues", 5, "expected-code"),
}
# Interface: other software compares these byte for byte.
TEXTS = {
    "debug": "Attestation validation failed (enclave is in debug mode). Exiting.",
    "host-data": "Attestation validation failed (cce policy mismatch). Exiting.",
    "nonce": "Attestation validation failed (nonce mismatch). Exiting.",
    "not-snp": "Attestation validation failed (not sev-snp report). Exiting.",
}
SUMMARY = f"{len(REFUSALS)} of {len(REFUSALS)} refusals as expected, 0 bytes reached the application"
KEYS_IN_PLACE = {"BLINDBOX_DEMO_KEYS": str(w.KEYS)}


def as_json(folder):
    began = time.monotonic()
    done = w.blindbox("demo", "--json", env={**KEYS_IN_PLACE, "TMPDIR": folder}, check=False)
    took = time.monotonic() - began
    result = json.loads(done.stdout)
    w.case("--json ends well", done.returncode == 0 and result["ok"] is True and
           result["schema"] == "blindbox.demo/1" and done.stderr == "", done.stderr)
    w.case("it is quick", took < 20, f"{took:.1f} s")
    w.case("no process and no file stays", no_child() and os.listdir(folder) == [],
           str(os.listdir(folder)))
    refusals = {r["name"]: r for r in result["refusals"]}
    w.case("every refusal is there, once", set(refusals) == set(REFUSALS) and
           len(result["refusals"]) == len(REFUSALS), str(list(refusals)))
    for name, (status, code, field) in REFUSALS.items():
        row = refusals[name]
        got = row["got"]
        good = (got["class"], got["exit"], got["field"], got["app_bytes"]) == (status, code, field, 0)
        w.case(f"refusal {name}", good and row["ok"] and got == row["expected"] and
               got["text"] == TEXTS.get(name, got["text"]), str(row))
    steps(result["steps"])


def steps(told):
    values = [s["values"] for s in told]
    w.case("eight steps in order", [s["step"] for s in told] == list(range(1, 9)), str(told))
    w.case("step 2 names batch and leaf", len(values[1]["batch"]) == 16 and len(values[1]["leaf"]) == 96,
           str(values[1]))
    w.case("step 3 has the report's id and the signature's time", len(values[2]["report id"]) == 64 and
           told[2]["us"] >= 8000, str(told[2]))
    w.case("step 4 has every stage with its time", list(told[3]["values_us"]) ==
           ["structure", "chain", "revocation", "signature", "fit", "binding"], str(told[3]))
    w.case("steps 5 and 6 are not used in mode local",
           all(s["text"] == "not used in mode local" for s in told[4:6]), str(told[4:6]))
    w.case("step 7 has the policy's values", values[6]["measurement"] == "b1" * 48 and
           "debug off" in values[6]["mode"], str(values[6]))
    w.case("step 8 has the application's answer", json.loads(values[7]["answer"]) ==
           {"output": 'def print_hello_world():\n    print("hello world")'} and
           values[7]["application"].startswith("got 1 connection, "), str(values[7]))


def on_terminal(columns, folder, **env):
    """What the demo writes to a terminal of that width."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    variables = {**os.environ, **KEYS_IN_PLACE, "TMPDIR": folder, **env}
    process = subprocess.Popen([w.PROGRAM, "demo"], stdout=slave, stderr=slave, stdin=slave, env=variables)
    os.close(slave)
    out = b""
    while True:
        try:
            block = os.read(master, 65536)
        except OSError:
            break
        if not block:
            break
        out += block
    os.close(master)
    return process.wait(timeout=60), out.decode().replace("\r\n", "\n")


def as_text(folder):
    for columns, env in ((80, {"NO_COLOR": "1"}), (100, {"NO_COLOR": "1"}), (140, {})):
        code, text = on_terminal(columns, folder, **env)
        colours = "\033[3" in text
        text = text.split("\r")[-1]  # after the line of progress, on a slow machine
        label = f"on {columns} columns"
        w.case(f"{label}: summary and exit code", code == 0 and SUMMARY in text, text)
        w.case(f"{label}: colours only without NO_COLOR", colours == ("NO_COLOR" not in env) and
               ("\033" in text) == colours, repr(text[:200]))
        if not colours:
            longest = max(text.split("\n"), key=len)
            w.case(f"{label}: no longer line", len(longest) <= min(columns, 100), longest)
        for name, line in TEXTS.items():
            w.case(f"{label}: text of {name}", line in text, text)
    w.case("it says that the TEE is simulated", "The TEE is SIMULATED" in text and
           "proves nothing about any hardware" in text, text)
    done = w.blindbox("demo", env={**KEYS_IN_PLACE, "TMPDIR": folder})
    w.case("no escape into a pipe", "\033" not in done.stdout and SUMMARY in done.stdout and
           done.stderr == "", done.stderr)
    for line in ("1  the connection opens", "5  a service signs a token     not used in mode local",
                 "8  the query goes through", 'print("hello world")', "man in the middle with the key"):
        w.case(f"text: {line.strip()}", line in done.stdout, done.stdout)


def kept(folder):
    keep = pathlib.Path(folder) / "it's kept"
    done = w.blindbox("demo", "--keep", keep, env=KEYS_IN_PLACE)
    left = sorted(p.name for p in keep.iterdir())
    w.case("--keep leaves what it says", left == ["README", "certs", "policy.json", "report.bin", "sim"],
           str(left))
    w.case("the folder is private", keep.stat().st_mode & 0o777 == 0o700, oct(keep.stat().st_mode))
    readme = (keep / "README").read_text()
    w.case("the README is printed too", readme in done.stdout, done.stdout)
    again = w.blindbox("demo", "--keep", keep, env=KEYS_IN_PLACE, check=False)
    w.case("--keep wants an empty folder", again.returncode == 1 and "not empty" in again.stderr, again.stderr)
    play(keep, readme)


def play(keep, readme):
    """Types what the README says."""
    lines = readme.replace("\\\n", " ").replace("127.0.0.1:8443", "127.0.0.1:0").splitlines()
    commands = [line.strip() for line in lines if line.startswith("  ")]

    def typed(word, address="127.0.0.1:0"):
        command = next(c for c in commands if f" {word}" in c and not c.startswith("#"))
        return command.replace("127.0.0.1:0", address)

    def start(command):
        process = subprocess.Popen(["sh", "-c", f"exec {command}"], cwd=keep, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        return process, process.stdout.readline().strip().removeprefix("listening on ")

    def run(command):
        return subprocess.run(["sh", "-c", command], cwd=keep, capture_output=True, text=True, timeout=60)

    into = subprocess.run(["sh", "-c", f"{commands[3]} && pwd"], capture_output=True, text=True)
    w.case("README: its cd is right", into.stdout.strip() == str(keep.resolve()), str(into))
    app, _ = start(typed("demo --app"))
    gateway, address = start(typed("gateway"))
    done = run(typed("attest", address))
    w.case("README: attest", "verdict   accepted" in done.stdout, str(done))
    done = run(typed("exec", address))
    w.case("README: query", "hello world" in done.stdout, str(done))
    done = run(typed("evidence verify"))
    w.case("README: evidence verify", done.returncode == 0 and "accepted" in done.stdout, str(done))
    done = run(typed("sim show"))
    w.case("README: sim show", "forged-signature" in done.stdout, str(done))
    gateway.terminate()
    app.send_signal(signal.SIGINT)
    w.case("both end in order", (gateway.wait(timeout=30), app.wait(timeout=30)) == (0, 0))


def processes_of(folder):
    """Processes whose command line names the demo's folder."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found += [entry.name] if folder.encode() in (entry / "cmdline").read_bytes() else []
            except OSError:
                pass
    return found


def adopt_orphans():
    """What the demo leaves behind, alive or unreaped, becomes this process's child."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def no_child():
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return False
    except ChildProcessError:
        return True


def until(what, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def interrupted(folder):
    cases = [(s, name, KEYS_IN_PLACE) for s, name in
             ((0.05, "at the start"), (0.3, "early"), (0.6, "in the refusals"))]
    cases += [(0.3, "while it makes keys", {"BLINDBOX_DEMO_KEYS": ""})]
    for delay, name, env in cases:
        process = subprocess.Popen([w.PROGRAM, "demo"], env={**os.environ, **env, "TMPDIR": folder},
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        process.communicate(timeout=60)
        took = time.monotonic() - began
        w.case(f"SIGINT {name}: exit code", process.returncode in (130, 0), str(process.returncode))
        w.case(f"SIGINT {name}: at once", took < 8, f"{took:.1f} s")
        w.case(f"SIGINT {name}: no process and no file stays", no_child() and
               processes_of(folder) == [] and os.listdir(folder) == [],
               f"{processes_of(folder)} {os.listdir(folder)}")


def killed(folder):
    process = subprocess.Popen([w.PROGRAM, "demo"], env={**os.environ, **KEYS_IN_PLACE, "TMPDIR": folder},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seen = until(lambda: len(processes_of(folder)) >= 3, 20)
    process.kill()
    process.wait()
    w.case("SIGKILL: its gateways end by themselves", seen and until(lambda: processes_of(folder) == [], 10),
           f"{seen} {processes_of(folder)}")


def usage():
    done = w.blindbox("demo", "--help")
    w.case("--help", all(o in done.stdout for o in ("--keep DIR", "--json", "--app ADDRESS")),
           done.stdout)
    done = w.blindbox("demo", "--app", "0.0.0.0:0", check=False)
    w.case("--app is for this machine only", done.returncode == 1 and "other machines could connect" in done.stderr,
           str(done))
    done = w.blindbox("demo", "--nonsense", check=False)
    w.case("a wrong option", done.returncode == 1 and "usage:" in done.stderr and done.stdout == "", str(done))


def main():
    with w.World():
        pass  # makes the keys
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        usage()
        as_json(folder)
        as_text(folder)
        interrupted(folder)
        kept(folder)
    with tempfile.TemporaryDirectory() as folder:
        killed(folder)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
