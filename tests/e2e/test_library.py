"""The library as a program outside this tree sees it: exported symbols, the example, installation."""
import os
import pathlib
import re
import socket
import struct
import subprocess
import sys
import threading
import time

import services
import wire
import world as w

BUILD = pathlib.Path(os.environ.get("BLINDBOX_BUILD", w.ROOT / "build"))
EXAMPLE = BUILD / "example_connect"


def symbols():
    listed = subprocess.run(["nm", "-D", "--defined-only", BUILD / "libblindbox.so"], check=True,
                            capture_output=True, text=True).stdout
    exported = {line.split()[2].split("@")[0] for line in listed.splitlines()} - {"BLINDBOX_0"}
    headers = "".join(p.read_text() for p in (w.ROOT / "include" / "blindbox").glob("*.h"))
    declared = set(re.findall(r"BB_API[^;{]*?\b(bb_\w+)\(", headers))
    w.case("the library exports what the headers declare and nothing else", exported == declared,
           str(exported ^ declared))


def offline():
    """The program that verifies reports cannot follow an address that stands in one."""
    needed = subprocess.run(["nm", "-D", "--undefined-only", BUILD / "blindbox"], check=True,
                            capture_output=True, text=True).stdout
    calls = {line.split()[-1].split("@")[0] for line in needed.splitlines()}
    network = calls & {"socket", "connect", "getaddrinfo", "sendto", "gethostbyname"}
    w.case("the offline program calls no network function", calls and not network, str(network))


def example(address, policy):
    return subprocess.run([EXAMPLE, address], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "BLINDBOX_POLICY": str(policy)})


def cutting_server():
    """Takes one connection, sends part of an answer, then a reset."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart")
        threading.Event().wait(0.3)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"tcp:127.0.0.1:{listener.getsockname()[1]}"


def connections(world):
    app = w.App()
    gateway = w.Gateway(world, app.upstream)
    done = example(gateway.address, world.policy)
    w.case("the example gets its answer", done.returncode == 0 and done.stdout.endswith("you asked for /\n"),
           str(done))
    done = example(gateway.address, world.policy_with(measurements=["11" * 48]))
    w.case("the example is refused", done.returncode == 5 and
           done.stderr.startswith("MeasurementMismatch: measurement: "), str(done))
    done = example("127.0.0.1:1", world.policy)
    w.case("nobody there", done.returncode == 8 and done.stderr.startswith("PeerUnreachable: address"),
           str(done))
    done = example(w.Gateway(world, cutting_server()).address, world.policy)
    w.case("a cut is no end", done.returncode == 8 and done.stdout.endswith("part") and
           done.stderr.startswith("PeerUnreachable: connection"), str(done))


class App:
    """One connection at a time, in the hands of `act`; `said` and `end` tell what came and how it ended."""

    def __init__(self, act):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.upstream = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.said, self.end, self.act = b"", None, act
        self.over = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        connection, _ = self.listener.accept()
        self.act(connection)
        try:
            while data := connection.recv(65536):
                self.said += data
            self.end = "end"
        except OSError:
            self.end = "cut"
        self.over.set()


class Junk:
    """A TCP proxy that puts a record of its own into what the client says, after a while."""

    def __init__(self, address):
        self.target = wire.host_port(address)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        client, _ = self.listener.accept()
        gateway = socket.create_connection(self.target)
        for source, sink in ((client, gateway), (gateway, client)):
            threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()
        time.sleep(1)
        gateway.sendall(bytes.fromhex("1703030020") + bytes(32))

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        for s in (source, sink):
            s.close()


def stream(address, how, policy):
    done = subprocess.run([BUILD / "tests" / "stream", address, how], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "BLINDBOX_POLICY": str(policy)})
    return done.stdout.split("\n")[:-1]


def goes_on(world):
    """A program that does not stop at the first failure gets no other answer later."""
    app = App(lambda connection: connection.sendall(b"part"))
    rows = stream(Junk(w.Gateway(world, app.upstream).address).address, "read", world.policy)
    w.case("a cut stays a cut", rows == ["read Ok 4", "read PeerUnreachable 0", "again PeerUnreachable 0",
                                         "again PeerUnreachable 0"], str(rows))
    app = App(lambda connection: time.sleep(3))
    rows = stream(w.Gateway(world, app.upstream).address, "write", world.policy)
    w.case("a write that was late breaks the connection", rows == ["stalled TryAgain 0", "again PeerUnreachable 0",
                                                                   "end PeerUnreachable 0"], str(rows))
    app.over.wait(20)
    w.case("and what went out is no end", app.end == "cut" and set(app.said) == {ord("A")},
           f"{app.end} {set(app.said)}")
    app = App(lambda connection: None)
    rows = stream(w.Gateway(world, app.upstream).address, "old", world.policy_with(max_connection_age=2))
    app.over.wait(20)
    w.case("an old connection ends as a cut", rows == ["young Ok 0", "old StaleEvidence 0"] and
           (app.said, app.end) == (b"half", "cut"), f"{rows} {app.said} {app.end}")


def threads(world):
    """Eight threads in all three modes, in hosts that have their own ways with children and files: each
    background connection starts a process, and none is left."""
    gateway = w.Gateway(world, world.app.upstream, "--verifier", f"{world.service.url},issuer={services.ISSUER}")
    keys = world.service.url + "/certs"
    policies = [world.policy, *(world.policy_for(world.verifier(mode, jwks=keys)) for mode in ("passport", "background"))]

    def host(how, libexec=BUILD / "libexec"):
        return subprocess.run([BUILD / "tests" / "threads", gateway.address, how, *policies], capture_output=True,
                              text=True, timeout=120, env={**os.environ, "BLINDBOX_LIBEXEC": str(libexec)})
    for how in ("plain", "handler", "ignore", "reaper", "closed"):
        done = host(how)
        w.case(f"eight threads, three modes: {how}", (done.returncode, done.stderr) ==
               (0, "failed 0 descriptors +0 child 0\n"), f"{done.returncode} {done.stderr[-1500:]}")
    lines = host("plain", "/nonexistent").stderr.splitlines()
    w.case("without blindbox-fetch: only who needs it fails, by name", len(lines) == 33 and lines[-1].startswith("failed 32 ") and
           set(lines[:-1]) == {"VerifierUnavailable fetch.process: cannot run blindbox-fetch: No such file or directory"},
           str(lines[:3]))


def installed(world):
    """Installs into a folder; compiles and links the example there with pkg-config alone."""
    root = world.folder / "root"
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root], check=True,
                   capture_output=True)
    [pc] = root.rglob("blindbox.pc")
    env = {**os.environ, "PKG_CONFIG_PATH": str(pc.parent), "PKG_CONFIG_SYSROOT_DIR": str(root)}

    def flags(*arguments):
        out = subprocess.run(["pkg-config", *arguments, "blindbox"], env=env, check=True,
                             capture_output=True, text=True)
        return out.stdout.split()

    for name, more in (("shared", []), ("static", ["--static"])):
        program = world.folder / f"example-{name}"
        libs = flags("--libs", *more)
        if more:
            libs = [str(next(root.rglob("libblindbox.a"))) if x == "-lblindbox" else x for x in libs]
        command = ["cc", "-o", program, w.ROOT / "examples" / "connect.c", *flags("--cflags"), *libs]
        done = subprocess.run(command, capture_output=True, text=True)
        w.case(f"pkg-config, {name}: compiles and links", done.returncode == 0, done.stderr[-600:])
    program = next(root.rglob("bin/blindbox"))
    sister = next(root.rglob("libexec/blindbox/blindbox-net"))
    w.case("installed programs", os.access(program, os.X_OK) and os.access(sister, os.X_OK))


def main():
    symbols()
    if not w.SANITIZED:
        offline()
    with services.ServiceWorld() as world:
        connections(world)
        goes_on(world)
        threads(world)
        if BUILD.name == "build":
            installed(world)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
