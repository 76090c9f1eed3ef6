"""Runs every command of the README and of docs/, block by block in the order of the text, but for
blocks after a line <!-- not run: reason -->. A document has a scratch folder, and a loopback network of
its own where the machine allows that; what it leaves running ends with it. Also checks the service
units. Prints 'ok', 'FAIL' or 'skip' lines."""
import fcntl
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def blocks(text):
    for match in re.finditer(r"(<!-- not run: [^>]*-->\n)?```sh\n(.*?)```", text, re.S):
        if not match.group(1):
            yield match.group(2)


def loopback_up():
    """In a new network namespace the loopback interface is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        name = b"lo".ljust(16, b"\0")
        flags = struct.unpack("16sH22x", fcntl.ioctl(s, SIOCGIFFLAGS, name + bytes(24)))[1]
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | IFF_UP))


def isolation():
    """A prefix for commands that puts them into a network of their own, or nothing."""
    prefix = ["unshare", "--map-root-user", "--net", "--"]
    try:
        works = subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    return prefix if works else []


def run_document(path):
    """One shell a block; in this process's own group, so that background commands end with it."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        os.symlink(ROOT / "build", pathlib.Path(scratch) / "build")
        for number, block in enumerate(blocks(path.read_text()), 1):
            with tempfile.TemporaryFile() as out:
                try:
                    code = subprocess.run(["sh", "-eu", "-c", block], cwd=scratch, stdout=out, stderr=out,
                                          stdin=subprocess.DEVNULL, timeout=120).returncode
                except subprocess.TimeoutExpired:
                    code = "none after 120 s"
                out.seek(0)
                text = out.read().decode(errors="replace")
            name = f"{path.relative_to(ROOT)} block {number}"
            print(f"ok {name}" if code == 0 else f"FAIL {name}: exit {code}: {text[-500:]!r}", flush=True)
            failed += code != 0
    return failed


def inside(path):
    if "--own-network" in sys.argv:
        loopback_up()
    failed = run_document(path)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    return 1 if failed else 0


def unit(source):
    """systemd-analyze verify of a shipped unit, with the built program in its place."""
    if shutil.which("systemd-analyze") is None:
        print(f"skip {source.name}: systemd-analyze is not installed")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / source.name
        path.write_text(source.read_text().replace("/usr/local/bin/blindbox", str(ROOT / "build" / "blindbox")))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True,
                              text=True, env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"})
    ours = [line for line in done.stderr.splitlines() if "blindbox" in line]
    print(f"ok {source.name}" if not ours else f"FAIL {source.name}: {ours}")
    return 1 if ours else 0


def main():
    prefix = isolation()
    failed = sum(map(unit, sorted((ROOT / "packaging").glob("*.service"))))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if not list(blocks(path.read_text())):
            continue
        flag = ["--own-network"] if prefix else []
        failed += subprocess.run([*prefix, sys.executable, __file__, "--inside", str(path), *flag],
                                 start_new_session=True).returncode != 0
    return 1 if failed else 0


if __name__ == "__main__":
    if "--inside" in sys.argv:
        sys.exit(inside(pathlib.Path(sys.argv[sys.argv.index("--inside") + 1])))
    sys.exit(main())
