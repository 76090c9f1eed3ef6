"""Simulator, gateway and clients on loopback: an honest gateway is accepted, every defect and every
wrong policy is refused with its class, exit code and check, and the application gets no byte then."""
import json
import subprocess
import sys

import world as w


def honest(world, gateway):
    done = w.blindbox("attest", gateway.address, "--policy", world.policy)
    lines = done.stdout.splitlines()
    w.case("attest accepts", lines[-1] == "verdict   accepted (SIMULATED TEE: proves nothing about hardware)" and
           len(lines) <= 11 and max(map(len, lines)) <= 80, done.stdout)
    result = json.loads(w.blindbox("attest", gateway.address, "--policy", world.policy, "--json").stdout)
    w.case("attest --json", result["schema"] == "blindbox.connection-result/1" and
           result["verdict"] == "accepted" and result["class"] is None and result["simulated"] and
           result["batch"]["id"] == result["batch"]["d"][:16], str(result)[:300])
    named = f"batch={result['batch']['id']} leaf={result['batch']['index']}"
    w.case("both sides name the batch", w.eventually(lambda: named in gateway.log), gateway.log)
    skipped = json.loads(w.blindbox("attest", gateway.address, "--policy", world.policy, "--skip", "debug",
                                    "--json").stdout)
    by_id = {c["id"]: c["outcome"] for c in skipped["checks"]}
    w.case("--skip shows skipped", by_id["debug"] == "skipped", str(by_id))
    for check in ("report-data", "leaf", "path", "key", "runtime", "nonce", "token-signature", "issuer"):
        done = w.blindbox("attest", gateway.address, "--policy", world.policy, "--skip", check, check=False)
        w.case(f"--skip {check} is refused on a connection", done.returncode == 1 and
               "cannot be left out" in done.stderr, str(done))
    done = w.blindbox("attest", gateway.address, "--js", "--policy", world.policy)
    w.case("a shortened --json is --json", done.stdout.startswith("{"), done.stdout[:80])
    with open("/dev/full", "w") as full:
        done = subprocess.run([w.PROGRAM, "attest", gateway.address, "--policy", str(world.policy)], stdout=full,
                              stderr=subprocess.PIPE, text=True)
    w.case("a result that is lost is no success", done.returncode == 1 and "cannot write" in done.stderr,
           str(done))


def candidate(world, gateway):
    done = w.blindbox("attest", gateway.address, "--show-policy")
    (world.folder / "candidate.json").write_text(done.stdout)
    again = w.blindbox("attest", gateway.address, "--policy", world.folder / "candidate.json")
    w.case("--show-policy gives a policy that accepts this peer",
           "verdict   accepted" in again.stdout and "candidate only" in done.stderr, done.stderr)
    done = w.blindbox("attest", gateway.address, "--show-policy", "--skip", "signature", check=False)
    w.case("no candidate without every check", done.returncode == 1 and done.stdout == "", str(done))
    done = w.blindbox("attest", "127.0.0.1:1", "--show-policy", "--json", check=False)
    w.case("no candidate, but JSON, without a peer", done.returncode == 8 and
           json.loads(done.stdout)["class"] == "PeerUnreachable", str(done))


def policies(world, gateway):
    def expect(name, status, code, field, *arguments):
        done = w.blindbox("attest", gateway.address, *arguments, check=False)
        wrong = w.fails_with(done, status, code, field)
        w.case(name, wrong is None, wrong)

    def with_policy(remove=(), **change):
        return ["--policy", world.policy_with(remove, **change)]

    expect("no policy at all", "SimulatedTee", 9, "root")
    expect("simulated not allowed", "SimulatedTee", 9, "root", *with_policy(["allow_simulated"]))
    expect("another simulator allowed", "SimulatedTee", 9, "root",
           *with_policy(simulated_roots=["11" * 32]))
    expect("no expected code", "MissingReferenceValues", 5, "expected-code", *with_policy(["measurements"]))
    expect("another measurement", "MeasurementMismatch", 5, "measurement",
           *with_policy(measurements=["22" * 48]))
    expect("another container policy", "InvalidEnclaveCode", 5, "host-data",
           *with_policy(host_data=["33" * 32]))
    expect("a newer minimum", "TcbTooOld", 5, "minimum-tcb", *with_policy(minimum_tcb={"Milan": {"snp": 25}}))
    expect("another configuration", "ConfigurationRefused", 5, "config",
           *with_policy(config_digests=["44" * 48]))
    expect("another chip", "GuestPolicyRejected", 5, "chip-ids", *with_policy(chip_ids=["55" * 64]))
    expect("only real hardware wanted", "AttestationRefused", 6, "status", *with_policy(evidence=["sev-snp"]))
    for known in ("cadd74f71ebb8fbf9782baab649612520f3c416bc5ce9ac768808ddc8d9b031c",
                  "4f4448c67f3c8dfc8de8a5e37125d807dadcc41f06cf23f615dbd52eec777d10"):
        done = w.blindbox("attest", gateway.address, *with_policy(host_data=[known]), check=False)
        w.case("an allow-everything container policy is refused", done.returncode == 1 and
               done.stderr.startswith("blindbox: host_data: "), done.stderr)
    done = w.blindbox("attest", gateway.address, *with_policy(uvm={}), check=False)
    w.case("a policy key that is not answered is named", done.returncode == 1 and
           done.stderr.startswith("blindbox: uvm: "), done.stderr)


def defects(world, app):
    table = json.loads(w.blindbox("sim", "show", "--dir", world.sim, "--json").stdout)["defects"]
    for name, row in table.items():
        gateway = w.Gateway(world, app.upstream, defect=name)
        done = w.blindbox("attest", gateway.address, "--policy", world.policy, check=False)
        wrong = w.fails_with(done, row["connection"], row["exit"], row["check"])
        w.case(f"defect {name}", wrong is None, wrong)
        done = w.blindbox("exec", "--to", gateway.address, "--policy", world.policy, "--", "curl", "-sS",
                          "-d", "x", "http://app/generate", check=False)
        w.case(f"defect {name}: exec says 125", done.returncode == 125, str(done))
        gateway.stop()
        w.case(f"defect {name}: no application byte", "in=0 out=0" in gateway.log and
               " in=1" not in gateway.log, gateway.log)


def clients(world, app, gateway):
    generate = ["curl", "-sS", "--json", '{"input_text": "def print_hello_world():"}', "http://app/generate"]
    done = w.blindbox("exec", "--to", gateway.address, "--policy", world.policy, "--", *generate)
    w.case("exec: POST /generate", "hello world" in json.loads(done.stdout)["output"], done.stdout)
    done = w.blindbox("exec", "--to", gateway.address, "--policy", world.policy, "--", "curl", "-sS",
                      "https://app/", check=False)
    w.case("exec refuses https", done.returncode == 125 and "use http://" in done.stderr, str(done))
    done = w.blindbox("exec", "--to", gateway.address, "--policy", world.policy, "--", "sh", "-c", "exit 7",
                      check=False)
    w.case("exec passes the exit code", done.returncode == 7, str(done))
    proxy = subprocess.Popen([w.PROGRAM, "proxy", "--to", gateway.address, "--policy", str(world.policy),
                              "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL)
    address = proxy.stdout.readline().split()[-1]
    done = subprocess.run(["curl", "-sS", f"http://{address}/here"], capture_output=True, text=True)
    w.case("proxy forwards", done.stdout == "you asked for /here\n", str(done))
    proxy.terminate()
    w.case("proxy ends in order", proxy.wait(timeout=10) == 0)


def no_accidents(world, app, gateway):
    """What must not happen without being asked for."""
    done = w.blindbox("gateway", "--upstream", app.upstream, "--listen", "127.0.0.1:0", check=False)
    w.case("no attester is chosen because hardware is missing", done.returncode == 1 and
           "--attester sim" in done.stderr, str(done))
    nowhere = {name: "http://127.0.0.1:1" for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY")}
    done = w.blindbox("attest", gateway.address, "--policy", world.policy, check=False, env=nowhere)
    w.case("no proxy of the environment is used", done.returncode == 0, done.stderr)
    first, second = (w.attest(gateway.address, world.policy)["batch"]["leaf"] for _ in range(2))
    w.case("no leaf comes twice", first != second, first)
    keys = [p for p in world.folder.rglob("*") if p.is_file() and world.sim not in p.parents and
            b"PRIVATE KEY" in p.read_bytes()]
    w.case("the gateway writes no key", keys == [] and "--key" not in w.blindbox("gateway", "--help").stdout,
           str(keys))
    done = w.blindbox("exec", "--to", gateway.address, "--policy", world.policy, "--", "curl", "-sS",
                      "http://app/marker-5e1f", "-H", "Authorization: secret-5e1f")
    w.case("the log has none of the user's bytes and no key", "marker-5e1f" in done.stdout and
           "5e1f" not in gateway.log and "PRIVATE" not in gateway.log, gateway.log)


def offers(gateway):
    """The gateway takes exactly one offer."""
    for offer in ("blindbox/1", "h2,blindbox/1", "blindbox/1,h2", "h2", None):
        command = ["openssl", "s_client", "-connect", gateway.address, "-tls1_3"]
        command += ["-alpn", offer] if offer else []
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30)
        agreed = "ALPN protocol: blindbox/1" in done.stdout
        w.case(f"ALPN offer {offer}", agreed == (offer == "blindbox/1"), done.stdout[-400:])
    w.case("a client without ALPN is closed", w.eventually(lambda: "end=no attested TLS" in gateway.log),
           gateway.log)


def users_policy(world, gateway):
    """The user's own policy counts only where nobody else can write it."""
    folder = world.folder / "config" / "blindbox"
    folder.mkdir(parents=True, mode=0o700)
    (folder / "policy.json").write_text(world.policy.read_text())
    env = {"XDG_CONFIG_HOME": str(world.folder / "config"), "BLINDBOX_POLICY": ""}
    for mode, file_mode, good in ((0o700, 0o600, True), (0o770, 0o600, False), (0o700, 0o622, False)):
        folder.chmod(mode)
        (folder / "policy.json").chmod(file_mode)
        done = w.blindbox("attest", gateway.address, check=False, env=env)
        w.case(f"user's policy, folder {mode:o}, file {file_mode:o}", (done.returncode == 0) == good and
               (good or "writable by nobody else" in done.stderr), str(done))
    folder.chmod(0o700)


def main():
    with w.World() as world:
        app = w.App()
        gateway = w.Gateway(world, app.upstream)
        honest(world, gateway)
        candidate(world, gateway)
        policies(world, gateway)
        offers(gateway)
        users_policy(world, gateway)
        before = app.received
        w.case("nothing reached the application", before == 0, str(before))
        defects(world, app)
        w.case("no defect reached the application", app.connections == 0, str(app.connections))
        no_accidents(world, app, gateway)
        clients(world, app, gateway)
        w.case("the gateway ends in order", gateway.stop() == 0)
    w.finish()


if __name__ == "__main__":
    sys.exit(main())
