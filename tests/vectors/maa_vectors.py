"""Real tokens and key sets of attestation services against `blindbox token verify`: the one that holds,
and what each other key set, issuer and time makes of it.

The vectors stand outside the project (BLINDBOX_VECTORS). Prints one line a case:
"ok NAME", "FAIL NAME: why" or "skip NAME: why".
"""
import base64
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
VECTORS = pathlib.Path(os.environ.get("BLINDBOX_VECTORS", ROOT.parent / "shared" / "vectors"))
PROGRAM = os.environ.get("BLINDBOX", str(ROOT / "build" / "blindbox"))
REAL, GCP = "maa/azurevm-cvm-sharedweu.jwt", "maa/gcp-confidential-space-1.jwt"
failed = 0


def case(name, good, why=""):
    global failed
    failed += 0 if good else 1
    print(f"ok {name}" if good else f"FAIL {name}: {why}", flush=True)


def part(token, i):
    text = token.split(".")[i]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def verify(token, jwks, issuer, at=None, *more):
    """(class or None, first failed check, result)"""
    with tempfile.NamedTemporaryFile("w", suffix=".jwt") as file:
        file.write(token)
        file.flush()
        command = [PROGRAM, "token", "verify", file.name, "--jwks", str(jwks), "--issuer", issuer, "--json", *more]
        done = subprocess.run(command + (["--at", at] if at else []), capture_output=True, text=True, timeout=60)
    result = json.loads(done.stdout)
    if result["exit"] != done.returncode:
        return f"exit {done.returncode}, JSON says {result['exit']}", None, result
    return result["class"], next((c["id"] for c in result["checks"] if c["outcome"] == "failed"), None), result


def is_(name, found, class_, check):
    case(name, found[:2] == (class_, check), str(found[:2]))


def instant(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def the_real_one(rows):
    token, at = (VECTORS / REAL).read_text().strip(), rows[REAL]["verify_time"]
    claims = part(token, 1)
    jwks, issuer = VECTORS / rows[REAL]["related"][0], claims["iss"]
    inner = claims["x-ms-isolation-tee"]
    found = verify(token, jwks, issuer, at)
    case("the real token", found[0] is None and found[2]["kind"] == "azure-hcl" and found[2]["claims"] == claims,
         str(found))
    for name, seconds, class_ in (("last second", claims["exp"] + 59, None), ("expired", claims["exp"] + 60, "TokenExpired"),
                                  ("first second", claims["nbf"] - 60, None),
                                  ("not yet", claims["nbf"] - 61, "TokenNotYetValid")):
        is_(name, verify(token, jwks, issuer, instant(seconds)), class_, class_ and "token-time")
    is_("today", verify(token, jwks, issuer), "TokenExpired", "token-time")
    is_("as an EAR", verify(token, jwks, issuer, at, "--profile", "ear"), "TokenClaimMissing", "token-type")
    is_("its own report data", verify(token, jwks, issuer, at, "--report-data", inner["x-ms-sevsnpvm-reportdata"]),
        None, None)
    is_("other report data", verify(token, jwks, issuer, at, "--report-data", "00" * 64), "FalseAttestationReport",
        "report-data")
    is_("its own measurement", verify(token, jwks, issuer, at, "--measurement",
                                      inner["x-ms-sevsnpvm-launchmeasurement"]), None, None)
    is_("another measurement", verify(token, jwks, issuer, at, "--measurement", "11" * 48), "MeasurementMismatch",
        "measurement")
    with tempfile.TemporaryDirectory() as scratch:
        runtime = pathlib.Path(scratch) / "runtime.json"
        runtime.write_text(json.dumps(inner["x-ms-runtime"], sort_keys=True, indent=1))
        is_("its own runtime", verify(token, jwks, issuer, at, "--runtime", str(runtime)), None, None)
        runtime.write_text(json.dumps(claims["x-ms-runtime"]))
        is_("another runtime", verify(token, jwks, issuer, at, "--runtime", str(runtime)), "FalseAttestationReport",
            "runtime")
    return token, jwks, issuer, at


def changed(token, jwks, issuer, at):
    """One bit of each part; and the claims of the same token, said by nobody."""
    head, payload, signature = token.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[100] ^= 1
    flipped = base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()
    is_("a bit of the signature", verify(f"{head}.{payload}.{flipped}", jwks, issuer, at), "TokenSignatureInvalid",
        "token-signature")
    claims = part(token, 1)
    claims["x-ms-isolation-tee"]["x-ms-sevsnpvm-vmpl"] = 1
    text = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    is_("another claim", verify(f"{head}.{text}.{signature}", jwks, issuer, at), "TokenSignatureInvalid",
        "token-signature")


def other_keys(token, jwks, issuer, at):
    """Every other key set of the collection, under the token's issuer and under the set's own."""
    sets = sorted(p for p in (VECTORS / "maa").glob("jwks-*.json") if p != jwks)
    for other in sets:
        is_(f"keys of {other.stem}", verify(token, other, issuer, at), "TokenSignatureInvalid", "token-signature")
        is_(f"keys and issuer of {other.stem}", verify(token, other, "https://other.example", at), "WrongAttester",
            "issuer")
    is_("another issuer", verify(token, jwks, issuer.replace("weu", "neu"), at), "WrongAttester", "issuer")
    is_("the issuer with a slash", verify(token, jwks, issuer + "/", at), "WrongAttester", "issuer")
    case("key sets were there", len(sets) >= 4, str(sets))


def another_service(rows):
    """A token of another service, genuine: its chain comes along, and counts for nothing."""
    token, at = (VECTORS / GCP).read_text().strip(), rows[GCP]["verify_time"]
    claims, header = part(token, 1), part(token, 0)
    for jwks in sorted((VECTORS / "maa").glob("jwks-*.json")):
        is_(f"another service's token, {jwks.stem}", verify(token, jwks, "https://sharedweu.weu.attest.azure.net", at),
            "WrongAttester", "issuer")
        is_(f"its own chain is no key, {jwks.stem}", verify(token, jwks, claims["iss"], at), "TokenSignatureInvalid",
            "token-signature")
    with tempfile.TemporaryDirectory() as scratch:
        own = pathlib.Path(scratch) / "own.json"
        own.write_text(json.dumps({"keys": [{"kty": "RSA", "kid": header["kid"], "x5c": header["x5c"][:1]}]}))
        is_("pinned, it is meant for a named reader", verify(token, own, claims["iss"], at), "UnsupportedEvidence", "token-type")
        is_("pinned, of no known EAR profile", verify(token, own, claims["iss"], at, "--profile", "ear"),
            "UnsupportedEvidence", "token-type")


def main():
    if not (VECTORS / "MANIFEST.json").exists():
        if os.environ.get("BLINDBOX_REQUIRE_VECTORS") == "1":
            case("vectors", False, f"required and not at {VECTORS}")
            return 1
        print(f"skip real tokens: no vectors at {VECTORS} (set BLINDBOX_VECTORS)")
        return 0
    rows = {row["file"]: row for row in json.loads((VECTORS / "MANIFEST.json").read_text())}
    real = the_real_one(rows)
    changed(*real)
    other_keys(*real)
    another_service(rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
