#!/usr/bin/env python3
"""Fails where a source file includes a folder that its layer may not use (docs/DESIGN.md)."""
import pathlib
import re
import sys

# What each folder of src/ may include besides itself; what those may include is allowed too.
ALLOWED = {
    "util": [],
    "device": ["util"],
    "tensor": ["device"],
    "ops": ["tensor"],
    "formats": ["util"],
    "nn": ["ops"],
    "models": ["nn", "formats"],
    "tokenizer": ["util", "formats"],
    "chat": ["tokenizer", "formats", "util"],
    "engine": ["models", "nn", "chat", "tokenizer", "ops"],
    "capi": ["engine"],
}
# The engine sees the models through one door, the ABI through two.
DOORS = {("engine", "models"): {"models/checkpoint.h", "models/describe.h", "models/adapter_file.h",
                                "models/adapter_blocks.h"},
         ("capi", "models"): {"models/checkpoint.h", "models/quantize.h", "models/merge.h"}}
HEADER = "inference.h"
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')


def reachable(layer):
    found, todo = set(), [layer]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += ALLOWED[name]
    return found


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def check_layer(root, path):
    layer = path.relative_to(root / "src").parts[0]
    if layer not in ALLOWED:
        yield f"{path.relative_to(root)}:1: no such layer: {layer}"
        return
    allowed = reachable(layer)
    for number, _, included in includes(path):
        folder = included.split("/")[0]
        where = f"{path.relative_to(root)}:{number}"
        if included == HEADER and layer != "capi":
            yield f"{where}: {layer} includes {HEADER}, which is for capi"
        elif folder in ALLOWED and "/" in included and folder not in allowed:
            yield f"{where}: {layer} includes {included}; allowed: {', '.join(sorted(allowed))}"
        elif included not in DOORS.get((layer, folder), {included}):
            yield f"{where}: {layer} includes {included}; of {folder} only " + ", ".join(
                DOORS[(layer, folder)])


def check_client(root, path):
    """Tools, examples and bindings: their own files, by the folder of the file or of all of them, and the public
    header alone."""
    own = (path.parent, root / path.relative_to(root).parts[0])
    for number, quoted, included in includes(path):
        if included.split("/")[0] in ALLOWED and "/" in included or (
                quoted and included != HEADER and included != "_cgo_export.h" and
                not any((folder / included).is_file() for folder in own)):
            yield f"{path.relative_to(root)}:{number}: {included}; a client includes {HEADER} alone"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    problems, count = [], 0
    for folder in ("src", "tools", "examples", "bindings"):
        check = check_layer if folder == "src" else check_client
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".cc", ".h", ".c") and "target" not in path.parts:
                count += 1
                problems += check(root, path)
    for problem in problems:
        print(problem)
    print(f"check_layers: {count} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
