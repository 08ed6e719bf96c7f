#!/bin/sh
# check_header.sh COMPILER HEADER LANGUAGE STANDARD: the header compiles by itself, without a warning.
# 77, which ctest calls skipped, where the compiler is not there.
set -eu
if ! command -v "$1" >/dev/null; then
  echo "skipped: no compiler '$1'"
  exit 77
fi
exec "$1" -x "$3" -std="$4" -pedantic -Wall -Wextra -Werror -fsyntax-only "$2"
