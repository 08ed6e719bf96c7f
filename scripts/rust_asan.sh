#!/usr/bin/env bash
# The tests of the Rust binding under AddressSanitizer, against the library that pkg-config finds. The library is as
# it was built: its memory is watched by malloc, free and memcpy, its own reads and writes are not. Leaks of
# memory on both sides are reported; a handle that nobody frees is not, for the library still knows it.
#   scripts/rust_asan.sh [ARGUMENTS OF cargo test...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
cd bindings/rust
target=$(rustc -vV | sed -n 's/^host: //p')
libraries=$(rustc --print target-libdir)
if ! compgen -G "$libraries/librustc*rt.asan.a" >/dev/null; then
  echo "rust_asan: $(rustc --version) brings no AddressSanitizer for $target" >&2
  exit 1
fi
# The flags are of nightly compilers; a stable one takes them with RUSTC_BOOTSTRAP.
export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address RUSTDOCFLAGS=-Zsanitizer=address
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/asan
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1
export LSAN_OPTIONS=suppressions=$root/tests/support/lsan.supp:print_suppressions=0
# With a target named, flags are not those of build scripts.
cargo test -q --locked --target "$target" "$@"
