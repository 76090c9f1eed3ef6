"""`blindbox token show` and `token verify` as a user runs them: inputs, options, exit codes, output."""
import http.server
import json
import os
import pathlib
import sys
import tempfile
import threading

from common import blindbox, case, first_failed
import common
from tokens import D, DIGITS, ISSUER, Signer, b64url, ear, maa

BASE = {"schema": "blindbox.policy/1"}


class Tokens:
    def __init__(self, folder):
        self.folder, self.signer = folder, Signer(folder)
        self.other = Signer(folder, "k2")

    def write(self, name, value):
        path = self.folder / name
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    def verify(self, claims, *more, pin=True, signer=None, **run):
        """(class, first failed check, result)"""
        token = claims if isinstance(claims, str) else (signer or self.signer).token(claims)
        pinned = ["--jwks", self.signer.jwks, "--issuer", ISSUER] if pin else []
        done = blindbox("token", "verify", self.write("token.jwt", token), *pinned, "--json", *more,
                        check=False, **run)
        result = json.loads(done.stdout)
        if result["exit"] != done.returncode:
            return f"exit {done.returncode}, JSON says {result['exit']}", None, result
        return result["class"], first_failed(result), result


def accepted(t):
    claims = maa()
    found = t.verify(claims)[2]
    case("accepted", found["verdict"] == "accepted" and found["exit"] == 0 and found["class"] is None, str(found))
    case("result JSON", found["schema"] == "blindbox.token-result/1" and found["kind"] == "sev-snp" and
         found["claims"] == claims and found["issuer"] == ISSUER and found["profile"] == "maa" and
         found["policy"] == {"source": "defaults with --issuer", "sha256": None} and not found["simulated"],
         str(found))
    found = t.verify(ear(), "--profile", "ear")[2]
    case("accepted EAR", found["verdict"] == "accepted" and found["profile"] == "ear", str(found))
    done = blindbox("token", "verify", t.write("t", t.signer.token(maa())), "--jwks", t.signer.jwks, "--issuer",
                    ISSUER)
    case("text", "verdict  accepted" in done.stdout and "ok    debug" in done.stdout and done.stderr == "",
         done.stdout)


def forms(t):
    token = t.signer.token(maa())
    for name, text in {"line end": token + "\n", "white space": f" \t\r\n{token}\r\n\n",
                       "wrapped": json.dumps({"token": token}), "wrapped and spaced": f'\n{{"token": "{token}"}}\n'
                       }.items():
        case(f"form: {name}", t.verify(text)[0] is None, str(t.verify(text)))
    done = blindbox("token", "verify", "-", "--jwks", t.signer.jwks, "--issuer", ISSUER, input=token)
    case("form: standard input", done.returncode == 0)
    head, payload, signature = token.split(".")
    for name, text in {"space inside": f"{head}. {payload}.{signature}", "padding": f"{token}=",
                       "two parts": f"{head}.{payload}", "empty": "",
                       "four parts": f"{token}.x", "a number": '{"token": 5}', "not JSON": '{"token"',
                       "twice": f'{{"token": "{token}", "token": "{token}"}}', "too long": "a" * 70000}.items():
        found = t.verify(text)
        case(f"form refused: {name}", found[0] == "MalformedEvidence" and found[2]["exit"] == 7 and
             found[2]["claims"] == {}, str(found))
    found = t.verify(f"{head}.{payload}.")
    case("form refused: no signature", found[:2] == ("TokenSignatureInvalid", "token-signature") and
         found[2]["exit"] == 2 and found[2]["claims"] == {}, str(found))


class Keys(http.server.BaseHTTPRequestHandler):
    """The signer's key set at /certs, and nothing else."""
    def do_GET(self):
        good = self.path == "/certs"
        data = self.server.jwks if good else b"{}"
        self.send_response(200 if good else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def fetched(t):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        server.jwks = t.signer.jwks.read_bytes()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        pinned = {"mode": "passport", "issuer": ISSUER, "jwks": f"{url}/certs"}
        policy = t.write("fetched.json", {**BASE, "verifiers": [pinned]})
        case("the policy's URL is fetched", t.verify(maa(), "--policy", policy, pin=False)[0] is None)
        for where, signer, want in ((f"{url}/certs", t.signer, None), (f"{url}/certs", t.other, "TokenSignatureInvalid"),
                                    (f"{url}/none", t.signer, "VerifierUnavailable"),
                                    ("http://192.0.2.1/certs", t.signer, "UsageError")):
            found = t.verify(maa(), "--jwks", where, "--issuer", ISSUER, pin=False, signer=signer)
            case(f"--jwks {where.split(':')[-1]}: {want}", found[0] == want, str(found))
        server.shutdown()


REFUSED = [
    ("debug", {"x-ms-sevsnpvm-is-debuggable": True}, [], "DebugMode", "debug", 5),
    ("debug as text", {"x-ms-sevsnpvm-is-debuggable": "false"}, [], "MalformedEvidence", "debug", 7),
    ("expired", {"exp": 1}, [], "TokenExpired", "token-time", 6),
    ("not yet", {"nbf": 4000000000, "exp": 4000000001}, [], "TokenNotYetValid", "token-time", 6),
    ("SGX", {"x-ms-attestation-type": "sgx"}, [], "NotAnEnclaveError", "token-type", 7),
    ("no compliance", {"x-ms-compliance-status": "none"}, [], "NonCompliantUvm", "uvm", 5),
    ("simulated", {"x-ms-blindbox-simulated": True}, [], "SimulatedTee", "token-type", 9),
    ("issuer", {"iss": "https://x.example"}, [], "WrongAttester", "issuer", 2),
    ("measurement", {}, ["--measurement", "11" * 48], "MeasurementMismatch", "measurement", 5),
    ("report data", {}, ["--report-data", "11" * 64], "FalseAttestationReport", "report-data", 6),
    ("nonce", {}, ["--nonce", "n-2"], "FalseAttestationReport", "nonce", 6),
    ("profile", {}, ["--profile", "ear"], "TokenClaimMissing", "token-type", 5),
]


def refused(t):
    for name, change, more, class_, check, code in REFUSED:
        found = t.verify({**maa(), **change}, *more)
        case(f"refused: {name}", found[:2] == (class_, check) and found[2]["exit"] == code, str(found[:2]))
    found = t.verify(maa(), signer=t.other)
    case("refused: unknown key", found[:2] == ("TokenSignatureInvalid", "token-signature"), str(found[:2]))
    case("unverified claims are not shown", found[2]["claims"] == {} and found[2]["kind"] == "unknown", str(found[2]))
    token = t.signer.token(maa())
    head, payload, signature = token.split(".")
    other = t.signer.token(maa(jti="other")).split(".")[1]
    found = t.verify(f"{head}.{other}.{signature}")
    case("refused: another payload", found[:2] == ("TokenSignatureInvalid", "token-signature"), str(found[:2]))
    done = blindbox("token", "verify", t.write("t", t.signer.token(maa(exp=1))), "--jwks", t.signer.jwks,
                    "--issuer", ISSUER, check=False)
    case("refusal on stderr", done.returncode == 6 and done.stderr.startswith(
        "TokenExpired: Attestation validation failed (token expired). Exiting.\n") and
        "verdict  refused: TokenExpired" in done.stdout, done.stderr)


def bindings(t):
    runtime = t.write("runtime.json", {"blindbox-1": b64url(D)})
    other = t.write("other.json", {"blindbox-1": b64url(b"\0" * 48)})
    keys = {"keys": [{"kid": "a", "n": 1}], "more": {"x": None}}
    keyed = t.write("keys.json", json.dumps({"more": keys["more"], "keys": keys["keys"]}, indent=3))
    case("bound", t.verify(maa(), "--runtime", runtime, "--nonce", "n-1", "--report-data", DIGITS * 8)[0] is None)
    case("bound EAR", t.verify(ear(), "--profile", "ear", "--runtime", runtime, "--nonce", "n-1",
                               "--report-data", DIGITS * 8)[0] is None)
    case("another runtime's members in order", t.verify(maa(**{"x-ms-runtime": keys}), "--runtime", keyed)[0] is None)
    for name, claims, file, more in (("other", maa(), other, []), ("keys", maa(), keyed, []),
                                     ("second member", maa(**{"x-ms-runtime": {"blindbox-1": b64url(D), "a": 1}}),
                                      runtime, []),
                                     ("EAR", ear(), other, ["--profile", "ear"])):
        found = t.verify(claims, "--runtime", file, *more)
        case(f"refused runtime: {name}", found[:2] == ("FalseAttestationReport", "runtime"), str(found[:2]))
    found = t.verify(ear(), "--profile", "ear", "--runtime", keyed)
    case("an EAR states no runtime", found[:2] == ("TokenClaimMissing", "runtime"), str(found[:2]))


def policies(t):
    def policy(**more):
        return t.write("policy.json", {**BASE, **more})
    service = {"mode": "passport", "issuer": ISSUER, "jwks": str(t.signer.jwks)}
    found = t.verify(maa(), "--policy", policy(verifiers=[{"mode": "local"}, service]), pin=False)
    case("pinned by the policy", found[0] is None and found[2]["policy"]["sha256"] is not None, str(found))
    found = t.verify(maa(), "--policy", policy(verifiers=[{**service, "compliance": ["other"]}]), pin=False)
    case("the policy's compliance values", found[:2] == ("NonCompliantUvm", "uvm"), str(found[:2]))
    found = t.verify(maa(), "--policy", policy(verifiers=[{**service, "profile": "ear"}]), pin=False)
    case("the policy's profile", found[:2] == ("TokenClaimMissing", "token-type"), str(found[:2]))
    elsewhere = {**service, "issuer": "https://elsewhere.example", "profile": "ear"}
    found = t.verify(maa(), "--policy", policy(verifiers=[elsewhere]), "--profile", "maa")
    case("options come first", found[0] is None, str(found[:2]))
    url = {"mode": "passport", "issuer": ISSUER, "jwks": "https://127.0.0.1:9/certs"}
    found = t.verify(maa(), "--policy", policy(verifiers=[url]), pin=False)
    case("a service that is down", found[0] == "VerifierUnavailable" and found[2]["exit"] == 8, str(found))
    for key, value, check in (("chip_ids", ["11" * 64], "chip-ids"), ("crl", "required", "rest"),
                              ("minimum_tcb", {"Milan": {}}, "minimum-tcb"), ("config_digests", ["11" * 48], "config")):
        found = t.verify(maa(), "--policy", policy(**{key: value}))
        case(f"no token states {key}", found[:2] == ("TokenClaimMissing", check), str(found[:2]))
    env = {"BLINDBOX_POLICY": str(policy(verifiers=[service], measurements=["11" * 48]))}
    found = t.verify(maa(), pin=False, env=env)
    case("the look-up", found[:2] == ("MeasurementMismatch", "measurement"), str(found[:2]))
    found = t.verify(maa(), env=env)
    case("no look-up with --issuer", found[0] is None, str(found[:2]))
    allowed = policy(allow_simulated=True)
    found = t.verify(maa(**{"x-ms-blindbox-simulated": True}), "--policy", allowed)
    case("simulated and allowed", found[0] is None and found[2]["simulated"] and found[2]["kind"] == "simulated",
         str(found))


def options(t):
    token = t.write("t", t.signer.token(maa(exp=1000000000)))
    pinned = ["--jwks", t.signer.jwks, "--issuer", ISSUER]
    at = maa(iat=1000000000, nbf=1000000000, exp=1000000600)
    case("--at", t.verify(at, "--at", "2001-09-09T01:50:00Z")[0] is None)
    found = t.verify(maa(exp=1), "--skip", "token-time")
    case("--skip is shown", found[0] is None and any(c == {
        "id": "token-time", "outcome": "skipped", "expected": None, "found": None,
        "reason": "left out with --skip"} for c in found[2]["checks"]), str(found))
    for more in (["--skip", "token"], ["--skip", "token-signature"], ["--skip", "issuer"], ["--skip", "tcb"],
                 ["--skip", "colour"], ["--profile", "cwt"], ["--at", "now"], ["--report-data", "11"],
                 ["--measurement", "11"], ["--runtime", "/nowhere"], ["--colour"], ["--policy", "/nowhere"]):
        found = t.verify(maa(), *more)
        case(f"usage: {' '.join(more)}", found[0] == "UsageError" and found[2]["exit"] == 1, str(found[2]))
    for arguments in (["verify", token, "--issuer", ISSUER], ["verify", token, "--measurement", "11" * 48],
                      ["verify", *pinned], ["verify", token, token, *pinned], ["show"], ["show", token, *pinned],
                      ["verify", "-", "--jwks", "-", "--issuer", ISSUER], ["verify", "/nowhere", *pinned],
                      ["verify", token, "--jwks", "/nowhere", "--issuer", ISSUER], ["burn", token], []):
        done = blindbox("token", *arguments, check=False, input="")
        case(f"usage: token {' '.join(map(str, arguments))[-40:]}", done.returncode == 1 and done.stderr != "",
             done.stderr)
    bad = t.write("bad.jwks", "{}")
    found = t.verify(maa(), "--jwks", bad, "--issuer", ISSUER, pin=False)
    case("a key set that is none", found[0] == "MalformedEvidence", str(found[2]))
    empty = t.write("empty.jwks", '{"keys": []}')
    found = t.verify(maa(), "--jwks", empty, "--issuer", ISSUER, pin=False)
    case("a key set without keys", found[:2] == ("TokenSignatureInvalid", "token-signature"), str(found[:2]))


def show(t):
    claims = maa(**{"a\x1b[31m\u202e": "\x1b]0;x\x07\u202e"})
    token = t.write("t", t.signer.token(claims, jku="https://elsewhere.example/certs"))
    found = json.loads(blindbox("token", "show", token, "--json").stdout)
    case("show --json", found["schema"] == "blindbox.token/1" and found["verified"] is False and
         found["claims"] == claims and found["header"]["jku"] == "https://elsewhere.example/certs", str(found))
    text = blindbox("token", "show", token).stdout
    case("show says that nothing is verified", text.startswith("UNVERIFIED"), text)
    case("show is safe on a terminal", all(c == "\n" or " " <= c <= "~" for c in text), repr(text))
    done = blindbox("token", "show", t.write("t", "x"), "--json", check=False)
    case("show of no token", done.returncode == 7 and json.loads(done.stdout)["class"] == "MalformedEvidence",
         done.stdout)
    help_ = blindbox("token", "--help")
    case("help", "token verify FILE" in help_.stdout and "token" in blindbox("help").stdout)


def main():
    os.environ.pop("BLINDBOX_POLICY", None)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["XDG_CONFIG_HOME"] = scratch
        tokens = Tokens(pathlib.Path(scratch))
        for part in (accepted, forms, refused, bindings, policies, fetched, options, show):
            part(tokens)
    return 1 if common.failed else 0


if __name__ == "__main__":
    sys.exit(main())
