#!/usr/bin/env bash
# Class names, clang-format on every C++ source, clang-tidy on those that changed.
#
#   scripts/lint.sh [BASE]    changed since BASE; default: since the fork from origin/main, or
#                             since the parent commit when HEAD is on it; everything without one
#   scripts/lint.sh --format  rewrites the sources in place instead of checking them
#
# clang-tidy starts no new file after PNFLOW_TIDY_SECONDS (default 600) and names those it left.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

cd "$root"
rooms=(graph nodes gpu io cli bench test)

format_sources() {  # format_sources OPTION...: clang-format with these options on every source
  git ls-files -z --cached --others --exclude-standard -- "${rooms[@]}" |
    grep -zE '\.(h|cpp|cu|cuh)$' | xargs -0 --no-run-if-empty clang-format-14 "$@"
}

# The commit that changes are counted from; empty when HEAD has no ancestor to compare with.
base_commit() {
  local head fork
  if (($# > 0)); then
    git rev-parse --verify --quiet "$1^{commit}"
    return
  fi
  head=$(git rev-parse --verify --quiet HEAD) || return 0
  fork=$(git merge-base HEAD origin/main 2>/dev/null) || fork=
  if [[ -n $fork && $fork != "$head" ]]; then
    echo "$fork"
  else
    git rev-parse --verify --quiet HEAD~1 || true
  fi
}

# Two classes of one name in two headers are one to the linker, which keeps the functions of either.
unique_class_names() {
  local twice
  twice=$(git ls-files -z -- '*.h' ':!test' | xargs -0 grep -hoE \
    '^(class|struct) (PNFLOW_API )?[A-Za-z]+( final)?( : .*)? \{' |
    sed -E 's/^(class|struct) (PNFLOW_API )?([A-Za-z]+).*/\3/' | sort | uniq -d)
  [[ -z $twice ]] || { echo "defined in two headers: $twice"; return 1; }
}

changed_sources() {
  {
    if [[ -n $1 ]]; then
      git diff --name-only --diff-filter=d "$1" -- "${rooms[@]}"
    else
      git ls-files -- "${rooms[@]}"
    fi
    git ls-files --others --exclude-standard -- "${rooms[@]}"
  } | sort -u | sed -n '/\.cpp$/p'
}

# Called by xargs, once for each file.
tidy_one() {
  if (($(date +%s) >= deadline)); then
    echo "not checked, time is up: $1"
  elif ! grep -q "\"file\": \"$root/$1\"" build/default/compile_commands.json; then
    echo "not checked, no part of the default build: $1"
  else
    # The build's own flags are GCC's.
    clang-tidy-16 --quiet -p build/default --extra-arg=-Wno-unknown-warning-option "$1" 2> >(grep -vE 'warnings? (generated|treated)' >&2)
  fi
}

check_tidy() {
  local base
  base=$(base_commit "$@")
  export root
  deadline=$(($(date +%s) + ${PNFLOW_TIDY_SECONDS:-600}))
  export deadline
  export -f tidy_one
  changed_sources "$base" | xargs --no-run-if-empty -P "$(nproc)" -I{} bash -c 'tidy_one {}'
}

if [[ ${1:-} == --format ]]; then
  format_sources -i
  exit
fi
step "class names" unique_class_names
step "clang-format" format_sources --dry-run -Werror
step "clang-tidy on changed files" check_tidy "$@"
