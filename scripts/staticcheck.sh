#!/usr/bin/env bash
# Runs staticcheck on everything that is in Go, with cgo and without. It is built from the Go module proxy, once:
# the caches of modules and of builds keep it.
#   scripts/staticcheck.sh [--offline]   --offline: fetches nothing
# Exit code: 3 where the program cannot be had (no proxy, or Go is older than it wants).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
release=v0.8.2
if [[ ${1:-} == --offline ]]; then GOPROXY=file://$(go env GOMODCACHE)/cache/download; export GOPROXY; fi
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
# With the Go that is here: none is fetched for it.
if ! GOTOOLCHAIN=local GOBIN=$programs go install "honnef.co/go/tools/cmd/staticcheck@$release"; then
  echo "staticcheck: $release cannot be built here" >&2
  exit 3
fi

status=0
# check FOLDER OPTIONS...
check() {
  echo "staticcheck $*"
  (cd "$1" && "$programs/staticcheck" "${@:2}" ./...) || status=1
}
check bindings/go
check bindings/go -tags noopencl,nomlxlm
check examples/go_http # cgo alone: without the library it does not compile
exit "$status"
