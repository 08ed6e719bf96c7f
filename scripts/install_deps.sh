#!/usr/bin/env bash
# Installs the Debian packages that are missing: those of the build, with --tests also those of the tests.
set -euo pipefail

packages=(
  cmake ninja-build g++ pkg-config nlohmann-json3-dev libfmt-dev opencl-headers ocl-icd-opencl-dev
  libpcre2-dev libutf8proc-dev libcli11-dev pocl-opencl-icd
  python3 python3-pip ca-certificates # scripts/fetch_models.sh
)
case "${1:-}" in
  '') ;;
  --tests) packages+=(libgtest-dev libgmock-dev libbenchmark-dev clang-14 libclang-rt-14-dev clang-format-14 curl locales make) ;;
  *) echo "usage: $0 [--tests]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "install_deps: no dpkg here; these Debian packages are wanted: ${packages[*]}" >&2
  exit 1
fi
missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [[ $state == 'install ok installed' ]] || missing+=("$package")
done
(( ${#missing[@]} )) || exit 0

as_root=()
if (( EUID != 0 )); then
  if ! command -v sudo >/dev/null; then
    echo "install_deps: neither root nor sudo; as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

# Quiet unless it fails.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run() {
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "$@" >"$log" 2>&1; then
    cat "$log" >&2
    echo "install_deps: failed: $*" >&2
    exit 1
  fi
}
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
run apt-get update -q
run apt-get install -y -q --no-install-recommends "${missing[@]}"
