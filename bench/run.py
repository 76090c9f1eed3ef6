"""The benchmarks: every contender beside its baseline in one run, in turns (A B A B ...), medians of
five rounds. Prints a table and writes build/bench.json. docs/performance.md says what each figure means.

usage: bench/run.py [--rounds N] [verify] [token] [verifier] [cold] [rate] [latency] [modes] [idle]"""
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import world as w  # noqa: E402

CORES = sorted(os.sched_getaffinity(0))
SERVER, CLIENT = CORES[-1], CORES[0]
LATENCY_MS = 8       # what the hardware takes for a report
CONNS = 256          # under way at a time
RATE_SECONDS = 2
SAMPLES = 200        # sequential connections
QUIET = 0.1          # of the server's core: more for others, and a pair of rounds is measured again
WAIT_SECONDS = 120   # for others to leave the core, in all
OPEN = 1000          # idle relayed connections
IDLE_SECONDS = 5
COLD_RUNS = 40       # process starts a round
HTTP_CONNS = 32      # keep-alive connections to the verification service
HTTP_PATH = "/attest/SevSnpVm?api-version=2022-08-01"
RUNTIME = b'{"blindbox-1":"WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa"}'
VECTOR = ("snp/report/v3-milan-vcek-azure-aci-15cef6f9.bin", "snp/vek/milan-vcek-c0d9c77d.der",
          "snp/ca/milan-ask.der", "snp/ca/milan-ark.der")
VECTOR_TIME = "2025-02-27T16:52:45Z"
VECTOR_SECONDS = 1740675165
rounds = 5
rows = []            # of the table


def summary(values):
    """Median and spread of one figure's rounds."""
    ordered = sorted(values)
    return {"median": statistics.median(ordered), "min": ordered[0], "max": ordered[-1],
            "rounds": list(values)}


def per_second(values_us):
    return summary([1e6 / value for value in values_us])


def row(what, figure, unit, baseline=None, goal="", good=None):
    """`baseline`: (name, summary). The ratio is that of the medians."""
    rows.append({"what": what, "value": figure, "unit": unit,
                 "baseline": baseline and {"name": baseline[0], "value": baseline[1]},
                 "ratio": baseline and figure["median"] / baseline[1]["median"], "goal": goal,
                 "met": good})


def vectors():
    """The folder of real evidence, or None: then the simulator's is used."""
    folder = os.environ.get("BLINDBOX_VECTORS")
    found = pathlib.Path(folder) if folder else None
    return found if found and all((found / name).exists() for name in VECTOR) else None


# ---- processes ----

@contextlib.contextmanager
def on_core(core):
    """What is started inside runs on one core."""
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def children(pid):
    return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu_us(pid):
    """Microseconds that a process's threads were on a core, interrupts that they served included."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000


def core_idle_us(core):
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            return (int(fields[3]) + int(fields[4])) * 1e6 / os.sysconf("SC_CLK_TCK")
    return 0


def rss_kib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def load(port, *options):
    done = subprocess.run([BUILD / "bench" / "bench_load", "--port", str(port), "--cpu", str(CLIENT),
                           *map(str, options)], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"bench_load: {done.stderr}")
    return json.loads(done.stdout)


class Sink:
    """The application: takes connections and drops what comes."""

    def __init__(self, folder):
        self.path = folder / "app.sock"
        with on_core(CLIENT):
            self.process = subprocess.Popen([BUILD / "bench" / "bench_sink", self.path],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.process.stdout.readline()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


class Gateway:
    name = "gateway"

    def __init__(self, world, sink, *options):
        with on_core(SERVER):
            self.inner = w.Gateway(world, f"unix:{sink.path}", *options)
        self.port = self.inner.port
        self.policy = ["--policy", world.policy]
        load(self.port, *self.policy, "--count", 20, "--conns", 1)  # until the attester is ready
        roles = {}
        for pid in children(self.inner.process.pid):
            line = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
            roles["worker" if "--role=worker" in line else "attester"] = pid
        self.pids = roles

    def stop(self):
        self.inner.stop()


class Nginx:
    name = "nginx"

    def __init__(self, folder):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "nginx.key", "-out",
                        folder / "nginx.pem", "-subj", "/CN=bench", "-days", "30"], check=True,
                       capture_output=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        config = folder / "nginx.conf"
        config.write_text(f"""
            daemon off; worker_processes 1; error_log {folder}/nginx.err crit; pid {folder}/nginx.pid;
            events {{ worker_connections 8192; }}
            http {{
              access_log off; client_header_timeout 1h; keepalive_timeout 1h;
              server {{
                listen 127.0.0.1:{self.port} ssl backlog=4096;
                ssl_certificate {folder}/nginx.pem; ssl_certificate_key {folder}/nginx.key;
                ssl_protocols TLSv1.3; ssl_ecdh_curve X25519;
                ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
                ssl_session_tickets off; ssl_session_cache off; ssl_conf_command NumTickets 0;
                location / {{ return 204; }}
              }}
            }}""")
        with on_core(SERVER):
            self.process = subprocess.Popen(["nginx", "-e", folder / "nginx.err", "-p", folder, "-c",
                                             config])
        self.policy = []
        for _ in range(100):
            with contextlib.suppress(RuntimeError):
                load(self.port, "--count", 20, "--conns", 1)
                break
            time.sleep(0.05)
        self.pids = {"worker": children(self.process.pid)[0]}

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=10)


@contextlib.contextmanager
def servers():
    """Both contenders, on the same core, with the application beside the generator."""
    with w.World(latency_ms=LATENCY_MS) as world, contextlib.ExitStack() as stack:
        sink = Sink(world.folder)
        stack.callback(sink.stop)
        nginx = Nginx(world.folder)
        stack.callback(nginx.stop)
        gateway = Gateway(world, sink)
        stack.callback(gateway.stop)
        yield nginx, gateway


# ---- measurements ----

def simulated(world):
    """(report, certificates' folder, policy) of the simulated TEE."""
    report, certs = world.folder / "report.bin", world.folder / "certs"
    w.blindbox("sim", "report", "--dir", world.sim, "-o", report, "--certs-out", certs)
    return report, certs, world.policy


def verify():
    """Report verification with a cached chain, against the P-384 verification alone."""
    with w.World() as world:
        folder = vectors()
        if folder:
            arguments = [*(folder / name for name in VECTOR), str(VECTOR_SECONDS)]
        else:
            report, certs, policy = simulated(world)
            arguments = [report, *(certs / f"{name}.der" for name in ("vek", "ask", "ark")),
                         str(int(time.time())), policy]
        with on_core(SERVER):
            done = subprocess.run([BUILD / "bench" / "bench_verify", *arguments], capture_output=True,
                                  text=True, check=True)
    found = json.loads(done.stdout)
    found["evidence"] = "real" if folder else "simulated"
    bare, cached = summary(found["bare_us"]), summary(found["cached_us"])
    row(f"verify a report, chain cached ({found['evidence']} report)", cached, "us",
        ("bare P-384 verify", bare), "ratio <= 1.1", cached["median"] <= 1.1 * bare["median"])
    row(f"verify a report, whole chain ({found['evidence']} report)", summary(found["full_us"]), "us",
        ("bare P-384 verify", bare))
    return found


def run_json(program, *arguments):
    """What a program of bench/ measures on the server's core."""
    with on_core(SERVER):
        done = subprocess.run([BUILD / "bench" / program, *map(str, arguments)], capture_output=True,
                              text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{program}: {done.stderr}")
    return json.loads(done.stdout)


def token():
    """Appraisal of whole tokens with a pinned key set, against the signature check alone."""
    found = run_json("bench_token")
    for alg, one in found.items():
        bare, whole = per_second(one["bare_us"]), per_second(one["appraised_us"])
        row(f"tokens appraised a second, {alg} ({one['token_bytes']} bytes)", whole, "/s",
            (f"bare {alg} check", bare), "ratio >= 0.8", whole["median"] >= 0.8 * bare["median"])
        row("  of it key set and signature", summary(one["checked_us"]), "us")
        row("  of it taking apart, JSON", summary(one["parsed_us"]), "us")
    return found


class HttpServer:
    """A server of POST /attest: the verification service, or the HTTP library alone."""

    def __init__(self, name, *command, core=SERVER):
        self.name = name
        with on_core(core):
            self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[-1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.pids = {"server": self.process.pid}

    def stop(self):
        self.process.stdin.close()
        self.process.terminate()
        self.process.wait(timeout=20)


def http_load(server, body):
    """Requests as fast as they are answered; all must be answered with 200."""
    done = subprocess.run([BUILD / "bench" / "bench_http_load", str(server.port), str(CLIENT),
                           str(HTTP_CONNS), str(RATE_SECONDS), body, HTTP_PATH], capture_output=True,
                          text=True, timeout=60)
    found = json.loads(done.stdout) if done.returncode == 0 else {}
    if not found or found["bad"]:
        raise RuntimeError(f"{server.name}: {found} {done.stderr}")
    return found


class Engine:
    """The service's engine in one process, without HTTP, with the bare verification and signatures."""
    name = "engine"

    def __init__(self, arguments):
        self.arguments = arguments

    def measure(self):
        found = run_json("bench_attest", *self.arguments)
        return {"by_cpu": True, **found}


def attest_evidence(world):
    """Arguments of bench_attest: a simulated report bound to RUNTIME, its certificates, places for keys and
    for the request's body."""
    report, certs = world.folder / "report.bin", world.folder / "certs"
    w.blindbox("sim", "report", "--dir", world.sim, "--report-data",
               hashlib.sha256(RUNTIME).hexdigest() + 64 * "0", "-o", report, "--certs-out", certs)
    return [report, *(certs / f"{name}.der" for name in ("vek", "ask", "ark")), world.folder / "keys",
            world.folder / "body.json"]


def verifier_rows(found, made, good):
    engine = found["engine"]

    def median(values):
        return statistics.median(values)

    verify_us = [median(one["verify_us"]) for one in engine]
    http_us = [one["server_us_each"]["server"] for one in found["http"]]
    row(f"the HTTP library alone, same sizes ({good} quiet rounds of {made})",
        summary([one["per_second"] for one in found["http"]]), "/s")
    row("  its CPU a request", summary(http_us), "us")
    row("bare P-384 verify", summary(verify_us), "us")
    for alg in ("RS256", "ES256"):
        sign_us = [median(one[alg]["sign_us"]) for one in engine]
        bare = summary([1e6 / (v + s) for v, s in zip(verify_us, sign_us)])
        bound = summary([1e6 / (v + s + h) for v, s, h in zip(verify_us, sign_us, http_us)])
        ours = summary([one["per_second"] for one in found[alg]])
        row(f"bare signature, {alg}", summary(sign_us), "us")
        row(f"tokens made a second, {alg}, engine alone",
            summary([1e6 / median(one[alg]["engine_us"]) for one in engine]), "/s",
            ("1 / (verify + sign)", bare))
        row(f"tokens made a second, {alg}, service, one core", ours, "/s", ("1 / (verify + sign)", bare))
        row("  the same with the HTTP library's time", ours, "/s", ("1 / (verify + sign + HTTP)", bound),
            "ratio >= 0.7", ours["median"] >= 0.7 * bound["median"])
        row("  server CPU a token", summary([one["server_us_each"]["server"] for one in found[alg]]), "us",
            ("verify + sign + HTTP", summary([v + s + h for v, s, h in zip(verify_us, sign_us, http_us)])))
    load_rows(found, ("http", "RS256", "ES256"))


def verifier():
    """Tokens a second of the verification service, against its signatures and the HTTP library alone."""
    with w.World() as world, contextlib.ExitStack() as stack:
        arguments = attest_evidence(world)
        first = run_json("bench_attest", *arguments)
        contenders = [Engine(arguments),
                      HttpServer("http", BUILD / "bench" / "bench_http_floor", first["RS256"]["answer_bytes"])]
        contenders += [HttpServer(alg, BUILD / "blindbox", "verifier", "--listen", "127.0.0.1:0", "--state-dir",
                                  arguments[4], "--algorithm", alg, "--allow-simulated", "--threads", 1)
                       for alg in ("RS256", "ES256")]
        for server in contenders[1:]:
            stack.callback(server.stop)

        def measure(contender):
            if isinstance(contender, Engine):
                return contender.measure()
            one = loaded(contender, lambda: http_load(contender, arguments[5]))
            return {"by_cpu": contender.name == "http", **one}

        found, made, good = quiet_rounds(contenders, measure)
    verifier_rows(found, made, good)
    return {"rounds_made": made, "quiet_rounds": good, "body_bytes": first["body_bytes"], **found}


def process_ms(command):
    """From spawn to exit of one process."""
    null = os.open(os.devnull, os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    begin = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    took = (time.perf_counter() - begin) * 1000
    os.close(null)
    if status != 0:
        raise RuntimeError(f"{command}: status {status}")
    return took


def cold():
    """A process that verifies one report, against processes that do less."""
    with w.World() as world:
        report, certs, policy = simulated(world)
        program = str(BUILD / "blindbox")
        commands = {
            "true": ["/bin/true"],
            "libcrypto": [str(BUILD / "bench" / "bench_start")],
            "verify": [program, "evidence", "verify", str(report), "--certs", str(certs), "--policy",
                       str(policy)],
        }
        folder = vectors()
        if folder:
            commands["verify-real"] = [program, "evidence", "verify", str(folder / VECTOR[0])]
            for name in VECTOR[1:]:
                commands["verify-real"] += ["--certs", str(folder / name)]
            measurement = (folder / VECTOR[0]).read_bytes()[0x90:0xC0].hex()
            commands["verify-real"] += ["--measurement", measurement, "--at", VECTOR_TIME, "--skip", "crl"]
        found = {name: [] for name in commands}
        with on_core(SERVER):
            for _ in range(rounds):
                once = {name: [] for name in commands}
                for _ in range(COLD_RUNS):
                    for name, command in commands.items():
                        once[name].append(process_ms(command))
                for name, values in once.items():
                    found[name].append(statistics.median(values))
    figures = {name: summary(values) for name, values in found.items()}
    base = ("a process with libcrypto", figures["libcrypto"])
    row("`true`", figures["true"], "ms")
    for name, what in (("verify", "simulated report, every check"), ("verify-real", "real report, no CRL")):
        if name in figures:
            row(f"cold `evidence verify`, {what}", figures[name], "ms", base, "<= 6 ms",
                figures[name]["median"] <= 6)
    return figures


def loaded(server, generate):
    """One contender under the load of `generate()`: its figures, and where the time went."""
    before = {role: cpu_us(pid) for role, pid in server.pids.items()}
    core, begin = core_idle_us(SERVER), time.monotonic()
    found = generate()
    took = (time.monotonic() - begin) * 1e6
    idle_us = core_idle_us(SERVER) - core
    spent = {role: cpu_us(pid) - before[role] for role, pid in server.pids.items()}
    # All these are of the whole run, its warm-up included.
    found["server_us_each"] = {role: us / found["finished"] for role, us in spent.items()}
    found["server_share"] = sum(spent.values()) / took
    found["idle_share"] = idle_us / took
    found["others_share"] = max(0, 1 - found["server_share"] - found["idle_share"])
    return found


def rate_round(server):
    """One contender under full load: connections a second."""
    found = loaded(server, lambda: load(server.port, *server.policy, "--light", "--conns", CONNS,
                                        "--seconds", RATE_SECONDS, "--warm", 0.3))
    if found["tickets"] or found["failed"]:
        raise RuntimeError(f"{server.name}: tickets or failures: {found}")
    return found


def disturbance(pair):
    """What others took; of figures by processor time alone nothing."""
    return max(one["others_share"] for one in pair if not one.get("by_cpu"))


def quiet(pairs):
    return [pair for pair in pairs if disturbance(pair) <= QUIET]


def settle(until):
    """Waits for the server's core to be free, but not for ever."""
    while time.monotonic() < until:
        idle_us, begin = core_idle_us(SERVER), time.monotonic()
        time.sleep(0.3)
        if core_idle_us(SERVER) - idle_us >= (1 - QUIET) * (time.monotonic() - begin) * 1e6:
            return


def quiet_rounds(contenders, measure):
    """{name: [figures]} of the least disturbed rounds, each of all contenders in turns; then how many were
    made, and how many of them were quiet."""
    sets = []
    until = time.monotonic() + WAIT_SECONDS
    while len(sets) < 5 * rounds and len(quiet(sets)) < rounds:
        settle(until)
        sets.append([])
        for server in contenders:
            sets[-1].append(measure(server))
            time.sleep(0.2)
    # Chosen by what others took of the core, never by the result.
    best = sorted(sets, key=disturbance)[:rounds]
    found = {server.name: [one[i] for one in best] for i, server in enumerate(contenders)}
    return found, len(sets), len(quiet(sets))


def load_rows(found, names):
    """Which side was the limit."""
    for name in names:
        for key, what in (("server_share", f"load on the server's core by {name}"),
                          ("others_share", "  taken by interrupts and other programs"),
                          ("idle_share", "  idle"), ("cpu_share", "  generator's load on its core")):
            row(what, summary([one[key] for one in found[name]]), "of 1")


def rate():
    """New connections a second, each attested, against plain TLS 1.3 handshakes of nginx."""
    with servers() as both:
        found, made, good = quiet_rounds(both, rate_round)

    def figure(name, key):
        return summary([one[key] for one in found[name]])

    def cpu(name, roles):
        return summary([sum(one["server_us_each"].get(role, 0) for role in roles) for one in found[name]])

    both = ["worker", "attester"]
    base, ours = figure("nginx", "per_second"), figure("gateway", "per_second")
    row(f"nginx, full TLS 1.3 handshakes ({good} quiet pairs of {made})", base, "/s")
    row("new attested connections, one core", ours, "/s", ("nginx TLS 1.3", base), "ratio >= 0.7",
        ours["median"] >= 0.7 * base["median"])
    row("server CPU a connection", cpu("gateway", both), "us", ("nginx TLS 1.3", cpu("nginx", both)))
    row("  of it the worker", cpu("gateway", ["worker"]), "us")
    row("  of it the attester (the simulator's signature included)", cpu("gateway", ["attester"]), "us")
    row("connections a report", summary([one["counted"] / max(1, one["reports_verified"])
                                         for one in found["gateway"]]), "")
    load_rows(found, found)
    return {"pairs": made, "quiet_pairs": good, **found}


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def latency():
    """One new connection at a time: what its user waits."""
    kinds = {"nginx": [], "gateway-tls": [], "attested": []}
    with servers() as (nginx, gateway):
        commands = {"nginx": (nginx, []), "gateway-tls": (gateway, [*gateway.policy, "--handshake-only"]),
                    "attested": (gateway, [*gateway.policy, "--every"])}
        for _ in range(rounds):
            for name, (server, options) in commands.items():
                kinds[name].append(load(server.port, *options, "--conns", 1, "--count", SAMPLES // rounds,
                                        "--samples")["samples_us"])
    found = {}
    for name, samples in kinds.items():
        every = [value / 1000 for part in samples for value in part]
        found[name] = {"p50": summary([percentile(part, 50) / 1000 for part in samples]),
                       "p50_ms": percentile(every, 50), "p99_ms": percentile(every, 99), "samples": len(every)}
    base, ours = found["gateway-tls"]["p50"], found["attested"]["p50"]
    row("new connection, TLS alone (nginx)", found["nginx"]["p50"], "ms")
    row("new connection, TLS alone (gateway)", base, "ms")
    row(f"new connection until the verdict, report {LATENCY_MS} ms", ours, "ms", None,
        "<= TLS alone + 20 ms", ours["median"] <= base["median"] + 20)
    for name, what in (("gateway-tls", "TLS alone"), ("attested", "until the verdict")):
        row(f"  {what}, p99 of {found[name]['samples']}", summary([found[name]["p99_ms"]]), "ms")
    return found


def reference_values(world):
    """The simulator's code and host data, so that the service's tokens say compliant."""
    report = world.folder / "reference.bin"
    w.blindbox("sim", "report", "--dir", world.sim, "-o", report)
    raw, path = report.read_bytes(), world.folder / "reference.json"
    path.write_text(json.dumps({"schema": "blindbox.reference-values/1", "measurements": [raw[0x90:0xC0].hex()],
                                "host_data": [raw[0xC0:0xE0].hex()]}))
    return path


def mode_policies(world, service):
    """{mode: policy}; without "report" a token stands alone, so that nothing else may be asked for."""
    plain = json.loads(world.policy.read_text())
    by = {"issuer": service.url, "jwks": service.url + "/certs"}
    alone = {k: plain[k] for k in ("schema", "allow_simulated", "simulated_roots", "measurements") if k in plain}
    alone |= {"crl": "if-present", "provisional_firmware": True}
    found = {"local": plain, "passport": {**plain, "verifiers": [{"mode": "passport", **by}]},
             "passport, token alone": {**alone, "verifiers": [{"mode": "passport", **by}]},
             "background": {**plain, "verifiers": [{"mode": "background", "url": service.url, **by}]}}
    for name, policy in found.items():
        path = world.folder / f"mode-{len(name)}.json"
        path.write_text(json.dumps(policy))
        found[name] = path
    return found


def setup_round(gateway, policy):
    with on_core(CLIENT):
        done = subprocess.run([BUILD / "bench" / "bench_setup", f"127.0.0.1:{gateway.port}", policy,
                               str(SAMPLES // rounds)], capture_output=True, text=True, timeout=300,
                              env={**os.environ, "BLINDBOX_LIBEXEC": str(BUILD / "libexec")})
    if done.returncode != 0:
        raise RuntimeError(f"bench_setup: {done.stderr}")
    return json.loads(done.stdout)


def modes():
    """One new connection at a time, by who checks the report: the client, the gateway's service, its own."""
    with w.World(latency_ms=LATENCY_MS) as world, contextlib.ExitStack() as stack:
        sink = Sink(world.folder)
        stack.callback(sink.stop)
        service = HttpServer("service", BUILD / "blindbox", "verifier", "--listen", "127.0.0.1:0", "--state-dir",
                             world.folder / "keys", "--allow-simulated", "--threads", 1, "--reference-values",
                             reference_values(world), core=CLIENT)
        stack.callback(service.stop)
        gateway = Gateway(world, sink, "--verifier", f"{service.url},issuer={service.url}")
        stack.callback(gateway.stop)
        policies = mode_policies(world, service)
        samples = {name: [] for name in ("TLS alone", *policies)}
        steps = {name: [] for name in policies}
        for _ in range(rounds):
            samples["TLS alone"].append(load(gateway.port, *gateway.policy, "--handshake-only", "--conns", 1,
                                             "--count", SAMPLES // rounds, "--samples")["samples_us"])
            for name, policy in policies.items():
                one = setup_round(gateway, policy)
                samples[name].append(one.pop("samples_us"))
                steps[name].append({step: statistics.median(values) for step, values in one.items()})
    found = {name: {"p50": summary([percentile(part, 50) / 1000 for part in parts]),
                    "p99_ms": percentile([v for part in parts for v in part], 99) / 1000,
                    "steps": steps.get(name)} for name, parts in samples.items()}
    for name, one in found.items():
        base = None if name in ("TLS alone", "local") else ("local", found["local"]["p50"])
        row(f"new connection, {name}", one["p50"], "ms", base)
        row(f"  p99 of {SAMPLES // rounds * rounds}", summary([one["p99_ms"]]), "ms")
    return found


def idle_round(server):
    worker = server.pids["worker"]
    before = rss_kib(worker)
    holder = subprocess.Popen([BUILD / "bench" / "bench_load", "--port", str(server.port), "--cpu",
                               str(CLIENT), *map(str, server.policy), "--conns", "32", "--hold", str(OPEN)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    opened = json.loads(holder.stdout.readline())
    if opened["counted"] != OPEN:
        raise RuntimeError(f"{server.name}: {opened}")
    time.sleep(1)
    after = rss_kib(worker)
    cpu = sum(cpu_us(pid) for pid in server.pids.values())
    time.sleep(IDLE_SECONDS)
    cpu = sum(cpu_us(pid) for pid in server.pids.values()) - cpu
    holder.stdin.close()
    holder.wait(timeout=60)
    return {"kib_each": (after - before) / OPEN, "cpu_us_per_second": cpu / IDLE_SECONDS}


def idle():
    """Memory and time that open connections cost while nothing happens. Fresh servers each round."""
    found = {"nginx": [], "gateway": []}
    for _ in range(rounds):
        with servers() as both:
            for server in both:
                found[server.name].append(idle_round(server))

    def figure(name, key):
        return summary([one[key] for one in found[name]])

    row(f"memory of an idle connection, {OPEN} open", figure("gateway", "kib_each"), "KiB",
        ("nginx", figure("nginx", "kib_each")))
    row(f"CPU while {OPEN} are idle", figure("gateway", "cpu_us_per_second"), "us/s",
        goal="about 0", good=figure("gateway", "cpu_us_per_second")["median"] < 1000)
    return found


# ---- report ----

def machine():
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    release = dict(line.split("=", 1) for line in
                   pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {"cpu": model, "cores": len(CORES), "os": release.get("PRETTY_NAME", "").strip('"'),
            "kernel": os.uname().release.split("-")[0],
            "openssl": subprocess.run(["openssl", "version"], capture_output=True,
                                      text=True).stdout.split("(")[0].strip(),
            "load_average": os.getloadavg()[0]}


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.2f}" if value < 10 else f"{value:.1f}"


def show():
    print(f"{'':<62}{'median':>9} {'(min .. max)':<22}{'unit':<6}{'baseline':>9} {'ratio':>6}  goal")
    for r in rows:
        v = r["value"]
        spread = f"({number(v['min'])} .. {number(v['max'])})" if len(v["rounds"]) > 1 else ""
        base = number(r["baseline"]["value"]["median"]) if r["baseline"] else ""
        ratio = f"{r['ratio']:.2f}" if r["baseline"] else ""
        met = "" if r["met"] is None else "  met" if r["met"] else "  MISSED"
        print(f"{r['what']:<62}{number(v['median']):>9} {spread:<22}{r['unit']:<6}{base:>9} {ratio:>6}  "
              f"{r['goal']}{met}")


def main():
    global rounds
    wanted = sys.argv[1:]
    if "--rounds" in wanted:
        at = wanted.index("--rounds")
        rounds = int(wanted[at + 1])
        del wanted[at:at + 2]
    every = {"verify": verify, "token": token, "verifier": verifier, "cold": cold, "rate": rate, "latency": latency, "modes": modes, "idle": idle}
    if set(wanted) - set(every) or rounds < 1 or rounds > 100:
        sys.exit(__doc__.rsplit("\n\n", 1)[1])
    if len(CORES) < 2:
        sys.exit("bench: two cores are needed: one for the server, one for the generator")
    with contextlib.suppress(OSError):  # where it is permitted: less noise from other programs
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    result = {"schema": "blindbox.bench/1", "machine": machine(), "rounds": rounds}
    for name, measure in every.items():
        if not wanted or name in wanted:
            print(f"== {name}: {measure.__doc__}", file=sys.stderr, flush=True)
            result[name] = measure()
    result["table"] = rows
    result["load_average_at_end"] = os.getloadavg()[0]
    (BUILD / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
    show()
    if any(r["met"] is False for r in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
