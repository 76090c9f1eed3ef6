"""Passport mode: the gateway has the token of a verification service, once a batch. A service that goes
wrong in every way, tokens that must be refused, no herd, no fail-open, and the tree's own service."""
import json
import os
import signal
import subprocess

import services
import world as w
from services import ISSUER, ServiceWorld, expect

UNAVAILABLE, REFUSED = services.attestation_service.UNAVAILABLE, services.attestation_service.REFUSED


def honest(world, gateway):
    both, alone = world.policy_for(world.verifier("passport")), world.lenient(world.verifier("passport"))
    result = expect(world, "token and evidence", gateway.address, both, None, None)
    token = world.service.tokens[-1]
    w.case("result says who checked", result["verifier"] == {"mode": "passport", "issuer": ISSUER, "url": None,
                                                             "profile": "maa", "tried": []}, str(result["verifier"]))
    w.case("result has the token's claims", result["token"]["claims"]["iss"] == ISSUER and
           result["token"]["header"]["kid"] == "k1" and "runtime" in result["token"]["decided"], str(result["token"]))
    w.case("the token's time is told", result["times"]["token_us"] >= 0 and result["batch"] is not None, str(result))
    w.case("the service got report, certificates and runtime, and nothing else",
           set(world.service.posts[-1]) == {"report", "runtimeData"}, str(world.service.posts[-1]))
    result = expect(world, "the token alone", gateway.address, alone, None, None)
    rows = {c["id"]: c["outcome"] for c in result["checks"]}
    w.case("the token alone: rows", rows["signature"] == "not-applicable" and rows["token-signature"] == "passed" and
           rows["leaf"] == "passed" and result["simulated"] and result["claims"] == {}, str(rows))
    w.case("the token alone: the kind is what the token says", result["kind"] == "simulated", result["kind"])
    w.case("the token alone: the batch is named", result["batch"] is not None, str(result["batch"]))
    done = w.blindbox("attest", gateway.address, "--policy", alone)
    w.case("attest shows the service", f"verifier  {ISSUER}, MAA token" in done.stdout and
           all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout)
    w.case("tokens are not logged", token[:40] not in gateway.log and token.split(".")[1][:40] not in gateway.log and
           f"token issuer={ISSUER}" in gateway.log, gateway.log[-500:])
    posts = len(world.service.posts)
    expect(world, "a client of evidence", gateway.address, world.policy, None, None)
    w.case("a client of evidence asks no service", len(world.service.posts) == posts)
    keys = world.policy_for(world.verifier("passport", jwks=world.service.url + "/certs"))
    expect(world, "keys by URL", gateway.address, keys, None, None)
    w.case("keys were asked for", world.service.key_requests == 1, str(world.service.key_requests))


def laundered(world, gateway):
    """A service that calls any simulator a simulator: the policy's roots decide all the same."""
    policy = json.loads(world.lenient(world.verifier("passport")).read_text())
    for name, roots, status in (("its root", json.loads(world.policy.read_text())["simulated_roots"], None),
                                ("another root", ["11" * 32], "SimulatedTee")):
        path = world.folder / "rooted.json"
        path.write_text(json.dumps({**policy, "simulated_roots": roots}))
        expect(world, f"laundered: {name}", gateway.address, path, status, status and "root")


def failures(world, gateway):
    """Each followed by a good one, so that the gateway does not take the service for dead."""
    policies = {"both": world.policy_for(world.verifier("passport")),
                "alone": world.lenient(world.verifier("passport"))}
    for mode in [*UNAVAILABLE, *REFUSED]:
        status, found = ("VerifierUnavailable", "status 5") if mode in UNAVAILABLE else \
            ("AttestationRefused", "status 7")
        for label, policy in policies.items():
            world.service.reset()
            world.service.mode = mode
            result = expect(world, f"service: {mode}, {label}", gateway.address, policy, status, "status")
            w.case(f"service: {mode}, {label}: {found}", result["found"].startswith(found) and
                   len(world.service.posts) == 1, f"{result['found']} {len(world.service.posts)}")
        world.service.reset()
        expect(world, f"service: {mode}, then good", gateway.address, policies["both"], None, None)
    world.service.mode = "terminal"
    expect(world, "service: an error for the terminal", gateway.address, policies["both"], "AttestationRefused",
           "status")
    w.case("what a service says is escaped", "\x1b" not in gateway.log and "\\x1b[2J" in gateway.log, gateway.log[-300:])
    world.service.reset()


def slow(world, gateway):
    policy = world.policy_for(world.verifier("passport"))
    world.service.delay_s = 2
    result = expect(world, "slower than the client waits", gateway.address, policy, "TryAgain", "status", "--wait", 1)
    w.case("slower: status 8", result["found"].startswith("status 8"), result["found"])
    result = expect(world, "slow, but in time", gateway.address, policy, None, None)
    world.service.reset()
    world.service.mode = "hang"
    result = expect(world, "a service that hangs", gateway.address, policy, "VerifierUnavailable", "status")
    w.case("a service that hangs: after 10 s", 9e6 < result["times"]["evidence_us"] < 16e6 or
           result["found"].startswith("status 5"), str(result["times"]))
    world.service.reset()
    expect(world, "and then it answers", gateway.address, policy, None, None)


def refusals(world, gateway):
    unknown = world.policy_for(world.verifier("passport", issuer="https://verifier.example.com"))
    result = expect(world, "an issuer that the gateway does not have", gateway.address, unknown, "AttestationRefused",
                    "status")
    w.case("status 6", result["found"].startswith("status 6"), result["found"])
    plain = w.Gateway(world, world.app.upstream)
    result = expect(world, "a gateway without services", plain.address,
                    world.policy_for(world.verifier("passport")), "AttestationRefused", "status")
    w.case("without services: status 6", result["found"].startswith("status 6"), result["found"])
    missing = world.policy_for(world.verifier("passport", jwks=str(world.folder / "none.json")))
    expect(world, "no key set", gateway.address, missing, "VerifierUnavailable", "jwks")
    dead = world.policy_for(world.verifier("passport", jwks=f"http://127.0.0.1:{w.free_port()}/certs"))
    expect(world, "keys at nobody's", gateway.address, dead, "VerifierUnavailable", "fetch.connect")


def tokens(world, gateway):
    second = ("a second member", {"change": {"x-ms-runtime": {"blindbox-1": "x", "keys": []}}},
              "ChannelBindingMismatch", "runtime")
    services.bad_tokens(world, gateway.address, world.policy_for(world.verifier("passport")), "both", [second])
    services.bad_tokens(world, gateway.address, world.lenient(world.verifier("passport")), "alone", [second])
    for label, policy in (("both", world.policy_for(world.verifier("passport"))),
                          ("alone", world.lenient(world.verifier("passport")))):
        expect(world, f"replay, {label}: its own batch", gateway.address, policy, None, None)
        kept = world.service.tokens[-1]
        world.service.edit = lambda _, kept=kept: kept
        expect(world, f"replay, {label}: another batch", gateway.address, policy, "ChannelBindingMismatch",
               "report-data")
        world.service.reset()


def once_a_batch(world, gateway):
    policy = world.policy_for(world.verifier("passport"))
    world.service.reset()
    world.service.delay_s = 0.2
    rows = w.crowd(gateway.address, policy, 200, 100)
    good = sum(row["verdict"] == "accepted" for row in rows)
    batches = {row["batch"] for row in rows}
    w.case("200 connections, few requests", good == 200 and len(world.service.posts) <= 25,
           f"{good} accepted, {len(world.service.posts)} requests, {len(batches)} batches")
    w.case("one request a batch", len(world.service.posts) <= len(batches), f"{len(world.service.posts)}")


def herd(world, gateway):
    """A service that is down is asked few times, and few times when it is back."""
    policy = world.policy_for(world.verifier("passport"))
    world.service.reset()
    world.service.mode = "500"
    rows = w.crowd(gateway.address, policy, 400, 100)
    down = len(world.service.posts)
    classes = {row["class"] for row in rows}
    w.case("down: every client hears it", classes == {"VerifierUnavailable"}, str(classes))
    w.case("down: few requests", down <= 25, f"{down} requests for 400 connections")
    last = w.crowd(gateway.address, policy, 1, 1)[0]
    w.case("down: at once, with a time", last["class"] == "VerifierUnavailable" and last["ms"] < 1000 and
           0 < last["retry_ms"] <= 30000 or len(world.service.posts) > down, str(last))
    world.service.mode = "good"
    world.service.delay_s = 0.2
    world.service.posts.clear()
    accepted = w.eventually(lambda: w.crowd(gateway.address, policy, 100, 50)[-1]["verdict"] == "accepted", 40)
    w.case("back: accepted again, by few requests", accepted and len(world.service.posts) <= 25,
           f"{accepted} {len(world.service.posts)}")


def fetcher_dies(world, gateway):
    policy = world.policy_for(world.verifier("passport"))

    def fetcher():
        return w.child_named(gateway.process.pid, "blindbox-fetch")
    before = fetcher()
    w.case("the gateway has a fetcher", before is not None)
    os.kill(before, signal.SIGKILL)
    back = w.eventually(lambda: fetcher() not in (None, before))
    w.case("a dead fetcher is replaced", back and "the fetcher died" in gateway.log, gateway.log[-300:])
    good = w.eventually(lambda: services.outcome(world, gateway.address, policy)[0] is None)
    w.case("and tokens come again", good)


def own_service(world):
    """The tree's own verifier, both profiles."""
    certs = world.folder / "certs"
    w.blindbox("sim", "report", "--dir", world.sim, "-o", "/dev/null", "--certs-out", certs)
    socket = world.folder / "verifier.sock"
    values = world.folder / "values.json"
    policy = json.loads(world.policy.read_text())
    values.write_text(json.dumps({"schema": "blindbox.reference-values/1", "measurements": policy["measurements"],
                                  "host_data": ["d0" * 32]}))
    process = subprocess.Popen(
        [w.PROGRAM, "verifier", "--listen", f"unix:{socket}", "--issuer", ISSUER, "--state-dir",
         str(world.folder / "state"), "--allow-simulated", "--policy", str(world.policy), "--certs", str(certs),
         "--reference-values", str(values)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        process.stdout.readline()
        gateway = w.Gateway(world, world.app.upstream, "--verifier", f"unix:{socket},issuer={ISSUER}")
        ear = w.Gateway(world, world.app.upstream, "--verifier", f"unix:{socket},issuer={ISSUER},profile=ear")
        keys = {"jwks": f"unix:{socket}"}
        for name, to, profile in (("MAA", gateway, "maa"), ("EAR", ear, "ear")):
            v = world.verifier("passport", profile=profile, **keys)
            expect(world, f"own service, {name}", to.address, world.policy_for(v), None, None)
            expect(world, f"own service, {name} alone", to.address, world.lenient(v), None, None)
            v = world.verifier("background", profile=profile, url=f"unix:{socket}", **keys)
            expect(world, f"own service, {name}, background", to.address, world.policy_for(v), None, None)
    finally:
        process.terminate()
        process.wait(timeout=20)


def options(world):
    for text in ("ftp://x", "https://a,b=c", "https://a,issuer=", "https://a,profile=jwt", "https://a b", "",
                 "https://a,issuer=x,issuer=y", "https://a,ca"):
        done = w.blindbox("gateway", "--attester", "sim", "--upstream", "tcp:127.0.0.1:1", "--verifier", text, check=False)
        w.case(f"--verifier {text!r} is refused", done.returncode == 1 and "verif" in done.stderr, done.stderr)
    five = [word for i in range(5) for word in ("--verifier", f"https://v{i}.example")]
    done = w.blindbox("gateway", "--attester", "sim", "--upstream", "tcp:127.0.0.1:1", *five, check=False)
    w.case("five services are too many", done.returncode == 1 and "at most 4" in done.stderr, done.stderr)
    config = world.folder / "gateway.json"
    config.write_text(json.dumps({"schema": "blindbox.gateway/1", "attester": "sim", "sim_dir": str(world.sim),
                                  "listen": "127.0.0.1:0", "upstream": world.app.upstream,
                                  "verifiers": [{"url": world.service.url, "issuer": ISSUER}]}))
    gateway = w.Gateway(world, None, "--config", config, configured=True)
    expect(world, "services of a configuration file", gateway.address,
           world.policy_for(world.verifier("passport")), None, None)


def main():
    with ServiceWorld() as world:
        gateway = w.Gateway(world, world.app.upstream, "--verifier", f"{world.service.url},issuer={ISSUER}")
        honest(world, gateway)
        laundered(world, gateway)
        failures(world, gateway)
        slow(world, gateway)
        refusals(world, gateway)
        tokens(world, gateway)
        once_a_batch(world, gateway)
        fetcher_dies(world, gateway)
        herd(world, gateway)
        own_service(world)
        options(world)
        w.case("the application got nothing", (world.app.received, world.app.connections) == (0, 0),
               f"{world.app.received} bytes, {world.app.connections} connections")
    w.finish()


if __name__ == "__main__":
    main()
