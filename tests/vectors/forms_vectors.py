"""Real SNP reports in every form that the command takes: text, certificate tables, chain files; and
what `evidence show` says of each. The vectors stand outside the project (BLINDBOX_VECTORS).

Prints one line a case: "ok NAME", "FAIL NAME: why" or "skip NAME: why".
"""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import textwrap

import snp_vectors as snp
from snp_vectors import PROGRAM, VECTORS, case

# Chain files as Azure hands them out, of which the manifest names the report.
CHAINS = {"azure/aci/cleanroom-aci-sign-platform.pem": "v3-milan-vcek-azure-aci-52cb1fed.bin",
          "azure/aci/cleanroom-aci2-enc-platform.pem": "v3-milan-vcek-azure-aci-f4d1c734.bin",
          "azure/aci/kms-endorsements.bin": "v2-milan-vcek-azure-aci-30f20380.bin"}
IDS = {"vcek": "63da758de6644564adc5f4b93be8accd", "vlek": "a8074bc2a25a483eaae639c045a0b8a1",
       "ask": "4ab7b379bbac4fe4a02f05aef327c782", "ark": "c0b406a4a803495297433fb6014cd0ae"}


def pem(der):
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()


def identifier(name):
    """Of the certificate table, by the vector's file name."""
    for key, value in (("-vcek-", "vcek"), ("-vlek-", "vlek"), ("-ask", "ask"), ("-asvk", "ask"), ("-ark", "ark")):
        if key in name:
            return bytes.fromhex(IDS[value])
    raise ValueError(name)


def table(certs):
    head, data = b"", b""
    for name, value in certs:
        offset = 24 * (len(certs) + 1) + len(data)
        head += identifier(name) + offset.to_bytes(4, "little") + len(value).to_bytes(4, "little")
        data += value
    return head + bytes(24) + data


def forms(row, folder):
    raw = (VECTORS / row["file"]).read_bytes()
    certs = [(f, (VECTORS / f).read_bytes()) for f in row["related"]]
    name = row["file"].split("/")[-1]
    policy = snp.policy_for(raw, **snp.LENIENT)
    want = None if row["verdict"] == "accept" else row["class"]
    report, blob, chain = folder / "report", folder / "auxblob", folder / "chain.pem"
    chain.write_bytes(b"subject=leaf first\n" + b"".join(pem(der) for _, der in certs))
    blob.write_bytes(table(certs))
    text = {"hex": raw.hex(), "hex lines": "\n".join(textwrap.wrap(raw.hex(), 60)) + "\n",
            "base64": base64.b64encode(raw).decode() + "\n"}
    for form, value in text.items():
        report.write_text(value)
        got, _, _ = snp.run(report, [chain], row["verify_time"], policy)
        case(f"{name} as {form}, PEM chain", got == want, f"{got}, want {want}")
    report.write_bytes(raw)
    got, _, _ = snp.run(report, [], row["verify_time"], policy, ["--auxblob", str(blob)])
    case(f"{name} with auxblob", got == want, f"{got}, want {want}")
    blob.write_bytes(table([(f, pem(der)) for f, der in certs]))
    got, _, _ = snp.run(report, [], row["verify_time"], policy, ["--auxblob", str(blob)])
    case(f"{name} with auxblob of PEM", got == want, f"{got}, want {want}")


def show(row):
    path = VECTORS / row["file"]
    raw, name = path.read_bytes(), row["file"].split("/")[-1]
    done = subprocess.run([PROGRAM, "evidence", "show", str(path), "--json"], capture_output=True, text=True, timeout=60)
    text = subprocess.run([PROGRAM, "evidence", "show", str(path)], capture_output=True, text=True, timeout=60)
    if row["report_version"] not in (2, 3, 4, 5):
        case(f"show {name}", done.returncode == text.returncode == 7 and row["class"] in done.stderr, done.stderr)
        return
    found = json.loads(done.stdout)
    want = {"version": row["report_version"], "vmpl": row["vmpl"], "measurement": raw[0x90:0xC0].hex(),
            "debug": bool(raw[0x0A] & 8), "signer": "vlek" if raw[0x48] & 4 else "vcek",
            "signature_r": raw[0x2A0:0x2D0][::-1].hex()}
    product = next((p for p in ("Milan", "Genoa", "Turin") if p.lower() in name), None)
    if row["report_version"] > 2 and product:
        want["product"] = product
    wrong = {key: found.get(key) for key in want if found.get(key) != want[key]}
    case(f"show {name}", not wrong and want["measurement"] in text.stdout, str(wrong))


def main():
    if not (VECTORS / "MANIFEST.json").exists():
        return snp.missing("forms")
    rows = [r for r in json.loads((VECTORS / "MANIFEST.json").read_text()) if r["kind"] == "snp-report"]
    by_name = {r["file"].split("/")[-1]: r for r in rows}
    with tempfile.TemporaryDirectory() as folder:
        for row in rows:
            show(row)
            if row["related"]:
                forms(row, pathlib.Path(folder))
    for chain, name in CHAINS.items():
        row = by_name[name]
        raw = (VECTORS / row["file"]).read_bytes()
        got, _, _ = snp.run(VECTORS / row["file"], [VECTORS / chain], row["verify_time"],
                            snp.policy_for(raw, **snp.LENIENT))
        case(f"{name} with {chain}", got is None, str(got))
    return 1 if snp.failed else 0


if __name__ == "__main__":
    sys.exit(main())
