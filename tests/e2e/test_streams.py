"""Long conversations through proxy and gateway: events as they come, WebSocket, HTTP/2 with many
streams and trailers, slow readers and writers, and a gibibyte both ways at once."""
import hashlib
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import threading
import time

import world as w

EVENTS = 50
STALL_S = 3  # the application waits that long for a client to have an event
SLOW = 30  # connections at a time
SLOW_BODY = 1 << 20
BULK = 1 << 30
H2_REQUESTS = 500 if w.SANITIZED and not w.FULL else 3000
TOOLS = pathlib.Path(__file__).parent / "tools"


class Through:
    """A gateway in front of the application, and a proxy; a context."""

    def __init__(self, world, upstream, *options):
        self.gateway = w.Gateway(world, upstream, *options)
        self.proxy = w.Proxy(world, self.gateway.address)

    def __enter__(self):
        return self.proxy

    def __exit__(self, *_):
        w.case("proxy and gateway end in order", (self.proxy.stop(), self.gateway.stop()) == (0, 0))


# ---- server-sent events ----


class Events(w.RawApp):
    """Each event is sent only when the client has the one before: a buffer on the way stops it all."""

    def __init__(self):
        self.has = threading.Semaphore(0)
        self.stalled = 0
        super().__init__()

    def one(self, connection):
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                               b"Cache-Control: no-store\r\nConnection: close\r\n\r\n")
            try:
                for i in range(EVENTS):
                    connection.sendall(b"data: event %d\n\n" % i)
                    self.stalled += not self.has.acquire(timeout=STALL_S)
            except OSError:
                pass  # the client left


def events(world):
    app = Events()
    with Through(world, app.upstream) as proxy, socket.create_connection(proxy.endpoint, timeout=20) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: app\r\nAccept: text/event-stream\r\n\r\n")
        f = client.makefile("rb")
        while f.readline().strip():
            pass
        got = []
        for _ in range(EVENTS):
            got.append(f.readline())
            f.readline()
            app.has.release()
        w.case("SSE: every event comes before the next is sent", app.stalled == 0 and
               got == [b"data: event %d\n" % i for i in range(EVENTS)], f"{app.stalled} {got[:2]}")
        w.case("SSE: the end of the stream is an end", f.read() == b"")
    with Through(world, Events().upstream) as proxy:
        # The application goes on to the next event after STALL_S: a client that reads with curl sees the
        # first one long before.
        curl = subprocess.Popen(["curl", "-sSN", f"http://{proxy.address}/"], stdout=subprocess.PIPE)
        begin = time.monotonic()
        line = curl.stdout.readline()
        w.case("SSE: curl prints an event as it comes", line == b"data: event 0\n" and time.monotonic() - begin < STALL_S - 1)
        curl.kill()
        curl.wait()


# ---- WebSocket ----


def python_with_websockets():
    """Debian's own Python has Debian's packages, whichever runs this."""
    for python in (sys.executable, "/usr/bin/python3"):
        if shutil.which(python) and w.run(python, "-c", "import websockets").returncode == 0:
            return python
    return None


def websocket(world):
    python = python_with_websockets()
    if python is None:
        return w.skip("WebSocket", "python3-websockets is not installed")
    server = subprocess.Popen([python, TOOLS / "websocket.py", "serve"], stdout=subprocess.PIPE, text=True)
    upstream = f"tcp:127.0.0.1:{int(server.stdout.readline())}"
    with Through(world, upstream) as proxy:
        done = w.run(python, TOOLS / "websocket.py", "talk", f"ws://{proxy.address}/")
        lines = done.stdout.splitlines()
        for name, found in (("a text comes back", "text"), ("1 MiB comes back unchanged", "large"),
                            ("1 MiB in fragments", "fragments"), ("ping and pong", "pong"),
                            ("compressed messages", "deflate"), ("100 at a time", "many"),
                            ("the server speaks first", "pushed"),
                            ("the server's close code", "closed 4001 by the server"),
                            ("the client's close code", "told 4002 by the client")):
            w.case(f"WebSocket: {name}", found in lines, done.stdout + done.stderr[-500:])
    gateway = w.Gateway(world, upstream)
    proxy = w.Proxy(world, gateway.address)
    client = subprocess.Popen([python, TOOLS / "websocket.py", "wait", f"ws://{proxy.address}/"], stdout=subprocess.PIPE,
                              text=True)
    client.stdout.readline()
    os.kill(gateway.child("worker"), w.signal.SIGKILL)
    found = client.stdout.readline().strip()
    w.case("WebSocket: a gateway that dies is no close of the server's", found == "closed 1006", found)
    client.wait(20)
    proxy.stop()
    server.kill()
    server.wait()


# ---- HTTP/2 ----


def http2(world):
    port = w.free_port()
    root = world.folder / "h2"
    root.mkdir()
    (root / "page").write_bytes(os.urandom(20000))
    server = subprocess.Popen(["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", root, "--trailer", "grpc-status: 0",
                               "--echo-upload", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    w.eventually(lambda: w.connects("127.0.0.1", port))
    with Through(world, f"tcp:127.0.0.1:{port}") as proxy:
        done = w.run("h2load", "-n", H2_REQUESTS, "-c", 20, "-m", 50, f"http://{proxy.address}/page")
        w.case(f"HTTP/2: {H2_REQUESTS} requests on 20 connections with 50 streams each",
               f"{H2_REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout[-600:])
        done = w.run("nghttp", "-v", "-n", f"http://{proxy.address}/page")
        w.case("HTTP/2: trailers, as gRPC has them", "grpc-status: 0" in done.stdout, done.stdout[-600:])
        data = root / "upload"
        data.write_bytes(random.Random(1).randbytes(1 << 20).hex().encode())
        done = w.run("nghttp", "-d", data, f"http://{proxy.address}/echo")
        w.case("HTTP/2: 2 MiB up, and the same down in the same stream", done.stdout.encode() == data.read_bytes(),
               f"{len(done.stdout)} {done.stderr[-300:]}")
    server.kill()
    server.wait()


# ---- slow ones ----


class Slow(w.RawApp):
    """Takes SLOW_BODY bytes and gives back as many."""

    def __init__(self, body):
        self.body, self.digests = body, []
        super().__init__()

    def one(self, connection):
        with connection:
            digest, left = hashlib.sha256(), len(self.body)
            while left > 0 and (data := connection.recv(min(left, 65536))):
                digest.update(data)
                left -= len(data)
            self.digests.append(digest.hexdigest())
            connection.sendall(self.body)


def pieces(endpoint, body, seed, out):
    """One client: sends in pieces of any length with pauses, then reads in such pieces."""
    pick = random.Random(seed)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(60)
        client.connect(endpoint)
        at = 0
        while at < len(body):
            n = pick.choice((1, 7, 1400, 16384, 16385, 100000))
            client.sendall(body[at:at + n])
            at += n
            time.sleep(pick.choice((0, 0.001, 0.02)))
        digest = hashlib.sha256()
        while data := client.recv(pick.choice((1, 1000, 20000, 65536))):
            digest.update(data)
            time.sleep(pick.choice((0, 0, 0, 0.005)))
        out.append(digest.hexdigest())


def slow(world):
    body = random.Random(3).randbytes(SLOW_BODY)
    digest = hashlib.sha256(body).hexdigest()
    app, got = Slow(body), []
    with Through(world, app.upstream) as proxy:
        threads = [threading.Thread(target=pieces, args=(proxy.endpoint, body, seed, got)) for seed in range(SLOW)]
        for thread in threads:
            thread.start()
        fast = []
        while any(thread.is_alive() for thread in threads):
            begin, one = time.monotonic(), []
            with socket.create_connection(proxy.endpoint, timeout=30) as client:
                client.sendall(body)
                found = hashlib.sha256()
                while data := client.recv(65536):
                    found.update(data)
                one.append(found.hexdigest())
            fast.append((time.monotonic() - begin, one[0] == digest))
        for thread in threads:
            thread.join()
        w.case(f"{SLOW} slow readers and writers get every byte", got == [digest] * SLOW, f"{len(got)}")
        w.case("so does the application", set(app.digests) == {digest} and len(app.digests) == SLOW + len(fast))
        w.case("a fast one beside them is not held up", fast and all(good for _, good in fast) and
               sorted(fast)[len(fast) // 2][0] < 2, str(fast[:3]))


# ---- bulk ----


def blocks(seed, total):
    """`total` bytes that no compression and no repetition makes equal by chance."""
    block = bytearray(random.Random(seed).randbytes(1 << 20))
    for number in range(total >> 20):
        block[:8] = number.to_bytes(8, "big")
        yield bytes(block)


class Bulk(w.RawApp):
    """Sends and takes BULK bytes, both at once; a half-close ends each way."""

    def __init__(self, total):
        self.total, self.digest = total, None
        super().__init__()

    def one(self, connection):
        sender = threading.Thread(target=pour, args=(connection, 2, self.total))
        sender.start()
        self.digest = hash_of(connection)
        sender.join()
        connection.close()


def pour(connection, seed, total):
    for block in blocks(seed, total):
        connection.sendall(block)
    connection.shutdown(socket.SHUT_WR)


def hash_of(connection):
    digest = hashlib.sha256()
    while data := connection.recv(1 << 18):
        digest.update(data)
    return digest.hexdigest()


def expected(seed, total):
    digest = hashlib.sha256()
    for block in blocks(seed, total):
        digest.update(block)
    return digest.hexdigest()


def bulk(world):
    """Only in the long run; the normal one has test_transfer."""
    app = Bulk(BULK)
    with Through(world, app.upstream) as proxy, socket.create_connection(proxy.endpoint, timeout=120) as client:
        sender = threading.Thread(target=pour, args=(client, 1, BULK))
        begin = time.monotonic()
        sender.start()
        found = hash_of(client)
        sender.join()
        took = time.monotonic() - begin
        w.case(f"{BULK >> 20} MiB down while as much goes up", found == expected(2, BULK))
        w.case(f"{BULK >> 20} MiB up while as much comes down", w.eventually(lambda: app.digest is not None) and
               app.digest == expected(1, BULK))
        print(f"# {2 * (BULK >> 20) / took:.0f} MiB/s in all", flush=True)


def main():
    with w.World() as world:
        for part in (events, websocket, http2, slow, *([bulk] if w.FULL else [])):
            begin = time.monotonic()
            part(world)
            if os.environ.get("TIMES"):
                print(f"# {part.__name__} {time.monotonic() - begin:.1f}")
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
