#!/bin/sh
# check_header.sh CC NM LIBRARY RELEASED HEADER: everything that a released header declares is still there: types,
# prototypes and constants as they were, structs with more fields at their end at most, and every function exported.
set -eu
cc=$1 nm=$2 library=$3 released=$4 header=$5
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# declarations HEADER: one a line, each field with its struct and its place.
declarations() {
  "$cc" -E -P -x c "$1" | tr '\n' ' ' | sed 's/__attribute__((visibility("default")))//g; s/[{}]/&;/g' |
    tr ';' '\n' | awk '
      { gsub(/[ \t]+/, " "); sub(/^ /, ""); sub(/ $/, "") }
      /^typedef struct inf_[a-z0-9_]* \{$/ { name = $3; field = 0; next }
      name != "" && $0 == "}" { name = ""; next }
      name != "" { print "struct " name ", field " ++field ": " $0; next }
      / inf_|\(\*inf_/'
  "$cc" -E -dM -x c "$1" | grep '^#define INF_' | grep -vE '^#define INF_(VERSION_[A-Z]+|API) '
}

declarations "$released" | LC_ALL=C sort >"$scratch/was"
declarations "$header" | LC_ALL=C sort >"$scratch/is"
grep -o 'inf_[a-z0-9_]*(' "$scratch/was" | tr -d '(' | LC_ALL=C sort -u >"$scratch/functions"
"$nm" -D --defined-only --format=posix "$library" | awk '{sub(/@.*/, "", $1); print $1}' |
  LC_ALL=C sort >"$scratch/exported"
echo "$(wc -l <"$scratch/was") declarations, $(wc -l <"$scratch/functions") functions in $released"
[ -s "$scratch/functions" ]

status=0
LC_ALL=C comm -23 "$scratch/was" "$scratch/is" >"$scratch/changed"
if [ -s "$scratch/changed" ]; then
  echo "changed or gone from $header:"
  cat "$scratch/changed"
  status=1
fi
LC_ALL=C comm -23 "$scratch/functions" "$scratch/exported" >"$scratch/gone"
if [ -s "$scratch/gone" ]; then
  echo "not exported by $library:"
  cat "$scratch/gone"
  status=1
fi
exit "$status"
