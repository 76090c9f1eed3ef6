"""The protocol as hostile peers speak it: frames by hand, raw TLS 1.3 clients, a TCP proxy that cuts,
and servers that are no gateways. Python's ssl has no exporter, so nothing here can make a leaf."""
import asyncio
import os
import socket
import ssl
import struct
import subprocess
import threading

ALPN = "blindbox/1"
START = bytes.fromhex("00000005a201010200")
IGNORE_UNEXPECTED_EOF = 1 << 7  # some builds of Python set it: then a cut looks like an end


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for code, fmt, top in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32)):
        if value < top:
            return bytes([major << 5 | code]) + struct.pack(fmt, value)
    return bytes([major << 5 | 27]) + struct.pack(">Q", value)


def cbor(value):
    """Deterministic CBOR (RFC 8949 4.2.1) of int, bytes, str, list and dict."""
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(cbor(v) for v in value)
    pairs = sorted((cbor(k), cbor(v)) for k, v in value.items())
    return head(5, len(pairs)) + b"".join(k + v for k, v in pairs)


def framed(body):
    return struct.pack(">I", len(body)) + body


def request(change=None, wait_ms=5000):
    """A request for simulated evidence; `change` replaces keys, None removes one."""
    body = {1: 1, 2: os.urandom(32), 3: [255], 4: 1, 8: wait_ms, 9: ["raw"]}
    body.update(change or {})
    return framed(cbor({k: v for k, v in body.items() if v is not None}))


def refusal(status, retry_ms=None, text="said by the test"):
    body = {1: 1, 2: status, 14: text}
    if retry_ms is not None:
        body[15] = retry_ms
    return framed(cbor(body))


def status_of(body):
    """Key 2 of a response: small integers, always second."""
    return body[4] if body[1:4] == bytes([1, 1, 2]) else None


def reset(connection):
    """Closes with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def host_port(address):
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def connect(address, timeout=10):
    return socket.create_connection(host_port(address), timeout=timeout)


def drain(raw):
    """All bytes until the peer ends in any way; None if it does not in time."""
    data = b""
    try:
        while more := raw.recv(65536):
            data += more
    except TimeoutError:
        return None
    except OSError:
        pass
    return data


def client_context(alpn=(ALPN,), maximum=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options &= ~IGNORE_UNEXPECTED_EOF
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if maximum is not None:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = maximum
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class Tls:
    """A TLS client that says what it likes. `how` tells how the peer ended, once it did: "close" for
    close_notify, "cut" for anything else, None while it has not."""

    def __init__(self, address, context=None, session=None, timeout=10, source=None):
        self.how = None
        self.raw = socket.create_connection(host_port(address), timeout=timeout,
                                            source_address=source and (source, 0))
        try:
            self.tls = (context or client_context()).wrap_socket(
                self.raw, server_hostname="gateway", session=session, suppress_ragged_eofs=False)
        except (ssl.SSLError, OSError):
            self.raw.close()
            raise

    def send(self, data):
        try:
            self.tls.sendall(data)
        except (ssl.SSLError, OSError):
            self.how = "cut"

    def read(self, n=65536):
        try:
            data = self.tls.recv(n)
        except TimeoutError:
            return b""
        except (ssl.SSLError, OSError):
            self.how = "cut"
            return b""
        if not data:
            self.how = "close"
        return data

    def frame(self):
        """The body of one frame, or None."""
        data = b""
        while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
            more = self.read()
            if not more:
                return None
            data += more
        return data[4:]

    def rest(self):
        """All that comes until the peer ends."""
        data = b""
        while more := self.read():
            data += more
        return data

    def close(self):
        self.tls.close()

    def close_notify(self):
        """Says that no more comes, and does not wait for the peer's."""
        self.tls.setblocking(False)
        try:
            self.tls.unwrap()
        except (ssl.SSLError, OSError):
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine, timeout=120):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)


class Cutter(Loop):
    """A TCP proxy in front of `address` that cuts its n-th connection (from 0) as plan(n) says:
    (direction "up" or "down", bytes to let pass, "reset" or "end"). `passed[port]` tells, by the
    client's port and for each use of it, what was planned and how many bytes went each way."""

    def __init__(self, address, plan):
        super().__init__()
        self.target = host_port(address)
        self.plan = plan
        self.passed = {}
        self.count = 0
        self.address = self.run(self.listen())

    async def listen(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        host, port = server.sockets[0].getsockname()
        self.server = server
        return f"{host}:{port}"

    async def serve(self, reader, writer):
        row = {"plan": self.plan(self.count), "up": 0, "down": 0}
        self.count += 1
        self.passed.setdefault(writer.get_extra_info("peername")[1], []).append(row)
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        ways = [asyncio.ensure_future(self.pump(row, "up", reader, up_writer)),
                asyncio.ensure_future(self.pump(row, "down", up_reader, writer))]
        # Both ways end in order, or the first that cuts or breaks ends the other.
        await asyncio.wait(ways, return_when=asyncio.FIRST_EXCEPTION)
        for way in ways:
            way.cancel()
        for w in (writer, up_writer):
            self.end(w, row["plan"][2])

    @staticmethod
    def end(writer, how):
        if how == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                       struct.pack("ii", 1, 0))
        writer.close()

    async def pump(self, row, way, reader, writer):
        direction, limit, _ = row["plan"]
        while True:
            if direction == way and row[way] >= limit:
                raise ConnectionAbortedError
            data = await reader.read(65536)
            if not data:
                writer.write_eof()
                return
            if direction == way:
                data = data[:limit - row[way]]
            writer.write(data)
            row[way] += len(data)
            await writer.drain()


def make_certificate(folder, kind):
    """(certificate, key) files of a self-signed certificate: kind "P-256", "P-384" or "RSA"."""
    key = {"RSA": ["rsa:2048"], "P-256": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
           "P-384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]}[kind]
    files = folder / f"{kind}.crt", folder / f"{kind}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-subj", "/CN=test", "-days", "2",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


class Server:
    """A TLS server that is no gateway: `serve(connection)` has each one after its handshake."""

    def __init__(self, files, serve, alpn=(ALPN,)):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*files)
        if alpn:
            self.context.set_alpn_protocols(list(alpn))
        self.context.num_tickets = 0
        self.serve = serve
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.one, args=(connection,), daemon=True).start()

    def one(self, raw):
        raw.settimeout(20)
        try:
            with self.context.wrap_socket(raw, server_side=True) as tls:
                self.serve(tls)
        except (ssl.SSLError, OSError):
            pass


def read_request(tls):
    """Waits for one whole frame."""
    data = b""
    while len(data) < 4 or len(data) < 4 + int.from_bytes(data[:4], "big"):
        more = tls.recv(65536)
        if not more:
            break
        data += more
    return data
