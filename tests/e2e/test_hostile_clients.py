"""Clients that try to get around the handshake: resumption, early data, no ALPN, another one, older
TLS. No ticket is ever sent, and nothing but blindbox/1 gets a byte."""
import ssl
import subprocess
import sys

import wire
import world as w


def s_client(address, *options, text=b""):
    """openssl s_client's own account of a connection."""
    command = ["openssl", "s_client", "-connect", address, "-alpn", wire.ALPN, *map(str, options)]
    done = subprocess.run(command, input=text, capture_output=True, timeout=30)
    return (done.stdout + done.stderr).decode(errors="replace")


def tickets(world, gateway):
    """No ticket comes: not after the handshake, and not with the response."""
    with wire.Tls(gateway.address) as tls:
        tls.send(wire.request())
        good = wire.status_of(tls.frame() or b"") == 0
        w.case("no ticket after a whole exchange", good and not tls.tls.session.has_ticket)
    stored = world.folder / "session.pem"
    out = s_client(gateway.address, "-msg", "-sess_out", stored)
    w.case("no NewSessionTicket on the wire", "Finished" in out and "NewSessionTicket" not in out, out)
    w.case("nothing to resume", not stored.exists() or "TLS session ticket:" not in out, out)


def resumption(world, gateway):
    """A client with a session from elsewhere (the gateway makes none), and early data with it."""
    files = wire.make_certificate(world.folder, "P-256")
    stored, early = world.folder / "other.pem", world.folder / "early"
    early.write_bytes(b"early application bytes")
    port = w.free_port()
    server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", files[0], "-key",
                               files[1], "-alpn", wire.ALPN, "-tls1_3", "-early_data", "-max_early_data",
                               "16384", "-quiet"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    try:
        w.eventually(lambda: w.connects("127.0.0.1", port))
        # A session is stored when a ticket was read: wait for one.
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-alpn", wire.ALPN,
                                   "-sess_out", stored], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        w.eventually(lambda: stored.exists() and stored.stat().st_size > 0)
        client.communicate(timeout=20)
    finally:
        server.kill()
        server.wait()
    w.case("the other server gave a session", stored.exists())
    for name, more in (("a session", []), ("early data", ["-early_data", early])):
        out = s_client(gateway.address, "-sess_in", stored, *more)
        w.case(f"{name}: a full handshake", "New, TLSv1.3" in out and "Reused" not in out, out)
        w.case(f"{name}: no early data", "Early data was not sent" in out or "Early data was rejected" in out,
               out)
    # The same with an exchange: evidence comes on a full handshake only.
    context = wire.client_context()
    with wire.Tls(gateway.address, context) as first:
        session = first.tls.session
    with wire.Tls(gateway.address, context, session=session) as tls:
        tls.send(wire.request())
        w.case("Python's session: not reused, and attested anew", not tls.tls.session_reused and
               wire.status_of(tls.frame() or b"") == 0)


def handshakes(gateway):
    """(name, context) of clients that must not get one byte."""
    rows = [("no ALPN", wire.client_context(alpn=())),
            ("ALPN http/1.1", wire.client_context(alpn=("http/1.1",))),
            ("ALPN blindbox/2", wire.client_context(alpn=("blindbox/2",))),
            ("ALPN blindbox/10", wire.client_context(alpn=("blindbox/10",))),
            ("blindbox/1 among others", wire.client_context(alpn=("h2", wire.ALPN))),
            ("blindbox/1 twice", wire.client_context(alpn=(wire.ALPN, wire.ALPN))),
            ("ALPN blindbox/", wire.client_context(alpn=("blindbox/",))),
            ("TLS 1.2", wire.client_context(maximum=ssl.TLSVersion.TLSv1_2))]
    for name, context in rows:
        got, how = b"", "no handshake"
        try:
            with wire.Tls(gateway.address, context) as tls:
                tls.send(wire.request())
                got = tls.rest()
                how = tls.how
        except (ssl.SSLError, OSError):
            pass
        w.case(f"{name}: closed without a byte", got == b"" and how in ("cut", "no handshake"), f"{how} {got}")


def plain(gateway):
    """Not TLS at all."""
    for name, data in (("HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), ("zeros", bytes(1000)),
                       ("a TLS record too long", b"\x16\x03\x01\xff\xff" + bytes(100)),
                       ("a frame without TLS", wire.request() + wire.START)):
        with wire.connect(gateway.address) as raw:
            raw.sendall(data)
            got = wire.drain(raw)
        # OpenSSL may send an alert record; nothing else.
        w.case(f"{name}: closed", got is not None and (got == b"" or got[0] == 0x15), str(got))


def main():
    with w.World() as world:
        sink = w.Sink()
        gateway = w.Gateway(world, sink.upstream)
        tickets(world, gateway)
        resumption(world, gateway)
        handshakes(gateway)
        plain(gateway)
        w.case("no byte, no connection", (sink.received, sink.connections) == (0, 0))
        w.case("an honest client is accepted after all that",
               w.attest(gateway.address, world.policy)["verdict"] == "accepted")
        w.case("the gateway ends in order", gateway.stop() == 0)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
