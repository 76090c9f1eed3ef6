"""Not one byte, and no connection, reaches the application before the start frame: for every refusal
and for every client that does not keep the order of the exchange."""
import json
import sys
import time

import wire
import world as w


def ends(tls, seconds=5):
    """How the gateway ended the connection; None if it has not in time."""
    tls.tls.settimeout(seconds)
    tls.rest()
    return tls.how


def after_response(*parts):
    """Gets the evidence, then sends `parts`, each in a record of its own."""
    def run(tls):
        tls.send(wire.request())
        if wire.status_of(tls.frame() or b"") != 0:
            return "no evidence"
        for part in parts:
            tls.send(part)
            time.sleep(0.02)
        return ends(tls)
    return run


def at_once(*parts):
    def run(tls):
        for part in parts:
            tls.send(part)
            time.sleep(0.02)
        return ends(tls)
    return run


def refused_with(status, *parts):
    """Sends `parts`; the gateway must answer with `status` and then close in order."""
    def run(tls):
        for part in parts:
            tls.send(part)
        found = wire.status_of(tls.frame() or b"")
        return ends(tls) if found == status else f"status {found}"
    return run


# curl's words for a reset: while it connects, without an answer, while it sends, while it reads.
RESETS = (7, 52, 55, 56)
GET = b"GET / HTTP/1.1\r\nHost: app\r\n\r\n"
BODY = wire.request()[4:]
WRONG_STARTS = {
    "start with another key": bytes.fromhex("00000005a201010201"),
    "start of version 2": bytes.fromhex("00000005a201020200"),
    "start with a long head": bytes.fromhex("00000006a20101021800"),
    "start with an extension": bytes.fromhex("00000007a3010102002000"),
    "empty start": bytes.fromhex("00000000"),
    "start with keys out of order": bytes.fromhex("00000005a202000101"),
}
# (name, client, how the gateway ends it)
CLIENTS = [
    ("HTTP instead of a request", at_once(GET), "any"),
    ("start instead of a request", at_once(wire.START, GET), "any"),
    ("bytes behind the request", at_once(wire.request() + b"x"), "cut"),
    ("start behind the request", at_once(wire.request() + wire.START + GET), "cut"),
    ("bytes between request and response", at_once(wire.request(), GET), "cut"),
    ("start between request and response", at_once(wire.request(), wire.START, GET), "cut"),
    ("a second request", at_once(wire.request(), wire.request()), "cut"),
    ("HTTP instead of a start", after_response(GET), "cut"),
    ("a second request instead of a start", after_response(wire.request()), "cut"),
]
CLIENTS += [(name, after_response(frame, GET), "cut") for name, frame in WRONG_STARTS.items()]
CLIENTS += [
    ("length 0", refused_with(1, wire.framed(b"")), "close"),
    ("length above the limit", refused_with(1, wire.framed(bytes(4097))), "close"),
    ("length of 4 GiB", refused_with(1, b"\xff\xff\xff\xff" + bytes(100)), "close"),
    ("not CBOR", refused_with(1, wire.framed(b"\xff" * 40)), "close"),
    ("trailing byte", refused_with(1, wire.framed(BODY + b"\0")), "close"),
    ("short nonce", refused_with(1, wire.request({2: bytes(31)})), "close"),
    ("version 2", refused_with(1, wire.request({1: 2})), "close"),
    ("unknown key", refused_with(1, wire.request({11: 1})), "close"),
    ("waits for ever", refused_with(1, wire.request({8: 120001})), "close"),
    ("real hardware only", refused_with(2, wire.request({3: [1, 2]})), "close"),
    ("unknown protocol", refused_with(2, wire.request({9: ["spdy"]})), "close"),
    ("form 0 only", refused_with(2, wire.request({10: [0]})), "close"),
    ("token wanted", refused_with(6, wire.request({4: 2, 5: "https://issuer"})), "close"),
    ("bytes after a refusal", refused_with(2, wire.request({3: [1]}), wire.START, GET), "any"),
]


def hostile_clients(world):
    sink = w.Sink()
    gateway = w.Gateway(world, sink.upstream)
    for name, client, expected in CLIENTS:
        with wire.Tls(gateway.address) as tls:
            how = client(tls)
        w.case(f"{name}: closed", how is not None if expected == "any" else how == expected, str(how))
    w.case("a request in single bytes is taken", single_bytes(gateway))
    n = len(CLIENTS) + 1
    w.case("each connection is over", w.eventually(lambda: len(gateway.endings) == n),
           f"{len(gateway.endings)} of {n}")
    w.case("no byte, no connection", (sink.received, sink.connections) == (0, 0) and
           all(" in=0 out=0 " in line for line in gateway.endings), gateway.log[-2000:])
    with wire.Tls(gateway.address) as tls:
        tls.send(wire.request())
        tls.frame()
        tls.send(wire.START + b"now")
        w.case("after the start the bytes that came with it", w.eventually(lambda: sink.received == 3),
               str(sink.received))


def partial_starts(world):
    """The start frame cut after each of its bytes, by an end, a goodbye or a reset."""
    sink = w.Sink()
    gateway = w.Gateway(world, sink.upstream)
    for n in range(len(wire.START)):
        for leave in (wire.reset, lambda tls: tls.close(), lambda tls: tls.unwrap()):
            tls = wire.Tls(gateway.address)
            tls.send(wire.request())
            tls.frame()
            tls.send(wire.START[:n])
            try:
                leave(tls.tls)
            except OSError:
                pass
            tls.close()
    w.case("a start cut at each byte opens nothing", w.eventually(lambda: len(gateway.endings) == 27) and
           (sink.received, sink.connections) == (0, 0), gateway.log[-1000:])


def single_bytes(gateway):
    with wire.Tls(gateway.address) as tls:
        for byte in wire.request():
            tls.send(bytes([byte]))
        return wire.status_of(tls.frame() or b"") == 0


def refusals(world):
    """Every defect and wrong policies, each through attest, exec and proxy."""
    sink = w.Sink()
    defects = some_defects(world)
    wrong = [world.policy_with(measurements=["11" * 48])]
    for name in [None, *defects]:
        gateway = w.Gateway(world, sink.upstream, defect=name)
        for policy in [world.policy] if name else wrong:
            result = w.attest(gateway.address, policy)
            done = w.blindbox("exec", "--to", gateway.address, "--policy", policy, "--", "curl", "-sS", "-d",
                              "x=secret", "http://app/", check=False)
            proxy = w.Proxy(world, gateway.address, policy=policy)
            curl = w.run("curl", "-sS", "-d", "x=secret", f"http://{proxy.address}/")
            proxy.stop()
            label = f"defect {name}" if name else "wrong policy"
            w.case(f"{label}: refused three times", result["verdict"] == "refused" and done.returncode == 125
                   and curl.returncode in RESETS, f"{result['verdict']} {done} {curl}")
        gateway.stop()
        lines = gateway.endings
        w.case(f"{name or 'wrong policy'}: no byte", len(lines) == 3 and
               all(" in=0 out=0 " in line for line in lines), gateway.log)
    w.case("no connection in all", (sink.received, sink.connections) == (0, 0), str(sink.connections))


def some_defects(world):
    names = json.loads(w.blindbox("sim", "show", "--dir", world.sim, "--json").stdout)["defects"]
    return list(names) if w.FULL or not w.SANITIZED else list(names)[::4]


def main():
    with w.World() as world:
        hostile_clients(world)
        partial_starts(world)
        refusals(world)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
