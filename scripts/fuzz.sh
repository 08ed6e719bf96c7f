#!/usr/bin/env bash
# Builds every fuzz target with clang, AddressSanitizer and UBSan, and runs each from its seeds in
# tests/fuzz/corpus. Fails at the first finding and says how to see it again.
#   scripts/fuzz.sh [--seconds N] [TARGET...]   default: 60 seconds each, all targets, two at a time
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=60
targets=()
while (( $# )); do
  case "$1" in
    --seconds) seconds=$2; shift 2 ;;
    -*) echo "usage: $0 [--seconds N] [TARGET...]" >&2; exit 2 ;;
    *) targets+=("$1"); shift ;;
  esac
done
if (( ${#targets[@]} == 0 )); then
  for source in tests/fuzz/*_fuzz.cc; do targets+=("$(basename "${source%_fuzz.cc}")"); done
fi

cmake --preset fuzz --log-level=WARNING >/dev/null
cmake --build build-fuzz -j "$(nproc)" --target "${targets[@]/#/fuzz_}" -- --quiet

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 ASAN_OPTIONS=detect_leaks=1

run_target() {
  local target=$1 seconds=$2 work=$3 arguments=()
  [[ -f tests/fuzz/$target.dict ]] && arguments+=("-dict=tests/fuzz/$target.dict")
  mkdir -p "$work/$target" build-fuzz/findings
  if ! build-fuzz/bin/fuzz_"$target" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -malloc_limit_mb=512 \
      -max_len=65536 -print_final_stats=1 -artifact_prefix="build-fuzz/findings/$target-" \
      "${arguments[@]}" "$work/$target" tests/fuzz/corpus/"$target" >"$work/$target.log" 2>&1; then
    echo "fuzz $target: a finding"
    tail -n 60 "$work/$target.log"
    echo "again: build-fuzz/bin/fuzz_$target build-fuzz/findings/$target-*; then it belongs in tests/fuzz/corpus/$target"
    return 1
  fi
  echo "fuzz $target: nothing found in $(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$target.log") runs"
}
export -f run_target
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'run_target "$@"' _ {} "$seconds" "$work"
