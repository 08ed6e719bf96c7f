#!/usr/bin/env python3
"""Many texts in one call, in alternating runs, each in a process of its own:

  bench/compare_many.py --model a.gguf --model b.gguf --peer-python venv/bin/python

- 256 short prompts classified (the likeliest next token of each), against llama.cpp, which gets them in batches of up
  to 512 tokens and 64 sequences. --peer-python is a Python that has llama-cpp-python.
- 64 completions of 8 tokens on a prefix of 256, scored in one call against one by one without any cache.
- Eight rows of decode against one row, after 32 tokens each (inference bench --batch 8).

Writes a table of medians and every run to bench/results/many.{md,json}. Run it on a machine that does nothing else:
what others took meanwhile is measured and told."""

import argparse
import json
import os
import pathlib
import shlex
import statistics
import sys
import time

from compare import describe_machine, prompt_ids
from compare_engines import cpu_seconds, run_json

HERE = pathlib.Path(__file__).resolve().parent
PROMPTS, LEAST, MOST = 256, 8, 40
PREFIX, COMPLETIONS, COMPLETION = 256, 64, 8
CONTEXT = 32  # tokens before the decoded ones: what rows share are the weights
PASSES = 3  # over the prompts, in one process
OURS = {"libinference": "f32", "libinference int8": "int8"}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, action="append", type=pathlib.Path, help="GGUF file; may be repeated")
    parser.add_argument("--peer-python", help="Python with llama-cpp-python")
    parser.add_argument("--peer-name", default="", help="which llama.cpp that is, for the table")
    parser.add_argument("--program", default=HERE.parent / "build/bin/inference", type=pathlib.Path)
    parser.add_argument("--library", default=HERE.parent / "build/lib/libinference.so", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--single", type=int, default=8, help="completions that are scored one by one (default 8; "
                        "the time of all is told)")
    parser.add_argument("--prefix", default="", help="goes before each measured command, such as 'taskset -c 0,1'")
    parser.add_argument("--results", type=pathlib.Path, default=HERE / "results")
    arguments = parser.parse_args()
    arguments.prompt_tokens, arguments.decode_tokens = PREFIX, COMPLETION
    return arguments


def job_of(arguments, model):
    vocab_size = run_json([arguments.program, "info", "--model", model, "--json"])["vocab_size"]
    lengths = [LEAST + i % (MOST - LEAST + 1) for i in prompt_ids(PROMPTS, 1 << 20)]
    ids = iter(prompt_ids(sum(lengths) + PREFIX + COMPLETIONS * COMPLETION, vocab_size))
    take = lambda n: [next(ids) for _ in range(n)]
    return {
        "model": str(model), "library": str(arguments.library.resolve()), "threads": arguments.threads,
        "passes": PASSES, "single": arguments.single, "prompts": [take(n) for n in lengths], "prefix": take(PREFIX),
        "completions": [take(COMPLETION) for _ in range(COMPLETIONS)],
    }


def measured(prefix, command, job=None, env=None):
    """What a command prints, and the share of all cores that others had meanwhile."""
    before, mine = cpu_seconds()
    start = time.perf_counter()
    result = run_json(prefix + command, input=json.dumps(job) if job else None, env=env)
    seconds = time.perf_counter() - start
    after, mine_after = cpu_seconds()
    result["others"] = max(0.0, (after - before) - (mine_after - mine)) / (seconds * os.cpu_count())
    return result


def run_model(arguments, model):
    job, prefix = job_of(arguments, model), shlex.split(arguments.prefix)
    env = os.environ | {"POCL_MAX_PTHREAD_COUNT": str(arguments.threads)}
    runs = {name: [] for name in OURS} | {"llama.cpp": []} | {f"batch {name}": [] for name in OURS}
    for turn in range(1, arguments.runs + 1):
        for name, activations in OURS.items():
            one = job | {"activations": activations}
            runs[name].append(measured(prefix, [sys.executable, HERE / "many_ours.py"], one, env))
            runs[f"batch {name}"].append(measured(
                prefix, [arguments.program, "bench", "--model", model, "--batch", 8, "--prompt-tokens", CONTEXT,
                         "--activations", activations, "--json"], env=env))
        if arguments.peer_python:
            runs["llama.cpp"].append(measured(prefix, [arguments.peer_python, HERE / "many_llama_cpp.py"], job))
        rates = ", ".join(f"{name} {of[-1]['classify_prompts_s']:.0f}" for name, of in runs.items()
                          if of and "classify_prompts_s" in of[-1])
        print(f"{model.name}, run {turn}: prompts a second: {rates}", file=sys.stderr)
    if runs["llama.cpp"]:
        theirs = runs["llama.cpp"][0]["classes"]
        for name in OURS:
            ours = runs[name][0]["classes"]
            runs[f"same {name}"] = sum(a == b for a, b in zip(ours, theirs)) / len(ours)
    return {"model": model.name, "runs": runs}


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def rows_of(result):
    runs = result["runs"]
    theirs = runs["llama.cpp"]
    for name in OURS:
        rate, batch = median(runs[name], "classify_prompts_s"), runs[f"batch {name}"]
        cells = [f"{result['model']}, {name}", f"{rate:.0f} ({median(runs[name], 'classify_tok_s'):.0f})"]
        if theirs:
            other = median(theirs, "classify_prompts_s")
            cells += [f"{other:.0f} ({median(theirs, 'classify_tok_s'):.0f})", f"{rate / other:.2f}x",
                      f"{runs[f'same {name}']:.0%}"]
        else:
            cells += ["", "", ""]
        together = statistics.median(run["all_rows"]["tok_s"] for run in batch)
        alone = statistics.median(run["one_row"]["tok_s"] for run in batch)
        yield cells + [f"{median(runs[name], 'score_ratio'):.1f}x",
                       f"{together:.0f} / {alone:.0f} tok/s ({median(batch, 'ratio'):.2f}x)"]


def table(report):
    machine = report["machine"]
    lines = ["# Many texts in one call", "",
             f"{PROMPTS} prompts of {LEAST} to {MOST} tokens classified; {COMPLETIONS} completions of {COMPLETION} tokens on a "
             f"prefix of {PREFIX} scored in one call, against one by one without any cache; "
             f"eight rows of decode and one, after {CONTEXT} tokens. "
             f"Medians of {machine['runs']} runs, in turn, {machine['threads']} threads. Weights are multiplied with float32 or "
             "(int8, as in llama.cpp) with bytes in blocks of 32. The prompts are random ids: many next tokens are close calls, "
             "which rounding decides.", "",
             f"{machine['cpu']}, {machine['cores']} cores.{peer_note(machine)}", "",
             "| | classify, prompts/s (tok/s): ours | llama.cpp | ratio | same class | scored in one call | decode, 8 rows / 1 |",
             "|---|---|---|---|---|---|---|"]
    for result in report["results"]:
        lines += ["| " + " | ".join(cells) + " |" for cells in rows_of(result)]
    others = max(run["others"] for result in report["results"] for of in result["runs"].values() if isinstance(of, list)
                 for run in of)
    lines += ["", f"Processes beside the runs took at most {others:.0%} of the cores."]
    return "\n".join(lines) + "\n"


def peer_note(machine):
    return f" llama.cpp: {machine['peer']}." if machine["peer"] else ""


def main():
    arguments = parse_arguments()
    report = {"results": [run_model(arguments, model) for model in arguments.model]}
    report["machine"] = describe_machine(arguments, []) | {"peer": arguments.peer_name}
    text = table(report)
    print(text)
    for result in report["results"]:
        for runs in result["runs"].values():
            for run in runs if isinstance(runs, list) else []:
                run.pop("classes", None)
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / "many.json").write_text(json.dumps(report, indent=1) + "\n")
    (arguments.results / "many.md").write_text(text)


if __name__ == "__main__":
    main()
