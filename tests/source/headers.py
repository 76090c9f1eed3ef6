"""Each public header compiles alone, twice included, as C99 and as C++ by every compiler that is
installed. Prints 'ok' or 'FAIL' lines."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
STRICT = ["-pedantic", "-Wall", "-Wextra", "-Wundef", "-Werror", "-fsyntax-only", "-I", str(ROOT / "include")]
LANGUAGES = {
    "C99": (["gcc", "clang"], ["-x", "c", "-std=c99", "-Wstrict-prototypes"]),
    "C++": (["g++", "clang++"], ["-x", "c++", "-std=c++11"]),
}
failed = 0


def case(name, good, why=""):
    global failed
    failed += 0 if good else 1
    print(f"ok {name}" if good else f"FAIL {name}: {why}", flush=True)


def main():
    headers = sorted((ROOT / "include" / "blindbox").glob("*.h"))
    case("there are public headers", headers)
    for language, (compilers, options) in LANGUAGES.items():
        installed = [c for c in compilers if shutil.which(c)]
        case(f"a compiler for {language}", installed, f"none of {compilers}: ./dev deps")
        for header in headers:
            text = f"#include <blindbox/{header.name}>\n" * 2 + "extern int something;\n"
            for compiler in installed:
                done = subprocess.run([compiler, *options, *STRICT, "-"], input=text, text=True,
                                      capture_output=True, timeout=60)
                case(f"{header.name} as {language} by {compiler}", done.returncode == 0, done.stderr[:400])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
