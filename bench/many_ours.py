"""One timed run of libinference's calls on many texts, through its C functions: classification of short prompts, and
completions of one prefix scored in one call and one by one.

Reads a job as JSON from stdin: library, model, activations, prompts (lists of ids), prefix, completions, passes (over
the prompts), single (how many of the completions are scored one by one). Prints one JSON object. compare_many.py runs it in a process of its own."""

import ctypes
import json
import resource
import statistics
import sys
import time
from ctypes import byref, c_char, c_double, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p


class Error(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("status", c_int32), ("domain", c_int32), ("sub", c_int32),
                ("msg_len", c_uint32), ("reserved", c_uint32), ("msg", c_char * 1000)]


class ScoreDesc(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("is_greedy", c_uint32), ("tokens", c_uint64), ("cached_tokens", c_uint64),
                ("total_logprob", c_double)]


class ClassDesc(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("token", c_int32), ("label", c_int32), ("reserved", c_uint32),
                ("tokens", c_uint64)]


class Library:
    """Calls of the C ABI; a failure ends the program with its text."""

    def __init__(self, path):
        self.so = ctypes.CDLL(path)
        self.so.inf_items_count.restype = c_uint64

    def call(self, name, *arguments):
        err = Error(struct_size=ctypes.sizeof(Error))
        if getattr(self.so, name)(*arguments, byref(err)) < 0:
            sys.exit(f"{name}: {err.msg[: err.msg_len].decode()}")

    def new(self, name, *arguments):
        handle = c_void_p()
        self.call(name, *arguments, byref(handle))
        return handle

    def set_option(self, config, key, value):
        key, value = key.encode(), value.encode()
        self.call("inf_config_set_str", config, key, c_size_t(len(key)), value, c_size_t(len(value)))

    def ids(self, ids):
        return (c_int32 * len(ids))(*ids), c_size_t(len(ids))

    def inputs(self, lists):
        inputs = self.new("inf_inputs_new")
        for ids in lists:
            self.call("inf_inputs_add_tokens", inputs, *self.ids(ids))
        return inputs


def load(lib, path, activations):
    runtime = lib.new("inf_runtime_new", None, None, None, None)
    config = lib.new("inf_config_new")
    key = b"prefix_cache"  # so that nothing is remembered from one measurement to the next
    if lib.so.inf_config_set_i64(config, key, c_size_t(len(key)), c_int64(0), None) < 0:
        sys.exit("the library has no option prefix_cache")
    lib.set_option(config, "activations", activations)
    name = path.encode()
    return lib.new("inf_model_load", runtime, name, c_size_t(len(name)), config, None, None, None)


def classify(lib, model, prompts):
    """Seconds, and the likeliest next id of each prompt."""
    inputs = lib.inputs(prompts)
    start = time.perf_counter()
    items = lib.new("inf_classify", model, inputs, None, None, c_uint32(0), None)
    seconds = time.perf_counter() - start
    found = []
    for i in range(lib.so.inf_items_count(items)):
        out = ClassDesc(struct_size=ctypes.sizeof(ClassDesc))
        lib.call("inf_items_class", items, c_uint64(i), byref(out), None, None)
        found.append(out.token)
    lib.so.inf_items_free(items)
    lib.so.inf_inputs_free(inputs)
    return seconds, found


def score_together(lib, model, prefix, completions):
    session = lib.new("inf_session_new", model, None)
    contexts, rest = lib.inputs([prefix]), lib.inputs(completions)
    start = time.perf_counter()
    items = lib.new("inf_score_many", session, contexts, rest, None)
    seconds = time.perf_counter() - start
    totals = []
    for i in range(len(completions)):
        out = ScoreDesc(struct_size=ctypes.sizeof(ScoreDesc))
        lib.call("inf_items_score", items, c_uint64(i), byref(out), None, None)
        totals.append(out.total_logprob)
    lib.so.inf_items_free(items)
    lib.so.inf_session_free(session)
    return seconds, totals


def score_one(lib, session, prefix, completion):
    lib.call("inf_session_reset", session)
    out = ScoreDesc(struct_size=ctypes.sizeof(ScoreDesc))
    start = time.perf_counter()
    lib.call("inf_score", session, *lib.ids(prefix), *lib.ids(completion), None, byref(out), None)
    return time.perf_counter() - start, out.total_logprob


def main():
    job = json.load(sys.stdin)
    lib = Library(job["library"])
    for name in ["inf_session_free", "inf_items_free", "inf_inputs_free", "inf_items_count"]:
        getattr(lib.so, name).argtypes = [c_void_p]
    model = load(lib, job["model"], job["activations"])
    prompts, prefix, completions = job["prompts"], job["prefix"], job["completions"]

    classify(lib, model, prompts[: len(prompts) // 4])  # programs and memory are there afterwards
    seconds, classes = zip(*(classify(lib, model, prompts) for _ in range(job["passes"])))
    classify_s, classes = statistics.median(seconds), classes[0]
    score_together(lib, model, prefix, completions)
    together_s, together = score_together(lib, model, prefix, completions)
    session = lib.new("inf_session_new", model, None)
    score_one(lib, session, prefix, completions[0])
    single = [score_one(lib, session, prefix, completion) for completion in completions[: job["single"]]]
    if [total for _, total in single] != together[: len(single)]:
        sys.exit("completions scored together and one by one differ")
    single_s = sum(seconds for seconds, _ in single) / len(single) * len(completions)
    print(json.dumps({
        "classify_tok_s": sum(map(len, prompts)) / classify_s,
        "classify_prompts_s": len(prompts) / classify_s,
        "classes": classes,
        "score_together_s": together_s,
        "score_single_s": single_s,
        "score_ratio": single_s / together_s,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }))


main()
