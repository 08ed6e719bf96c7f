#!/usr/bin/env python3
"""One question and one seed give one text, whichever language asks:

    scripts/same_text.py --prefix PREFIX --model MODEL NAME=PROGRAM...

PREFIX is where the library is installed: its programs inference and inference-bridge answer, too. Each PROGRAM is
called as the examples are, with MODEL, QUESTION and perhaps SEED. Fails where two texts differ, or two lists of
tokens, or where another seed gives the same text."""

import argparse
import json
import re
import subprocess
import sys
import tempfile

QUESTION = "What is the capital of France?"
MESSAGES = [{"role": "user", "content": QUESTION}]
FIGURES = re.compile(rb"\n\n\d+ tokens, [^\n]* finish: \w+\n\Z")


def run(command, stdin=b""):
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, check=False, timeout=600)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: exit status {done.returncode}")
    return done.stdout


def of_lines(out):
    """Text and ids of JSON lines."""
    lines = [json.loads(line) for line in out.splitlines()]
    if not lines or not lines[-1].get("done"):
        sys.exit(f"no end in {lines[-1:]}")
    tokens = [line for line in lines if "token" in line]
    return "".join(t["token"] for t in tokens).encode(), [t["token_id"] for t in tokens]


def of_inference(prefix, model, seed):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(MESSAGES, file)
        file.flush()
        sampling = ["--temperature", "1", "--seed", seed] if seed else []
        return of_lines(run([f"{prefix}/bin/inference", "generate", "--model", model, "--messages", file.name, "--json",
                             *sampling]))


def of_bridge(prefix, model, seed):
    sampling = {"temperature": 1, "seed": int(seed)} if seed else {}
    commands = [{"cmd": "load", "path": model}, {"cmd": "chat", "messages": MESSAGES, **sampling}]
    stdin = "".join(json.dumps(command) + "\n" for command in commands).encode()
    return of_lines(run([f"{prefix}/bin/inference-bridge", "--finish"], stdin))


def of_program(program, model, seed):
    out = run([*program.split(), model, QUESTION, *([seed] if seed else [])])
    text, cut = FIGURES.subn(b"", out)
    return text if cut else out[:-1]  # examples without figures end with a newline


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("programs", nargs="*", metavar="NAME=PROGRAM")
    args = parser.parse_args()
    texts = []
    for seed in ("", "7", "18446744073709551615"):
        want, ids = of_inference(args.prefix, args.model, seed)
        text, other = of_bridge(args.prefix, args.model, seed)
        if ids != other:
            sys.exit(f"seed {seed or 'none'}: inference gives {ids}, inference-bridge {other}")
        got = {"inference-bridge": text}
        for program in args.programs:
            name, command = program.split("=", 1)
            got[name] = of_program(command, args.model, seed)
        for name, text in got.items():
            if text != want:
                sys.exit(f"seed {seed or 'none'}: inference gives {want!r}, {name} {text!r}")
        if not want or want in texts:
            sys.exit(f"seed {seed} gives {want!r} as another does")
        texts.append(want)
        print(f"seed {seed or 'none'}: {len(ids)} tokens, the same from inference, {', '.join(got)}")


if __name__ == "__main__":
    main()
