"""blindbox-fetch against services that answer every wrong way: class, step, time; what it never does; and
what becomes of its process."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
import common  # noqa: E402
import http_service  # noqa: E402
from common import case  # noqa: E402
from world import BUILD, eventually, skip  # noqa: E402

TOOL = BUILD / "tests" / "fetch"
ENV = {**os.environ, "BLINDBOX_LIBEXEC": str(BUILD / "libexec")}
TRANSFERS_MAX = 32

# (path, http status, type, bytes of the body)
ANSWERS = [("/200", 200, "application/json", 7), ("/204", 204, "", 0), ("/400", 400, "application/json", 64),
           ("/404", 404, "text/plain", 4), ("/429", 429, "", 0), ("/503", 503, "text/html", 17),
           ("/html", 200, "text/html", 15), ("/long", 200, "", 3), ("/chunked", 200, "", 7),
           ("/http10", 200, "text/plain", 3), ("/largest", 200, "", 262144), ("/digest", 401, "", 0),
           ("/gzip", 200, "", len(http_service.BOMB)), ("/cache-off", 200, "", 0)]
# (path, step that failed)
FAILURES = [("/short", "answer"), ("/chunked-cut", "answer"), ("/chunked-bad", "answer"), ("/garbage", "answer"),
            ("/http09", "answer"), ("/half-head", "answer"), ("/half-head-empty", "answer"),
            ("/half-head-204", "answer"), ("/nothing", "answer"), ("/reset", "answer"),
            ("/until-close", "answer"), ("/other-coding", "answer"),
            ("/huge", "size"), ("/endless", "size"), ("/head-flood", "size"), ("/head-line", "size"),
            ("/continue-flood", "size"), ("/hang", "time"), ("/hang-body", "time"), ("/drip", "time"),
            ("/drip-head", "time")]
AGES = [("/200", 600), ("/404", 0), ("/cache-off", 1), ("/cache-bad", 1), ("/cache-two", 70)]
TIMEOUT_MS, SLACK_MS = 700, 1500


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def fetch(url, *options, env=None, command=(), **more):
    """The tool's lines but the last, which says what was left behind."""
    done = subprocess.run([*command, str(TOOL), *map(str, options), url], capture_output=True, text=True, timeout=120,
                          env={**ENV, **(env or {})}, **more)
    out = lines(done.stdout)
    if not out or out[-1].get("children") is not False or out[-1]["before"] != out[-1]["after"] or \
            "Sanitizer" in done.stderr:
        raise RuntimeError(f"{url}: {done.stdout[-500:]} {done.stderr[-3000:]}")
    return out[:-1]


def expect(name, got, status, field="", **more):
    good = got["class"] == status and got["field"] == field and all(got[k] == v for k, v in more.items())
    case(name, good, str(got))


def unavailable(name, got, step, below=TIMEOUT_MS + SLACK_MS):
    good = got["class"] == "VerifierUnavailable" and got["field"] == f"fetch.{step}" and got["text"] and \
        got["ms"] < below and "does not answer" not in got["text"]
    case(name, good, str(got))


def answers(service, base):
    for path, http, kind, n in ANSWERS:
        got = fetch(base + path)[0]
        expect(f"answer {path}", got, "Ok", http=http, type=kind, len=n)
    for path, step in FAILURES:
        unavailable(f"failure {path}", fetch(base + path, "--timeout", TIMEOUT_MS)[0], step)
    for path, age in AGES:
        expect(f"age of {path}", fetch(base + path)[0], "Ok", max_age=age)
    got = fetch(base, "--path", "/largest", "--max", 262143)[0]
    unavailable("one byte more than wanted", got, "size")
    got = fetch(base, "--path", "/chunked", "--max", 7)[0]
    expect("as many bytes as wanted", got, "Ok", body="abcdefg")


def requests(service, base, folder):
    body = folder / "body"
    body.write_bytes(b"{" + b" " * 262142 + b"}")
    service.requests.clear()
    expect("a large request", fetch(base, "--path", "/200?v=1", "--body", body, "--accept", "application/jwt")[0],
           "Ok", http=404)
    method, path, fields, sent = service.requests[-1]
    case("a request as it was meant", (method, path, sent) == ("POST", "/200?v=1", body.read_bytes()) and
         fields == {"Host": base[7:], "User-Agent": fields["User-Agent"], "Accept": "application/jwt",
                    "Content-Type": "application/json", "Content-Length": "262144"}, f"{method} {path} {fields}")
    body.write_bytes(b"x" * 262145)
    expect("a request too large", fetch(base, "--body", body)[0], "UsageError", "body")
    expect("an Accept of two lines", fetch(base, "--accept", "a\r\nX: y")[0], "UsageError", "accept")
    expect("no CA file", fetch("https://localhost", "--ca", folder / "none")[0], "UsageError", "ca")
    service.requests.clear()
    fetch(base + "/cookie", "--repeat", 2)
    case("no cookie, no compression asked for",
         all(set(fields) == {"Host", "User-Agent", "Accept"} for _, _, fields, _ in service.requests) and
         service.seen() == 2, str(service.requests))
    before = service.connections
    fetch(base + "/200", "--repeat", 20)
    case("a connection is used again", service.connections == before + 1, str(service.connections - before))


def never(service, base, other, folder):
    for status in (301, 302, 303, 307, 308):
        expect(f"redirect {status} is an answer", fetch(f"{base}/{status}")[0], "Ok", http=status)
    case("no redirect was followed", other.connections == 0, str(other.requests))
    proxy = f"http://127.0.0.1:{other.port}"
    names = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
    env = {**{name: proxy for name in names}, "SSLKEYLOGFILE": str(folder / "keys"), "HOME": str(folder)}
    (folder / ".netrc").write_text("default login a password b\n")
    service.requests.clear()
    expect("proxies of the environment", fetch(base + "/200", env=env)[0], "Ok", http=200)
    got = fetch("https://blindbox.invalid/", env=env)[0]
    unavailable("proxies of the environment, https", got, "resolve", 15000)
    case("no proxy was asked", other.connections == 0, str(other.requests))
    case("no password was sent", "Authorization" not in service.requests[0][2], str(service.requests))
    for url in ("http://example.com/", "http://10.0.0.1/", "http://169.254.169.254/latest/", "https://a:b@localhost/",
                "ftp://localhost/", "file:///etc/passwd", "http://127.0.0.1.example.com/", "http://2130706433/"):
        expect(f"not asked: {url}", fetch(url)[0], "UsageError", "url")
    for host in ("169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]", "[fe80::1]", "0.0.0.0",
                 "2852039166", "168.63.129.16"):
        unavailable(f"not connected to: {host}", fetch(f"https://{host}/")[0], "address")
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        unavailable("a closed port", fetch(f"http://127.0.0.1:{s.getsockname()[1]}/")[0], "connect")


def unix(folder):
    path = folder / "v.sock"
    service = http_service.Service(path=path)
    expect("a Unix socket", fetch(f"unix:{path}", "--path", "/200")[0], "Ok", http=200, len=7)
    expect("a Unix socket without a path", fetch(f"unix:{path}")[0], "UsageError", "url")
    unavailable("no Unix socket", fetch(f"unix:{folder}/none", "--path", "/200")[0], "connect")
    case("one request came", service.seen() == 1)


def tls(folder):
    ours, theirs = http_service.Authority(folder, "ours"), http_service.Authority(folder, "theirs")
    local = "DNS:localhost,IP:127.0.0.1"
    good = http_service.Service(ours.context("good", local))
    base = f"https://localhost:{good.port}"
    expect("TLS with its authority", fetch(base + "/200", "--ca", ours.cert, "--repeat", 2)[1], "Ok", http=200)
    expect("TLS, by address", fetch(f"https://127.0.0.1:{good.port}/200", "--ca", ours.cert)[0], "Ok", http=200)
    keys = folder / "tls-keys"
    fetch(base + "/200", "--ca", ours.cert, env={"SSLKEYLOGFILE": str(keys)})
    case("TLS, no keys for a file of the environment", not keys.exists())
    unavailable("TLS, a body cut", fetch(base + "/tls-cut", "--ca", ours.cert)[0], "answer")
    unavailable("TLS, another authority", fetch(base + "/200", "--ca", theirs.cert)[0], "tls")
    unavailable("TLS, the system's authorities", fetch(base + "/200")[0], "tls")
    (folder / "empty.pem").write_text("no certificate\n")
    unavailable("TLS, a CA file without one", fetch(base + "/200", "--ca", folder / "empty.pem")[0], "tls")
    for label, context in (("another name", ours.context("name", "DNS:other.example")),
                           ("expired", ours.context("old", local, days=-1)), ("version 1.1", tls11(ours, local))):
        service = http_service.Service(context)
        got = fetch(f"https://localhost:{service.port}/200", "--ca", ours.cert)[0]
        unavailable(f"TLS, {label}", got, "tls")
        case(f"TLS, {label}: no request was sent", service.seen() == 0)
    plain = http_service.Service()
    unavailable("TLS with a plain service", fetch(f"https://localhost:{plain.port}/200", "--ca", ours.cert)[0], "tls")
    unavailable("no TLS with a TLS service", fetch(f"http://localhost:{good.port}/200")[0], "answer")
    return ours


def tls11(authority, names):
    context = authority.context("v11", names)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():  # deprecated is what it is to be
        warnings.simplefilter("ignore")
        context.minimum_version = context.maximum_version = http_service.ssl.TLSVersion.TLSv1_1
    return context


INSIDE = """set -e
ip link set lo up
mount --bind {hosts} /etc/hosts
mount --bind {resolv} /etc/resolv.conf
mount --bind {anchors} /etc/ssl/certs
exec python3 {own} --names {folder}
"""


def names(folder, authority):
    """Names that lead elsewhere: in namespaces of its own, with other hosts and a resolver that is silent."""
    hosts, resolv = folder / "hosts", folder / "resolv.conf"
    hosts.write_text("169.254.169.254 turned.test\n169.254.169.254 both.test\n127.0.0.1 both.test\n"
                     "192.0.2.1 localhost\n")
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:5 attempts:2\n")
    anchors = folder / "anchors"
    anchors.mkdir()
    for name in ("ours.pem", "ca-certificates.crt"):
        (anchors / name).write_bytes(authority.cert.read_bytes())
    authority.openssl("rehash", anchors)
    script = INSIDE.format(hosts=hosts, resolv=resolv, anchors=anchors, own=__file__, folder=folder)
    done = subprocess.run(["unshare", "-rmn", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    if "inside" not in done.stdout:
        skip("names that lead elsewhere", f"no namespaces of one's own: {done.stderr.strip()[-200:]}")
        return
    for line in done.stdout.splitlines():
        if line.startswith(("ok ", "FAIL ")):
            print(line, flush=True)
            common.failed += 1 if line.startswith("FAIL ") else 0
    case("names: all were tried", done.returncode == 0, done.stdout + done.stderr)


def names_inside(folder):
    print("inside", flush=True)
    context = http_service.ssl.SSLContext(http_service.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ours-both.crt", folder / "ours-both.key")
    service, plain = http_service.Service(context), http_service.Service()
    ca = folder / "ours.pem"
    unavailable("a name turned to link-local", fetch("https://turned.test/", "--ca", ca)[0], "address")
    got = fetch(f"https://both.test:{service.port}/200", "--ca", ca)[0]
    expect("a name with both: the other address is used", got, "Ok", http=200)
    got = fetch(f"https://both.test:{service.port}/200")[0]
    expect("the system's authorities", got, "Ok", http=200)
    got = fetch(f"https://both.test:{service.port}/200", "--ca", folder / "theirs.pem")[0]
    unavailable("a CA file stands for the system's authorities", got, "tls")
    expect("a name with both, no TLS", fetch(f"http://both.test:{plain.port}/200")[0], "UsageError", "url")
    expect("localhost is loopback", fetch(f"http://localhost:{plain.port}/200")[0], "Ok", http=200)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 53))
        for got in fetch("https://silent.test/", "--timeout", TIMEOUT_MS, "--repeat", 2):
            unavailable("a resolver that is silent", got, "time")


class Running:
    """The tool at work, its fetcher's process in sight."""

    def __init__(self, *arguments):
        self.tool = subprocess.Popen([str(TOOL), *map(str, arguments)], env=ENV, text=True,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        eventually(self.fetcher)

    def fetcher(self):
        """The process's number; None while there is none."""
        path = f"/proc/{self.tool.pid}/task/{self.tool.pid}/children"
        threads = pathlib.Path(f"/proc/{self.tool.pid}/task")
        try:
            found = " ".join((task / "children").read_text() for task in threads.iterdir()).split()
        except OSError:
            return None
        return int(found[0]) if found and path else None

    def line(self):
        return json.loads(self.tool.stdout.readline())

    def go_on(self):
        self.tool.stdin.write("\n")
        self.tool.stdin.flush()

    def end(self):
        out, _ = self.tool.communicate("\n" * 10, timeout=60)
        return lines(out)[-1]


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


def processes(service, base):
    run = Running("--repeat", 4, "--pause", base + "/200")
    expect("before its end", run.line(), "Ok", http=200)
    pid = run.fetcher()
    os.kill(pid, signal.SIGKILL)
    case("it ends", eventually(lambda: not alive(pid)))
    run.go_on()
    expect("after its end: another process", run.line(), "Ok", http=200)
    os.kill(run.fetcher(), signal.SIGINT)
    run.go_on()
    expect("an interrupt does not end it", run.line(), "Ok", http=200)
    case("no child, no descriptor is left", run.end()["children"] is False)

    before = service.seen()
    run = Running("--repeat", 2, "--pause", "--timeout", 60000, base + "/hang")
    case("it hangs", eventually(lambda: service.seen() > before))
    t0 = time.monotonic()
    os.kill(run.fetcher(), signal.SIGKILL)
    got = run.line()
    expect("killed in the middle", got, "VerifierUnavailable", "fetch.process")
    case("killed in the middle: at once", time.monotonic() - t0 < 2)
    run.tool.kill()
    run.tool.communicate()

    run = Running("--repeat", 6, "--pause", base + "/200")
    for _ in range(2):
        run.line()
        pid = run.fetcher()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))
        run.go_on()
    got = run.line()
    case("it dies again and again: a pause", got["field"] == "fetch.process" and "again and again" in got["text"],
         str(got))
    time.sleep(0.3)
    run.go_on()
    expect("after the pause: another process", run.line(), "Ok", http=200)
    run.tool.kill()
    run.tool.communicate()

    run = Running("--repeat", 2, "--pause", "--timeout", TIMEOUT_MS, base + "/200")
    run.line()
    os.kill(run.fetcher(), signal.SIGSTOP)
    run.go_on()
    got = run.line()
    case("it stands still", got["field"] == "fetch.time" and "does not answer" in got["text"] and
         got["ms"] < TIMEOUT_MS + 1000 + SLACK_MS, str(got))
    t0 = time.monotonic()
    case("it stands still: it is ended all the same", run.end()["children"] is False and time.monotonic() - t0 < 5)

    run = Running("--repeat", 2, "--pause", base + "/200")
    run.line()
    pid = run.fetcher()
    run.tool.kill()
    run.tool.communicate()
    case("its program killed: it ends", eventually(lambda: not alive(pid), 3))

    done = subprocess.run([str(TOOL), base + "/200"], env={**ENV, "BLINDBOX_LIBEXEC": "/nonexistent"},
                          capture_output=True, text=True, timeout=60)
    expect("no program to start", lines(done.stdout)[0], "VerifierUnavailable", "fetch.process")
    done = subprocess.run([str(BUILD / "libexec" / "blindbox-fetch")], capture_output=True, text=True, timeout=60)
    case("started by hand", done.returncode == 1 and "started by it" in done.stderr, done.stderr)
    ignored = fetch(base + "/200", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    expect("a host that ignores its children", ignored[0], "Ok", http=200)
    closed = fetch(base + "/200", preexec_fn=lambda: os.close(0))
    expect("a host without a standard input", closed[0], "Ok", http=200)


def load(service, base):
    service.closed.clear()
    t0 = time.monotonic()
    got = fetch(base + "/hang", "--cancel", 300, "--timeout", 60000)
    case("a cancel closes the connection", got[0]["cancelled"] and service.closed.wait(2) and
         time.monotonic() - t0 < 5, str(got))
    service.most = 0
    got = fetch(base + "/busy", "--parallel", 200)
    case("200 at once", [g["http"] for g in got] == [200] * 200, str(got[:2]))
    case("200 at once: within the limit", TRANSFERS_MAX // 2 < service.most <= TRANSFERS_MAX, str(service.most))
    got = fetch(base + "/hang", "--parallel", 600, "--timeout", TIMEOUT_MS)
    steps = {g["field"] for g in got}
    case("600 that hang: each ends in time", len(got) == 600 and max(g["ms"] for g in got) < 5000 and
         steps <= {"fetch.time", "fetch.process"}, f"{steps} {max(g['ms'] for g in got)}")
    got = fetch(base + "/200", "--repeat", 1000)
    case("1000 fetches", [g["http"] for g in got] == [200] * 1000)
    got = fetch(base + "/200", "--threads", 4, "--repeat", 25)
    case("4 threads", [g["http"] for g in got] == [200] * 100)
    run = Running("--parallel", 100, "--repeat", 2, "--pause", base + "/200")
    for _ in range(100):
        run.line()
    try:
        n = len(os.listdir(f"/proc/{run.fetcher()}/fd"))
        case("its own descriptors", n < 16 + 16, str(n))
    except PermissionError:
        case("nobody looks into it", True)
    run.end()


def main():
    if "--names" in sys.argv:
        names_inside(pathlib.Path(sys.argv[-1]))
        return 1 if common.failed else 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        other = http_service.Service()
        service = http_service.Service(elsewhere=f"http://127.0.0.1:{other.port}")
        base = f"http://127.0.0.1:{service.port}"
        answers(service, base)
        requests(service, base, folder)
        never(service, base, other, folder)
        unix(folder)
        authority = tls(folder)
        authority.context("both", "DNS:both.test")
        names(folder, authority)
        processes(service, base)
        load(service, base)
    return 1 if common.failed else 0


if __name__ == "__main__":
    sys.exit(main())
