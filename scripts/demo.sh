#!/usr/bin/env bash
# From a plain clone to a streamed answer: installs what is missing, builds, fetches a model, asks it.
#   scripts/demo.sh [PROMPT]        INFERENCE_MODEL=path uses another model
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
prompt="${1:-What is the capital of France?}"

say() { echo "== $*" >&2; }

scripts/install_deps.sh
say "Building (the first time takes some minutes)"
cmake --preset release -Wno-dev --log-level=ERROR >/dev/null
cmake --build --preset release --target inference_cli -- --quiet
if [[ -n ${INFERENCE_MODEL:-} ]]; then
  model=$INFERENCE_MODEL
else
  model=$(scripts/fetch_models.sh)
fi

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
python3 -c 'import json, sys; json.dump([{"role": "user", "content": sys.argv[1]}], sys.stdout)' \
  "$prompt" >"$messages"
say "$(basename "$model"): $prompt"
build/bin/inference generate --model "$model" --messages "$messages"
