#!/usr/bin/env bash
# Builds with AddressSanitizer + UndefinedBehaviorSanitizer and with ThreadSanitizer, and runs
# under each the unit tests and those client tests that are marked `sanitizer`.
#
#   scripts/sanitize.sh [asan|tsan]...    both when none is named
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

presets=("$@")
((${#presets[@]} > 0)) || presets=(asan tsan)
cd "$root"
failed=false

# Only libraries that were built without the sanitizer appear in the suppressions.
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export LSAN_OPTIONS=suppressions=$root/test/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1
# Everything is 5 to 20 times slower.
export PNFLOW_TEST_TIMEOUT=300
export TSAN_OPTIONS=second_deadlock_stack=1:suppressions=$root/test/tsan.supp

step "set-up" scripts/setup.sh --tsan
for preset in "${presets[@]}"; do
  step "build $preset" scripts/build.sh "$preset"
  step "unit tests, $preset" .venv/bin/ctest --test-dir "build/$preset" --output-on-failure ||
    failed=true
  step "client tests, $preset" env PNFLOW_BINARY="$root/build/$preset/bin/pnflow" \
    .venv/bin/python -m pytest -p no:cacheprovider -q -m sanitizer --durations=5 test/clients ||
    failed=true
done

printf '\nscripts/sanitize.sh %s\n' "${presets[*]}"
print_steps
if [[ $failed == true ]]; then
  echo "some runs failed"
  exit 1
fi
echo "all sanitizer runs are clean"
