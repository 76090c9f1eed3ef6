"""Makes the seeds of the fuzz targets in FOLDER/<target>/ from what the source tree holds, and from
what the simulated TEE of the program that BLINDBOX names makes.

usage: seeds.py FOLDER"""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("BLINDBOX", str(ROOT / "build" / "blindbox"))
KEYS = pathlib.Path(os.environ.get("BLINDBOX_TEST_KEYS", ROOT / "build" / "test-sim"))  # shared with the tests


HEX = "0123456789abcdef" * 2


def frames():
    """(name, bytes) of bodies of requests and responses, configurations and collections."""
    rows = json.loads((ROOT / "tests" / "vectors" / "channel" / "exchange.json").read_text())
    for i, row in enumerate(rows):
        for part in ("request", "response", "config", "cmw"):
            yield f"{part}{i}", bytes.fromhex(row["hex"][part])
        body = bytes.fromhex(row["hex"]["request"])
        yield f"framed{i}", len(body).to_bytes(4, "big") + body
    for status, retry in ((1, b""), (3, bytes.fromhex("0f1905dc"))):
        head = bytes([0xa3 + (1 if retry else 0)]) + bytes.fromhex("0101") + bytes([2, status])
        yield f"refusal{status}", head + bytes.fromhex("0e6462757379") + retry
    yield "start", bytes.fromhex("00000005a201010200")


def blindbox(*arguments):
    subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True, timeout=120)


def sim(*arguments):
    blindbox("sim", *arguments)


def simulated(folder):
    """{target: [(name, bytes)]} from one report of each product, version and signer."""
    sim("report", "--dir", KEYS, "-o", os.devnull, "--certs-out", folder / "warm")
    state = folder / "sim"
    state.mkdir(mode=0o700)
    for key in KEYS.glob("*.key"):
        shutil.copy2(key, state / key.name)
    seeds = {"report": [], "certtable": [], "vek": [], "policy": [], "jwks": []}
    for product, version, signer in (("Milan", 2, "vcek"), ("Genoa", 3, "vcek"), ("Milan", 4, "vlek"),
                                     ("Turin", 5, "vcek"), ("Turin", 5, "vlek")):
        name = f"{product}{version}{signer}"
        report, table, certs, policy = (folder / f"{name}.{end}" for end in ("bin", "table", "certs", "json"))
        sim("init", "--dir", state, "--product", product, "--report-version", version, "--signer", signer,
            "--latency-ms", 0, "--policy-out", policy)
        sim("report", "--dir", state, "-o", report, "--auxblob-out", table, "--certs-out", certs)
        seeds["report"].append((name, report.read_bytes()))
        seeds["certtable"].append((name, table.read_bytes()))
        seeds["policy"].append((name, policy.read_bytes()))
        for path in sorted(certs.iterdir()):
            if path.name in ("vek.der", "crl.crl") or name == "Milan2vcek":
                seeds["vek"].append((f"{name}-{path.name}", path.read_bytes()))
        body = base64.encodebytes((certs / "vek.der").read_bytes()).decode()
        pem = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
        seeds["vek"].append((f"{name}-pem", pem.encode()))
    seeds["policy"] += policies(folder)
    seeds["jwks"] += key_sets((certs / "vek.der").read_bytes())
    return seeds


def policies(folder):
    """Every key that is taken, in one policy that is checked to be valid, and the empty one."""
    whole = {
        "schema": "blindbox.policy/1", "evidence": ["sev-snp", "azure-hcl", "simulated"],
        "measurements": ["11" * 48], "id_key_digests": ["22" * 48], "author_key_digests": ["33" * 48],
        "host_data": [hashlib.sha256(b"package policy").hexdigest()], "cce_policy_file": "policy.rego", "config_digests": ["55" * 48],
        "allow_simulated": False, "simulated_roots": ["66" * 32],
        "minimum_tcb": {"Milan": {"bootloader": 4, "tee": 0, "snp": 24, "microcode": 219}, "Turin": {"fmc": 1}},
        "minimum_launch_tcb": {"Genoa": {}},
        "guest_policy": {"debug": False, "migration": False, "smt": "any", "single_socket": True, "cxl": "any",
                         "mem_aes_256_xts": False, "rapl_dis": "any", "ciphertext_hiding": "any",
                         "page_swap_disable": "any", "abi_min": "0.31"},
        "platform_info": {"required": ["alias_check"], "forbidden": ["tsme"]}, "vmpl": [0, 1, 2, 3],
        "products": ["Milan", "Genoa", "Turin"], "signers": ["vcek", "vlek"], "report_versions": [2, 3, 4, 5],
        "chip_ids": ["77" * 64, "88" * 8], "family_ids": ["99" * 16], "image_ids": [], "minimum_guest_svn": 1,
        "crl": "if-present", "provisional_firmware": False, "report_data_forms": [0, 1], "max_age": 0,
        "max_connection_age": 3600, "verifiers": [{"mode": "local"}], "webpki": "off"}
    (folder / "policy.rego").write_text("package policy")
    (folder / "whole.json").write_text(json.dumps(whole))
    blindbox("policy", "lint", folder / "whole.json")
    return [("whole", json.dumps(whole).encode()), ("empty", b'{"schema": "blindbox.policy/1"}')]


def heads():
    """Requests to the proxy of exec; the secret is u:p."""
    auth = "Proxy-Authorization: Basic dTpw\r\n"
    fields = {"plain": "", "host": "Host: other\r\nX: y\r\n", "length": "Content-Length: 5\r\n",
              "upgrade": "Connection: Upgrade\r\nUpgrade: websocket\r\n", "chunked": "Transfer-Encoding: chunked\r\n",
              "hop": "TE: trailers\r\nKeep-Alive: 5\r\nProxy-Connection: close\r\n"}
    for name, lines in fields.items():
        yield name, f"GET http://app:80/a?b HTTP/1.1\r\n{lines}{auth}\r\nbody".encode()
    for name, line in (("connect", "CONNECT app:443 HTTP/1.1"), ("https", "GET https://app/ HTTP/1.1"),
                       ("old", "GET http://[::1] HTTP/1.0"), ("star", "OPTIONS * HTTP/1.1")):
        yield name, f"{line}\r\n{auth}\r\n".encode()


def requests():
    """Bodies of POST /attest/SevSnpVm."""
    def b64url(data, padding=False):
        text = base64.urlsafe_b64encode(data).decode()
        return text if padding else text.rstrip("=")
    block = "-----BEGIN CERTIFICATE-----\nMAswADAAMAAwADAAMAA=\n-----END CERTIFICATE-----\n"
    inner = {"SnpReport": b64url(bytes(1184)), "VcekCertChain": b64url(3 * block.encode(), True), "Endorsements": "e30"}
    whole = {"report": b64url(json.dumps(inner).encode()),
             "runtimeData": {"data": b64url(b'{"blindbox-1":"AAAA"}'), "dataType": "JSON"},
             "initTimeData": {"data": b64url(b"package policy", True), "dataType": "Binary"}}
    for name, more in (("whole", {"nonce": "0123456789"}), ("number", {"nonce": 2**64 - 1}), ("none", {}),
                       ("draft", {"draftPolicyForAttestation": "e30"}), ("absent", {"initTimeData": None})):
        yield name, json.dumps({**whole, **more}).encode()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def tokens():
    """Headers and claims of each kind; nothing is signed, since nothing here is to be accepted."""
    headers = [{"alg": "RS256", "jku": "https://v/certs", "kid": "a/b+=", "typ": "JWT"}, {"alg": "ES256"},
               {"alg": "none"}, {"alg": "HS256", "kid": "k"}, {"alg": "PS512", "crit": ["b64"], "b64": False},
               {"alg": "ES384", "jwk": {"kty": "EC", "crv": "P-384"}, "x5c": ["MIIB"], "cty": "x"}]
    claims = {"iss": "https://v", "iat": 1700000000, "exp": 1700028800, "nbf": 1700000000, "nonce": "7",
              "x-ms-runtime": {"blindbox-1": b64url(bytes(48))}, "x-ms-sevsnpvm-is-debuggable": False}
    for i, header in enumerate(headers):
        body = b64url(json.dumps(claims if i % 2 == 0 else {}).encode())
        yield f"token{i}", f"{b64url(json.dumps(header).encode())}.{body}.{b64url(bytes(range(64)))}".encode()


def key_sets(cert):
    """Every member; `cert` is a certificate with a P-384 key."""
    rsa = {"kty": "RSA", "n": b64url(b"\xff" * 256), "e": "AQAB", "kid": "a", "use": "sig", "alg": "RS256"}
    ec = {"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
          "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "key_ops": ["verify"]}
    x5c = {"kty": "EC", "x5c": [base64.b64encode(cert).decode()], "kid": "c"}
    rows = {"rsa": [rsa], "ec": [ec], "x5c": [x5c], "oct": [{"kty": "oct", "k": "AAAA"}, ec], "empty": [],
            "skipped": [{**rsa, "use": "enc"}, {**ec, "d": "AAAA"}, {**rsa, "n": b64url(b"\xff" * 128)}, {**ec, **x5c}]}
    for name, keys in rows.items():
        yield name, json.dumps({"keys": keys}).encode()


def claims():
    """A byte of flags (fuzz_claims.c), and claims of each kind of token."""
    snp = {"authorkeydigest": "00" * 48, "idkeydigest": HEX * 3, "launchmeasurement": HEX * 3, "hostdata": HEX * 2,
           "reportid": HEX * 2, "reportdata": "00" * 64, "familyId": HEX, "imageId": HEX, "bootloader-svn": 3,
           "tee-svn": 0, "snpfw-svn": 8, "microcode-svn": 115, "guestsvn": 2, "vmpl": 0, "is-debuggable": False,
           "migration-allowed": False, "smt-allowed": True}
    snp = {f"x-ms-sevsnpvm-{name}": value for name, value in snp.items()}
    top = {"iss": "i", "iat": 1800000000, "nbf": 1800000000, "exp": 1800028800}
    inner = {"x-ms-attestation-type": "sevsnpvm", "x-ms-compliance-status": "azure-compliant-uvm", **snp}
    maa = {**top, **inner, "x-ms-runtime": {"blindbox-1": "A" * 64}, "nonce": "n"}
    nested = {**top, "x-ms-attestation-type": "azurevm",
              "x-ms-isolation-tee": {**inner, "x-ms-compliance-status": "azure-compliant-cvm"}}
    vector = {"hardware": 2, "configuration": 2, "executables": 3}
    submod = {"ear_status": "affirming", "ear_trustworthiness_vector": vector, "ear_attester_claims": snp}
    ear = {**top, "eat_profile": "tag:ietf.org,2026:rats/ear#04", "ear_status": "affirming",
           "ear_verifier_id": {"developer": "d", "build": "b"}, "eat_nonce": ["A" * 64, "n"],
           "submods": {"sev-snp": submod}}
    unreal = {**submod, "ear_status": "contraindicated", "ear_trustworthiness_vector": {**vector, "hardware": -97}}
    dotted = {"ear.status": "affirming", "ear.trustworthiness-vector": vector}
    for name, flags, value in (
            ("maa", 0, maa), ("maa-values", 16, maa), ("maa-connection", 18, maa), ("maa-report", 6, maa),
            ("maa-simulated", 8, {**maa, "x-ms-blindbox-simulated": True}), ("nested", 0, nested),
            ("ear", 1, ear), ("ear-connection", 19, ear), ("ear-nonce", 1, {**ear, "eat_nonce": "A" * 64}),
            ("ear-simulated", 9, {**ear, "ear_status": "contraindicated", "submods": {"sev-snp": unreal}}),
            ("ear-dotted", 1, {**top, "eat_profile": "tag:github.com,2024:confidential-containers/Trustee",
                               "ear.verifier-id": ear["ear_verifier_id"],
                               "submods": {"cpu0": dotted, "gpu0": dotted}})):
        yield name, bytes([flags]) + json.dumps(value).encode()


def urls():
    """URL and path, a line each."""
    for name, text in (("https", "https://a.example:443/base\n/certs?x=y"), ("v6", "https://[2001:db8::1]\n/a"),
                       ("local", "http://localhost:80/\n/certs"), ("loopback", "http://127.0.0.1"),
                       ("six", "http://[::1]:8080/a?b"), ("unix", "unix:/run/v.sock\n/certs"),
                       ("user", "https://a:b@c.example/")):
        yield name, text.encode()


def main():
    folder = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as scratch:
        targets = {"frames": list(frames()), "http_head": list(heads()),
                   "attest": list(requests()), "claims": list(claims()), "jws": list(tokens()),
                   "fetch_url": list(urls()), **simulated(pathlib.Path(scratch))}
    for target, seeds in targets.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in seeds:
            (folder / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
