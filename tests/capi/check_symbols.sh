#!/bin/sh
# check_symbols.sh NM LIBRARY EXPORTS: exactly the listed functions are visible, and nothing that ends
# the process, prints, connects or starts a program is called.
set -eu
exported=$("$1" -D --defined-only --format=posix "$2" | awk '$2 != "A" {sub(/@.*/, "", $1); print $1}' |
  LC_ALL=C sort)
if ! echo "$exported" | diff -u "$3" -; then
  echo "exports differ from $3: add lines for new functions, never change one"
  exit 1
fi
called=$("$1" -D --undefined-only --format=posix "$2" | awk '{sub(/@.*/, "", $1); print $1}' |
  grep -E '^(abort|_?exit|_Exit|quick_exit|v?f?printf|puts|putchar|perror|__(f|v|vf)?printf_chk|__assert_fail|_ZSt4c(out|err|log)|signal|setenv|putenv|socket|connect|getaddrinfo|exec[lv]p?e?|system|popen|posix_spawnp?|v?fork)$' || true)
if [ -n "$called" ]; then
  echo "the library must not call: $called"
  exit 1
fi
