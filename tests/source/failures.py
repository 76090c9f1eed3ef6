"""docs/failures.md is what docs/make_failures.py makes of the tables. Prints 'ok' or 'FAIL' lines."""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    done = subprocess.run([sys.executable, ROOT / "docs" / "make_failures.py", "-"],
                          capture_output=True, text=True, timeout=60)
    page = ROOT / "docs" / "failures.md"
    if done.returncode != 0:
        print(f"FAIL failures: {done.stderr.strip()}")
    elif not page.exists() or page.read_text() != done.stdout:
        print("FAIL failures: docs/failures.md is old: python3 docs/make_failures.py")
    else:
        print("ok failures: docs/failures.md is up to date")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
