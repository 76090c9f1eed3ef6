"""Every wait ends: handshake, request, evidence, start, idle connections; and a stalled chip does not
fail those who wait."""
import socket
import sys
import threading
import time

import wire
import world as w


class Timed(threading.Thread):
    """Runs `act()` beside the others; `seconds` is what it took, `found` what it gave."""

    def __init__(self, name, low, high, act):
        super().__init__(daemon=True)
        self.label, self.low, self.high, self.act = name, low, high, act
        self.found = self.seconds = None
        self.start()

    def run(self):
        begin = time.monotonic()
        self.found = self.act()
        self.seconds = time.monotonic() - begin

    def judge(self, expected):
        self.join(90)
        w.case(f"{self.label}: after {self.low} to {self.high} s", self.seconds is not None and
               self.low <= self.seconds <= self.high and self.found == expected, f"{self.found} {self.seconds}")


def silent_tcp(gateway):
    with wire.connect(gateway.address, 90) as raw:
        return wire.drain(raw)


def dripping_tcp(gateway):
    """A handshake of one byte now and then: no byte makes the deadline later."""
    hello = b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03" + bytes(200)
    with wire.connect(gateway.address, 90) as raw:
        raw.settimeout(0.5)
        for byte in hello:
            try:
                raw.sendall(bytes([byte]))
                if raw.recv(1) == b"":
                    return b""
            except TimeoutError:
                pass
            except OSError:
                return b""
    return "never"


def silent_tls(gateway):
    with wire.Tls(gateway.address, timeout=90) as tls:
        return tls.rest(), tls.how


def dripping_request(gateway):
    with wire.Tls(gateway.address, timeout=90) as tls:
        tls.tls.settimeout(0.5)
        for byte in wire.request():
            tls.send(bytes([byte]))
            tls.read(1)
            if tls.how:
                return b"", tls.how
    return "never"


def no_start(gateway):
    with wire.Tls(gateway.address, timeout=90) as tls:
        tls.send(wire.request())
        if wire.status_of(tls.frame() or b"") != 0:
            return "no evidence"
        return tls.rest(), tls.how


def exchange(world):
    sink = w.Sink()
    gateway = w.Gateway(world, sink.upstream)
    w.attest(gateway.address, world.policy)
    rows = [(Timed("no handshake", 9.5, 12, lambda: silent_tcp(gateway)), b""),
            (Timed("a dripping handshake", 9.5, 12, lambda: dripping_tcp(gateway)), b""),
            (Timed("no request", 4.5, 7, lambda: silent_tls(gateway)), (b"", "cut")),
            (Timed("a dripping request", 4.5, 7, lambda: dripping_request(gateway)), (b"", "cut"))]
    if w.FULL:
        rows.append((Timed("no start", 59, 63, lambda: no_start(gateway)), (b"", "cut")))
    return sink, gateway, rows


def slow_chip():
    with w.World(latency_ms=3000) as world:
        sink = w.Sink()
        gateway = w.Gateway(world, sink.upstream)
        begin = time.monotonic()
        done = w.blindbox("attest", gateway.address, "--policy", world.policy, "--wait", 1, check=False)
        seconds = time.monotonic() - begin
        wrong = w.fails_with(done, "TryAgain", 75, "status")
        w.case("evidence later than the client waits: status 8", wrong is None and "status 8" in done.stderr and
               0.9 < seconds < 2.5, f"{wrong} {seconds:.1f} s")
        result = w.attest(gateway.address, world.policy)
        w.case("a client that waits gets it", result["verdict"] == "accepted", str(result)[:300])
        w.case("no byte", (sink.received, sink.connections) == (0, 0))


def throttled_chip():
    with w.World("--throttle", "2/1/3000") as world:
        gateway = w.Gateway(world, w.Sink().upstream)
        times = []
        for _ in range(3):
            begin = time.monotonic()
            result = w.attest(gateway.address, world.policy)
            times.append((result["verdict"], time.monotonic() - begin))
        w.case("a throttled chip stalls, and the client is accepted after it",
               all(verdict == "accepted" for verdict, _ in times) and max(t for _, t in times) > 2.9, str(times))


def idle(world):
    """Only silence counts as idle."""
    sink = w.Sink()
    gateway = w.Gateway(world, sink.upstream, "--idle", 1)
    proxy = w.Proxy(world, gateway.address)
    with socket.create_connection(proxy.endpoint, timeout=10) as client:
        for _ in range(6):
            client.sendall(b"x")
            time.sleep(0.4)
        good = w.eventually(lambda: sink.received == 6)
        begin = time.monotonic()
        try:
            how = "end" if client.recv(1) == b"" else "bytes"
        except OSError:
            how = "reset"
        w.case("idle is silence, and ends the connection", good and how == "reset" and
               0.3 < time.monotonic() - begin < 3, f"{sink.received} {how}")
    proxy.stop()


def main():
    with w.World() as world:
        sink, gateway, rows = exchange(world)
        slow_chip()
        throttled_chip()
        idle(world)
        for thread, expected in rows:
            thread.judge(expected)
        w.case("no byte, no connection", (sink.received, sink.connections) == (0, 0))
        w.case("the slots are free again", w.eventually(lambda: len(gateway.endings) == len(rows) + 1))
        w.case("the gateway ends in order", gateway.stop() == 0)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
