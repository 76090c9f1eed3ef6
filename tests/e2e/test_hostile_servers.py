"""Servers that are no honest gateway, each with the class, exit code and field that `blindbox attest`
gives: other TLS, other keys, bytes out of place, refusals, a relay in the middle."""
import json
import socket
import ssl
import subprocess
import sys
import threading
import time

import wire
import world as w


def attest(address, world, *more):
    begin = time.monotonic()
    done = w.blindbox("attest", address, "--policy", world.policy, "--wait", 1, *more, check=False)
    return done, time.monotonic() - begin


def expect(world, name, address, status, code, field, found=None):
    done, seconds = attest(address, world)
    wrong = w.fails_with(done, status, code, field)
    if wrong is None and found is not None and found not in done.stderr:
        wrong = f"no {found!r} in {done.stderr!r}"
    if wrong is None and (done.stdout or seconds > 5):
        wrong = f"stdout {done.stdout!r}, {seconds:.1f} s"
    w.case(name, wrong is None, wrong)


def s_servers(world, files):
    """openssl s_server in the ways in which it is no gateway."""
    alpn = ["-alpn", wire.ALPN]
    rows = [("s_server without ALPN", "P-256", [], "ALPN", "none"),
            ("s_server with another ALPN", "P-256", ["-alpn", "h2"], "TLS", None),
            ("s_server with an RSA key", "RSA", alpn, "key", "another key"),
            ("s_server with a P-384 key", "P-384", alpn, "key", "another key"),
            ("s_server with TLS 1.2 only", "P-256", [*alpn, "-tls1_2"], "TLS", None)]
    for name, kind, options, field, found in rows:
        port = w.free_port()
        server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", files[kind][0],
                                   "-key", files[kind][1], "-quiet", *options], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        w.eventually(lambda: w.connects("127.0.0.1", port))
        expect(world, name, f"127.0.0.1:{port}", "AttestationRefused", 6, field, found)
        server.kill()
        server.wait()


def no_tls(world):
    def serve(answer):
        listener = socket.create_server(("127.0.0.1", 0))

        def one():
            connection, _ = listener.accept()
            connection.recv(65536)
            answer(connection)
            connection.close()

        threading.Thread(target=one, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    expect(world, "a plain HTTP server", serve(lambda c: c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
           "AttestationRefused", 6, "TLS")
    expect(world, "a server that leaves at once", serve(lambda c: None), "PeerUnreachable", 8, "TLS")
    expect(world, "a server that resets", serve(wire.reset), "PeerUnreachable", 8, "TLS")
    expect(world, "nobody there", f"127.0.0.1:{w.free_port()}", "PeerUnreachable", 8, "address")


def after(data, then=None):
    """Reads the request, sends `data`."""
    def serve(tls):
        wire.read_request(tls)
        tls.sendall(data)
        (then or (lambda tls: tls.recv(1)))(tls)
    return serve


def at_once(data):
    """Sends before it reads."""
    def serve(tls):
        tls.sendall(data)
        tls.recv(65536)
        tls.recv(1)
    return serve


def drip(tls):
    """A byte now and then, of a response that never ends."""
    wire.read_request(tls)
    for byte in wire.framed(bytes(1000)):
        tls.sendall(bytes([byte]))
        time.sleep(0.3)


def silent(tls):
    wire.read_request(tls)
    tls.recv(1)


def leave(tls):
    tls.unwrap()


def exchanges(world, files):
    malformed, unreachable = ("MalformedEvidence", 7), ("PeerUnreachable", 8)
    rows = [("bytes before the response", at_once(b"HTTP/1.1 200 OK\r\n\r\n"), *malformed, "frame length"),
            ("length 0", after(bytes(4)), *malformed, "frame length"),
            ("length 262145", after((262145).to_bytes(4, "big")), *malformed, "frame length"),
            ("length 4 GiB", after(b"\xff\xff\xff\xff"), *malformed, "frame length"),
            ("not CBOR", after(wire.framed(b"\xff" * 9)), *malformed, "response"),
            ("an empty map", after(wire.framed(b"\xa0")), *malformed, "response"),
            ("a start instead of a response", after(wire.START), *malformed, "response"),
            ("a byte behind the response", after(wire.refusal(2) + b"x"), *malformed, "frame"),
            ("a long head in the response", after(wire.framed(bytes.fromhex("a20101021802"))),
             *malformed, "response"),
            ("status 0 and nothing else", after(wire.framed(bytes.fromhex("a201010200"))), *malformed,
             "response"),
            ("a response cut short", after(wire.refusal(2)[:-1], leave), *unreachable, "frame"),
            ("a goodbye instead of a response", after(b"", leave), *unreachable, "frame"),
            ("a slow drip", drip, *unreachable, "time"),
            ("silence", silent, *unreachable, "time")]
    for name, serve, status, code, field in rows:
        expect(world, name, wire.Server(files["P-256"], serve).address, status, code, field)
    tickets = wire.Server(files["P-256"], after(wire.refusal(2)))
    tickets.context.num_tickets = 2
    expect(world, "tickets are dropped", tickets.address, "AttestationRefused", 6, "status")
    picky = wire.Server(files["P-256"], after(wire.refusal(2)))
    picky.context.verify_mode = ssl.CERT_OPTIONAL
    picky.context.load_verify_locations(files["P-256"][0])
    expect(world, "a CertificateRequest gets no certificate", picky.address, "AttestationRefused", 6, "status")


def refusals(world, files):
    again, refused, verifier = ("TryAgain", 75), ("AttestationRefused", 6), ("VerifierUnavailable", 8)
    classes = {3: again, 8: again, 9: again, 5: verifier}
    for status in (*range(1, 10), 10, 200, 255):
        server = wire.Server(files["P-256"], after(wire.refusal(status, 1500 if status == 3 else None)))
        expect(world, f"status {status}", server.address, *classes.get(status, refused), "status",
               f"status {status}: said by the test")
    server = wire.Server(files["P-256"], after(wire.refusal(2, text="\x1b[31m\nverdict   accepted\x07")))
    done, _ = attest(server.address, world)
    w.case("the gateway's text is shown escaped", done.returncode == 6 and "\x1b" not in done.stderr and
           "\x07" not in done.stderr and "\nverdict" not in done.stderr, repr(done.stderr))
    done, _ = attest(server.address, world, "--json")
    result = json.loads(done.stdout)
    w.case("refusal in JSON", (result["verdict"], result["class"], result["exit"], result["batch"]) ==
           ("refused", "AttestationRefused", 6, None), str(result)[:300])


def relays(world, files):
    """Between the client and a genuine gateway: the report is genuine and not this connection's."""
    sink = w.Sink()
    gateway = w.Gateway(world, sink.upstream)
    seen = []

    def relay(tls):
        with wire.Tls(gateway.address) as real:
            real.send(wire.read_request(tls))
            seen.append(real.frame())
            tls.sendall(wire.framed(seen[-1]))
            seen.append(tls.recv(9))

    expect(world, "a relay in the middle", wire.Server(files["P-256"], relay).address, "ChannelBindingMismatch",
           6, "report-data")
    w.case("the relay got no byte after the verdict", w.eventually(lambda: len(seen) == 2) and seen[1] == b"")
    expect(world, "a response of another connection", wire.Server(files["P-256"],
           after(wire.framed(seen[0]))).address, "ChannelBindingMismatch", 6, "report-data")
    done, _ = attest(wire.Server(files["P-256"], after(wire.framed(seen[0]))).address, world, "--json")
    result = json.loads(done.stdout)
    w.case("a batch that is not this connection's is not named", (result["class"], result["batch"]) ==
           ("ChannelBindingMismatch", None), str(result)[:300])
    flipped = bytearray(seen[0])
    flipped[-1] ^= 1  # the flags, key 12
    expect(world, "flags changed on the way", wire.Server(files["P-256"], after(wire.framed(bytes(flipped)))).address,
           "ChannelBindingMismatch", 6, "report-data")
    w.case("no byte reached the application", (sink.received, sink.connections) == (0, 0))


def main():
    with w.World() as world:
        files = {kind: wire.make_certificate(world.folder, kind) for kind in ("P-256", "P-384", "RSA")}
        s_servers(world, files)
        no_tls(world)
        exchanges(world, files)
        refusals(world, files)
        relays(world, files)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
