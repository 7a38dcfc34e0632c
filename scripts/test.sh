#!/usr/bin/env bash
# test.sh: installs what is missing, builds the preset `dev` (a verifier runs after every pass) and runs every test.
#
#     scripts/test.sh [ctest options]
#
# Tests on real pictures need Fashion-MNIST in $NETC_DATA or ~/.cache/netc. Without it they are skipped, and a frame at the
# end names them; so it does for tests that need root. The last lines are ctest's counts, also in build/dev/ctest.log and, as
# JUnit's XML, in build/dev/tests.xml. Exit code 0: tests ran and none failed.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

install_packages "${build_packages[@]}" "${test_packages[@]}"
build_preset dev

if pictures=$(find_fashion_mnist); then
    say "real data: $pictures"
    export NETC_DATA=$pictures
fi

# Every skip, also of a part of a test, appends a line "test: reason" here.
NETC_SKIPPED=$root/build/dev/skipped.txt
export NETC_SKIPPED
: >"$NETC_SKIPPED"

say "running the tests"
status=0
ctest --preset dev --parallel "$(nproc)" --output-junit tests.xml "$@" | tee build/dev/ctest.log || status=$?
if [[ -s $NETC_SKIPPED ]]; then
    mapfile -t skipped < <(sort -u "$NETC_SKIPPED")
    frame "NOT TESTED:" "${skipped[@]}"
    tests_passed build/dev/ctest.log
fi
exit "$status"
