"""docs/pitfalls.md is what the table makes. Prints 'ok' or 'FAIL' lines."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))
import pitfalls  # noqa: E402

same = (ROOT / "docs" / "pitfalls.md").read_text() == pitfalls.page()
print("ok docs/pitfalls.md is up to date" if same else "FAIL docs/pitfalls.md: run python3 tests/pitfalls.py")
sys.exit(0 if same else 1)
