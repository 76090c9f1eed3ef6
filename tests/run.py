"""The one test runner: every test program and script, in the release build and then with ASan and
UBSan. The last line is 'N passed, N failed, N skipped'; a skip is shown, loudly, and never counts as
passed.

As many programs run at a time as there are cores: most of a test's time is waiting. Those that count
what a machine's load changes run alone."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

import pitfalls

ROOT = pathlib.Path(__file__).resolve().parents[1]
FULL = "--full" in sys.argv
BUILDS = [sys.argv[sys.argv.index("--build") + 1]] if "--build" in sys.argv else ["build", "build-asan"]
REPLAY_ROUNDS = "20000" if FULL else "2000"
PROGRAM_TIMEOUT = 3600 if FULL else 600
ALONE = {"test_load.py", "test_traffic.py"}
LOCK = threading.Lock()
total = {"passed": 0, "failed": 0, "skipped": 0}
passed = set()  # names, for the table of pitfalls

SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_leaks=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


def count(kind, name, detail=""):
    with LOCK:
        total[kind] += 1
        if kind == "failed":
            print(f"FAILED   {name}\n{detail}", flush=True)
        elif kind == "skipped":
            print(f"SKIPPED  {name}: {detail}", flush=True)


def run(command, build, env=None):
    """(exit code, output) of a command that must end in time."""
    variables = {**os.environ, **SANITIZERS, "BLINDBOX": str(ROOT / build / "blindbox"),
                 "BLINDBOX_BUILD": str(ROOT / build),
                 "BLINDBOX_TEST_KEYS": str(ROOT / "build" / "test-sim"), **(env or {})}
    variables.pop("BLINDBOX_POLICY", None)
    if FULL:
        variables.setdefault("BLINDBOX_FULL", "1")
    try:
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True,
                              errors="replace", timeout=PROGRAM_TIMEOUT)
        return done.returncode, done.stdout + done.stderr
    except subprocess.TimeoutExpired:
        return -1, f"not done after {PROGRAM_TIMEOUT} s"


def cmocka(program, build, wrapper=(), env=None):
    """A unit test program: one case a test function."""
    name = f"{build}: {' '.join([*wrapper[:1], program.name])}"
    code, out = run([*wrapper, str(program)], build, env)
    for kind, mark in (("passed", r"^\[       OK \]"), ("failed", r"^\[  FAILED  \] test_"),
                       ("skipped", r"^\[  SKIPPED \] test_")):
        lines = [line for line in out.splitlines() if re.match(mark, line)]
        unique = len(lines) if kind == "passed" else len(set(lines))
        for _ in range(unique):
            count(kind, name, out if kind == "failed" else "see BLINDBOX_VECTORS")
    passed.update(f"{program.name}: {test}" for test in re.findall(r"^\[       OK \] (\w+)", out, re.M))
    if code != 0 and not re.search(r"^\[  FAILED  \]", out, re.M):
        count("failed", name, f"exit {code}\n{out[-4000:]}")
    if code == 0 and "[       OK ]" not in out and "SKIPPED" not in out:
        count("failed", name, "it ran no test")


def script(path, build):
    """A script that prints 'ok NAME', 'FAIL NAME: why' or 'skip NAME: why'."""
    name = f"{build}: {path.relative_to(ROOT)}"
    code, out = run([sys.executable, str(path)], build)
    seen = 0
    for line in out.splitlines():
        for word, kind in (("ok ", "passed"), ("FAIL ", "failed"), ("skip ", "skipped")):
            if line.startswith(word):
                seen += 1
                if kind == "passed":
                    passed.add(f"{path.name}: {line[len(word):]}")
                count(kind, f"{name}: {line[len(word):]}", "" if kind == "failed" else line)
    if seen == 0 or (code != 0 and "FAIL " not in out):
        count("failed", name, f"exit {code}\n{out[-4000:]}")


def replay(program, build, corpus):
    name = program.name.removeprefix("replay_")
    files = sorted(str(f) for f in (corpus / name).glob("*")) if (corpus / name).exists() else []
    files += sorted(str(f) for f in (ROOT / "fuzz" / "corpus" / name).glob("*"))
    code, out = run([str(program), REPLAY_ROUNDS, *files], build)
    label = f"{build}: fuzz replay {name}, {len(files)} seeds"
    count("passed" if code == 0 else "failed", label, f"exit {code}\n{out[-4000:]}")


def one_build(build, corpus):
    print(f"== {build}", flush=True)
    programs = sorted(p for p in (ROOT / build / "tests").glob("test_*") if p.is_file())
    scripts = sorted((ROOT / "tests" / "vectors").glob("*_vectors.py"))
    scripts += sorted((ROOT / "tests" / "e2e").glob("test_*.py"))
    replays = sorted(p for p in (ROOT / build / "fuzz").glob("replay_*") if p.is_file())
    jobs = [(cmocka, p, build) for p in programs]
    jobs += [(script, p, build) for p in scripts if p.name not in ALONE]
    jobs += [(replay, p, build, corpus) for p in replays]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for done in [pool.submit(*job) for job in jobs]:
            done.result()
    for path in scripts:
        if path.name in ALONE:
            script(path, build)


def full_run():
    """What takes longer: valgrind over every unit test, threads and services under ThreadSanitizer, and
    a test that fails for each check that is taken out."""
    print("== mutants", flush=True)
    script(ROOT / "tests" / "mutants.py", "build")
    print("== valgrind", flush=True)
    for program in sorted((ROOT / "build" / "tests").glob("test_*")):
        if program.is_file():
            # Every bit of every report would take days here; every 8th takes minutes.
            cmocka(program, "build", ["valgrind", "--error-exitcode=99", "--leak-check=full", "-q"],
                   {"BLINDBOX_FULL": "0"})
    print("== build-tsan", flush=True)
    cmocka(ROOT / "build-tsan" / "tests" / "test_threads", "build-tsan")
    cmocka(ROOT / "build-tsan" / "tests" / "test_verifier", "build-tsan")
    script(ROOT / "tests" / "e2e" / "test_verifier.py", "build-tsan")
    script(ROOT / "tests" / "e2e" / "test_attest.py", "build-tsan")
    script(ROOT / "tests" / "e2e" / "test_library.py", "build-tsan")
    script(ROOT / "tests" / "e2e" / "test_fetch.py", "build-tsan")


def main():
    print("== sources", flush=True)
    for path in sorted((ROOT / "tests" / "source").glob("*.py")):
        script(path, "build")
    with tempfile.TemporaryDirectory() as folder:
        corpus = pathlib.Path(folder)
        seeds = ROOT / "fuzz" / "seeds.py"
        if seeds.exists():
            code, out = run([sys.executable, str(seeds), str(corpus)], "build")
            if code != 0:
                count("failed", "fuzz seeds", out)
        for build in BUILDS:
            one_build(build, corpus)
    if FULL:
        full_run()
    gaps = pitfalls.gaps(passed)
    if total["skipped"] and gaps:
        count("skipped", "pitfalls", f"tests were skipped, so {len(gaps)} cannot be shown: {gaps[0]} ...")
    elif gaps:
        count("failed", "pitfalls", "\n".join(gaps))
    else:
        count("passed", "pitfalls")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] or not total["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
