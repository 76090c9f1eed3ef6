"""What the tests of tokens on connections share: a world with a scripted verification service, policies that
name it, and every token that must be refused."""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
import attestation_service  # noqa: E402
import tokens  # noqa: E402
import world as w  # noqa: E402

ISSUER = "https://verifier.example"


class ServiceWorld(w.World):
    """`service` is the scripted one; its keys in a file and at /certs."""

    def __init__(self, *sim_options, **more):
        super().__init__(*sim_options, **more)
        self.signer = tokens.Signer(self.folder, "k1")
        (self.folder / "elsewhere").mkdir()
        self.foreign = tokens.Signer(self.folder / "elsewhere", "k1")
        self.old = tokens.Signer(self.folder, "k0")
        self.service = attestation_service.AttestationService(self.signer, ISSUER)
        self.app = w.App()

    def verifier(self, mode, **more):
        v = {"mode": mode, "issuer": ISSUER, "jwks": str(self.signer.jwks)}
        if mode == "background":
            v["url"] = self.service.url
        return {**v, **more}

    def policy_for(self, *verifiers, remove=(), **change):
        """A policy with these verifiers; each with a file of its own."""
        honest = json.loads(self.policy.read_text())
        changed = {k: v for k, v in {**honest, **change, "verifiers": list(verifiers)}.items() if k not in remove}
        path = self.folder / f"policy-{time.monotonic_ns()}.json"
        path.write_text(json.dumps(changed))
        return path

    def lenient(self, *verifiers):
        """One that asks for nothing that a token does not state."""
        keep = ("schema", "allow_simulated", "measurements")
        path = self.policy_for(*verifiers, crl="if-present", provisional_firmware=True)
        policy = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in policy.items() if k in (*keep, "verifiers", "crl", "provisional_firmware")}))
        return path


def outcome(world, address, policy, *arguments):
    """(class, first failed check or the error's field, result)"""
    result = w.attest(address, policy, *arguments)
    failed = w.common.first_failed(result) or result.get("field")
    return result["class"], failed, result


def expect(world, name, address, policy, status, field, *arguments):
    got = outcome(world, address, policy, *arguments)
    w.case(name, got[:2] == (status, field), f"{got[:2]} {str(got[2])[:1500]}")
    return got[2]


def without_signature(token):
    return token.rsplit(".", 1)[0] + "."


def alg_none(token):
    return tokens.b64url(b'{"alg":"none"}') + "." + token.split(".")[1] + "."


# name, what the service does with the token: claims, header, signer, text; class and row of the refusal
BAD_TOKENS = [
    ("a foreign key under our kid", {"use": "foreign"}, "TokenSignatureInvalid", "token-signature"),
    ("a key that was withdrawn", {"use": "old"}, "TokenSignatureInvalid", "token-signature"),
    ("another issuer", {"change": {"iss": "https://evil.example"}}, "WrongAttester", "issuer"),
    ("no issuer", {"change": {"iss": None}}, "TokenClaimMissing", "issuer"),
    ("alg none", {"edit": alg_none}, "TokenSignatureInvalid", "token-signature"),
    ("no signature", {"edit": without_signature}, "TokenSignatureInvalid", "token-signature"),
    ("HS256 in the header", {"header": {"alg": "HS256"}}, "TokenSignatureInvalid", "token-signature"),
    ("two parts", {"edit": lambda token: token.rsplit(".", 1)[0]}, "MalformedEvidence", "token"),
    ("expired", {"change": {"exp": 1000000000}}, "TokenExpired", "token-time"),
    ("not yet valid", {"change": {"nbf": 4000000000}}, "TokenNotYetValid", "token-time"),
    ("no exp", {"change": {"exp": None}}, "TokenClaimMissing", "token-time"),
    ("another type", {"change": {"x-ms-attestation-type": "sgx"}}, "NotAnEnclaveError", "token-type"),
    ("another report", {"change": {"x-ms-sevsnpvm-reportdata": "5a" * 64}}, "ChannelBindingMismatch", "report-data"),
    ("another D", {"change": {"x-ms-runtime": {"blindbox-1": tokens.b64url(b"\x5a" * 48)}}},
     "ChannelBindingMismatch", "runtime"),
    ("no runtime", {"change": {"x-ms-runtime": None}}, "ChannelBindingMismatch", "runtime"),
    ("debug mode", {"change": {"x-ms-sevsnpvm-is-debuggable": True}}, "DebugMode", "debug"),
    ("debug said as text", {"change": {"x-ms-sevsnpvm-is-debuggable": "false"}}, "MalformedEvidence", "debug"),
    ("not compliant", {"change": {"x-ms-compliance-status": "not-compliant"}}, "NonCompliantUvm", "uvm"),
    ("compliance absent", {"change": {"x-ms-compliance-status": None}}, "NonCompliantUvm", "uvm"),
    ("other code", {"change": {"x-ms-sevsnpvm-launchmeasurement": "5a" * 48}}, "MeasurementMismatch", "measurement"),
    ("a simulated TEE that is not said to be one", {"change": {"x-ms-blindbox-simulated": None}},
     "TokenClaimMissing", "token-type"),
]


def bad_tokens(world, address, policy, label, more=()):
    for name, script, status, field in [*BAD_TOKENS, *more]:
        world.service.reset()
        for key, value in script.items():
            setattr(world.service, key, getattr(world, value) if key == "use" else value)
        result = expect(world, f"{label}: {name}", address, policy, status, field)
        if status == "TokenSignatureInvalid":
            w.case(f"{label}: {name}: nothing of it is shown", result["token"] is None, str(result["token"]))
    world.service.reset()
    expect(world, f"{label}: and then a good one", address, policy, None, None)
