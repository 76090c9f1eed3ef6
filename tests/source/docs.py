"""What the documents say of the tree is there: links, paths, limits with their values, policy keys.
Prints 'ok' or 'FAIL' lines."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TREE = r"(?:src|include|tests|fuzz|docs|libexec|bench)/[\w./-]+"


def links(document, text):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if not re.match(r"\w+:", target) and not (document.parent / target).exists():
            yield f"link to {target} leads nowhere"


def expand(path):
    """src/a/b.[ch] names two files."""
    found = re.fullmatch(r"(.*)\.\[ch\]", path)
    return [f"{found[1]}.c", f"{found[1]}.h"] if found else [path]


def paths(_, text):
    for name in re.findall(rf"`({TREE}(?:\.\[ch\])?)`", text):
        for path in expand(name):
            if not (ROOT / path).exists():
                yield f"{path} is not in the tree"


def limits(_, text):
    """Rows '| `NAME` | value | file | ...': the value is the source's."""
    for name, value, file in re.findall(rf"^\| `(\w+)` \| ([\d ]+) \| `({TREE})` \|", text, re.M):
        source = (ROOT / file).read_text() if (ROOT / file).exists() else ""
        found = re.search(rf"#define {name}(?:\s|\\\n)+([^/\n]+)", source) or \
            re.search(rf"\b{name} = ([^,}}]+)", source)
        number = found[1] if found else ""
        number = re.sub(r"(?<=\d)U", "", number).strip()
        if not re.fullmatch(r"[\d ()<]+", number) or eval(number) != int(value.replace(" ", "")):
            yield f"{name} is {number or 'nowhere'} in {file}, not {value}"


def policy_keys(document, text):
    if document.name != "policy.md":
        return
    source = (ROOT / "src" / "appraise" / "policy_json.c").read_text()
    table = source[source.index("} keys[] = {"):source.index("enum { N_KEYS")]
    for key in re.findall(r'\{"(\w+)", key_', table):
        if not re.search(rf"^\| `{key}`", text, re.M):
            yield f"policy key {key} has no row"


def main():
    failed = 0
    for document in DOCUMENTS:
        text = document.read_text()
        rules = (links, paths, limits, policy_keys)
        wrong = [why for rule in rules for why in rule(document, text)]
        name = document.relative_to(ROOT)
        for why in wrong:
            print(f"FAIL {name}: {why}")
        if not wrong:
            print(f"ok {name} and the tree agree")
        failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
