"""Makes the seeds of the fuzz targets in FOLDER/<target>/ from what the source tree holds.

usage: seeds.py FOLDER"""
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


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


TARGETS = {"frames": frames}


def main():
    folder = pathlib.Path(sys.argv[1])
    for target, seeds in TARGETS.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for name, data in seeds():
            (folder / target / name).write_bytes(data)


if __name__ == "__main__":
    main()
