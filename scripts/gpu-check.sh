#!/usr/bin/env bash
# Everything that needs a GPU, on a machine that has one: set-up, build, the GPU tests, the copies
# beside their limit, PeakNet base in a whole graph beside the engine alone and beside PyTorch. Prints
# tables for bench/RESULTS.md; takes half an hour, of which the parts can be asked for by name.
#
#   scripts/gpu-check.sh [tests] [kernels] [transfer] [export] [network] [latency] [steady] [devices]
#                        [torch] [beside] [large]
#
# Results are kept in build/gpu. PNFLOW_BINARY: a pnflow that is built already, which is measured
# instead. PYTHON: an interpreter with PyTorch and triton, for export and torch; .venv/bin/python.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
parts=("$@")
((${#parts[@]} > 0)) || parts=(tests kernels transfer export network latency steady devices torch)
out=$root/build/gpu
mkdir -p "$out"
if [[ -z ${PNFLOW_BINARY:-} ]]; then
  step "set-up" scripts/setup.sh
  step "build" scripts/build.sh default
  export PNFLOW_BINARY=$root/build/default/bin/pnflow
fi
binaries=$(dirname "$PNFLOW_BINARY")
python=${PYTHON:-$root/.venv/bin/python}
failed=false

# Hundreds of times slower under compute-sanitizer: races are looked for on small images.
racecheck=(compute-sanitizer --tool racecheck --error-exitcode 1 "$binaries/pnflow_cuda_tests"
  "--test-case=*small images*,bits*,an image*,a mask*")
memcheck=(compute-sanitizer --tool memcheck --error-exitcode 1 "$binaries/pnflow_cuda_tests")
peaknet_kernels=("$binaries/pnflow_peaknet_cuda_tests" "--test-case=*small images*"
  "--test-case-exclude=*matrix products*,*convolutions*,*chosen once*")

gpu_tests() {
  step "CUDA tests" "$binaries/pnflow_cuda_tests" || failed=true
  step "PeakNet's kernels" "$binaries/pnflow_peaknet_cuda_tests" || failed=true
  step "client tests" "$python" -m pytest -q test/clients/test_gpu{,_graphs}.py || failed=true
  step "PeakNet part by part" "$python" -m pytest -q test/clients/test_peaknet_engine.py -k on_a_gpu ||
    failed=true
  if command -v compute-sanitizer >/dev/null; then
    step "memcheck" "${memcheck[@]}" || failed=true
    step "racecheck" "${racecheck[@]}" || failed=true
    local tool
    for tool in memcheck racecheck; do
      step "$tool of PeakNet's kernels" compute-sanitizer --tool "$tool" --error-exitcode 1 \
        "${peaknet_kernels[@]}" || failed=true
    done
  else
    echo "compute-sanitizer is not there: memory and races were not checked"
  fi
}

export_base() {
  "$python" scripts/export_peaknet.py --size base --device cuda --output "$out" \
    --formats state_dict,torchscript,aoti --precision bfloat16 --max-batch 16
}

torch_pipelines() {
  local batch variants reports
  for batch in 8 16; do
    variants=eager,compile
    # Of pnflow, where `network` has measured it.
    reports=("$out"/reports/*_"$batch".json)
    if [[ -e ${reports[0]} ]]; then reports=(--pnflow-json "${reports[@]}"); else reports=(); fi
    # The original's way takes minutes: one size is enough.
    if ((batch == 8)); then variants+=,original; fi
    "$python" bench/compare/torch_pipeline.py --weights "$out/peaknet_base_state.pt" \
      --batch "$batch" --variants "$variants" --seconds 20 --json "$out/torch_$batch.json" \
      "${reports[@]}" || return
  done
}

# Engine peaknet for two minutes, beside everything that PyTorch has, half a minute each.
beside_pytorch() {
  local pipeline=("$python" bench/compare/torch_pipeline.py --weights "$out/peaknet_base_state.pt"
    --batch 8 --seconds 30)
  "${pipeline[@]}" --variants eager,compile --json "$out/beside_default.json" &&
    "${pipeline[@]}" --variants compile --mode max-autotune-no-cudagraphs \
      --json "$out/beside_autotune.json" &&
    "$python" bench/gpu.py --json "$out/beside_aoti.json" network "$out" --engines aoti \
      --batches 8 --seconds 30 &&
    "$python" bench/gpu.py --json "$out/beside_peaknet.json" network "$out" --engines peaknet \
      --batches 8 --seconds 120
}

# The size of 673 million parameters beside torch.compile.
large_beside_pytorch() {
  "$python" scripts/export_peaknet.py --size large --device cuda --output "$out" \
    --formats state_dict --precision bfloat16 &&
    "$python" bench/compare/torch_pipeline.py --weights "$out/peaknet_large_state.pt" \
      --size large --height 1696 --width 1696 --batch 8 --images 16 --seconds 30 \
      --variants compile --json "$out/large_compile.json" &&
    "$python" bench/gpu.py --json "$out/large_peaknet.json" network "$out" --engines peaknet \
      --size large --pixels 1696 --batches 8 --seconds 60
}

latencies() {
  "$python" bench/gpu.py --json "$out/latency.json" latency "$out" &&
    "$python" bench/compare/torch_pipeline.py --weights "$out/peaknet_base_state.pt" --batch 1 \
      --seconds 10 --variants lone-eager,lone-compile --json "$out/latency_torch.json"
}

for part in "${parts[@]}"; do
  case $part in
    tests) gpu_tests ;;
    kernels)
      step "kernels" "$binaries/pnflow_gpu_kernels_bench" || failed=true
      step "PeakNet op by op" "$binaries/pnflow_gpu_peaknet_bench" || failed=true ;;
    transfer)
      step "transfer" "$python" bench/gpu.py --json "$out/transfer.json" transfer || failed=true ;;
    export)
      step "export" export_base || failed=true
      step "the package's answers" env PNFLOW_TEST_MODELS="$out" "$python" -m pytest -q -s \
        test/clients/test_gpu{,_graphs}.py -k aoti || failed=true ;;
    network)
      step "network" "$python" bench/gpu.py --json "$out/network.json" network "$out" \
        --reports "$out/reports" || failed=true ;;
    latency) step "latency" latencies || failed=true ;;
    steady)
      step "steady state" "$python" bench/gpu_steady.py --json "$out/steady.json" "$out" ||
        failed=true ;;
    devices) step "devices" "$python" bench/gpu.py devices "$out" || failed=true ;;
    torch) step "PyTorch" torch_pipelines || failed=true ;;
    large) step "PeakNet of 673 million parameters" large_beside_pytorch || failed=true ;;
    beside) step "PeakNet beside PyTorch" beside_pytorch || failed=true ;;
    *)
      echo "no part $part; there are: tests kernels transfer export network latency steady" \
        "devices torch beside large" >&2
      exit 2 ;;
  esac
done
print_steps
[[ $failed == false ]]
