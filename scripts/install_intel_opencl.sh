#!/usr/bin/env bash
# Fetches Intel's OpenCL runtime for CPUs once, from the Python registry, into a cache folder (270 MB come,
# 420 MB stay), and prints the folder that selects it:
#   OCL_ICD_VENDORS=$(scripts/install_intel_opencl.sh) build/bin/inference devices
# Nothing of the system changes: the libraries find each other by their own folder. The runtime is not free
# software; its licence comes with it. Exit code: 3 where it cannot be had (another architecture, no
# registry), 1 after any other failure.
set -euo pipefail

release=2026.2.0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/libinference"
folder="$cache/intel-opencl-$release"

say() { echo "install_intel_opencl: $*" >&2; }

# package==version, sha256 of its wheel
wheels() {
  cat <<'LIST'
intel-opencl-rt==2026.2.0 6b6215a420598b4999ee01caca6d5cbe106aa4155c46c52377619c5aafce9f67
intel-cmplr-lib-rt==2026.2.0 9f713083073a820d2496a6da8e8d4f3482aba6640f74521d25ea48dcebe72748
tbb==2023.2.0 7d80615b6e970f11671fa05b6eaa9483ac864fbfe525ac280271a78b37870b7c
LIST
}

# What the runtime loads; wheels hold the same library under several names.
needed=(
  libintelocl.so 'libcommon_clang.so.*' 'libtbb.so.12' libimf.so libirng.so libsvml.so libintlc.so.5
  'libocl_svml_*.so' 'clbltfn*.rtl' cllibrary.rtl 'cllibrary*.o' cl.cfg
)

# fetch PACKAGE==VERSION SHA256 SCRATCH: the files of its wheel, in SCRATCH/files.
fetch() {
  rm -rf "$3/wheel"
  if ! python3 -m pip download --quiet --no-deps --disable-pip-version-check --only-binary :all: \
    --dest "$3/wheel" "$1" >&2; then
    say "$1 could not be fetched from the Python registry"
    exit 3
  fi
  if ! echo "$2  $(echo "$3"/wheel/*.whl)" | sha256sum --check --status; then
    say "$1: the checksum of what came is wrong, want sha256 $2"
    exit 1
  fi
  python3 -m zipfile -e "$3"/wheel/*.whl "$3/files"
}

install_runtime() {
  local scratch package sum pattern
  mkdir -p "$cache"
  scratch=$(mktemp -d "$cache/.intel.XXXXXX") # in the cache folder: a rename stays on one file system
  # shellcheck disable=SC2064
  trap "rm -rf '$scratch'" EXIT
  say "Intel's OpenCL runtime $release, 270 MB"
  while read -r package sum; do fetch "$package" "$sum" "$scratch"; done < <(wheels)

  mkdir -p "$scratch/out/lib" "$scratch/out/vendors" "$scratch/out/licences"
  for pattern in "${needed[@]}"; do
    # shellcheck disable=SC2086
    mv "$scratch"/files/*.data/data/lib/$pattern "$scratch/out/lib/"
  done
  for package in "$scratch"/files/*.dist-info; do
    mv "$package/LICENSE.txt" "$scratch/out/licences/$(basename "$package" .dist-info).txt"
  done
  python3 -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$scratch/out/lib/libintelocl.so"
  echo "$folder/lib/libintelocl.so" >"$scratch/out/vendors/intel.icd"
  mv -T "$scratch/out" "$folder"
}

if [[ $(uname -sm) != 'Linux x86_64' ]]; then
  say "Intel's OpenCL runtime is for Linux on x86-64, this is $(uname -sm)"
  exit 3
fi
[[ -f $folder/vendors/intel.icd ]] || install_runtime
echo "$folder/vendors"
