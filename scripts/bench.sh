#!/usr/bin/env bash
# Set-up, build, all benchmarks; their tables go into bench/RESULTS.md, every repetition into
# build/bench/results.json. For figures that are to be kept the machine has to be quiet: about 30
# minutes. RESULTS.md stays as it is when a part fails, because its table would be missing.
#
#   scripts/bench.sh [--quick] [--compare OLD.json]
#     --quick      short measurements that only show that all of it runs; RESULTS.md stays as it is
#     --compare    lists what became slower than in an older results.json, and then exits with 1;
#                  it has to be of this machine, and quick if this run is
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

quick=() old= report=()
while (($# > 0)); do
  case $1 in
    --quick) quick=(--quick) ;;
    --compare) old=$(realpath -e "${2:?--compare needs a file}") || exit 2; shift ;;
    *) echo "usage: scripts/bench.sh [--quick] [--compare OLD.json]" >&2; exit 2 ;;
  esac
  shift
done

cd "$root"
python=.venv/bin/python
export PNFLOW_BINARY=$root/build/default/bin/pnflow
step "set-up" scripts/setup.sh
step "build" scripts/build.sh default
mkdir -p build/bench
# The old results may be the file that is about to be written.
if [[ -n $old ]]; then
  cp "$old" build/bench/compared.json
  report+=(--compare build/bench/compared.json)
fi
rm -f build/bench/results.json
failed=false
for part in nodes decode programs cxi_writer chain; do
  step "$part" "$python" "bench/$part.py" "${quick[@]}" || failed=true
done
if [[ $failed == false && ${#quick[@]} == 0 ]]; then
  report+=(--write)
fi
step "report" "$python" bench/report.py "${report[@]}" || failed=true
print_steps
[[ $failed == false ]]
