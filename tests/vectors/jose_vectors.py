"""Project Wycheproof's vectors of JOSE and of the signatures below it: every vector with its expected
answer. They stand outside the project (BLINDBOX_VECTORS).

Where the answer here is another than Wycheproof's, or a vector asks for what is not here, a rule below
says so, and what is answered instead is checked as well. Prints a line for each group of vectors: "ok
NAME", and "FAIL NAME: why" for each vector that fails.
"""
import base64
import collections
import json
import os
import pathlib
import subprocess
import sys

import snp_vectors as snp
from snp_vectors import VECTORS, case

FOLDER = VECTORS / "conformance" / "wycheproof"
BUILD = pathlib.Path(os.environ.get("BLINDBOX_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
HASHES = {"SHA-256": ("256", 32), "SHA-384": ("384", 48), "SHA-512": ("512", 64)}
MALFORMED, BAD_SIGNATURE = "token MalformedEvidence ", "verify TokenSignatureInvalid "
UNSIGNED = "token TokenSignatureInvalid signature"

# Structure: what a comment's vector must be refused for. Everything else invalid is a signature, a key or
# an algorithm that does not count.
STRUCTURE = {
    "rejectsMissingSignature": "signature", "rejectsMissingSignatureAndSeparator": "token",
    "rejectsMissingPayload": "payload", "rejectsMissingPayloadAndSeparator": "token",
    "rejectsMissingHeader": "header", "rejectsMissingHeaderAndSeparator": "token",
    "rejectsMissingHeaderAndSignature": "header", "rejectsMissingHeaderSignatureAndSeparators": "token",
    "rejectsMissingHeaderSignatureAndSeparator": "token", "rejectsEmptyString": "token",
    "rejectsExtraEmptyComponent": "token", "rejectsExtraComponent": "token",
    "rejectsNoneAlgorithmAndMissingSignature": "signature", "algIsNone": "signature",
    "rejectsValidJsonSerialization": "token"}


class Tool:
    def __init__(self):
        self.asked = []

    def ask(self, name, want, *words):
        """`want` of an answer: the text, or a function of it."""
        fields = [w if isinstance(w, str) else w.hex() or "-" for w in words]
        self.asked.append((name, want, " ".join(fields)))

    def answers(self):
        text = "".join(line + "\n" for _, _, line in self.asked)
        done = subprocess.run([BUILD / "tests" / "tool_jose"], input=text, capture_output=True, text=True, timeout=300)
        lines = done.stdout.splitlines()
        case("the tool answered every question", done.returncode == 0 and len(lines) == len(self.asked), done.stderr)
        groups = collections.defaultdict(list)
        for (name, want, _), answer in zip(self.asked, lines):
            group, _, vector = name.partition(" #")
            right = want(answer) if callable(want) else answer == want
            groups[group].append(right)
            if not right:
                case(f"{group} {vector}", False, answer)
        for group, rights in groups.items():
            case(f"{group}, {len(rights)} vectors", all(rights), "see above")


def tests(file):
    for group in json.loads((FOLDER / file).read_text())["testGroups"]:
        for test in group["tests"]:
            yield group, test


# Keys whose alg is not that of a token that counts as valid all the same; the alg that it has.
OTHER_ALG = {("PS256", "PS384"): "alg", ("ES521", "ES512"): "kid"}


def refusal(answer):
    return answer.startswith((MALFORMED, BAD_SIGNATURE, UNSIGNED))


def unsigned(jwk):
    """A private key without its private part, as a verifier gets it."""
    return {k: v for k, v in jwk.items() if k not in ("d", "p", "q", "dp", "dq", "qi")}


def jws(tool, file):
    for group, test in tests(file):
        if "jws" not in test:
            tool.ask(f"{file}: not applicable, encrypted: refused #{test['tcId']}", refusal, "token", b'{"keys":[]}',
                     (test["jwe"] if isinstance(test["jwe"], str) else json.dumps(test["jwe"])).encode())
            continue
        keys = group.get("public") or group["private"]
        keys = [unsigned(k) for k in keys.get("keys", [keys])]
        token = test["jws"] if isinstance(test["jws"], str) else json.dumps(test["jws"])
        one_jws(tool, file, keys, token, test)


def base64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def alg_of(parts):
    return json.loads(base64url(parts[0]))["alg"]


def one_jws(tool, file, keys, token, test):
    number = f"#{test['tcId']} {test['comment']}"
    bits = ["token", json.dumps({"keys": keys}).encode(), token.encode()]
    parts = token.split(".")
    if all(k["kty"] == "oct" for k in keys):
        # No secret is shared with an issuer here, so that a MAC proves nothing: valid ones are refused too.
        tool.ask(f"{file}: not applicable, symmetric keys: refused {number}", refusal, *bits)
    elif len(parts) == 3 and parts[1] == "" and parts[0] and parts[2] and test["comment"] not in STRUCTURE:
        # Claims are a JSON object, so that a token without payload is refused; its signature is asked for alone.
        want = "good" if test["result"] == "valid" else "bad"
        tool.ask(f"{file}: an empty payload is no token {number}", MALFORMED + "payload", *bits)
        tool.ask(f"{file}: {test['result']} signatures of empty payloads {number}", want, "raw", keys[0]["alg"],
                 bits[1], f"{parts[0]}.".encode(), base64url(parts[2]))
    elif test["result"] == "valid" and (keys[0].get("alg"), alg_of(parts)) in OTHER_ALG:
        # RFC 7517 4.4: the key is for its alg alone. Under the alg that was meant the token is accepted.
        field = OTHER_ALG[keys[0]["alg"], alg_of(parts)]
        tool.ask(f"{file}: the key is for another algorithm {number}", BAD_SIGNATURE + field, *bits)
        fixed = [{**k, "alg": alg_of(parts)} for k in keys]
        tool.ask(f"{file}: valid {number}", "Ok", "token", json.dumps({"keys": fixed}).encode(), bits[2])
    elif test["result"] == "valid":
        tool.ask(f"{file}: valid {number}", "Ok", *bits)
    elif test["comment"] in STRUCTURE:
        part = STRUCTURE[test["comment"]]
        tool.ask(f"{file}: malformed {number}", UNSIGNED if part == "signature" else MALFORMED + part, *bits)
    else:
        tool.ask(f"{file}: invalid {number}", lambda a: a.startswith(BAD_SIGNATURE), *bits)


def raw(tool, file, prefix, applies):
    """`applies` of a group: True, or why its algorithm is none of JOSE: then everything is refused."""
    for group, test in tests(file):
        digits, size = HASHES.get(group["sha"], ("256", 0))
        rule = applies(group)
        # "acceptable": PKCS #1 v1.5 without the NULL that RFC 8017 asks for; not taken.
        good = rule is True and test["result"] == "valid"
        if group.get("sLen") == 0 and group["mgfSha"] == group["sha"] and test["comment"] == f"s_len changed to {size}":
            good, rule = True, "the hash's salt, where none was meant: accepted"
        want = "good" if good else "bad" if "PSS only" not in str(rule) else "key UnsupportedEvidence kty"
        name = f"{file}: {test['result'] if rule is True else rule} #{test['tcId']} {test['comment']}"
        tool.ask(name, want, "sig", prefix + digits, bytes.fromhex(group["publicKeyDer"]),
                 bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))


def pss(group):
    if group["type"] == "RsassaPssWithParametersVerify":
        return "a key that is for PSS only: refused"
    if group["sha"] not in HASHES:
        return f"no algorithm of JOSE has {group['sha']}: refused"
    if group["mgfSha"] != group["sha"]:
        return "MGF1 with another hash: refused"
    return True if group["sLen"] == HASHES[group["sha"]][1] else "a salt of another length than the hash: refused"


def main():
    if not FOLDER.exists():
        return snp.missing("jose")
    tool = Tool()
    for file in ("json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"):
        jws(tool, file)
    for path in sorted(FOLDER.glob("rsa_signature_*.json")):
        raw(tool, path.name, "RS", lambda group: True)
    for path in sorted(FOLDER.glob("rsa_pss_*.json")):
        raw(tool, path.name, "PS", pss)
    for path in sorted(FOLDER.glob("ecdsa_*_p1363_test.json")):
        raw(tool, path.name, "ES", lambda group: True)
    tool.answers()
    return 1 if snp.failed else 0


if __name__ == "__main__":
    sys.exit(main())
