"""The verification service over HTTP: routes, tokens, refusals, keys, limits, as clients meet them."""
import base64
import hashlib
import json
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

from verifier import API, FORM_1, SNP, Verifier, b64url, body, parts, snp_facts, unb64url
from world import ROOT, SANITIZED, blindbox, case, eventually, finish, run, simulator, skip

VECTORS = pathlib.Path(os.environ.get("BLINDBOX_VECTORS", ROOT.parent / "shared" / "vectors"))
RUNTIME = b'{"blindbox-1":"0123456789"}'
MAA = {"exp", "iat", "iss", "jti", "nbf", "x-ms-attestation-type", "x-ms-policy-hash", "x-ms-ver",
       *(f"x-ms-sevsnpvm-{name}" for name in SNP)}
EAR = {"ear_status", "ear_verifier_id", "eat_profile", "exp", "iat", "iss", "submods"}
TAIL = hashlib.sha256(b"blindbox/1 report_data").digest()
assert TAIL.startswith(FORM_1)


class Simulator:
    """Simulated evidence as requests."""

    def __init__(self, folder):
        self.folder = folder
        simulator(folder)
        blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0)

    def evidence(self, runtime=RUNTIME, tail=TAIL, defect=None):
        """(report, [VEK, ASK, ARK] in DER)"""
        out, certs = self.folder / "report.bin", self.folder / "report-certs"
        for old in certs.glob("*") if certs.exists() else []:
            old.unlink()
        data = hashlib.sha256(runtime).digest() + tail
        blindbox("sim", "report", "--dir", self.folder / "sim", "--report-data", data.hex(), "-o", out,
                 "--certs-out", certs, *(["--defect", defect] if defect else []))
        return out.read_bytes(), [(certs / f"{n}.der").read_bytes() for n in ("vek", "ask", "ark")]

    def request(self, runtime=RUNTIME, sent=None, tail=TAIL, defect=None, padding=False, **more):
        report, certs = self.evidence(runtime, tail, defect)
        return body(report, certs, sent or runtime, padding, **more)


def types(claims):
    """JSON type of each claim, as the table of Microsoft's service has them."""
    return {k: type(v).__name__ for k, v in claims.items()}


def golden(v, sim):
    answer = v.attest(sim.request(nonce="a nonce of mine"))
    header, claims = parts(answer.json["token"])
    case("an answer is one member", list(answer.json) == ["token"], answer.raw)
    case("the header", (header.pop("kid") in v.kids(), header) ==
         (True, {"alg": "RS256", "jku": f"{v.url}/certs", "typ": "JWT"}), header)
    want = MAA | {"nonce", "x-ms-runtime", "x-ms-blindbox-simulated"}
    case("the set of MAA claims", set(claims) == want, set(claims) ^ want)
    case("claims stand in the order of the alphabet", list(claims) == sorted(claims), list(claims))
    wrong = {k: t for k, t in types(claims).items() if t != (
        "int" if k.endswith("svn") or k.endswith("vmpl") or k in ("exp", "iat", "nbf") else
        "bool" if k.endswith("able") or k.endswith("allowed") or k.endswith("simulated") else
        "dict" if k == "x-ms-runtime" else "str")}
    case("their types", not wrong, wrong)
    case("their times", claims["exp"] - claims["iat"] == 28800 and claims["nbf"] == claims["iat"] and
         abs(claims["iat"] - time.time()) < 60, claims["iat"])
    case("iss and nonce", (claims["iss"], claims["nonce"]) == (v.url, "a nonce of mine"), claims)
    case("the simulator is marked", claims["x-ms-blindbox-simulated"] is True)
    again = v.attest(sim.request()).claims
    case("jti differs", len(claims["jti"]) == 64 and claims["jti"] != again["jti"])
    case("without nonce no nonce", "nonce" not in again)


def ear_golden(v, sim):
    header, claims = v.ear(sim.request(nonce="a nonce of mine"))
    case("EAR header", (header["alg"], header["typ"], v.kids()[header["kid"]]) == ("ES256", "eat+jwt", "ES256"), header)
    case("the set of EAR claims", set(claims) == EAR | {"eat_nonce"}, set(claims))
    submod = claims["submods"]["sev-snp"]
    case("one submod, its claims", (list(claims["submods"]), set(submod)) == (["sev-snp"], {
        "ear_status", "ear_trustworthiness_vector", "ear_appraisal_policy_ids", "ear_attester_claims", "eat_nonce"}))
    facts = {f"x-ms-sevsnpvm-{name}" for name in SNP} | {"x-ms-blindbox-simulated"}
    case("attester claims", set(submod["ear_attester_claims"]) == facts, set(submod["ear_attester_claims"]) ^ facts)
    case("hardware -97", submod["ear_trustworthiness_vector"]["hardware"] == -97, submod)
    case("status", claims["ear_status"] == submod["ear_status"] == "contraindicated")
    case("eat_nonce", claims["eat_nonce"] == ["0123456789", "a nonce of mine"], claims["eat_nonce"])
    case("profile", claims["eat_profile"] == "tag:ietf.org,2026:rats/ear#04")
    short = v.attest(sim.request(nonce="short"), Accept="application/eat+jwt")
    case("an EAR cannot state a short nonce", short.error == (400, "InvalidParameter", "MalformedEvidence"), short.raw)


def independent(v, sim, folder):
    """PyJWT verifies what we sign, with the key set as published."""
    script = folder / "verify.py"
    script.write_text("import json, sys, jwt\n"
                      "keys = {k['kid']: k for k in json.load(open(sys.argv[1]))['keys']}\n"
                      "token = open(sys.argv[2]).read()\n"
                      "key = jwt.PyJWK(keys[jwt.get_unverified_header(token)['kid']])\n"
                      "print(json.dumps(jwt.decode(token, key.key, algorithms=[sys.argv[3]], issuer=sys.argv[4])))\n")
    python = next((p for p in (sys.executable, "/usr/bin/python3")
                   if run(p, "-c", "import jwt, cryptography").returncode == 0), None)
    if python is None:
        skip("PyJWT verifies the tokens", "PyJWT is not installed")
        return
    (folder / "jwks.json").write_bytes(v.get("/certs").raw)
    request = sim.request()
    for alg, token in (("RS256", v.attest(request).json["token"]),
                       ("ES256", v.attest(request, Accept="application/eat+jwt").raw.decode())):
        for name, text, good in (("verifies", token, True), ("refuses a changed", token[:-8] + "AAAAAAAA", False)):
            (folder / "token").write_text(text)
            done = run(python, script, folder / "jwks.json", folder / "token", alg, v.url)
            case(f"PyJWT {name} {alg} token", (done.returncode == 0) == good, done.stderr[-300:])


def certificates(v):
    """x5c holds the same key, self-signed, with the issuer's name."""
    for key in v.get("/certs").json["keys"]:
        der = base64.b64decode(key["x5c"][0])
        shown = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-subject", "-issuer"], input=der,
                               capture_output=True, timeout=60).stdout.decode()
        case(f"x5c of {key['alg']}", shown.count(f"CN = {v.url}") == 2, shown)


def routes(v):
    for path, kind in (("/certs", "application/json"), ("/.well-known/openid-configuration", "application/json"),
                       ("/healthz", "text/plain"), ("/readyz", "text/plain"), ("/metrics", "text/plain")):
        answer, head = v.get(path), v.ask("HEAD", path)
        case(f"GET {path}", answer.status == 200 and answer.headers["Content-Type"].startswith(kind), answer.raw)
        case(f"HEAD {path}", (head.status, head.raw) == (200, b"") and "Content-Length" in head.headers, head.raw)
        refused = v.ask("POST", path, b"{}")
        case(f"POST {path}", (refused.error, refused.headers["Allow"]) ==
             ((405, "MethodNotAllowed", "UsageError"), "GET, HEAD"), refused.raw)
    case("the key set may be kept", v.get("/certs").headers["Cache-Control"] == "max-age=300")
    about = v.get("/.well-known/openid-configuration").json
    case("openid-configuration", (about["issuer"], about["jwks_uri"]) == (v.url, f"{v.url}/certs") and
         about["id_token_signing_alg_values_supported"] == ["RS256", "ES256"], about)
    for path in ("/", "/attest/AzureGuest", "/certs/x", "/policies/SevSnpVm"):
        case(f"nothing at {path}", v.get(path).error == (404, "NotFound", "UsageError"))
    case("GET of evidence", v.get("/attest/SevSnpVm").error == (405, "MethodNotAllowed", "UsageError"))
    done = run("curl", "-sS", "-i", f"{v.url}/readyz")
    case("curl", done.stdout.startswith("HTTP/1.1 200 ") and done.stdout.endswith("ready\n"), done.stdout)


def versions(v, sim):
    request = sim.request()
    for version in ("2020-10-01", "2022-08-01", "2025-06-01"):
        case(f"api-version {version}", v.attest(request, f"/attest/SevSnpVm?api-version={version}").status == 200)
    for query in ("", "?api-version=", "?api-version=2018-09-01-preview", "?api-version=2022-08-01x",
                  "?api-version=2022-08-01&api-version=2025-06-01", "?API-VERSION=2022-08-01"):
        answer = v.attest(request, f"/attest/SevSnpVm{query}")
        case(f"query {query!r}", answer.error == (400, "InvalidParameter", "MalformedEvidence"), answer.raw)
    for path in ("/attest/SevSnpVM", "/attest/sevsnpvm", "/ATTEST/SEVSNPVM"):
        case(f"path {path}", v.attest(request, f"{path}?api-version={API}").status == 200)


def forms(v, sim):
    case("base64url with padding", v.attest(sim.request(padding=True)).status == 200)
    case("zeros behind the digest", v.attest(sim.request(tail=bytes(32))).status == 200)
    number = v.attest(sim.request(nonce=18446744073709551615)).claims["nonce"]
    case("a nonce of 64 bits", number == "18446744073709551615", number)
    answer = v.attest(sim.request(b'{"z":1,"keys":[{"kty":"RSA","e":"AQAB","n":"AA"}],"a":{"z":1,"b":[1,2]}}'))
    text = unb64url(answer.json["token"].split(".")[1]).decode()
    want = '"x-ms-runtime":{"a":{"b":[1,2],"z":1},"keys":[{"e":"AQAB","kty":"RSA","n":"AA"}],"z":1}'
    case("runtime is sorted anew", want in text, text)
    report, certs = sim.evidence()
    none = v.attest(body(report, certs))
    case("without runtimeData no x-ms-runtime", none.status == 200 and "x-ms-runtime" not in none.claims, none.raw)
    binary = sim.request(b"\x00\x01")
    changed = json.loads(binary) | {"runtimeData": {"data": b64url(b"\x00\x01"), "dataType": "Binary"}}
    answer = v.attest(json.dumps(changed).encode())
    case("binary runtimeData is compared, not stated", answer.status == 200 and "x-ms-runtime" not in answer.claims)


def malformed(v, sim):
    request = sim.request()
    good = json.loads(request)
    rows = {"nothing": b"", "no JSON": b"{", "a list": b"[]", "bytes behind": request + b"x",
            "a member twice": request[:-1] + b',"report":"AAAA"}',
            "no report": b"{}", "a report of another type": json.dumps(good | {"report": 5}).encode(),
            "a draft policy": json.dumps(good | {"draftPolicyForAttestation": "eHg"}).encode(),
            "a nonce of another type": json.dumps(good | {"nonce": [1]}).encode(),
            "a nonce above 64 bits": json.dumps(good | {"nonce": 2**64}).encode(),
            "runtimeData of another type": json.dumps(good | {"runtimeData": "x"}).encode(),
            "runtimeData too large for a token": sim.request(json.dumps({"a": "x" * 60000}).encode()),
            "a deep body": b'{"report":' + b"[" * 50 + b"]" * 50 + b"}",
            "an empty report": body(b"", None), "a short report": body(bytes(1183), None)}
    for name, data in rows.items():
        error = v.attest(data).error
        want = "UnsupportedEvidence" if name == "a draft policy" else "MalformedEvidence"
        case(f"refused: {name}", error == (400, "InvalidParameter", want), error)
    plain = v.ask("POST", f"/attest/SevSnpVm?api-version={API}", request, {"Content-Type": "text/plain"})
    case("refused: another media type", plain.error == (415, "UnsupportedMediaType", "MalformedEvidence"), plain.raw)
    packed = v.attest(request, Content_Encoding="gzip")
    case("refused: a compressed body", packed.error == (415, "UnsupportedMediaType", "MalformedEvidence"), packed.raw)


def too_large(v):
    big = b"x" * 262145
    case("refused: a large body", v.attest(big).error == (413, "RequestEntityTooLarge", "MalformedEvidence"))
    chunks = v.attest(iter([big[:100000]] * 5))  # of unknown length
    case("refused: a large body in chunks", chunks.error == (413, "RequestEntityTooLarge", "MalformedEvidence"))
    whole = v.attest(b"x" * 4000000)
    case("who sends megabytes reads the refusal", whole.error == (413, "RequestEntityTooLarge", "MalformedEvidence"))
    with socket.create_connection(v.endpoint, timeout=30) as s:
        s.sendall(b"POST /attest/SevSnpVm?api-version=2022-08-01 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                  b"Content-Type: application/json\r\nContent-Length: 262145\r\n\r\n")
        case("who asks before sending is told", s.recv(64).startswith(b"HTTP/1.1 413 "))
    with socket.create_connection(v.endpoint, timeout=30) as s:
        s.sendall(b"POST /attest/SevSnpVm?api-version=2022-08-01 HTTP/1.1\r\nHost: x\r\n"
                  b"Content-Type: application/json\r\nContent-Length: 9999999999\r\n\r\n")
        case("an announced one is not waited for", s.recv(64).startswith(b"HTTP/1.1 413 "))
    with socket.create_connection(v.endpoint, timeout=30) as s:
        try:
            s.sendall(b"GET /certs HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100000 + b"\r\n\r\n")
            first = s.recv(64)
        except ConnectionError:
            first = b""
        case("a large head", first == b"" or first.startswith(b"HTTP/1.1 4"), first)
    case("and the service goes on", v.get("/healthz").status == 200)


def answers_to(v, head, data=b""):
    """Status codes of all answers to the bytes of one connection, and whether the server ended it."""
    with socket.create_connection(v.endpoint, timeout=2) as s:
        got, ended = b"", True
        try:
            s.sendall(head.replace(b"\n", b"\r\n") + b"\r\n" + data)
            while part := s.recv(65536):
                got += part
        except socket.timeout:
            ended = False
        except ConnectionError:
            pass
    return [int(line[9:12]) for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")], ended


def smuggled(v):
    """Requests whose end a proxy in front could see elsewhere: refused, and nothing behind them is read."""
    second = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    rows = {"both lengths": (b"Content-Length: 40\nTransfer-Encoding: chunked\n", b"0\r\n\r\n"),
            "both lengths, turned": (b"Transfer-Encoding: chunked\nContent-Length: 40\n", b"0\r\n\r\n"),
            "two lengths": (b"Content-Length: 2\nContent-Length: 39\n", b"{}"),
            "two codings": (b"Transfer-Encoding: chunked\nTransfer-Encoding: identity\n", b"0\r\n\r\n"),
            "another coding": (b"Transfer-Encoding: gzip, chunked\n", b"0\r\n\r\n"),
            "identity": (b"Transfer-Encoding: identity\n", b""),
            "a space behind the name": (b"Content-Length : 2\n", b"{}"),
            "a folded coding": (b"Transfer-Encoding:\n chunked\nContent-Length: 5\n", b"0\r\n\r\n"),
            "a folded length": (b"Content-Length:\n 2\n", b"{}"), "a length that goes on": (b"Content-Length: 2\n 3\n", b"{}"),
            "two hosts": (b"Host: y\n", b"")}
    for name, (fields, data) in rows.items():
        head = b"POST /attest/SevSnpVm?api-version=2022-08-01 HTTP/1.1\nHost: x\n" + fields
        got = answers_to(v, head, data + second)
        case(f"refused, and the connection ended: {name}", got == ([400], True), got)
    error = v.ask("GET", "/healthz", headers={"Host": "x", "Transfer-Encoding": "identity"}).error
    case("in the service's form", error == (400, "InvalidParameter", "MalformedEvidence"), error)
    for path in ("/certs%00", "/certs%00x", "/.well-known%2fopenid-configuration", "/healthz%2F..%2fcerts"):
        case(f"nothing at {path}", v.get(path).error == (404, "NotFound", "UsageError"))
    case("other escapes are the same path", v.get("/%63erts").status == 200)
    zero = v.attest(b"{}", "/attest/SevSnpVm?api-version=2022-08-01%00x")
    case("a zero byte does not end the version", "api-version" in zero.json["error"]["message"], zero.raw)


# What the simulator does wrong, and what becomes of it with the default policy.
DEFECTS = {
    "debug": None, "vmpl": None, "migration": None, "measurement": None, "host-data": None, "provisional": None,
    "tcb": None,
    "nonce": ("InvalidParameter", "FalseAttestationReport"),
    "forged-signature": ("InvalidParameter", "ReportSignatureInvalid"),
    "amd-names-root": ("InvalidParameter", "CertificateChainInvalid"),
    "not-snp": ("InvalidParameter", "UnsupportedEvidence"),
    "masked-key": ("InvalidParameter", "MalformedEvidence"),
    "version": ("InvalidParameter", "UnsupportedEvidence"),
    "reserved": ("InvalidParameter", "MalformedEvidence"),
    "wrong-chip": ("InvalidParameter", "CertificateChainInvalid"),
    "wrong-tcb-cert": ("InvalidParameter", "CertificateChainInvalid"),
    "wrong-issuer": ("InvalidParameter", "CertificateChainInvalid"),
}


def defects(v, sim):
    for defect, want in DEFECTS.items():
        answer = v.attest(sim.request(defect=defect))
        if want is None:
            case(f"{defect}: stated, not refused", answer.status == 200, answer.raw)
        else:
            case(f"{defect}: {want[1]}", answer.error == (400, *want), answer.raw)
    claims = v.attest(sim.request(defect="debug")).claims
    case("a debug VM is debuggable", claims["x-ms-sevsnpvm-is-debuggable"] is True)
    case("VMPL is stated", v.attest(sim.request(defect="vmpl")).claims["x-ms-sevsnpvm-vmpl"] == 2)
    other = v.attest(sim.request(sent=b'{"blindbox-1":"0123456780"}'))
    case("another runtime", other.error == (400, "InvalidParameter", "FalseAttestationReport"), other.raw)
    tail = v.attest(sim.request(tail=hashlib.sha256(b"blindbox/1 evidence-get").digest()))
    case("another tail", tail.error == (400, "InvalidParameter", "FalseAttestationReport"), tail.raw)
    message = tail.json["error"]["message"]
    case("a message says expected and found", "; expected " in message and ", found " in message, message)


def init_data(folder, v, sim):
    policy = b'{"containers":[]}'
    blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0, "--set",
             f"host_data={hashlib.sha256(policy).hexdigest()}")
    for kind, stated in (("JSON", True), ("Binary", False)):
        answer = v.attest(sim.request(initTimeData={"data": b64url(policy), "dataType": kind}))
        case(f"init data, {kind}", answer.status == 200 and ("x-ms-inittime" in answer.claims) == stated, answer.raw)
    other = v.attest(sim.request(initTimeData={"data": b64url(b"{}"), "dataType": "JSON"}))
    case("other init data", other.error == (400, "InvalidParameter", "InvalidEnclaveCode"), other.raw)


def real(v):
    """Every real report of the manifest: the verdict is the other program's, the claims are the bytes'."""
    manifest = VECTORS / "MANIFEST.json"
    if not manifest.exists():
        skip("real reports", f"no vectors at {VECTORS}")
        return
    lenient = v.folder / "lenient.json"
    for row in json.loads(manifest.read_text()):
        if row["kind"] != "snp-report" or not row["related"]:
            continue
        name, raw = row["file"].split("/")[-1], (VECTORS / row["file"]).read_bytes()
        lenient.write_text(json.dumps({
            "schema": "blindbox.policy/1", "crl": "if-present", "vmpl": [0, 1, 2, 3], "provisional_firmware": True,
            "guest_policy": {"debug": True, "migration": True}, "measurements": ["11" * 48]}))
        certs = [word for f in row["related"] for word in ("--certs", VECTORS / f)]
        done = blindbox("evidence", "verify", VECTORS / row["file"], *certs, "--policy", lenient, "--json", check=False)
        want = json.loads(done.stdout)["class"]
        answer = v.attest(body(raw, [(VECTORS / f).read_bytes() for f in row["related"]]))
        if want != "MeasurementMismatch":  # the only thing that this policy has against it
            case(f"{name}: {want}", answer.error[2] == want, answer.raw)
            continue
        claims = answer.claims if answer.status == 200 else {}
        facts = snp_facts(raw, name.split("-")[1])
        case(f"{name}: claims", {k: claims.get(k) for k in facts} == facts and set(claims) == MAA, answer.raw[:300])


def clean_room(v):
    """A request as Microsoft's own client makes it."""
    path = VECTORS / "azure" / "aci" / "cleanroom-maa-request.json"
    if not path.exists():
        skip("a real request", f"no vectors at {VECTORS}")
        return
    answer = v.attest(path.read_bytes(), "/attest/SevSnpVM?api-version=2020-10-01")
    claims = answer.claims if answer.status == 200 else {}
    case("a real request of Azure's clean room", set(claims) == MAA | {"nonce", "x-ms-runtime"}, answer.raw[:300])
    case("its nonce", claims.get("nonce") == "13202930541250959283")
    case("its key", claims["x-ms-runtime"]["keys"][0]["kty"] == "RSA")
    case("its authors vouch for nothing here", "x-ms-compliance-status" not in claims)


def simulated(folder, sim):
    with Verifier(folder) as v:
        answer = v.attest(sim.request())
        case("simulated evidence without the flag", answer.error == (400, "PolicyEvaluationError", "SimulatedTee"))
        case("and the log says so", "verdict=refused class=SimulatedTee check=root" in v.log, v.log)


def policies(folder, sim):
    blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0, "--policy-out", folder / "policy.json")
    text = (folder / "policy.json").read_bytes()
    honest = json.loads(text)
    (folder / "policy.json").write_text(json.dumps(honest | {"crl": "if-present"}))
    text = (folder / "policy.json").read_bytes()
    reference = {"schema": "blindbox.reference-values/1", "measurements": honest["measurements"],
                 "host_data": honest["host_data"]}
    (folder / "reference.json").write_text(json.dumps(reference))
    with Verifier(folder, "--allow-simulated", "--policy", folder / "policy.json", "--reference-values",
                  folder / "reference.json", "--algorithm", "ES384", "--issuer", "https://v.example/a") as v:
        answer = v.attest(sim.request())
        header, claims = parts(answer.json["token"])
        want = b64url(hashlib.sha256(b64url(text).encode()).digest())
        case("the policy's hash", claims["x-ms-policy-hash"] == want, claims["x-ms-policy-hash"])
        case("compliant by reference values", claims["x-ms-compliance-status"] == "azure-compliant-uvm")
        case("and the log says by what", "compliance=reference-values" in v.log, v.log)
        case("and so does the answer", answer.headers["x-blindbox-compliance-basis"] == "reference-values",
             str(answer.headers))
        case("issuer and algorithm", (header["alg"], header["jku"], claims["iss"]) ==
             ("ES384", "https://v.example/a/certs", "https://v.example/a"), header)
        header, claims = v.ear(sim.request())
        vector = claims["submods"]["sev-snp"]["ear_trustworthiness_vector"]
        case("EAR: known code", (header["alg"], vector["executables"], vector["hardware"]) == ("ES384", 3, -97), vector)
        for defect, want in (("debug", "DebugMode"), ("measurement", "MeasurementMismatch"), ("tcb", "TcbTooOld"),
                             ("host-data", "InvalidEnclaveCode"), ("vmpl", "GuestPolicyRejected")):
            answer = v.attest(sim.request(defect=defect))
            case(f"own policy: {want}", answer.error == (400, "PolicyEvaluationError", want), answer.raw)


def own_reader(folder, sim):
    """What we sign, `blindbox token verify` takes: the whole way from evidence to a verdict."""
    policy, jwks, token = folder / "own-policy.json", folder / "own-jwks.json", folder / "own-token"
    whole = json.loads((folder / "policy.json").read_text())
    asked = ("schema", "measurements", "host_data", "allow_simulated", "simulated_roots")  # what tokens answer
    policy.write_text(json.dumps({key: whole[key] for key in asked}))
    with Verifier(folder, "--allow-simulated", "--reference-values", folder / "reference.json") as v:
        jwks.write_bytes(v.get("/certs").raw)
        request = sim.request(nonce="a nonce of mine")

        def verdict(profile, *options):
            answer = v.attest(request, Accept="application/eat+jwt" if profile == "ear" else "*/*")
            token.write_bytes(answer.raw)
            done = blindbox("token", "verify", token, "--jwks", jwks, "--issuer", v.url, "--profile", profile, "--json",
                            "--nonce", "a nonce of mine", *options, check=False)
            return json.loads(done.stdout)["class"]

        for profile in ("maa", "ear"):
            got = verdict(profile)
            case(f"token verify: a simulated {profile} token", got == "SimulatedTee", got)
            got = verdict(profile, "--policy", policy)
            case(f"token verify: where it is allowed, {profile}", got is None, got)


def collateral(folder, sim):
    """Certificates and CRLs of the operator."""
    report, certs = sim.evidence()
    own = folder / "own"
    own.mkdir()
    for i, der in enumerate(certs):
        (own / f"{i}.der").write_bytes(der)
    with Verifier(folder, "--allow-simulated") as v:
        none = v.attest(body(report, None, RUNTIME))
        case("no certificates", none.error == (400, "InvalidParameter", "CollateralUnavailable"), none.raw)
    with Verifier(folder, "--allow-simulated", "--certs", own) as v:
        case("--certs", v.attest(body(report, None, RUNTIME)).status == 200)
    sim.evidence(defect="revoked")
    with Verifier(folder, "--allow-simulated", "--crl", folder / "report-certs" / "crl.crl") as v:
        answer = v.attest(sim.request(defect="revoked"))
        case("--crl", answer.error == (400, "InvalidParameter", "CertificateRevoked"), answer.raw)


def keys(folder, sim):
    with Verifier(folder, "--allow-simulated", state="keys") as v:
        mode = stat.S_IMODE(v.state.stat().st_mode)
        case("the folder is 0700", mode == 0o700, oct(mode))
        modes = {p.name: oct(stat.S_IMODE(p.stat().st_mode)) for p in v.state.iterdir()}
        case("its files are 0600", set(modes.values()) == {"0o600"} and len(modes) == 4, modes)
        first, old = v.kids(), v.attest(sim.request()).json["token"]
        case("three keys", sorted(first.values()) == ["ES256", "ES384", "RS256"], first)
    with Verifier(folder, "--allow-simulated", state="keys") as v:
        case("a restart keeps the keys", v.kids() == first, v.kids())
        done = v.rotate()
        case("rotation says from when", done.returncode == 0 and done.stdout.startswith("the new keys sign from 2"),
             done.stdout + done.stderr)
        v.process.send_signal(signal.SIGHUP)
        case("SIGHUP: both are published", eventually(lambda: len(v.kids()) == 6) and set(first) < set(v.kids()))
        case("the new one does not sign yet", parts(v.attest(sim.request()).json["token"])[0]["kid"] in first)
    with Verifier(folder, "--allow-simulated", state="hurry") as v:
        first, old = v.kids(), v.attest(sim.request()).json["token"]
        time.sleep(1)
        case("rotation at once", v.rotate("--at-once").returncode == 0)
        v.process.send_signal(signal.SIGHUP)
        eventually(lambda: len(v.kids()) == 6)
        header = parts(v.attest(sim.request()).json["token"])[0]
        case("the new one signs", header["kid"] not in first and header["kid"] in v.kids(), header)
        case("the old one is published still", parts(old)[0]["kid"] in v.kids())
        damaged = next(v.state.glob("rs256-*"))
        damaged.write_text("x")
        next(v.state.glob("es384-*")).unlink()
        v.process.send_signal(signal.SIGHUP)
        case("keys that cannot be read later", eventually(lambda: str(damaged) in v.log) and
             v.attest(sim.request()).status == 200, v.log)
    done = blindbox("verifier", "--listen", "127.0.0.1:0", "--state-dir", folder / "hurry", check=False)
    case("a damaged key at the start", done.returncode == 1 and str(damaged) in done.stderr, done.stderr)
    os.chmod(folder / "keys", 0o755)
    done = blindbox("verifier", "--listen", "127.0.0.1:0", "--state-dir", folder / "keys", check=False)
    case("a folder that others can read", done.returncode == 1 and "mode 0700" in done.stderr, done.stderr)


def starts_together(folder):
    """Several services on one new folder agree on its keys."""
    services = []
    threads = [threading.Thread(target=lambda: services.append(Verifier(folder, state="shared"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sets = [v.kids() for v in services]
    case("services that start together have the same keys", len(sets) == 3 and sets[0] == sets[1] == sets[2], sets)
    for v in services:
        v.stop()


def usage(folder):
    rows = {"another machine": ["--listen", "0.0.0.0:0"], "every address": ["--listen", "[::]:0"],
            "no address": ["--listen", "x"], "a slash too many": ["--issuer", "https://v.example/"],
            "no URL": ["--issuer", "v.example"], "an algorithm": ["--algorithm", "PS256"],
            "no threads": ["--threads", "0"], "a policy that is not there": ["--policy", folder / "none.json"],
            "reference values that are none": ["--reference-values", __file__], "a word": ["x"],
            "a socket without issuer": ["--listen", f"unix:{folder / 'none.sock'}"]}
    for name, arguments in rows.items():
        done = blindbox("verifier", *(["--listen", "127.0.0.1:0"] if "--listen" not in arguments else []),
                        "--state-dir", folder / "state", *arguments, check=False, timeout=30)
        case(f"usage: {name}", done.returncode == 1 and done.stderr.startswith("blindbox verifier: ") and
             "\n  next " in done.stderr, done.stderr)
    done = blindbox("verifier", "--help")
    case("--help", done.stdout.startswith("usage: blindbox verifier ") and "rotate-key" in done.stdout)


def unix_socket(folder, sim):
    path = folder / "v.sock"
    with Verifier(folder, "--allow-simulated", "--issuer", "https://v.example", listen=f"unix:{path}") as v:
        case("it says where it listens", v.address == f"unix:{path}", v.address)
        case("the socket is 0600", stat.S_IMODE(path.stat().st_mode) == 0o600)
        (folder / "request.json").write_bytes(sim.request())
        done = run("curl", "-sS", "--unix-socket", path, "-H", "Content-Type: application/json", "--data-binary",
                   f"@{folder / 'request.json'}", f"http://localhost/attest/SevSnpVm?api-version={API}")
        case("a token over a Unix socket", done.stdout.startswith('{"token":"'), done.stdout + done.stderr)


def traffic(v, sim):
    request = sim.request()
    connection = v.connect()
    answers = [v.attest(request, connection=connection) for _ in range(20)]
    case("keep-alive", [a.status for a in answers] == [200] * 20)
    connection.close()
    done, lock = [], threading.Lock()

    def one():
        status = v.attest(request).status
        with lock:
            done.append(status)

    threads = [threading.Thread(target=one) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    case("64 requests at a time", done == [200] * 64, done)
    text = v.get("/metrics").raw.decode()
    for line in ('requests_total{route="attest",status="200"}', 'tokens_total{profile="maa",alg="RS256"}',
                 'tokens_total{profile="ear",alg="ES256"}', 'refusals_total{class="ReportSignatureInvalid"}',
                 'request_seconds_count{route="attest"}', 'chains_total{cache="hit"}'):
        case(f"metric {line}", f"blindbox_verifier_{line} " in text, text)
    case("the log has no tokens and no nonces", "eyJ" not in v.log and "a nonce of mine" not in v.log)
    case("the log has a line for each request", "verifier: POST /attest/SevSnpVm 200 us=" in v.log)


def drain(folder, sim):
    with Verifier(folder, "--allow-simulated") as v:
        request = sim.request()
        with socket.create_connection(v.endpoint, timeout=30) as s:
            s.sendall(b"POST /attest/SevSnpVm?api-version=2022-08-01 HTTP/1.1\r\nHost: x\r\n"
                      b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(request) + request[:500])
            time.sleep(0.5)
            v.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            try:
                socket.create_connection(v.endpoint, timeout=5).close()
                case("an ending service takes no more", False)
            except OSError:
                case("an ending service takes no more", True)
            s.sendall(request[500:])
            answer = b""
            while data := s.recv(65536):
                answer += data
        head = answer.split(b"\r\n\r\n")[0]
        case("it answers what had begun", head.startswith(b"HTTP/1.1 200 ") and b"connection: close" in head.lower(),
             answer[:300])
        case("and ends in order", v.process.wait(timeout=30) == 0)


class Drip(threading.Thread):
    """Sends a byte of a head, or of a body, now and then; when is it cut?"""

    def __init__(self, v, first):
        super().__init__()
        self.seconds, self.s = None, socket.create_connection(v.endpoint, timeout=10)
        self.s.sendall(first)
        self.start()

    def run(self):
        begun = time.monotonic()
        try:
            while time.monotonic() - begun < 90:
                self.s.sendall(b"a")
                self.s.settimeout(1)
                try:
                    if self.s.recv(1) == b"":
                        break
                except socket.timeout:
                    pass
        except OSError:
            pass
        self.seconds = time.monotonic() - begun


def drips(v):
    return {"head": Drip(v, b"GET /certs HTTP/1.1\r\nHost: x\r\nX-Slow: "),
            "body": Drip(v, b"POST /attest/SevSnpVm?api-version=2022-08-01 HTTP/1.1\r\nHost: x\r\n"
                            b"Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{"),
            "chunk": Drip(v, b"POST /attest/SevSnpVm?api-version=2022-08-01 HTTP/1.1\r\nHost: x\r\n"
                             b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n")}


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        sim = Simulator(folder)
        with Verifier(folder, "--allow-simulated", "--threads", "4") as v:
            slow = drips(v)
            for one in (routes, certificates, too_large, smuggled, real, clean_room):
                one(v)
            for one in (golden, ear_golden, versions, forms, malformed, defects):
                one(v, sim)
            independent(v, sim, folder)
            traffic(v, sim)
            init_data(folder, v, sim)
            simulated(folder, sim)
            policies(folder, sim)
            own_reader(folder, sim)
            collateral(folder, sim)
            keys(folder, sim)
            starts_together(folder)
            usage(folder)
            unix_socket(folder, sim)
            drain(folder, sim)
            for name, drip in slow.items():
                drip.join()
                case(f"a slow {name} is cut", 25 < drip.seconds < 40, drip.seconds)
            case("it ends on SIGTERM", v.stop() == 0)
            case("no sanitizer complained", not SANITIZED or "ERROR" not in v.log, v.log[-2000:])
    finish()


if __name__ == "__main__":
    main()
