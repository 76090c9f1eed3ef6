"""The second implementation of protocol blindbox/1's hashes and frames: hashlib and a CBOR writer of
its own, written from the specification and sharing nothing with the C code.

Without arguments it makes tests/vectors/channel/*.json anew in a temporary folder and compares them byte
for byte ('ok' or 'FAIL' lines). One value in them is random, the ECDSA signature of anchored mode: it is
taken from the file and verified. With --write it makes them in place; that needs python3-cryptography,
for a new signature."""
import base64
import hashlib
import json
import pathlib
import struct
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent / "channel"
# Private scalars of test keys; the public keys stand in the vectors.
TLS_SCALAR = 0x1f2e3d4c5b6a79880716253443526170ffeeddccbbaa99887766554433221100
BINDING_SCALAR = 0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def sha384(*parts):
    return hashlib.sha384(b"".join(parts)).digest()


def head(major, value):
    if value < 24:
        return bytes([major << 5 | value])
    for code, fmt, top in ((24, ">B", 1 << 8), (25, ">H", 1 << 16), (26, ">I", 1 << 32)):
        if value < top:
            return bytes([major << 5 | code]) + struct.pack(fmt, value)
    return bytes([major << 5 | 27]) + struct.pack(">Q", value)


def cbor(value):
    """Deterministic CBOR (RFC 8949 4.2.1) of int, bytes, str, list and dict."""
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(cbor(v) for v in value)
    pairs = sorted((cbor(k), cbor(v)) for k, v in value.items())
    return head(5, len(pairs)) + b"".join(k + v for k, v in pairs)


def node(left, right):
    return sha384(b"\x01", left, right)


def root_of(leaf, index, path):
    h = leaf
    for i in range(len(path) // 48):
        s = path[48 * i:48 * i + 48]
        h = node(s, h) if index >> i & 1 else node(h, s)
    return h


def filling(label, n):
    """n repeatable bytes."""
    out = b""
    while len(out) < n:
        out += sha384(label.encode(), struct.pack(">I", len(out)))
    return out[:n]


CONFIG = cbor({1: "blindbox 0.1", 2: "unix:/run/app.sock", 3: [], 4: ["http/1.1", "h2"]})
CONFIG_OUTSIDE = cbor({1: "blindbox 0.1", 2: "tcp:192.0.2.7:80", 3: [], 4: ["raw"], -1: "kept"})


def request(label, **more):
    body = {1: 1, 2: filling(label, 32), 3: [1, 255], 4: 1, 8: 30000, 9: ["http/1.1"]}
    body.update({int(k.removeprefix("k")): v for k, v in more.items()})
    return cbor(body)


CASES = [
    {"name": "direct mode", "request": request("direct"), "config": CONFIG, "flags": 0, "depth": 0,
     "index": 0, "kind": 255, "app": "http/1.1"},
    {"name": "depth 1, upstream outside", "request": request("one", k9=["raw", "h2"]),
     "config": CONFIG_OUTSIDE, "flags": 1, "depth": 1, "index": 1, "kind": 255, "app": "raw"},
    {"name": "depth 5, both forms", "request": request("five", k10=[1, 0], k3=[1]),
     "config": CONFIG, "flags": 0, "depth": 5, "index": 22, "kind": 1, "app": "http/1.1"},
    {"name": "depth 16, last place, an extension, certificates at hand",
     "request": request("six", k6=sorted([filling("a", 32), filling("b", 32)]), **{"-1": "x"}),
     "config": CONFIG, "flags": 0, "depth": 16, "index": 65535, "kind": 255, "app": "http/1.1"},
    {"name": "an anchor is named, the answer is fresh", "request": request("seven",
     k7=filling("d", 48)), "config": CONFIG, "flags": 0, "depth": 2, "index": 1, "kind": 255,
     "app": "http/1.1"},
]


def cmw_of(label):
    der = "application/pkix-cert"
    report = "application/vnd.amd.sev-snp.attestation-report"
    return cbor({"report": [report, filling(label + " report", 1184), 4],
                 "vek": [der, filling(label + " vek", 700), 2],
                 "ask": [der, filling(label + " ask", 1500), 2],
                 "ark": [der, filling(label + " ark", 1400), 2],
                 "crl": ["application/pkix-crl", filling(label + " crl", 300), 2]})


def exchange(case, spki, binding_spki):
    name = case["name"]
    salt, exported = filling(name + " salt", 32), filling(name + " exported", 48)
    path = filling(name + " path", 48 * case["depth"])
    context = sha384(case["request"], salt)
    binder = sha384(spki, exported)
    leaf = sha384(b"\x00", b"blindbox/1 leaf", binder)
    root = root_of(leaf, case["index"], path)
    statement = (b"blindbox/1 statement\x00" + bytes([1, case["depth"]]) +
                 struct.pack(">H", case["flags"]) + root + sha384(spki) + sha384(binding_spki) +
                 sha384(case["config"]))
    d = sha384(statement)
    runtime = b'{"blindbox-1":"' + base64.urlsafe_b64encode(d).rstrip(b"=") + b'"}'
    cmw = cmw_of(name)
    fresh = cbor({1: 1, 2: 0, 3: salt, 4: case["kind"], 5: cmw, 6: case["config"], 7: binding_spki,
                  8: [case["index"], case["depth"], path], 9: case["app"], 11: 1,
                  12: case["flags"]})
    return {"name": name, "kind": case["kind"], "app": case["app"], "flags": case["flags"],
            "depth": case["depth"], "index": case["index"], "runtime": runtime.decode(),
            "hex": {k: v.hex() for k, v in {
                "request": case["request"], "salt": salt, "exported": exported, "spki": spki,
                "binding_spki": binding_spki, "config": case["config"], "path": path,
                "context": context, "binder": binder, "leaf": leaf, "root": root,
                "statement": statement, "D": d,
                "report_data_form_0": sha256(runtime) + bytes(32),
                "report_data_form_1": sha256(runtime) + sha256(b"blindbox/1 report_data"),
                "extraData": sha256(b"blindbox/1 tpm-quote\x00", runtime),
                "user_data": hashlib.sha512(b"blindbox/1 hcl\x00" + sha384(spki) +
                                            sha384(binding_spki)).digest(),
                "anchored_input": b"blindbox/1 anchored\x00" + d + binder,
                "cmw": cmw, "response": fresh}.items()}}


def tree(depth):
    width = 1 << depth
    leaves = [sha384(b"blindbox/1 test leaf", struct.pack(">I", i)) for i in range(width)]
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node(below[i], below[i + 1]) for i in range(0, len(below), 2)])
    proofs = []
    for index in sorted({0, width - 1, width * 5 // 8}):
        path = b"".join(levels[i][index >> i ^ 1] for i in range(depth))
        assert root_of(leaves[index], index, path) == levels[-1][0]
        proofs.append({"index": index, "leaf": leaves[index].hex(), "path": path.hex()})
    return {"depth": depth, "leaf_rule": "SHA-384('blindbox/1 test leaf' || u32be index)",
            "root": levels[-1][0].hex(), "proofs": proofs}


# P-256 (SEC 2, 2.4.2), as slow as its definition.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
BASE = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
        0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
SPKI_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")


def add(a, b):
    """The sum of two points; None is the point at infinity."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = ((3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) if a == b
             else (b[1] - a[1]) * pow(b[0] - a[0], -1, P))
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(scalar, point):
    total = None
    while scalar:
        total = add(total, point) if scalar & 1 else total
        point, scalar = add(point, point), scalar >> 1
    return total


def spki_of(scalar):
    x, y = times(scalar, BASE)
    return SPKI_HEAD + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def verifies(scalar, message, signature):
    """True if r || s is a signature by the key of `scalar`."""
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if len(signature) != 64 or not (0 < r < ORDER and 0 < s < ORDER):
        return False
    inverse, digest = pow(s, -1, ORDER), int.from_bytes(sha256(message), "big")
    point = add(times(digest * inverse % ORDER, BASE),
                times(r * inverse % ORDER, times(scalar, BASE)))
    return point is not None and point[0] % ORDER == r


def sign(scalar, message):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils
    der = ec.derive_private_key(scalar, ec.SECP256R1()).sign(message, ec.ECDSA(hashes.SHA256()))
    r, s = utils.decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def write(folder, signature_of):
    """Makes the files; signature_of(case's name, message) gives the bytes of a signature."""
    spki, binding_spki = spki_of(TLS_SCALAR), spki_of(BINDING_SCALAR)
    rows = [exchange(case, spki, binding_spki) for case in CASES]
    for row in rows:
        message = bytes.fromhex(row["hex"]["anchored_input"])
        row["anchored_signature"] = signature_of(row["name"], message).hex()
    folder.mkdir(exist_ok=True)
    (folder / "exchange.json").write_text(json.dumps(rows, indent=1) + "\n")
    (folder / "trees.json").write_text(json.dumps([tree(d) for d in (0, 1, 2, 16)], indent=1) + "\n")


def check():
    kept = {row["name"]: bytes.fromhex(row.get("anchored_signature", ""))
            for row in json.loads((FOLDER / "exchange.json").read_text())}
    good = True

    def say(name, is_good, why):
        nonlocal good
        good = good and is_good
        print(f"ok {name}" if is_good else f"FAIL {name}: {why}")

    def kept_signature(name, message):
        signature = kept.get(name, b"")
        say(f"signature, {name}", verifies(BINDING_SCALAR, message, signature), "it does not verify")
        return signature

    with tempfile.TemporaryDirectory() as scratch:
        made = pathlib.Path(scratch)
        write(made, kept_signature)
        names = sorted(p.name for p in FOLDER.glob("*.json"))
        say("names of the channel vectors", names == sorted(p.name for p in made.iterdir()), str(names))
        for path in sorted(made.iterdir()):
            same = (FOLDER / path.name).read_bytes() == path.read_bytes()
            say(f"{path.name} made anew", same, "the bytes differ; --write makes the file")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(write(FOLDER, lambda name, message: sign(BINDING_SCALAR, message))
             if "--write" in sys.argv else check())
