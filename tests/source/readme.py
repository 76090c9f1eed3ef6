"""Runs every command of the README and of docs/ in a scratch folder, block by block in the order of
the text, but for blocks after a line <!-- not run: reason -->. Prints 'ok' or 'FAIL' lines."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def blocks(text):
    for match in re.finditer(r"(<!-- not run: [^>]*-->\n)?```sh\n(.*?)```", text, re.S):
        if not match.group(1):
            yield match.group(2)


def main():
    failed = 0
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        with tempfile.TemporaryDirectory() as scratch:
            os.symlink(ROOT / "build", pathlib.Path(scratch) / "build")
            for number, block in enumerate(blocks(document.read_text()), 1):
                done = subprocess.run(["sh", "-eu", "-c", block], cwd=scratch, capture_output=True,
                                      text=True, timeout=120, errors="replace")
                name = f"{document.relative_to(ROOT)} block {number}"
                good = done.returncode == 0
                failed += 0 if good else 1
                why = f"exit {done.returncode}: {done.stderr[-300:]!r}"
                print(f"ok {name}" if good else f"FAIL {name}: {why}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
