#!/usr/bin/env bash
# Installs what pnflow is built and tested with: Debian packages, a Python environment (CMake,
# LibTorch, test clients), bitshuffle's sources. Everything but the Debian packages lies in
# ${XDG_CACHE_HOME:-~/.cache}/pnflow/HASH, so that a second clone costs seconds; `.venv` in the
# checkout leads there. Running it again is cheap.
#
#   scripts/setup.sh           what the default build and its tests need
#   scripts/setup.sh --tsan    the same, and a libtbb built with ThreadSanitizer
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

with_tsan=false
for argument in "$@"; do
  case "$argument" in
    --tsan) with_tsan=true ;;
    *) echo "usage: scripts/setup.sh [--tsan]" >&2; exit 2 ;;
  esac
done

packages=(
  build-essential ninja-build ccache mold pkg-config python3 python3-venv python3-dev
  clang-format-14 clang-tidy-16 clang-16 libclang-rt-16-dev
  libtbb-dev libzmq3-dev cppzmq-dev libhdf5-dev libyaml-cpp-dev libspdlog-dev libfmt-dev
  libcli11-dev nlohmann-json3-dev
  libzfp-dev liblz4-dev libzstd-dev libzip-dev libdeflate-dev zlib1g-dev libcbor-dev
  libarchive-dev libpng-dev libnuma-dev
  doctest-dev libbenchmark-dev
)
bitshuffle_version=0.5.2

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

# Prints those of the given packages that are not installed.
missing_packages() {
  comm -13 \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
      sed -n 's/^installed //p' | sort -u) \
    <(printf '%s\n' "$@" | sort -u)
}

install_packages() {
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "$@" >"$log" 2>&1 || show_log_and_fail
}

show_log_and_fail() {
  tail -n 40 "$log" >&2
  return 1
}

# Every part of the cache is made in place and gets its stamp last: a part without stamp is an
# interrupted attempt and is made again.
make_venv() {
  rm -rf "$cache/venv"
  /usr/bin/python3 -m venv "$cache/venv"
  local pip=("$cache/venv/bin/python" -m pip install --quiet --no-compile --no-cache-dir
    --disable-pip-version-check)
  "${pip[@]}" -r "$root/scripts/requirements.txt"
  if [[ $origin == system ]]; then
    "${pip[@]}" --no-deps -r "$root/scripts/requirements-torch.txt"
  else
    "${pip[@]}" "$(grep '^torch==' "$root/scripts/requirements-torch.txt")"
  fi
  "$cache/venv/bin/python" -c 'import torch; torch.jit.script(torch.nn.ReLU())'
  touch "$cache/venv.done"
}

fetch_bitshuffle() {
  local part="$cache/bitshuffle"
  rm -rf "$part" "$part.sdist"
  "$cache/venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary bitshuffle --dest "$part.sdist" "bitshuffle==$bitshuffle_version"
  mkdir -p "$part"
  tar -xzf "$part.sdist/bitshuffle-$bitshuffle_version.tar.gz" -C "$part" --strip-components=1
  rm -rf "$part.sdist"
  touch "$part.done"
}

# Debian's own libtbb makes ThreadSanitizer report races that are none, because it was built
# without it. The source comes from the same archive as the packages, named by the machine's own
# list of package sources; the list itself stays as it is.
make_tsan_tbb() {
  local part="$cache/tbb-tsan" apt_dir
  rm -rf "$part" "$part.build"
  mkdir -p "$part.build"
  apt_dir="$part.build/apt"
  mkdir -p "$apt_dir/parts" "$apt_dir/lists/partial"
  if compgen -G '/etc/apt/sources.list.d/*.sources' >/dev/null; then
    local file
    for file in /etc/apt/sources.list.d/*.sources; do
      sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt_dir/parts/$(basename "$file")"
    done
  fi
  : >"$apt_dir/sources.list"
  if [[ -s /etc/apt/sources.list ]]; then
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$apt_dir/sources.list"
  fi
  local options=(-o "Dir::Etc::SourceList=$apt_dir/sources.list"
    -o "Dir::Etc::SourceParts=$apt_dir/parts" -o "Dir::State::Lists=$apt_dir/lists"
    -o APT::Sandbox::User=root)
  apt-get "${options[@]}" update -qq
  (cd "$part.build" && apt-get "${options[@]}" source -qq onetbb) >"$log" 2>&1 ||
    show_log_and_fail
  local source
  source=$(find "$part.build" -mindepth 1 -maxdepth 1 -type d -name 'onetbb-*')
  {
    "$cache/venv/bin/cmake" -S "$source" -B "$part.build/build" -G Ninja \
      -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_POLICY_VERSION_MINIMUM=3.5 -DTBB_SANITIZE=thread -DTBB_TEST=OFF -DTBB_STRICT=OFF \
      -DTBBMALLOC_BUILD=OFF -DCMAKE_INSTALL_PREFIX="$part" &&
      "$cache/venv/bin/cmake" --build "$part.build/build" --target install
  } >"$log" 2>&1 || show_log_and_fail
  rm -rf "$part.build"
  touch "$part.done"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
start=$(date +%s%N)

mapfile -t missing < <(missing_packages "${packages[@]}")
if ((${#missing[@]} > 0)); then
  step "installing ${#missing[@]} Debian packages" install_packages "${missing[@]}"
fi

origin=$(cuda_origin)
key=$(
  {
    cat "$root/scripts/requirements.txt" "$root/scripts/requirements-torch.txt"
    /usr/bin/python3 --version
    echo "cuda: $origin"
  } | sha256sum | cut -c1-16
)
cache="$cache_root/$key"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

if [[ ! -e $cache/venv.done ]]; then
  step "Python environment (CUDA libraries: $origin)" make_venv
fi
ln -sfn "$cache/venv" "$root/.venv"
if [[ ! -e $cache/bitshuffle.done ]]; then
  step "sources of bitshuffle $bitshuffle_version" fetch_bitshuffle
fi
if [[ $with_tsan == true && ! -e $cache/tbb-tsan.done ]]; then
  step "libtbb with ThreadSanitizer" make_tsan_tbb
fi

echo "set-up complete in $(elapsed_since "$start") s ($cache)"
