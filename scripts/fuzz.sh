#!/usr/bin/env bash
# Builds the fuzz targets of test/fuzz and lets libFuzzer look for inputs that crash a decoder, hang
# it or make it take more memory than it should. Inputs that reach new code are kept in
# build/fuzz/corpus and taken up by the next run; findings are kept in build/fuzz/findings, and
# `build/fuzz/bin/pnflow_fuzz_TARGET FILE` repeats one. Exits 1 when there was one.
#
#   scripts/fuzz.sh [SECONDS] [TARGET...]    20 s for each target; all targets when none is named
#
# PNFLOW_FUZZ_SEED: of libFuzzer's random numbers; 0, the default, is another one each time.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
seconds=${1:-20}
shift $(($# > 0 ? 1 : 0))
if [[ ! $seconds =~ ^[1-9][0-9]*$ ]]; then
  echo "usage: scripts/fuzz.sh [SECONDS] [TARGET...]" >&2
  exit 2
fi
known=()
for source in test/fuzz/*.cpp; do known+=("$(basename "$source" .cpp)"); done
targets=("$@")
((${#targets[@]} > 0)) || targets=("${known[@]}")
for target in "${targets[@]}"; do
  if [[ " ${known[*]} " != *" $target "* ]]; then
    echo "no target $target; there are: ${known[*]}" >&2
    exit 2
  fi
done
work=build/fuzz
findings=$work/findings

# clang's own symbolizer is a package that pnflow does not need otherwise.
ASAN_SYMBOLIZER_PATH=$(command -v llvm-symbolizer-16 || command -v addr2line)
export ASAN_SYMBOLIZER_PATH
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export LSAN_OPTIONS=suppressions=$root/test/lsan.supp:print_suppressions=0
export UBSAN_OPTIONS=print_stacktrace=1
limits=(-seed="${PNFLOW_FUZZ_SEED:-0}" -rss_limit_mb=1024 -malloc_limit_mb=768 -timeout=10 -max_len=65536)

statistic() {  # statistic LOG NAME: a number of libFuzzer's final statistics
  sed -n "s/^stat::$2: *//p" "$1" | tail -n 1
}

rows=()
failed=false
# Its directory is made anew, so that what lies there afterwards is of this run.
fuzz_target() {
  local target=$1 log=$work/logs/$1.log status=0 found
  rm -rf "${findings:?}/$target"
  mkdir -p "$findings/$target" "$work/corpus/$target" "$work/logs"
  "$work/bin/pnflow_fuzz_$target" "${limits[@]}" -max_total_time="$seconds" -print_final_stats=1 \
    -artifact_prefix="$findings/$target/" "$work/corpus/$target" "$work/seeds/$target" \
    >"$log" 2>&1 || status=$?
  found=$(find "$findings/$target" -type f | wc -l)
  rows+=("$(printf '%-16s %12s %12s MiB %10s' "$target" \
    "$(statistic "$log" number_of_executed_units)" "$(statistic "$log" peak_rss_mb)" "$found")")
  if ((status != 0 || found != 0)); then
    failed=true
    grep -E 'ERROR|runtime error|SUMMARY|^    #[0-9] ' "$log" | head -n 20 || tail -n 20 "$log"
  fi
}

step "set-up" scripts/setup.sh
step "build" scripts/build.sh fuzz "${targets[@]/#/pnflow_fuzz_}"
step "seeds" .venv/bin/python test/fuzz/make_seeds.py "$work/seeds"
for target in "${targets[@]}"; do
  printf '== %s, %d s\n' "$target" "$seconds"
  fuzz_target "$target"
done

printf '\n%-16s %12s %16s %10s\n' target executions "peak RSS" findings
printf '%s\n' "${rows[@]}"
if [[ $failed == true ]]; then
  echo "findings are in $findings, logs in $work/logs"
  exit 1
fi
