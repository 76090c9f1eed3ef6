"""What the end-to-end tests share: a simulated TEE, an application that counts what reaches it, a
gateway, and the program under test."""
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import common
from common import KEYS, PROGRAM, ROOT, blindbox, case, simulator  # noqa: F401  the tests' names for them

BUILD = pathlib.Path(os.environ.get("BLINDBOX_BUILD", ROOT / "build"))
FULL = os.environ.get("BLINDBOX_FULL") == "1"  # the long variants too
SANITIZED = b"__asan_init" in (BUILD / "libexec" / "blindbox-net").read_bytes()


def skip(name, why):
    print(f"skip {name}: {why}", flush=True)


def eventually(true, seconds=10):
    """Whether `true()` became so in time: for what another process does in its own time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def free_port(host="127.0.0.1"):
    """A port that was free a moment ago, for programs that cannot choose one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((host, 0))
        return s.getsockname()[1]


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


def connects(host, port):
    try:
        socket.create_connection((host, port), timeout=5).close()
        return True
    except OSError:
        return False


def blindbox(*arguments, check=True, timeout=120, env=None, **more):
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, env={**os.environ, **(env or {})}, **more)
    if check and done.returncode != 0:
        raise RuntimeError(f"{arguments}: exit {done.returncode}: {done.stderr}")
    return done


def fails_with(done, status, exit_code, field):
    """What is wrong with a refusal, or None: class, exit code, and the field or check it names."""
    lines = done.stderr.splitlines()
    first = lines[0].split(":")[0] if lines else ""
    second = lines[1] if len(lines) > 1 else ""
    named = second.removeprefix("blindbox: ").removeprefix("  check     ").split(":")[0]
    if (first, done.returncode, named) == (status, exit_code, field):
        return None
    return f"{first} exit {done.returncode} at {named!r}: {done.stderr!r}"


def run(*command, **more):
    """Another program, with its output."""
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, **more)


def attest(address, policy, *arguments, **more):
    """The result JSON of `blindbox attest`, whatever the verdict."""
    done = blindbox("attest", address, "--policy", policy, "--json", *arguments, check=False, **more)
    return json.loads(done.stdout)


def crowd(address, policy, n, concurrency, *options, **more):
    """One row for each of n attested connections made by one process."""
    done = subprocess.run([BUILD / "tests" / "crowd", *options, address, policy, str(n), str(concurrency)],
                          capture_output=True, text=True, timeout=300, **more)
    if done.returncode != 0:
        raise RuntimeError(f"crowd: exit {done.returncode}: {done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


# ---- processes, seen from outside ----


def children(pid):
    """{role: pid} of a gateway's processes."""
    found = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (OSError, IndexError):
            continue
        for word in words if parent == pid else []:
            if word.startswith(b"--role="):
                found[word[7:].decode()] = int(entry.name)
    return found


def child_named(pid, program):
    """The child that runs that program; None."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and (entry / "cmdline").read_bytes().split(b"\0")[0].decode().endswith(program):
                return int(entry.name)
        except (OSError, IndexError):
            continue
    return None


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid, what="VmRSS"):
    """Memory in use; the most that ever was with "VmHWM"."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split(what + ":")[1].split()[0]) / 1024


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Sink:
    """An application that takes bytes and says nothing; counts connections and bytes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.upstream = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections = self.received = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self.take, args=(connection,), daemon=True).start()

    def take(self, connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    self.received += len(data)
            except OSError:
                pass


class RawApp:
    """An application below HTTP: each connection is the business of one(connection), in a thread."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.upstream = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()


class App(http.server.ThreadingHTTPServer):
    """POST /generate and GET of anything; `received` counts every byte that came in."""
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received = 0
        self.connections = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def upstream(self):
        return f"tcp:127.0.0.1:{self.server_address[1]}"

    def get_request(self):
        connection, address = super().get_request()
        with self.lock:
            self.connections += 1
        return connection, address

    def count(self, n):
        with self.lock:
            self.received += n


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def parse_request(self):
        self.server.count(len(self.raw_requestline))
        return super().parse_request()

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.count(len(body))
        prompt = json.loads(body)["input_text"]
        self.answer(json.dumps({"output": prompt + '\n    print("hello world")'}).encode())

    def do_GET(self):
        self.answer(f"you asked for {self.path}\n".encode())

    def log_message(self, *_):
        pass


class Gateway:
    """A running `blindbox gateway`; `log` is what it wrote to stderr so far."""

    def __init__(self, world, upstream, *options, defect=None, listen="127.0.0.1:0",
                 before=None, prefix=(), configured=False):
        self.log_path = world.folder / f"gateway-{len(world.gateways)}.log"
        said = [] if configured else ["--attester", "sim", "--sim-dir", str(world.sim), "--listen", listen,
                                      "--upstream", upstream]
        command = [*prefix, PROGRAM, "gateway", *said, *map(str, options)]
        command += ["--sim-defect", defect] if defect else []
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True,
                                            preexec_fn=before)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])
        self.address = f"127.0.0.1:{self.port}"
        world.gateways.append(self)

    @property
    def log(self):
        return self.log_path.read_text()

    @property
    def endings(self):
        """The line of each connection that is over."""
        return [line for line in self.log.splitlines() if line.startswith("conn=")]

    def child(self, role):
        """The pid of the worker or attester, once there is one."""
        eventually(lambda: role in children(self.process.pid))
        return children(self.process.pid)[role]

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=60)


class Proxy:
    """A running `blindbox proxy`."""

    def __init__(self, world, to, *options, listen="127.0.0.1:0", policy=None, prefix=()):
        self.log_path = world.folder / f"proxy-{len(world.gateways)}.log"
        command = [*prefix, PROGRAM, "proxy", "--to", to, "--policy", str(policy or world.policy), "--listen", listen,
                   *map(str, options)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        self.address = self.process.stdout.readline().split()[-1]
        world.gateways.append(self)

    @property
    def log(self):
        return self.log_path.read_text()

    @property
    def endpoint(self):
        host, port = self.address.rsplit(":", 1)
        return host, int(port)

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=60)


class World:
    """A folder with a simulated TEE and the policy that accepts it. Use as a context."""

    def __init__(self, *sim_options, latency_ms=0):
        self.gateways = []
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.temporary.name)
        self.sim = self.folder / "sim"
        self.policy = self.folder / "policy.json"
        simulator(self.folder)
        blindbox("sim", "init", "--dir", self.sim, "--latency-ms", latency_ms, "--policy-out",
                 self.policy, *sim_options)

    def policy_with(self, remove=(), **change):
        """A copy of the policy with keys removed or changed."""
        honest = json.loads(self.policy.read_text())
        changed = {k: v for k, v in {**honest, **change}.items() if k not in remove}
        path = self.folder / "changed.json"
        path.write_text(json.dumps(changed))
        return path

    def signatures(self):
        return json.loads(blindbox("sim", "show", "--dir", self.sim, "--json").stdout)["signatures"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for gateway in self.gateways:
            gateway.stop()
        self.temporary.cleanup()


def finish():
    sys.exit(1 if common.failed else 0)
