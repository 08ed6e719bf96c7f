#!/usr/bin/env python3
"""End to end against llama.cpp: one file, one prompt, both engines in turn, each run in its own process.

  bench/compare.py --model model.gguf --peer-python venv/bin/python

--peer-python is a Python that has llama-cpp-python (`pip install llama-cpp-python` builds it for this
machine). Prints a table of medians and ratios and writes it, with every run and a description of the
machine, to bench/results/compare-MODEL.{json,md}. Run it on a machine that does nothing else."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROWS = [  # key, heading, is more better
    ("prefill_tok_s", "prefill, tok/s", True),
    ("decode_tok_s", "decode, tok/s", True),
    ("first_token_s", "load to first token, s", False),
    ("peak_rss_mb", "peak memory, MB", False),
]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="GGUF file")
    parser.add_argument("--peer-python", required=True, help="Python with llama-cpp-python")
    parser.add_argument("--program", default=HERE.parent / "build/bin/inference", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3, help="runs of each engine (default 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--prompt-tokens", type=int, default=512)
    parser.add_argument("--decode-tokens", type=int, default=64)
    parser.add_argument("--device", help="OpenCL device, as for the program")
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results")
    return parser.parse_args()


def run_json(command, **options):
    """The last line that a command prints, as JSON; ends the program with its error when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def prompt_ids(count, vocab_size):
    """Pseudo-random ids, the same in every run (Knuth's MMIX generator)."""
    state, ids = 1, []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        ids.append((state >> 33) % vocab_size)
    return ids


def run_ours(arguments, ids):
    # One token more: the first one belongs to the prefill.
    command = [arguments.program, "bench", "--model", arguments.model, "--json", "--repetitions", 1,
               "--ids", ",".join(map(str, ids)), "--gen-tokens", arguments.decode_tokens + 1]
    if arguments.device:
        command += ["--device", arguments.device]
    threads = {"POCL_MAX_PTHREAD_COUNT": str(arguments.threads)}
    return run_json(command, env=os.environ | threads)


def run_peer(arguments, ids):
    job = {"model": arguments.model, "ids": ids, "decode_tokens": arguments.decode_tokens,
           "threads": arguments.threads}
    return run_json([arguments.peer_python, HERE / "compare_llama_cpp.py"], input=json.dumps(job))


def describe_machine(arguments, load_average, our_device, peer_version):
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                if line.startswith("model name")), "unknown")
    listed = run_json([arguments.program, "devices", "--json"])
    device = next(d for d in listed["devices"] if d["name"] == our_device)
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": arguments.threads,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "opencl_device": device["name"],
        "opencl_driver": device["driver"],
        "library": listed["library"],
        "llama_cpp_python": peer_version,
        "load_average": load_average,
    }


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def table(arguments, machine, ours, peer):
    lines = [
        f"## {pathlib.Path(arguments.model).name}",
        "",
        f"Prompt of {arguments.prompt_tokens} tokens, then {arguments.decode_tokens} single tokens; "
        f"{machine['threads']} threads; medians of {arguments.runs} runs each, in turn.",
        f"{machine['cpu']}, {machine['cores']} cores; {machine['opencl_device']}, "
        f"{machine['opencl_driver']}; {machine['library'].get('compiler', 'compiler unknown')}; "
        f"llama-cpp-python {machine['llama_cpp_python']}; load average before: "
        f"{machine['load_average']}.",
        "",
        "| | ours | llama.cpp | ours is better by |",
        "|---|---|---|---|",
    ]
    for key, heading, more_is_better in ROWS:
        a, b = median(ours, key), median(peer, key)
        ratio = a / b if more_is_better else b / a
        lines.append(f"| {heading} | {a:.2f} | {b:.2f} | {ratio:.2f} x |")
    share = median(ours, "share_of_read_bandwidth")
    lines.append("")
    lines.append(f"Decode reads {share:.0%} of what a kernel that only reads reaches "
                 f"({median(ours, 'read_gb_s'):.1f} GB/s).")
    return "\n".join(lines) + "\n"


def main():
    arguments = parse_arguments()
    load_average = round(os.getloadavg()[0], 2)  # of others: high means that the times mean little
    if load_average > 0.3:
        print(f"warning: other programs are running (load average {load_average}): the times mean "
              "little", file=sys.stderr)
    info = run_json([arguments.program, "info", "--model", arguments.model, "--json"])
    ids = prompt_ids(arguments.prompt_tokens, info["vocab_size"])
    ours, peer = [], []
    for run in range(1, arguments.runs + 1):
        ours.append(run_ours(arguments, ids))
        peer.append(run_peer(arguments, ids))
        print(f"run {run}: decode {ours[-1]['decode_tok_s']:.1f} and "
              f"{peer[-1]['decode_tok_s']:.1f} tok/s", file=sys.stderr)
    machine = describe_machine(arguments, load_average, ours[0]["device"], peer[0]["version"])
    text = table(arguments, machine, ours, peer)
    print(text)
    arguments.results.mkdir(parents=True, exist_ok=True)
    place = arguments.results / f"compare-{pathlib.Path(arguments.model).stem}"
    result = {"model": pathlib.Path(arguments.model).name, "prompt_tokens": arguments.prompt_tokens,
              "decode_tokens": arguments.decode_tokens, "machine": machine, "ours": ours,
              "llama_cpp": peer}
    place.with_name(place.name + ".json").write_text(json.dumps(result, indent=1) + "\n")
    place.with_name(place.name + ".md").write_text(text)


if __name__ == "__main__":
    main()
