"""Background mode: the client asks a verification service itself. What it sends, a service that goes wrong in
every way, tokens that must be refused; and the order of verifiers: the next one only when one is not to be
had, never after a refusal."""
import base64
import json
import socket
import time

import services
import wire
import world as w
from services import ISSUER, ServiceWorld, expect

UNAVAILABLE, REFUSED = services.attestation_service.UNAVAILABLE, services.attestation_service.REFUSED


def honest(world, gateway):
    policy = world.policy_for(world.verifier("background"))
    result = expect(world, "report, then token", gateway.address, policy, None, None)
    v = result["verifier"]
    w.case("result says who checked", (v["mode"], v["issuer"], v["url"], v["tried"]) ==
           ("background", ISSUER, world.service.url, []), str(v))
    w.case("the token's time is told", result["times"]["token_us"] > 0, str(result["times"]))
    again = expect(world, "another connection", gateway.address, policy, None, None)
    first, second = world.service.posts[-2:]
    w.case("the service got report, runtime and a nonce, and nothing else",
           set(first) == {"report", "runtimeData", "nonce"}, str(set(first)))
    w.case("a nonce of 32 bytes, a new one each time", first["nonce"] != second["nonce"] and
           len(base64.urlsafe_b64decode(first["nonce"] + "=")) == 32, f"{first['nonce']} {second['nonce']}")
    inner = json.loads(services.attestation_service.decode(first["report"]))
    w.case("report and certificates", set(inner) == {"SnpReport", "VcekCertChain"} and
           inner["VcekCertChain"] != "", str(set(inner)))
    method, path, fields, _ = world.service.requests[-1]
    w.case("nothing that tells who asks", set(fields) == {"Host", "User-Agent", "Accept", "Content-Type",
                                                          "Content-Length"}, str(fields))
    leaf = result["batch"]["leaf"]
    w.case("the service learns no leaf", leaf not in json.dumps(world.service.posts), leaf)
    w.case("the gateway does not know", "token issuer" not in gateway.log)
    keys = world.policy_for(world.verifier("background", jwks=world.service.url + "/certs"))
    expect(world, "keys by URL", gateway.address, keys, None, None)
    ear = world.policy_for(world.verifier("background", profile="ear"))
    world.service.reset()
    expect(world, "an MAA token where an EAR is due", gateway.address, ear, "TokenClaimMissing", "token-type")
    _, _, fields, _ = world.service.requests[-1]
    w.case("an EAR is asked for as one", fields["Accept"] == "application/eat+jwt", str(fields))
    return again


def failures(world, gateway):
    policy = world.policy_for(world.verifier("background"))
    fields = {"302": "service", "html": None, "empty": None, "cut": "fetch.answer"}
    for mode in UNAVAILABLE:
        world.service.reset()
        world.service.mode = mode
        if mode in ("html", "empty"):  # 200 with no token in it: the service's answer, if not its own words
            expect(world, f"service: {mode}", gateway.address, policy, "TokenNotFound", "token")
        else:
            expect(world, f"service: {mode}", gateway.address, policy, "VerifierUnavailable",
                   fields.get(mode, "service"))
        w.case(f"service: {mode}: asked once", len(world.service.posts) == 1, str(len(world.service.posts)))
    for mode, status, field in (("400", "TokenNotFound", "service"), ("401", "TokenNotFound", "service"),
                                ("no token", "TokenNotFound", "token"), ("empty token", "TokenNotFound", "token")):
        world.service.reset()
        world.service.mode = mode
        result = expect(world, f"service: {mode}", gateway.address, policy, status, field)
        if mode == "400":
            w.case("the service's words are told", "HTTP 400 InvalidParameter: bad report" in result["found"],
                   str(result["found"]))
    world.service.reset()
    world.service.mode = "terminal"
    result = expect(world, "an error for the terminal", gateway.address, policy, "TokenNotFound", "service")
    w.case("it is escaped", "\x1b" not in json.dumps(result) and "\\x1b[2J" in result["found"], str(result["found"]))
    world.service.reset()
    for name, url, field in (("nobody there", f"http://127.0.0.1:{w.free_port()}", "fetch.connect"),
                             ("no such name", "https://blindbox.invalid", "fetch.resolve")):
        expect(world, name, gateway.address, world.policy_for(world.verifier("background", url=url)),
               "VerifierUnavailable", field)
    begun = time.monotonic()
    world.service.mode = "hang"
    expect(world, "a service that hangs", gateway.address, policy, "VerifierUnavailable", "fetch.time")
    w.case("for 10 s", 9 < time.monotonic() - begun < 15, str(time.monotonic() - begun))
    world.service.reset()
    world.service.delay_s = 1
    expect(world, "a slow one", gateway.address, policy, None, None)
    world.service.reset()


def oversized(world):
    """What a hostile gateway sends is its fault, also where it is too much for the service."""
    size = 60000
    records = {"report": ["application/vnd.amd.sev-snp.attestation-report", bytes(1184), 4],
               **{name: ["application/pkix-cert", b"\x30" * size, 2] for name in ("vek", "ask", "ark")}}
    spki = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") + bytes(64)
    config = {1: "x", 2: "tcp:127.0.0.1:1", 3: [], 4: ["raw"]}
    response = wire.framed(wire.cbor({1: 1, 2: 0, 3: bytes(32), 4: 255, 5: wire.cbor(records), 6: wire.cbor(config), 7: spki,
                                      8: [0, 0, b""], 9: "raw", 11: 1, 12: 0}))

    def serve(tls):
        wire.read_request(tls)
        tls.sendall(response)
        tls.recv(1)
    server = wire.Server(wire.make_certificate(world.folder, "P-256"), serve)
    posts = len(world.service.posts)
    result = expect(world, "certificates that no service takes", server.address,
                    world.policy_for(world.verifier("background"), {"mode": "local"}), "MalformedEvidence", "cmw")
    w.case("the service is not asked, nor is the next one", len(world.service.posts) == posts and
           result["verifier"]["tried"] == [], str(result["verifier"]))


def order(world, gateway):
    """Fallback on VerifierUnavailable alone, with a connection of its own each time."""
    dead = world.verifier("background", url=f"http://127.0.0.1:{w.free_port()}")
    background, passport, local = world.verifier("background"), world.verifier("passport"), {"mode": "local"}
    unknown = world.verifier("passport", issuer="https://nobody.example")

    def tried(name, verifiers, status, field, by, attempts, connections, **script):
        world.service.reset()
        for key, value in script.items():
            setattr(world.service, key, value)
        before = len(gateway.endings)
        result = expect(world, name, gateway.address, world.policy_for(*verifiers), status, field)
        v = result["verifier"]
        w.case(f"{name}: by {by} after {attempts}", v["mode"] == by and
               [t["mode"] for t in v["tried"]] == attempts and
               all(t["class"] == "VerifierUnavailable" and t["text"] for t in v["tried"]), str(v))
        w.case(f"{name}: {connections} connections", w.eventually(
            lambda: len(gateway.endings) == before + connections), str(gateway.endings[before:]))
        return result

    tried("dead, then passport", [dead, passport], None, None, "passport", ["background"], 2)
    result = tried("dead, then background", [dead, background], None, None, "background", ["background"], 2)
    w.case("the attempt is told", result["verifier"]["tried"][0]["field"] == "fetch.connect" and
           result["verifier"]["tried"][0]["url"] == dead["url"], str(result["verifier"]["tried"]))
    tried("500, then local", [background, local], None, None, "local", ["background"], 2, mode="500")
    tried("status 5, then local", [passport, local], None, None, "local", ["passport"], 2, mode="500")
    tried("no keys, then local", [world.verifier("passport", jwks=str(world.folder / "none")), local], None, None,
          "local", ["passport"], 2)
    tried("all dead", [dead, dead], "VerifierUnavailable", "fetch.connect", "background", ["background"], 2)
    tried("three", [dead, dead, local], None, None, "local", ["background", "background"], 3)
    # Refusals are answers: the next verifier is never asked.
    tried("refused by the service", [background, local], "TokenNotFound", "service", "background", [], 1, mode="400")
    tried("no token", [background, local], "TokenNotFound", "token", "background", [], 1, mode="no token")
    tried("unknown issuer", [unknown, local], "AttestationRefused", "status", "passport", [], 1)
    tried("status 7", [passport, local], "AttestationRefused", "status", "passport", [], 1, mode="400")
    tried("a foreign key", [background, local], "TokenSignatureInvalid", "token-signature", "background", [], 1,
          use=world.foreign)
    tried("expired", [passport, local], "TokenExpired", "token-time", "passport", [], 1, change={"exp": 1000000000})
    tried("debug mode", [background, passport], "DebugMode", "debug", "background", [], 1,
          change={"x-ms-sevsnpvm-is-debuggable": True})
    world.service.reset()
    wrong = world.policy_for(background, local, measurements=["5a" * 48])
    expect(world, "other code: no second opinion", gateway.address, wrong, "MeasurementMismatch", "measurement")
    done = w.blindbox("attest", gateway.address, "--policy", world.policy_for(dead, local))
    w.case("attest shows what was not had", "service   not had" in done.stdout and "verifier  built in" in done.stdout and
           all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout)


def evidence_too(world, gateway):
    """A good token does not make a bad report good: both must accept."""
    world.service.reset()
    for defect, status, field in (("forged-signature", "ReportSignatureInvalid", "signature"),
                                  ("debug", "DebugMode", "debug")):
        bad = w.Gateway(world, world.app.upstream, "--verifier", f"{world.service.url},issuer={ISSUER}", defect=defect)
        world.service.change = {"x-ms-sevsnpvm-is-debuggable": False}
        for mode in ("background", "passport"):
            expect(world, f"{defect}, {mode}", bad.address, world.policy_for(world.verifier(mode)), status, field)
    world.service.reset()


def silent_peer(world):
    """The deadline holds while a service is asked: a gateway that leaves meanwhile is noticed."""
    gateway = w.Gateway(world, world.app.upstream)
    world.service.reset()
    world.service.delay_s = 1
    proxy = w.Proxy(world, gateway.address, policy=world.policy_for(world.verifier("background")))
    sent = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

    def whole(s):
        return b"".join(iter(lambda: s.recv(4096), b""))
    with socket.create_connection(proxy.endpoint) as s:
        s.sendall(sent)
        time.sleep(0.5)
        w.case("no byte before the verdict", world.app.received == 0, str(world.app.received))
        w.case("then the answer", whole(s).startswith(b"HTTP/1.1 200"))
    world.service.reset()
    world.service.use = world.foreign
    before = world.app.received
    with socket.create_connection(proxy.endpoint) as s:
        s.sendall(sent)
        s.settimeout(20)
        try:
            got = s.recv(10)
        except ConnectionResetError:
            got = b""
        w.case("no byte after a refusal", got == b"" and world.app.received == before, f"{got} {world.app.received}")
    world.service.reset()
    posts = len(world.service.posts)
    children = w.child_named(proxy.process.pid, "blindbox-fetch")
    for _ in range(3):
        with socket.create_connection(proxy.endpoint) as s:
            s.sendall(sent)
            whole(s)
    w.case("one fetcher for all connections", children is not None and
           w.child_named(proxy.process.pid, "blindbox-fetch") == children and len(world.service.posts) == posts + 3)
    proxy.stop()


def failing_service(world, gateway):
    """Many connections, a service that fails: it is asked a few times, not once for each; and when it is back it
    meets one request first."""
    world.service.reset()
    world.service.mode = "503"
    policy = world.policy_for(world.verifier("background"), {"mode": "local"})
    proxy = w.Proxy(world, gateway.address, policy=policy)
    before = len(world.service.posts)

    def ask():
        with socket.create_connection(proxy.endpoint) as s:
            s.settimeout(20)
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return b"".join(iter(lambda: s.recv(4096), b"")).startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    answers = [ask() for _ in range(40)]
    posts = len(world.service.posts) - before
    # Three failures open the breaker; its pauses are half a second at least, then twice as long.
    w.case("a failing service is not asked by each", all(answers) and 3 <= posts <= 3 + 2 * (time.monotonic() - began) + 1,
           f"{sum(answers)} of {len(answers)} by the next verifier, {posts} requests")
    world.service.reset()
    before = len(world.service.posts)
    w.case("back: asked again", w.eventually(lambda: ask() and len(world.service.posts) > before + 1, 20) is not False)
    proxy.stop()


def main():
    with ServiceWorld() as world:
        gateway = w.Gateway(world, world.app.upstream, "--verifier", f"{world.service.url},issuer={ISSUER}")
        honest(world, gateway)
        failures(world, gateway)
        wrong_nonce = [("another nonce", {"change": {"nonce": "b3RoZXI"}}, "ChannelBindingMismatch", "nonce"),
                       ("no nonce", {"change": {"nonce": None}}, "ChannelBindingMismatch", "nonce"),
                       ("a second member", {"change": {"x-ms-runtime": {"blindbox-1": "x", "keys": []}}},
                        "ChannelBindingMismatch", "runtime")]
        services.bad_tokens(world, gateway.address, world.policy_for(world.verifier("background")), "background",
                            wrong_nonce)
        oversized(world)
        order(world, gateway)
        evidence_too(world, gateway)
        w.case("the application got nothing", (world.app.received, world.app.connections) == (0, 0),
               f"{world.app.received} bytes, {world.app.connections} connections")
        silent_peer(world)
        failing_service(world, gateway)
    w.finish()


if __name__ == "__main__":
    main()
