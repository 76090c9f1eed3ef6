"""A scripted HTTP or HTTPS service: each path is one way to answer, most of them wrong. It notes what it
was asked, and how many at once."""
import gzip
import json
import pathlib
import socket
import ssl
import struct
import subprocess
import threading
import time

LIMIT_S = 20  # no script goes on longer


def head(status, *fields, length=None):
    lines = [f"HTTP/1.1 {status}", *fields]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(status, body=b"", *fields):
    return head(status, *fields, length=len(body)) + body


JSON = "Content-Type: application/json"
MAA_ERROR = json.dumps({"error": {"code": "InvalidParameter", "message": "bad report"}}).encode()
BOMB = gzip.compress(b"0" * 10_000_000)

# What does not need a script: path, bytes; then the connection is kept, or closed for paths in CLOSED.
FIXED = {
    "/200": answer("200 OK", b'{"a":1}', "Content-Type: Application/JSON; charset=utf-8",
                   "Cache-Control: public, max-age=600"),
    "/204": head("204 No Content"),
    "/400": answer("400 Bad Request", MAA_ERROR, JSON),
    "/404": answer("404 Not Found", b"none", "Content-Type: text/plain"),
    "/429": answer("429 Too Many Requests", b"", "Retry-After: 7"),
    "/503": answer("503 Service Unavailable", b"<html>down</html>", "Content-Type: text/html"),
    "/html": answer("200 OK", b"<!doctype html>", "Content-Type: text/html"),
    "/long": head("200 OK", length=3) + b"abcdef",
    "/short": head("200 OK", length=300) + b"abc",
    "/chunked": head("200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
    "/chunked-cut": head("200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n",
    "/chunked-bad": head("200 OK", "Transfer-Encoding: chunked") + b"zz\r\nabc\r\n0\r\n\r\n",
    "/http10": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nold",
    "/until-close": b"HTTP/1.0 200 OK\r\n\r\nabc",
    "/other-coding": head("200 OK", "Transfer-Encoding: gzip, chunked") + b"3\r\nabc\r\n0\r\n\r\n",
    "/garbage": bytes(range(256)) * 4,
    "/http09": b"hello, without a head",
    "/half-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "/half-head-empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Ty",
    "/half-head-204": b"HTTP/1.1 204 No Content\r\nContent-Ty",
    "/nothing": b"",
    "/huge": head("200 OK", length=300_000) + b"x" * 300_000,
    "/largest": answer("200 OK", b"y" * 262_144),
    "/gzip": answer("200 OK", BOMB, "Content-Encoding: gzip"),
    "/cookie": answer("200 OK", b"", "Set-Cookie: a=b; Path=/"),
    "/cache-off": answer("200 OK", b"", "Cache-Control: no-store, max-age=900"),
    "/cache-bad": answer("200 OK", b"", "Cache-Control: max-age=-900"),
    "/cache-two": answer("200 OK", b"", "Cache-Control: max-age=900", "Cache-Control: max-age=70"),
    "/digest": answer("401 Unauthorized", b"", 'WWW-Authenticate: Basic realm="x"'),
}
CLOSED = ("/long", "/short", "/chunked-cut", "/chunked-bad", "/http10", "/until-close", "/other-coding", "/garbage", "/http09", "/half-head",
          "/half-head-empty", "/half-head-204", "/nothing")


class Service:
    """Listens on 127.0.0.1 (or a Unix socket `path`); `elsewhere`: where its redirects lead."""

    def __init__(self, context=None, path=None, elsewhere=""):
        self.context, self.elsewhere = context, elsewhere
        self.lock = threading.Lock()
        self.requests, self.closed = [], threading.Event()
        self.connections = 0
        self.now = self.most = 0  # requests for /busy
        if path is None:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
            self.port = self.listener.getsockname()[1]
        else:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def serve(self, plain):
        plain.settimeout(LIMIT_S)
        try:
            conn = self.context.wrap_socket(plain, server_side=True) if self.context else plain
            while self.one(conn):
                pass
            if self.context:
                conn.unwrap()
            conn.close()
        except (OSError, ValueError):
            plain.close()

    def one(self, conn):
        """One request; true if the connection is kept."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = conn.recv(65536)
            if not more:
                return False
            data += more
            if data.startswith(b"\x16\x03"):  # TLS where none is spoken
                conn.sendall(answer("400 Bad Request", b"plain HTTP here"))
                return False
        top, body = data.split(b"\r\n\r\n", 1)
        fields = dict(line.split(": ", 1) for line in top.decode().split("\r\n")[1:])
        while len(body) < int(fields.get("Content-Length", 0)):
            body += conn.recv(65536)
        method, path, _ = top.decode().split("\r\n")[0].split(" ")
        with self.lock:
            self.requests.append((method, path, fields, body))
        return self.script(conn, path)

    def script(self, conn, path):
        if path in FIXED:
            conn.sendall(FIXED[path])
            return path not in CLOSED
        status = path[1:]
        if status in ("301", "302", "303", "307", "308"):
            conn.sendall(answer(f"{status} Moved", b"", f"Location: {self.elsewhere}/200"))
            return True
        return getattr(self, "script_" + status.split("/")[0].replace("-", "_"), self.script_none)(conn)

    def script_none(self, conn):
        conn.sendall(answer("404 Not Found"))
        return True

    def script_keys(self, conn):
        conn.sendall(self.keys)
        return True

    def wait_for_end(self, conn):
        if conn.recv(1) == b"":
            self.closed.set()
        return False

    def script_hang(self, conn):
        return self.wait_for_end(conn)

    def script_hang_body(self, conn):
        conn.sendall(head("200 OK", length=10) + b"abc")
        return self.wait_for_end(conn)

    def script_busy(self, conn):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.05)
        with self.lock:
            self.now -= 1
        conn.sendall(answer("200 OK", b"done"))
        return True

    def repeat(self, conn, piece, pause=0.0):
        until = time.monotonic() + LIMIT_S
        while time.monotonic() < until:
            conn.sendall(piece)
            time.sleep(pause)
        return False

    def script_drip(self, conn):
        conn.sendall(head("200 OK", length=100000))
        return self.repeat(conn, b"x", 0.05)

    def script_drip_head(self, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        return self.repeat(conn, b"x", 0.05)

    def script_endless(self, conn):
        conn.sendall(head("200 OK", "Transfer-Encoding: chunked"))
        return self.repeat(conn, b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    def script_head_flood(self, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\n")
        return self.repeat(conn, b"X-Y: " + b"z" * 1000 + b"\r\n")

    def script_head_line(self, conn):
        conn.sendall(b"HTTP/1.1 200 OK\r\nX-Y: ")
        return self.repeat(conn, b"z" * 1000)

    def script_continue_flood(self, conn):
        return self.repeat(conn, head("100 Continue"))

    def script_reset(self, conn):
        conn.sendall(head("200 OK", length=100) + b"abc")
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conn.close()
        return False

    def script_tls_cut(self, conn):
        """A body that ends with the connection, which is cut: no close_notify."""
        conn.sendall(b"HTTP/1.0 200 OK\r\n\r\nabc")
        conn.close()
        return False

    def seen(self):
        with self.lock:
            return len(self.requests)


class Authority:
    """A CA of the tests'; its certificates, each made once."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        self.cert = self.folder / f"{name}.pem"
        self.key = self.folder / f"{name}.key"
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "10",
                     "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.cert)

    @staticmethod
    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def context(self, label, names, days=5):
        """A server's TLS context for names like "DNS:localhost,IP:127.0.0.1"."""
        request, cert, key, extra = (self.folder / f"{self.name}-{label}.{end}" for end in ("csr", "crt", "key", "ext"))
        extra.write_text(f"subjectAltName={names}\n")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-subj", f"/CN={label}", "-keyout", key, "-out", request)
        self.openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial",
                     "-days", days, "-extfile", extra, "-out", cert)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context
