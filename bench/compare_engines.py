"""The engines that compare.py measures. run(model, ids) gives prefill_tok_s, decode_tok_s, peak_rss_mb and wall_s, and
where the engine tells them first_token_s, version, device, read_gb_s and share_of_read_bandwidth."""

import json
import os
import pathlib
import resource
import shlex
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent


def run_json(command, **options):
    """The last line that a command prints, as JSON; ends the program with its error when it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def cpu_seconds():
    """Processor time since the start of all processes, and of the ended children of this one."""
    with open("/proc/stat", encoding="utf-8") as lines:
        user, nice, system, _, _, irq, softirq = [int(word) for word in lines.readline().split()[1:8]]
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK"), children.ru_utime + children.ru_stime


class Engine:
    def __init__(self, name, arguments):
        self.name, self.arguments = name, arguments
        self.prefix = shlex.split(arguments.prefix)

    def timed(self, command, **options):
        start = time.perf_counter()
        result = run_json(self.prefix + command, **options)
        return result, time.perf_counter() - start


class Ours(Engine):
    def __init__(self, name, arguments, variant=""):
        super().__init__(name, arguments)
        words = shlex.split(variant)
        count = next((i for i, word in enumerate(words) if "=" not in word or word.startswith("-")), len(words))
        self.env = dict(word.split("=", 1) for word in words[:count])
        self.extra = words[count:]

    def run(self, model, ids):
        # One token more: the first one belongs to the prefill.
        command = [self.arguments.program, "bench", "--model", model, "--json", "--repetitions", 1,
                   "--ids", ",".join(map(str, ids)), "--gen-tokens", self.arguments.decode_tokens + 1, *self.extra]
        threads = {"POCL_MAX_PTHREAD_COUNT": str(self.arguments.threads)}
        result, wall_s = self.timed(command, env=os.environ | threads | self.env)
        wanted = ["prefill_tok_s", "decode_tok_s", "first_token_s", "peak_rss_mb", "device", "read_gb_s",
                  "share_of_read_bandwidth"]
        return {key: result[key] for key in wanted} | {"wall_s": wall_s}


class LlamaCpp(Engine):
    """Through llama-cpp-python's C functions: compare_llama_cpp.py."""

    def __init__(self, arguments):
        super().__init__("llama.cpp", arguments)

    def run(self, model, ids):
        job = {"model": str(model), "ids": ids, "decode_tokens": self.arguments.decode_tokens,
               "threads": self.arguments.threads}
        result, wall_s = self.timed([self.arguments.peer_python, HERE / "compare_llama_cpp.py"], input=json.dumps(job))
        wanted = ["prefill_tok_s", "decode_tok_s", "first_token_s", "peak_rss_mb"]
        version = f"llama-cpp-python {result['version']}"
        return {key: result[key] for key in wanted} | {"version": version, "wall_s": wall_s}


class IkLlamaCpp(Engine):
    """Through its llama-bench, which makes its own prompt and, with -gp, decodes after it. It warms up first."""

    def __init__(self, arguments):
        super().__init__("ik_llama.cpp", arguments)

    def run(self, model, ids):
        command = [*self.prefix, self.arguments.ik, "-m", model, "-t", self.arguments.threads, "-p", len(ids), "-n", 0,
                   "-gp", f"{len(ids)},{self.arguments.decode_tokens}", "-r", 1, "-o", "json"]
        start = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        if status != 0:
            sys.exit(f"{self.arguments.ik} failed ({status})")
        prefill, decode = json.loads(output)
        return {"prefill_tok_s": prefill["avg_ts"], "decode_tok_s": decode["avg_ts"],
                "peak_rss_mb": usage.ru_maxrss * 1024 / 1e6, "wall_s": wall_s,
                "version": f"ik_llama.cpp {prefill['build_commit']}"}
