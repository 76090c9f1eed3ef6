#!/bin/sh
# Style and analysis: formatter, banned calls, both compilers' warnings, cppcheck, clang-tidy.
set -eu
cd "$(dirname "$0")/.."
failed=0

note() {
    printf '%s\n' "$*"
    failed=1
}

# Calls that a hostile input or a careless edit turns into a hole.
BANNED='\b(cbor_load|strcpy|strcat|sprintf|vsprintf|alloca|gets|system|popen|atoi|atol|strtok|mktemp|tmpnam)[[:space:]]*\('
hits=$(git grep -nE "$BANNED" -- 'src/*.[ch]' 'include/*.h' 'fuzz/*.c' 'bench/*.c' || true)
[ -z "$hits" ] || note "banned calls:
$hits"

files=$(git ls-files 'src/*.c' 'src/*.h' 'include/*.h' 'tests/*.c' 'tests/*.h' 'fuzz/*.c' 'bench/*.c')
# shellcheck disable=SC2086
clang-format --dry-run -Werror $files || note "not formatted: ./dev fmt"

for compiler in gcc clang; do
    [ -f "build-lint-$compiler/build.ninja" ] ||
        CC=$compiler meson setup "build-lint-$compiler" -Dbuildtype=debugoptimized >/dev/null
    ninja -C "build-lint-$compiler" --quiet || note "$compiler warns"
done

sources=$(git ls-files 'src/*.c')
# shellcheck disable=SC2086
cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -Iinclude -Isrc -D_GNU_SOURCE \
    --enable=warning,portability --suppress=missingIncludeSystem $sources || note "cppcheck complains"

# shellcheck disable=SC2086
clang-tidy --quiet -p build-lint-clang $sources 2>/dev/null || note "clang-tidy complains"

[ "$failed" = 0 ] && echo "lint: clean"
exit "$failed"
