#!/usr/bin/env bash
# Set-up, build, all tests: the doctest programs of the rooms, then the client tests, in which
# programs that are not ours produce, read and judge.
#
#   scripts/test.sh [PRESET]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset=${1:-default}
cd "$root"
failed=false

step "set-up" scripts/setup.sh
step "build" scripts/build.sh "$preset"
step "unit tests" .venv/bin/ctest --test-dir "build/$preset" --output-on-failure || failed=true
step "client tests" env PNFLOW_BINARY="$root/build/$preset/bin/pnflow" \
  .venv/bin/python -m pytest -p no:cacheprovider -q --durations=10 test/clients || failed=true

printf '\nscripts/test.sh %s\n' "$preset"
print_steps
if [[ $failed == true ]]; then
  echo "some tests failed"
  exit 1
fi
echo "all tests passed"
