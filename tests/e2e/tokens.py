"""Tokens of a service of the tests' own: keys and signatures by the openssl program."""
import base64
import json
import subprocess
import time

ISSUER = "https://verifier.example"
D = b"\x5a" * 48
DIGITS = "0123456789abcdef"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, check=True, capture_output=True).stdout


class Signer:
    """An RSA key and its key set in FOLDER."""

    def __init__(self, folder, kid="k1"):
        self.key, self.jwks, self.kid = folder / f"{kid}.pem", folder / f"{kid}.jwks", kid
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", self.key)
        modulus = openssl("rsa", "-in", self.key, "-modulus", "-noout").decode().split("=")[1].strip()
        row = {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "e": "AQAB",
               "n": b64url(bytes.fromhex(modulus))}
        self.jwks.write_text(json.dumps({"keys": [row]}))

    def token(self, claims, **header):
        header = {"alg": "RS256", "kid": self.kid, "typ": "JWT", **header}
        text = ".".join(b64url(json.dumps(part).encode()) for part in (header, claims))
        return f"{text}.{b64url(openssl('dgst', '-sha256', '-sign', self.key, data=text.encode()))}"


def snp_claims(**more):
    claims = {"launchmeasurement": DIGITS * 6, "idkeydigest": DIGITS * 6, "authorkeydigest": DIGITS * 6,
              "hostdata": DIGITS * 4, "reportid": DIGITS * 4, "reportdata": DIGITS * 8, "familyId": DIGITS * 2,
              "imageId": DIGITS * 2, "bootloader-svn": 3, "tee-svn": 0, "snpfw-svn": 8, "microcode-svn": 115,
              "guestsvn": 2, "vmpl": 0, "is-debuggable": False, "migration-allowed": False, "smt-allowed": True}
    return {f"x-ms-sevsnpvm-{k}": v for k, v in {**claims, **more}.items()}


def times():
    now = int(time.time())
    return {"iss": ISSUER, "iat": now, "nbf": now, "exp": now + 600}


def maa(**more):
    return {**times(), "x-ms-attestation-type": "sevsnpvm", "x-ms-compliance-status": "azure-compliant-uvm",
            "x-ms-runtime": {"blindbox-1": b64url(D)}, "nonce": "n-1", **snp_claims(), **more}


def ear(status="affirming", vector=None, **more):
    submod = {"ear_status": status, "ear_attester_claims": snp_claims(),
              "ear_trustworthiness_vector": vector or {"hardware": 2, "configuration": 2, "executables": 3}}
    return {**times(), "eat_profile": "tag:ietf.org,2026:rats/ear#04", "ear_status": status,
            "ear_verifier_id": {"developer": "d", "build": "b"}, "eat_nonce": [b64url(D), "n-1"],
            "submods": {"sev-snp": submod}, **more}
