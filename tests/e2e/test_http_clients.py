"""Programs that people have, through exec and proxy, to servers that people have: curl, wget, Python's
urllib; nginx, nghttpd, a server that upgrades; HTTP/1.1, HTTP/2, chunked uploads, many requests on
one connection."""
import hashlib
import http.server
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import threading

import world as w


class Hashing(http.server.ThreadingHTTPServer):
    """Answers each POST, chunked or not, with length and SHA-256 of what came; 101 to an upgrade,
    and then every line in capitals."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), HashingHandler)
        self.upstream = f"tcp:127.0.0.1:{self.server_address[1]}"
        self.connections, self.heads = 0, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def get_request(self):
        self.connections += 1
        return super().get_request()

    def handle_error(self, *_):
        pass  # a client that is killed resets its connections


class HashingHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline().split(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def answer(self, data):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        self.server.heads.append(dict(self.headers))
        digest, n = hashlib.sha256(), 0
        for part in self.body():
            digest.update(part)
            n += len(part)
        self.answer(json.dumps({"length": n, "sha256": digest.hexdigest()}).encode())

    do_PUT = do_POST

    def do_GET(self):
        self.server.heads.append(dict(self.headers))
        if self.headers.get("Upgrade") != "shout":
            return self.answer(f"you asked for {self.path} of {self.headers['Host']}\n".encode())
        self.send_response(101)
        self.send_header("Upgrade", "shout")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        while line := self.rfile.readline():
            self.wfile.write(line.upper())
        self.close_connection = True

    def log_message(self, *_):
        pass


def through_exec(world, gateway, *command, **more):
    return w.blindbox("exec", "--to", gateway.address, "--policy", world.policy, "--", *command, check=False,
                      **more)


def upload(world):
    data = world.folder / "upload"
    data.write_bytes(os.urandom(300000))
    return data, {"length": 300000, "sha256": hashlib.sha256(data.read_bytes()).hexdigest()}


def curl_http1(world, app, gateway, proxy):
    data, expected = upload(world)
    for name, options in (("with its length", []), ("chunked", ["-H", "Transfer-Encoding: chunked"]),
                          ("with Expect", ["-H", "Expect: 100-continue"])):
        post = ["curl", "-sS", "--data-binary", f"@{data}", *options]
        done = through_exec(world, gateway, *post, "http://app.internal/x")
        w.case(f"exec: curl uploads {name}", json.loads(done.stdout or "null") == expected, str(done))
        done = w.run(*post, f"http://{proxy.address}/x")
        w.case(f"proxy: curl uploads {name}", json.loads(done.stdout or "null") == expected, str(done))
    app.heads.clear()
    done = through_exec(world, gateway, "curl", "-sS", "http://app.internal:8080/a?b=c#d", "-H", "X-Own: kept")
    w.case("exec: the origin sees its own host and path", done.stdout == "you asked for /a?b=c of app.internal:8080\n",
           str(done))
    names = {name.lower() for name in app.heads[-1]}
    w.case("exec: nothing of the proxy's reaches the origin", "x-own" in names and
           not names & {"proxy-authorization", "proxy-connection"}, str(app.heads[-1]))
    done = through_exec(world, gateway, "curl", "-sS", "-0", "http://app/old")
    w.case("exec: HTTP/1.0", done.stdout == "you asked for /old of app\n", str(done))
    w.case("exec: several in one command", through_exec(world, gateway, "curl", "-sS", "http://app/[1-5]",
           "http://other/6").stdout.count("you asked") == 6)


def many_requests(world, app, gateway, proxy):
    before = app.connections
    done = w.run("curl", "-sS", f"http://{proxy.address}/[1-200]")
    w.case("proxy: 200 requests on one attested connection", done.stdout.count("you asked for") == 200 and
           app.connections == before + 1, f"{app.connections - before} {done.stderr}")
    done = w.run("curl", "-sS", "--parallel", "--parallel-max", "20", f"http://{proxy.address}/[1-100]")
    w.case("proxy: 100 requests in parallel", done.stdout.count("you asked for") == 100, done.stderr)


def other_programs(world, app, gateway, proxy):
    script = ("import urllib.request as u\n"
              "print(u.urlopen('http://app/py').read().decode(), end='')\n"
              "print(u.urlopen(u.Request('http://app/post', data=b'x' * 1000)).read().decode())")
    done = through_exec(world, gateway, sys.executable, "-c", script)
    w.case("exec: Python's urllib", done.stdout.startswith("you asked for /py of app\n") and
           '"length": 1000' in done.stdout, str(done))
    if shutil.which("wget") is None:
        w.skip("exec: wget", "not installed")
        return
    done = through_exec(world, gateway, "wget", "-q", "-O", "-", "http://app/wget")
    w.case("exec: wget", done.stdout == "you asked for /wget of app\n", str(done))


SHOUT = """
import os, socket, base64, urllib.parse
proxy = urllib.parse.urlsplit(os.environ['http_proxy'])
secret = base64.b64encode(f'{proxy.username}:{proxy.password}'.encode()).decode()
s = socket.create_connection((proxy.hostname, proxy.port))
s.sendall(('GET http://app/shout HTTP/1.1\\r\\nHost: app\\r\\nUpgrade: shout\\r\\nConnection: Upgrade\\r\\n'
           f'Proxy-Authorization: Basic {secret}\\r\\n\\r\\nfirst\\n').encode())
f = s.makefile('rb')
print(f.readline().split()[1].decode())
while f.readline().strip():
    pass
print(f.readline().decode().strip())
for i in range(100):
    s.sendall(b'line %d\\n' % i)
    assert f.readline() == b'LINE %d\\n' % i
s.shutdown(socket.SHUT_WR)
print('end' if f.read() == b'' else 'more')
"""


def upgrade(world, gateway):
    done = through_exec(world, gateway, sys.executable, "-c", SHOUT)
    w.case("exec: an upgrade, and what came with the head", done.stdout.split() == ["101", "FIRST", "end"], str(done))


def unix_socket(world, gateway):
    path = world.folder / "proxy.sock"
    proxy = w.Proxy(world, gateway.address, listen=f"unix:{path}")
    done = w.run("curl", "-sS", "--unix-socket", path, "http://app/unix")
    w.case("proxy on a Unix socket", done.stdout == "you asked for /unix of app\n", str(done))
    w.case("it is the user's alone", path.stat().st_mode & 0o777 == 0o600, oct(path.stat().st_mode))
    proxy.stop(w.signal.SIGKILL)
    again = w.Proxy(world, gateway.address, listen=f"unix:{path}")
    done = w.run("curl", "-sS", "--unix-socket", path, "http://app/again")
    w.case("a stale socket is replaced", done.stdout == "you asked for /again of app\n", str(done))
    done = w.blindbox("proxy", "--to", gateway.address, "--policy", world.policy, "--listen", f"unix:{path}",
                      check=False)
    w.case("one that is in use is not", done.returncode == 1 and "cannot listen" in done.stderr, str(done))
    again.stop()


def http2(world):
    """Prior knowledge from end to end: the proxy's bytes are the client's."""
    port = w.free_port()
    root = world.folder / "h2"
    root.mkdir()
    (root / "page").write_bytes(os.urandom(200000))
    server = subprocess.Popen(["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", root, str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    w.eventually(lambda: w.connects("127.0.0.1", port))
    gateway = w.Gateway(world, f"tcp:127.0.0.1:{port}")
    proxy = w.Proxy(world, gateway.address)
    got = world.folder / "got"
    done = w.run("curl", "-sS", "--http2-prior-knowledge", "-o", got, "-w", "%{http_version} %{http_code}",
                 f"http://{proxy.address}/page")
    w.case("proxy: curl over HTTP/2", done.stdout == "2 200" and got.read_bytes() == (root / "page").read_bytes(),
           str(done))
    done = w.run("nghttp", "-ans", "-m", "50", f"http://{proxy.address}/page")
    w.case("proxy: 50 streams on one connection", done.stdout.count("/page") >= 50, done.stdout[-300:] + done.stderr)
    for process in (proxy, gateway):
        process.stop()
    server.kill()
    server.wait()


NGINX = """daemon off; user {user}; worker_processes 1; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    client_max_body_size 100k; keepalive_requests 10000;
    server {{ listen {listen}; root {folder}/www; location = /hello {{ return 200 "hello from nginx\\n"; }} }}
}}
"""


def nginx(world):
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    folder = world.folder / "nginx"
    (folder / "www").mkdir(parents=True)
    (folder / "www" / "file").write_bytes(os.urandom(500000))
    for name, listen, upstream in nginx_places(folder):
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, listen=listen,
                                                           user=pwd.getpwuid(os.getuid()).pw_name))
        server = subprocess.Popen([program, "-e", "stderr", "-p", folder, "-c", folder / "nginx.conf"],
                                  stderr=subprocess.DEVNULL)
        w.eventually(lambda: upstream_answers(upstream))
        gateway = w.Gateway(world, upstream)
        proxy = w.Proxy(world, gateway.address)
        done = w.run("curl", "-sS", f"http://{proxy.address}/hello", f"http://{proxy.address}/hello")
        w.case(f"nginx on {name}", done.stdout == "hello from nginx\n" * 2, str(done))
        got = folder / "got"
        w.run("curl", "-sS", "-o", got, f"http://{proxy.address}/file")
        w.case(f"nginx on {name}: a file", got.read_bytes() == (folder / "www" / "file").read_bytes())
        done = through_exec(world, gateway, "curl", "-sS", "-o", os.devnull, "-w", "%{http_code}", "--data-binary",
                            f"@{folder}/www/file", "http://app/file")
        w.case(f"nginx on {name}: refuses a body that is too large", done.stdout == "413", str(done))
        server.terminate()
        server.wait()
        proxy.stop()
        gateway.stop()


def nginx_places(folder):
    port = w.free_port()
    return [("TCP", f"127.0.0.1:{port}", f"tcp:127.0.0.1:{port}"),
            ("a Unix socket", f"unix:{folder}/app.sock", f"unix:{folder}/app.sock")]


def upstream_answers(upstream):
    kind, rest = upstream.split(":", 1)
    try:
        if kind == "unix":
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(rest)
        else:
            host, port = rest.rsplit(":", 1)
            socket.create_connection((host, int(port)), timeout=5).close()
        return True
    except OSError:
        return False


def main():
    with w.World() as world:
        app = Hashing()
        gateway = w.Gateway(world, app.upstream)
        proxy = w.Proxy(world, gateway.address)
        curl_http1(world, app, gateway, proxy)
        many_requests(world, app, gateway, proxy)
        other_programs(world, app, gateway, proxy)
        upgrade(world, gateway)
        unix_socket(world, gateway)
        http2(world)
        nginx(world)
        w.case("proxy and gateway end in order", (proxy.stop(), gateway.stop()) == (0, 0))
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
