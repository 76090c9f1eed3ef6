"""The forms in which reports and certificates may come, those in which they may not, and the limits;
what `evidence show` says of each version."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import textwrap

import common
from common import DATA, blindbox, case, make, verify

IDS = {"vek": "63da758de6644564adc5f4b93be8accd", "vlek": "a8074bc2a25a483eaae639c045a0b8a1",
       "ask": "4ab7b379bbac4fe4a02f05aef327c782", "ark": "c0b406a4a803495297433fb6014cd0ae",
       "crl": "92f81bc358114d3d97ffd19f88dc67ea", "other": "9f4116cdc5034f5a8f6ffb68882f4ce2"}
PARTS = ("vek", "ask", "ark", "crl")


def wrap(text, width=64, end="\n"):
    return end.join(textwrap.wrap(text, width)) + end


def pem(name, der, end="\n"):
    label = "X509 CRL" if name == "crl" else "CERTIFICATE"
    body = wrap(base64.b64encode(der).decode(), end=end)
    return f"-----BEGIN {label}-----{end}{body}-----END {label}-----{end}".encode()


def chain_of(der, end="\n"):
    return b"".join(pem(name, der[name], end) for name in PARTS)


def report_forms(folder, policy):
    report, certs = make(folder)
    raw = report.read_bytes()
    text, b64 = raw.hex(), base64.b64encode(raw).decode()
    good = {"bytes": raw, "hex": text, "hex, upper case": text.upper(), "hex with a line end": text + "\n",
            "hex in lines": wrap(text, 60), "hex in CRLF lines": wrap(text, 60, "\r\n"),
            "hex in bytes": raw.hex(" "), "base64": b64, "base64 with a line end": b64 + "\n",
            "base64 in lines": wrap(b64, 76), "base64 in CRLF lines": wrap(b64, 64, "\r\n"),
            "hex with white space around": f" \n\t{text}\r\n "}
    bad = {"nothing": b"", "white space": " \n", "text": "hello", "cut by a byte": raw[:-1],
           "one byte more": raw + b"\0", "two reports": raw + raw, "response head": bytes(32) + raw,
           "hex, odd": text[:-1], "hex cut": text[:-2], "hex with 0x": "0x" + text,
           "base64 without padding": b64.rstrip("="), "base64 cut": b64[:-4],
           "JSON": json.dumps({"report": b64}), "NUL after hex": text.encode() + b"\0"}
    for name, value in {**good, **bad}.items():
        report.write_bytes(value.encode() if isinstance(value, str) else value)
        got, first, result = verify(report, certs, policy, "--report-data", DATA)
        if name in good:
            case(f"report as {name}", got is None, f"{got} at {first}")
            continue
        case(f"no report: {name}", (got, first) == ("MalformedEvidence", "format"), f"{got} at {first}")
        case(f"no claims: {name}", result["kind"] == "unknown" and result["claims"] == {}, str(result["claims"]))
    got, _, _ = verify("-", certs, policy, input=text)
    case("report on standard input", got is None, str(got))
    report.write_bytes(raw)


def other_kinds(folder, policy):
    report, certs = make(folder)
    raw, honest = report.read_bytes(), json.loads(policy.read_text())
    other = folder / "other.json"
    kinds = {"tdx": bytes.fromhex("0400020081000000") + bytes(600), "azure-hcl": b"HCLA" + bytes(2600),
             "jwt": b"eyJhbGciOiJub25lIn0.e30."}
    for name, value in kinds.items():
        report.write_bytes(value)
        for evidence, want in ((None, "UnsupportedEvidence"), (["sev-snp"], "NotAnEnclaveError")):
            changed = {k: v for k, v in honest.items() if k != "evidence"}
            other.write_text(json.dumps({**changed, **({"evidence": evidence} if evidence else {})}))
            got, first, _ = verify(report, certs, other)
            case(f"{name} where {evidence} is wanted", got == want, f"{got} at {first}")
        shown = blindbox("evidence", "show", report, check=False)
        case(f"show names {name}", shown.returncode == 7 and "UnsupportedEvidence" in shown.stderr, shown.stderr)
    report.write_bytes(raw)
    other.write_text(json.dumps({**honest, "evidence": ["azure-hcl"]}))
    for label, given in (("", certs), (" without certificates", [])):
        got, first, _ = verify(report, given, other)
        case(f"a report where azure-hcl is wanted{label}", (got, first) == ("NotAnEnclaveError", "format"),
             f"{got} at {first}")


def table(entries, end=bytes(24), padding=0):
    head, data = b"", b""
    start = 24 * len(entries) + len(end)
    for name, value in entries:
        head += bytes.fromhex(IDS[name])
        head += (start + len(data)).to_bytes(4, "little") + len(value).to_bytes(4, "little")
        data += value
    return head + end + data + bytes(padding)


def certificate_tables(folder, policy):
    report, _ = make(folder)
    der = {path.stem: path.read_bytes() for path in (folder / "certs").iterdir()}
    parts = [(name, der[name]) for name in PARTS]
    as_pem = [(name, pem(name, data)) for name, data in parts]
    both = ("ask", pem("ask", der["ask"]) + pem("ark", der["ark"]))
    rows = [("DER", table(parts), None), ("PEM", table(as_pem), None),
            ("PEM with a NUL", table([(name, data + b"\0") for name, data in as_pem]), None),
            ("a chain in one entry", table([parts[0], both, parts[3]]), None),
            ("padding", table(parts, padding=4096), None),
            ("an unknown id", table([("other", b"junk"), *parts]), None),
            ("another order", table(parts[::-1]), None),
            ("32 entries", table([*parts, *[("other", b"")] * 28]), None),
            ("an empty entry", table([*parts[:3], ("crl", b"")]), "CrlUnavailable"),
            ("junk as VEK", table([("vek", b"junk"), *parts[1:]]), "CollateralUnavailable"),
            ("nothing", b"", "CollateralUnavailable"),
            ("an ending alone", bytes(24), "CollateralUnavailable"),
            ("no ending", table(parts, end=b""), "MalformedEvidence"),
            ("one id twice", table([parts[0], *parts]), "MalformedEvidence"),
            ("cut", table(parts)[:-1], "MalformedEvidence"),
            ("33 entries", table([("other", b"")] * 33), "MalformedEvidence")]
    for name, value, want in rows:
        (folder / "table.bin").write_bytes(value)
        got, first, _ = verify(report, ["--auxblob", folder / "table.bin"], policy, "--report-data", DATA)
        case(f"certificate table: {name}", got == want, f"{got} at {first}")
    return der


def certificate_files(folder, policy, der):
    report, _ = make(folder)
    chain = chain_of(der)
    end = b"-----END CERTIFICATE-----\n"
    bag = b"Bag Attributes\n    localKeyID: 01\nsubject=CN = SEV-VCEK\n\nissuer=-- none --\n"
    key = b"-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n"
    broken = b"-----BEGIN CERTIFICATE-----\nMIIF!\n" + end
    rows = [("PEM chain", chain, None), ("PEM chain with CRLF", chain_of(der, "\r\n"), None),
            ("no last line end", chain.rstrip(), None),
            ("bag attributes", bag + chain.replace(end, end + bag), None), ("other blocks", key + chain, None),
            ("a broken block before", broken + chain, None),
            ("a block without end before", broken[:40] + chain, None),
            ("byte order mark", b"\xef\xbb\xbf" + chain, None),
            ("old label", chain.replace(b" CERTIFICATE-", b" X509 CERTIFICATE-"), None),
            ("text", b"no certificate", "CollateralUnavailable"), ("empty", b"", "CollateralUnavailable"),
            ("cut DER", der["vek"][:-1], "CertificateChainInvalid"),
            ("DER and a byte", der["vek"] + b"\0", "CertificateChainInvalid")]
    for name, value, want in rows:
        (folder / "chain.pem").write_bytes(value)
        done = blindbox("evidence", "verify", report, "--certs", folder / "chain.pem", "--policy", policy,
                        "--json", check=False)
        got = json.loads(done.stdout)["class"]
        warned = "holds no certificate" in done.stderr
        case(f"certificate file: {name}", got == want and warned == (want == "CollateralUnavailable"), f"{got} {done.stderr}")


def altered(folder, policy, der):
    """A VEK certificate that can be read but proves nothing is at hand, and does not fit."""
    report, _ = make(folder)
    vek = der["vek"]
    outer = 8 + int.from_bytes(vek[6:8], "big")  # behind the outer head and the signed part
    rows = [("a signed byte", 200), ("the last byte of the signature", len(vek) - 1),
            ("the outer algorithm", outer + 1 + vek[outer + 1]), ("the version", 12)]
    for name, at in rows:
        changed = bytearray(vek)
        changed[at] ^= 1
        (folder / "vek.der").write_bytes(changed)
        files = [folder / "vek.der", *[folder / "certs" / f for f in ("ask.der", "ark.der", "crl.crl")]]
        got, first, _ = verify(report, [a for f in files for a in ("--certs", f)], policy)
        case(f"altered VEK: {name}", got == "CertificateChainInvalid", f"{got} at {first}")


def damaged(folder, policy, der):
    """A certificate with one bit changed, wherever: at hand, and not good."""
    report, _ = make(folder)
    for name in ("vek", "ask", "ark"):
        wrong = {}
        for at in range(4, len(der[name]), 61):
            changed = bytearray(der[name])
            changed[at] ^= 1 << at % 8
            (folder / "changed.der").write_bytes(changed)
            others = [folder / "certs" / f"{other}.der" for other in ("vek", "ask", "ark") if other != name]
            files = [folder / "changed.der", folder / "certs" / "crl.crl", *others]
            got, first, _ = verify(report, [a for f in files for a in ("--certs", f)], policy)
            # The simulator's root is known by its name and its key's hash: another one may be a
            # simulator's still, or nobody's.
            if got not in ("CertificateChainInvalid", "SimulatedTee" if name == "ark" else None):
                wrong[at] = f"{got} at {first}"
        case(f"damaged {name}: never missing, never taken", not wrong, str(wrong)[:300])


def limits(folder, policy, der):
    report, _ = make(folder)
    many = folder / "many"
    many.mkdir()
    chain = chain_of(der)
    for i in range(64):
        (many / f"{i:02}.pem").write_bytes(chain)
    (many / "notes.txt").write_bytes(bytes(2 << 20))  # another ending: not looked at
    got, first, _ = verify(report, ["--certs", many], policy)
    case("64 files with the same chain", got is None, f"{got} at {first}")
    (many / "64.crt").write_bytes(chain)
    got, _, result = verify(report, ["--certs", many], policy)
    case("65 files", got == "UsageError" and "too many" in result["error"], str(result))
    for path in many.iterdir():
        path.unlink()
    (many / "chain.pem").write_bytes(chain)
    (many / "junk.der").write_bytes(bytes((1 << 20) - len(chain)))
    got, first, _ = verify(report, ["--certs", many], policy)
    case("1 MiB in a folder", got is None, f"{got} at {first}")
    (many / "more.crl").write_bytes(b"\0")
    got, _, result = verify(report, ["--certs", many], policy)
    case("more than 1 MiB in a folder", got == "UsageError" and "larger" in result["error"], str(result))


def show_one(folder, product, version, signer):
    blindbox("sim", "init", "--dir", folder / "sim", "--product", product, "--report-version", version,
             "--signer", signer, "--latency-ms", 0)
    report, _ = make(folder)
    raw = report.read_bytes()
    name = f"show version {version}"
    found = json.loads(blindbox("evidence", "show", report, "--json").stdout)
    want = {"schema": "blindbox.evidence/1", "version": version, "signer": signer, "debug": False, "vmpl": 0,
            "measurement": raw[0x90:0xC0].hex(), "report_data": DATA, "host_data": raw[0xC0:0xE0].hex(),
            "chip_id": raw[0x1A0:0x1E0].hex(), "product": product if version > 2 else None,
            "policy": "0x3001f", "current_version": "1.55.29"}
    wrong = {key: found.get(key) for key in want if found.get(key) != want[key]}
    case(name, not wrong, str(wrong))
    case(f"{name}: CPUID", ("cpuid_family" in found) == (version > 2), str(found))
    case(f"{name}: mitigations", ("launch_mit_vector" in found) == (version > 4), str(found))
    tcb = found["reported_tcb"]
    parts = ("snp" in tcb) == (version > 2) and ("fmc" in tcb) == (product == "Turin")
    case(f"{name}: TCB", tcb["raw"] == raw[0x180:0x188].hex() and parts, str(tcb))
    text = blindbox("evidence", "show", report).stdout
    lines = {line.split()[0]: line.split(None, 1)[1] for line in text.splitlines()}
    same = all(lines[key] == str(want[key]) for key in ("version", "measurement", "chip_id", "signer"))
    case(f"{name}: text", same and set(lines) == set(found) - {"schema"}, text)
    return raw


def show(folder):
    for row in (("Milan", 2, "vcek"), ("Genoa", 3, "vlek"), ("Milan", 4, "vcek"), ("Turin", 5, "vlek")):
        raw = show_one(folder, *row)
    (folder / "cut.bin").write_bytes(raw[:-1])
    done = blindbox("evidence", "show", folder / "cut.bin", check=False)
    case("show of a cut report", done.returncode == 7 and "MalformedEvidence" in done.stderr and not done.stdout,
         done.stderr)


def misuse(folder):
    """Options that would be passed over, and one input for two."""
    blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0, "--policy-out", folder / "policy.json")
    report, certs = make(folder)
    for options in (["--at", "junk"], ["--policy", "/nope"], ["--skip", "debug"], certs):
        done = blindbox("evidence", "show", report, *options, check=False)
        case(f"show takes no {options[0]}", done.returncode == 1 and done.stdout == "", str(done))
    done = blindbox("evidence", "show", "--json", folder / "policy.json", check=False)
    case("show --json of no report", json.loads(done.stdout)["class"] == "MalformedEvidence" and
         done.returncode == 7, str(done))
    for options in (["--policy", "-"], ["--certs", "-"]):
        done = blindbox("evidence", "verify", "-", *options, "--json", check=False, stdin=subprocess.DEVNULL)
        case(f"standard input twice: {options[0]}", done.returncode == 1 and
             json.loads(done.stdout)["class"] == "UsageError", str(done))
    os.mkfifo(folder / "certs" / "pipe.der")
    got, first, _ = verify(report, certs, folder / "policy.json")
    case("a pipe in a folder is passed over", got is None, f"{got} at {first}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        policy = folder / "policy.json"
        common.simulator(folder)
        blindbox("sim", "init", "--dir", folder / "sim", "--latency-ms", 0, "--policy-out", policy)
        report_forms(folder, policy)
        other_kinds(folder, policy)
        der = certificate_tables(folder, policy)
        certificate_files(folder, policy, der)
        altered(folder, policy, der)
        damaged(folder, policy, der)
        limits(folder, policy, der)
        show(folder)
        misuse(folder)
    return 1 if common.failed else 0


if __name__ == "__main__":
    sys.exit(main())
