"""Makes docs/failures.md from the two tables of the sources: the failure classes and the checks.

usage: make_failures.py [-]        '-' writes to standard output"""
import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
CLASSES = ROOT / "include" / "blindbox" / "failures.def"
CHECKS = ROOT / "src" / "appraise" / "checks.def"
PAGE = ROOT / "docs" / "failures.md"

STAGES = {1: "structure", 2: "certificates", 3: "revocation", 4: "signature", 5: "fit",
          6: "binding", 7: "policy"}
EXITS = {1: "usage or internal", 2: "signature or chain", 3: "collateral", 4: "revocation list",
         5: "policy", 6: "freshness or binding", 7: "malformed or unsupported", 8: "unreachable",
         9: "simulated TEE", 75: "try again"}

TEXT = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
WORD, NUMBER, COMMA = r"(\w+)", r"(\d+)", r"\s*,\s*"

HEAD = """\
# Failures: every class, every check

<!-- Made by docs/make_failures.py; edit the tables in the sources instead. -->

A refusal names one class, on the terminal, in the JSON (`class`) and by the exit code. Name, number
and exit code are stable: scripts may depend on them. The first five texts are compared byte for byte
by other software and never change.

```sh
build/blindbox evidence verify /dev/null --json >result.json 2>text || test $? = 7
grep -x 'MalformedEvidence: Attestation validation failed (evidence is malformed). Exiting.' text
grep '"class": "MalformedEvidence"' result.json
```

Behind that line stand the check that failed, what was expected, what was found, and the next step
below. UsageError and InternalError are no verdicts: a command that ends with one of them before
there is a result says what was wrong in its own words. A class that this build has no use for yet is
listed all the same: its number is taken.

"""

MIDDLE = """
## The order in which checks decide

Every check that can be made is made and listed; the first failed one in this order names the class.
A check that could not be made, because of an earlier failure, is not listed. Acceptance needs every
row: passed, not requested by the policy, not applicable to this evidence, or left out by name with
`--skip` (shown as skipped, never as passed; not possible for stage 1, for a token's signature and
issuer, nor for stage 6 on a connection).

"""


def rows(path, macro, pattern):
    text = path.read_text()
    found = re.findall(rf"^{macro}\({pattern}\)", text, re.M)
    if not found or len(found) != len(re.findall(rf"^{macro}\(", text, re.M)):
        sys.exit(f"{path.name}: a {macro} that cannot be read")
    return [[ast.literal_eval(f"({cell})") if cell.startswith('"') else cell for cell in row]
            for row in found]


def table(*lines):
    head, *body = ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n"
                   for line in lines]
    return head + "|" + "---|" * len(lines[0]) + "\n" + "".join(body)


def classes():
    pattern = COMMA.join([WORD, TEXT, NUMBER, NUMBER, TEXT, TEXT, TEXT])
    found = [(name, int(number), int(code), *texts)
             for _, name, number, code, *texts in rows(CLASSES, "BB_FAILURE", pattern)]
    if len({row[0] for row in found}) != len(found) or len({row[1] for row in found}) != len(found):
        sys.exit("failures.def: a name or number stands there twice")
    return sorted(found, key=lambda row: row[1])


def page():
    found = classes()
    out = HEAD + "## Exit codes\n\n"
    out += table(("exit", "what failed", "classes"), ("0", "nothing: accepted", ""), *(
        (code, EXITS[code], ", ".join(row[0] for row in found if row[2] == code))
        for code in sorted({row[2] for row in found})))
    out += "\n## Classes\n\n"
    out += table(("class", "no.", "exit", "text", "meaning", "next step"), *(
        (f"`{name}`", number, code, "in its own words" if name == "UsageError" else
         f"`Attestation validation failed ({reason}). Exiting.`", meaning, step)
        for name, number, code, reason, meaning, step in found))
    out += MIDDLE
    pattern = COMMA.join([WORD, TEXT, NUMBER, WORD, TEXT])
    out += table(("no.", "stage", "check", "of", "what it shows"), *(
        (at, f"{stage} {STAGES[int(stage)]}", f"`{name}`", of.lower(), shows)
        for at, (_, name, stage, of, shows) in enumerate(rows(CHECKS, "BB_CHECK", pattern), 1)))
    return out + """
Which class each check gives: [policy.md](internals/policy.md) for stage 7,
[snp.md](internals/snp.md) for the stages before it, [token.md](internals/token.md) for tokens,
[channel.md](internals/channel.md) for what a connection adds.
"""


def main():
    if sys.argv[1:] == ["-"]:
        sys.stdout.write(page())
    else:
        PAGE.write_text(page())


if __name__ == "__main__":
    main()
