"""exec: exit codes, signals, the child's environment, the secret of its proxy, and heads that try to
mean two things."""
import base64
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

import wire
import world as w


def execute(world, gateway, *command, **more):
    return w.blindbox("exec", "--to", gateway.address, "--policy", world.policy, "--", *command, check=False,
                      **more)


class Running:
    """An exec whose child is Python code; `line()` is what it says next."""

    def __init__(self, world, gateway, code, env=None):
        self.process = subprocess.Popen(
            [w.PROGRAM, "exec", "--to", gateway.address, "--policy", str(world.policy), "--", sys.executable, "-uc",
             code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(env or {})}, start_new_session=True)

    def line(self, seconds=15):
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return "nothing"
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(20)
        self.stderr = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def codes(world, gateway):
    for code in (0, 1, 7, 125, 255):
        done = execute(world, gateway, "sh", "-c", f"exit {code}")
        w.case(f"exit code {code}", done.returncode == code, str(done))
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
        done = execute(world, gateway, "sh", "-c", f"kill -{int(number)} $$")
        w.case(f"128 + {number.name}", done.returncode == 128 + number, str(done))
    done = execute(world, gateway, "/nowhere/at/all")
    w.case("a command that is not there", done.returncode == 127 and "/nowhere" in done.stderr, str(done))
    done = execute(world, gateway, "true", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
                   timeout=20)
    w.case("started with SIGCHLD ignored", done.returncode == 0, str(done))
    quick = [execute(world, gateway, "true", timeout=20).returncode for _ in range(20)]
    w.case("a child that ends at once", quick == [0] * 20, str(quick))
    done = execute(world, gateway, "sh", "-c", "curl -sS http://a/ & curl -sS http://b/ & wait; curl -sS http://c/")
    w.case("several at a time", done.returncode == 0, str(done))


SIGNALS = """
import signal, sys, time
for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    signal.signal(n, lambda number, frame: print(signal.Signals(number).name))
print('ready')
sys.stdin.read()
print('still here')
"""


def signals(world, gateway):
    child = Running(world, gateway, SIGNALS)
    child.line()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        child.process.send_signal(number)
        w.case(f"{number.name} is passed on", child.line() == number.name)
    w.case("and exec stays as long as the child", child.end() == 0)
    child = Running(world, gateway, "print('ready'); import time; time.sleep(60)")
    child.line()
    child.process.send_signal(signal.SIGTERM)
    w.case("a child that dies of it: 143", child.end() == 143)
    mask = Running(world, gateway, "import signal; print(signal.getsignal(signal.SIGPIPE), "
                   "list(signal.pthread_sigmask(signal.SIG_BLOCK, [])))")
    default = subprocess.run([sys.executable, "-c", "import signal; print(signal.getsignal(signal.SIGPIPE), "
                              "list(signal.pthread_sigmask(signal.SIG_BLOCK, [])))"], capture_output=True, text=True)
    w.case("the child's own signals are as they were", mask.line() == default.stdout.strip())
    mask.end()


ENVIRONMENT = "import os, sys, json; print(json.dumps(dict(os.environ))); sys.stdin.read()"


def environment(world, gateway):
    outer = {"NO_PROXY": "*", "no_proxy": "app", "HTTP_PROXY": "http://other:1", "http_proxy": "http://other:1",
             "https_proxy": "http://other:1"}
    child = Running(world, gateway, ENVIRONMENT, outer)
    inner = json.loads(child.line())
    ours = inner["http_proxy"]
    w.case("the child's proxy is ours, whatever was set", all(inner.get(name) == ours for name in (
        "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")), str(inner))
    w.case("and there is no way around it", "no_proxy" not in inner and "NO_PROXY" not in inner)
    secret = urllib.parse.urlsplit(ours).password
    w.case("the secret is long", len(secret) >= 32)
    of_exec = open(f"/proc/{child.process.pid}/environ").read() + open(f"/proc/{child.process.pid}/cmdline").read()
    w.case("the secret is in no environment or command line but the child's", secret not in of_exec and
           "http://other:1" in of_exec)
    again = Running(world, gateway, ENVIRONMENT, outer)
    w.case("each run has its own", urllib.parse.urlsplit(json.loads(again.line())["http_proxy"]).password != secret)
    child.end()
    again.end()


def ask(endpoint, head):
    """(status, whole reply) of a head sent to a proxy."""
    with socket.create_connection(endpoint, timeout=10) as s:
        try:
            s.sendall(head)
        except OSError:
            pass
        reply = wire.drain(s) or b""
    words = reply.split(b" ", 2)
    return (int(words[1]) if reply.startswith(b"HTTP/1.1 ") else None), reply


def strangers(world):
    """Other programs that find the port."""
    sink = w.Sink()
    gateway = w.Gateway(world, sink.upstream)
    child = Running(world, gateway, ENVIRONMENT)
    proxy = urllib.parse.urlsplit(json.loads(child.line())["http_proxy"])
    endpoint = (proxy.hostname, proxy.port)
    w.case("the proxy is on loopback", proxy.hostname == "127.0.0.1")

    def basic(text):
        return "Basic " + base64.b64encode(text.encode()).decode()

    good = f"{proxy.username}:{proxy.password}"
    rows = [("nothing", ""), ("an empty secret", basic("")), ("another secret", basic("blindbox:" + "0" * 32)),
            ("a shorter one", basic(good[:-1])), ("a longer one", basic(good + "0")), ("another case", basic(good.upper())),
            ("another scheme", "Bearer " + proxy.password), ("the secret in plain", proxy.password),
            ("base64 with a stray bit", basic(good)[:-1] + "?"), ("in Authorization", None)]
    for name, value in rows:
        field = f"Proxy-Authorization: {value}\r\n" if value else ""
        field = f"Authorization: {basic(good)}\r\n" if value is None else field
        status, reply = ask(endpoint, f"GET http://app/ HTTP/1.1\r\nHost: app\r\n{field}\r\n".encode())
        w.case(f"a stranger with {name}: 407", status == 407 and b"Proxy-Authenticate: Basic" in reply, str(reply))
    w.case("no upstream connection", (sink.connections, sink.received) == (0, 0))
    w.case("strangers do not change the exit code", child.end() == 0, child.stderr)
    gateway.stop()


def heads(secret):
    """(name, head, statuses that will do): each with the right secret."""
    auth = b"Proxy-Authorization: Basic " + secret + b"\r\n"
    get = b"GET http://app/ HTTP/1.1\r\nHost: app\r\n" + auth
    post = get.replace(b"GET", b"POST")
    bad = (400,)
    return [
        ("bare LF line ends", get.replace(b"\r\n", b"\n") + b"\n", (400, None)),
        ("a bare LF in a field", get + b"X: a\nY: b\r\n\r\n", bad),
        ("a bare CR in a field", get + b"X: a\rY: b\r\n\r\n", bad),
        ("a NUL in a field", get + b"X: a\0b\r\n\r\n", bad),
        ("obs-fold", get + b"X: a\r\n b\r\n\r\n", bad),
        ("a fold before any field", b"GET http://app/ HTTP/1.1\r\n X: a\r\n" + auth + b"\r\n", bad),
        ("space before the colon", get + b"X : a\r\n\r\n", bad),
        ("no colon", get + b"X\r\n\r\n", bad),
        ("an empty name", get + b": a\r\n\r\n", bad),
        ("both lengths", post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad),
        ("two lengths", post + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", bad),
        ("chunked in HTTP/1.0", post.replace(b"/1.1", b"/1.0") + b"Transfer-Encoding: chunked\r\n\r\n", bad),
        ("userinfo", get.replace(b"//app/", b"//user:word@app/") + b"\r\n", bad),
        ("a fragment", get.replace(b"//app/", b"//app/#x") + b"\r\n", bad),
        ("a fragment as host", get.replace(b"//app/", b"//app#.example") + b"\r\n", bad),
        ("a backslash in the host", get.replace(b"//app/", b"//app\\x/") + b"\r\n", bad),
        ("no host", get.replace(b"//app/", b"///") + b"\r\n", bad),
        ("a tab in the request line", get.replace(b"GET ", b"GET\t") + b"\r\n", bad),
        ("two spaces in the request line", get.replace(b"GET ", b"GET  ") + b"\r\n", bad),
        ("a space in the URL", get.replace(b"//app/", b"//app/a b") + b"\r\n", bad),
        ("origin form", get.replace(b"http://app/", b"/") + b"\r\n", bad),
        ("OPTIONS *", get.replace(b"GET http://app/", b"OPTIONS *") + b"\r\n", bad),
        ("CONNECT", get.replace(b"GET http://app/", b"CONNECT app:443") + b"\r\n", (403,)),
        ("connect in small letters", get.replace(b"GET http://app/", b"connect app:443") + b"\r\n", (403, 400)),
        ("https://", get.replace(b"http:", b"https:") + b"\r\n", (403,)),
        ("ftp://", get.replace(b"http:", b"ftp:") + b"\r\n", (403,)),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", bad),
        ("HTTP/0.9", b"GET http://app/\r\n" + auth + b"\r\n", bad),
        ("HTTP/3.0", get.replace(b"HTTP/1.1", b"HTTP/3.0") + b"\r\n", bad),
        ("http/1.1 in small letters", get.replace(b"HTTP/1.1", b"http/1.1") + b"\r\n", bad),
        ("a TLS hello", b"\x16\x03\x01\x02\x00" + bytes(508), (400, None)),
        ("70 KB of fields", get + b"X: " + b"a" * 70000 + b"\r\n\r\n", bad),
        ("70 KB of URL", get.replace(b"//app/", b"//app/" + b"a" * 70000) + b"\r\n", bad),
        ("an empty line first", b"\r\n" + get + b"\r\n", bad),
    ]


def smuggling(world):
    sink = w.Sink()
    gateway = w.Gateway(world, sink.upstream)
    child = Running(world, gateway, ENVIRONMENT)
    proxy = urllib.parse.urlsplit(json.loads(child.line())["http_proxy"])
    endpoint = (proxy.hostname, proxy.port)
    secret = base64.b64encode(f"{proxy.username}:{proxy.password}".encode())
    for name, head, allowed in heads(secret):
        if None in allowed:
            status = unfinished(endpoint, head)
        else:
            status, _ = ask(endpoint, head)
        w.case(f"{name}: refused", status in allowed, str(status))
    w.case("none of them reached the application", (sink.connections, sink.received) == (0, 0),
           str(sink.connections))
    w.case("exec says that nothing was attested", child.end() == 125, child.stderr[-500:])
    gateway.stop()


def unfinished(endpoint, head):
    """A head that has no end for this proxy: it waits, and says nothing good."""
    with socket.create_connection(endpoint, timeout=1) as s:
        s.sendall(head)
        reply = wire.drain(s)
    return None if not reply else int(reply.split()[1])


LAST_WORDS = """
import os, socket, base64, urllib.parse
proxy = urllib.parse.urlsplit(os.environ['http_proxy'])
secret = base64.b64encode(f'{proxy.username}:{proxy.password}'.encode()).decode()
s = socket.create_connection((proxy.hostname, proxy.port))
s.sendall(f'POST http://app/ HTTP/1.1\\r\\nHost: app\\r\\nContent-Length: 3000000\\r\\n'
          f'Proxy-Authorization: Basic {secret}\\r\\n\\r\\n'.encode() + bytes(3000000))
"""


def last_words(world):
    """What a child sent before it ended still arrives."""
    sink = w.Sink()
    gateway = w.Gateway(world, sink.upstream)
    done = execute(world, gateway, sys.executable, "-c", LAST_WORDS)
    w.case("the child's last bytes arrive", w.eventually(lambda: sink.received > 3000000, 5) and
           done.returncode == 0, f"{sink.received} {done}")
    begin = time.monotonic()
    done = execute(world, gateway, "sh", "-c", "(sleep 30; true) >/dev/null 2>&1 & exit 3", timeout=20)
    w.case("a grandchild does not hold it", done.returncode == 3 and time.monotonic() - begin < 10, str(done))
    gateway.stop()


def main():
    with w.World() as world:
        app = w.App()
        gateway = w.Gateway(world, app.upstream)
        codes(world, gateway)
        signals(world, gateway)
        environment(world, gateway)
        strangers(world)
        smuggling(world)
        last_words(world)
        w.case("the gateway ends in order", gateway.stop() == 0)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
