#!/usr/bin/env bash
# Set-up, build, then the main job on a real stream: messages that LCLStreamer sent are pushed
# through a ZeroMQ socket into the whole chain, and the CXI files that come out are shown.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
step "set-up" scripts/setup.sh
step "build" scripts/build.sh

out=build/demo
rm -rf "$out"
mkdir -p "$out"
# A free port, so that two demos do not meet; ZeroMQ's own choice would not be known in advance.
port=$(.venv/bin/python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
endpoint=tcp://127.0.0.1:$port
messages=test/data/lclstreamer

run_demo() {
  build/pnflow run configs/demo.yaml --set "socket.bind=$endpoint" --set "cxi.directory=$out" \
    --report "$out/report.json" &
  local run=$!
  build/pnflow push --connect "$endpoint" --files "$messages/hdf5_epix10k2m_bslz4_u16/*.bin" \
    --files "$messages/hdf5_bslz4_u16_panels/*.bin" --files "$messages/hdf5_gzip_f32_panels/*.bin" \
    --files "$messages/hdf5_zfp_f32_panels/*.bin"
  wait "$run"
}
step "run: captured messages through the socket into CXI files" run_demo
step "result" .venv/bin/python scripts/show_cxi.py "$out"
