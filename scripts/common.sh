# Shared by the scripts beside it: where things are, and timed steps. Meant to be sourced.
# shellcheck shell=bash disable=SC2034

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache_root="${XDG_CACHE_HOME:-$HOME/.cache}/pnflow"

step_lines=()

elapsed_since() {  # elapsed_since START_NS: seconds with one decimal
  local tenths=$((($(date +%s%N) - $1) / 100000000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

# step NAME COMMAND...: runs the command, prints the time it took and remembers both for
# print_steps. A failure ends the script by `set -e`; `step ... || ...` goes on, which is for
# commands only: bash ignores `set -e` inside a function that is called so.
step() {
  local name=$1 start status seconds
  shift
  start=$(date +%s%N)
  printf '== %s\n' "$name"
  set +e
  (set -e; "$@")
  status=$?
  set -e
  seconds=$(elapsed_since "$start")
  if ((status == 0)); then
    step_lines+=("$(printf '%8s s  ok      %s' "$seconds" "$name")")
    printf '== %s: %s s\n' "$name" "$seconds"
  else
    step_lines+=("$(printf '%8s s  FAILED  %s' "$seconds" "$name")")
    printf '== %s: FAILED after %s s (exit %d)\n' "$name" "$seconds" "$status"
  fi
  return "$status"
}

# The table of all steps of this script so far.
print_steps() {
  printf '%s\n' "${step_lines[@]}"
}

# The sonames that PyTorch's CUDA 13 wheel needs from the machine when its own copies are left out.
torch_cuda_sonames=(
  libcudart.so.13 libcublas.so.13 libcublasLt.so.13 libcudnn.so.9 libcufft.so.12 libcurand.so.10
  libcusparse.so.12 libcusolver.so.12 libcupti.so.13 libnccl.so.2 libnvrtc.so.13 libnvJitLink.so.13
)

# Prints `system` when the dynamic linker finds all of those libraries, else `wheels`.
cuda_origin() {
  local known soname
  known=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p)
  for soname in "${torch_cuda_sonames[@]}"; do
    [[ $known == *"$soname "* ]] || { echo wheels; return; }
  done
  echo system
}
