#!/usr/bin/env python3
"""End to end against other engines: the same files and prompt, all in turn, each run in a process of its own.

  bench/compare.py --model a.gguf --model b.gguf --peer-python venv/bin/python --ik ik_llama.cpp/build/bin/llama-bench

--peer-python is a Python that has llama-cpp-python (`pip install llama-cpp-python` builds it for this machine), --ik
the llama-bench of ik_llama.cpp; every one that is given is measured. --busy measures everything a second time, beside
a process that keeps one core busy. --variant 'NAME=[KEY=VALUE...] ARGUMENTS' adds a row of our own program with other
arguments of `inference bench` or other environment variables.

Writes a table of medians and ratios, a plot, and every run with a description of the machine to
bench/results/compare.{md,svg,json}. Run it on a machine that does nothing else: what others took meanwhile is
measured and told."""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys

import compare_report
from compare_engines import IkLlamaCpp, LlamaCpp, Ours, cpu_seconds, run_json

HERE = pathlib.Path(__file__).resolve().parent


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, action="append", type=pathlib.Path, help="GGUF file; may be repeated")
    parser.add_argument("--peer-python", help="Python with llama-cpp-python")
    parser.add_argument("--ik", help="llama-bench of ik_llama.cpp")
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=ARGUMENTS",
                        help="our program again, with other arguments; may be repeated")
    parser.add_argument("--busy", action="store_true", help="once more beside a busy process")
    parser.add_argument("--program", default=HERE.parent / "build/bin/inference", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3, help="runs of each engine (default 3)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--decode-tokens", type=int, default=64)
    parser.add_argument("--prefix", default="", help="goes before each measured command, such as 'taskset -c 0,1'")
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results")
    return parser.parse_args()


@contextlib.contextmanager
def busy_process(wanted, prefix):
    """A process that wants one core all the time, with the priority and on the cores of what is measured."""
    if not wanted:
        yield
        return
    process = subprocess.Popen([*prefix, sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def run_once(engine, model, ids, busy, cores):
    """A run, and the share of all cores that processes had meanwhile that are not part of it."""
    before, mine = cpu_seconds()
    with busy_process(busy, engine.prefix):
        run = engine.run(model, ids)
    after, mine_after = cpu_seconds()
    run["others"] = max(0.0, (after - before) - (mine_after - mine)) / (run.pop("wall_s") * cores)
    return run


def measure(arguments, engines):
    """Runs by model, load ("quiet" or "busy") and engine, all engines in turn."""
    results = []
    for model in arguments.model:
        info = run_json([arguments.program, "info", "--model", model, "--json"])
        ids = prompt_ids(arguments.prompt_tokens, info["vocab_size"])
        for load in ["quiet", "busy"] if arguments.busy else ["quiet"]:
            runs = {engine.name: [] for engine in engines}
            for turn in range(1, arguments.runs + 1):
                for engine in engines:
                    run = run_once(engine, model, ids, load == "busy", os.cpu_count())
                    runs[engine.name].append(run)
                    print(f"{model.name}, {load}, run {turn}: {engine.name} {run['prefill_tok_s']:.0f} and "
                          f"{run['decode_tok_s']:.1f} tok/s", file=sys.stderr)
            results.append({"model": model.name, "load": load, "engines": runs})
    return results


def prompt_ids(count, vocab_size):
    """Pseudo-random ids, the same in every run (Knuth's MMIX generator)."""
    state, ids = 1, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        ids.append((state >> 33) % vocab_size)
    return ids


def describe_machine(arguments, results):
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    listed = run_json([arguments.program, "devices", "--json"])
    used = {run["device"] for result in results for runs in result["engines"].values() for run in runs if "device" in run}
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": arguments.threads,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "devices": [{"name": d["name"], "driver": d["driver"]} for d in listed["devices"] if d["name"] in used],
        "library": listed["library"],
        "prompt_tokens": arguments.prompt_tokens,
        "decode_tokens": arguments.decode_tokens,
        "runs": arguments.runs,
    }


def main():
    arguments = parse_arguments()
    engines = [Ours("libinference", arguments)]
    for variant in arguments.variant:
        name, _, rest = variant.partition("=")
        engines.append(Ours(f"libinference, {name}", arguments, rest))
    if arguments.peer_python:
        engines.append(LlamaCpp(arguments))
    if arguments.ik:
        engines.append(IkLlamaCpp(arguments))
    results = measure(arguments, engines)
    report = {"machine": describe_machine(arguments, results), "results": results}
    arguments.results.mkdir(parents=True, exist_ok=True)
    text = compare_report.table(report)
    print(text)
    (arguments.results / "compare.json").write_text(json.dumps(report, indent=1) + "\n")
    (arguments.results / "compare.md").write_text(text)
    (arguments.results / "compare.svg").write_text(compare_report.plot(report))


if __name__ == "__main__":
    main()
