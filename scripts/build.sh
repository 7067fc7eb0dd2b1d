#!/usr/bin/env bash
# Builds one of the presets of CMakePresets.json into build/PRESET, after scripts/setup.sh.
# The default preset also leaves build/pnflow.
#
#   scripts/build.sh [PRESET] [TARGET...]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

preset=${1:-default}
shift $(($# > 0 ? 1 : 0))
targets=("$@")
venv=$(readlink -f "$root/.venv")
cmake=$venv/bin/cmake

cd "$root"
# A tree that was configured with another environment has its paths everywhere: it starts afresh.
if [[ ! -e build/$preset/build.ninja ]] ||
  ! grep -qxF "PNFLOW_VENV:INTERNAL=$venv" "build/$preset/CMakeCache.txt"; then
  step "configuring $preset" "$cmake" --preset "$preset" --fresh --log-level=WARNING
fi
step "building $preset" "$cmake" --build "build/$preset" --parallel "$(nproc)" \
  ${targets[0]:+--target "${targets[@]}"}
if [[ $preset == default ]]; then
  ln -sfn default/bin/pnflow build/pnflow
fi
