#!/usr/bin/env bash
# Set-up, build, then the main job on a stream: simulated events of a crystal are pushed through a
# ZeroMQ socket into the whole chain, the network finds their peaks, and the CXI files that come out
# are shown, scored against the truth of the simulation, and drawn.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
step "set-up" scripts/setup.sh
step "build" scripts/build.sh

out=build/demo
rm -rf "$out"
mkdir -p "$out"
events=$out/events.h5
step "simulation" .venv/bin/python scripts/simulate_bragg.py "$events" --events 6 --seed 2

# A free port, so that two demos do not meet; ZeroMQ's own choice would not be known in advance.
port=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
endpoint=tcp://127.0.0.1:$port

run_demo() {
  build/pnflow run configs/demo.yaml --set "socket.bind=$endpoint" --set "cxi.directory=$out" \
    --set "infer.mask=$events" --report "$out/report.json" &
  local run=$!
  build/pnflow push --connect "$endpoint" --files "$events" --format hdf5 --compression bitshuffle_lz4
  wait "$run"
}
step "run: events through the socket into CXI files" run_demo
step "result" .venv/bin/python scripts/show_cxi.py "$out"
step "against the truth" build/pnflow evaluate --truth "$events" "$out"/*_?????.cxi

draw() {  # the event with the most peaks; the last line says what the picture is
  local richest
  richest=$(.venv/bin/python scripts/show_cxi.py "$out" --richest)
  build/pnflow inspect "${richest% *}" --event "${richest##* }" --png "$out/event.png" --columns 4 \
    --mask "$events" | tail -1
}
step "picture" draw
