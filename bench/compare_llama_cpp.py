"""One timed run of llama.cpp (through llama-cpp-python): prefill of a prompt, then single-token decode.

Reads a job as JSON from stdin: model, ids, decode_tokens, threads. Prints one JSON object. compare.py runs
it in the Python that has llama-cpp-python; the measuring loop calls the C functions directly, so that
nothing of the Python wrapper is in the times."""

import ctypes
import json
import resource
import sys
import time

import llama_cpp
import numpy

WARM_UP_TOKENS = 32


def main():
    job = json.load(sys.stdin)
    log = llama_cpp.llama_log_callback(lambda level, text, user: None)
    llama_cpp.llama_log_set(log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()

    start = time.perf_counter()
    model_params = llama_cpp.llama_model_default_params()
    model = llama_cpp.llama_load_model_from_file(job["model"].encode(), model_params)
    if not model:
        sys.exit(f"llama.cpp cannot load {job['model']}")
    params = llama_cpp.llama_context_default_params()
    params.n_ctx = len(job["ids"]) + job["decode_tokens"] + 1
    params.n_batch = params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = job["threads"]
    context = llama_cpp.llama_init_from_model(model, params)
    if not context:
        sys.exit("llama.cpp cannot make a context")
    vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))

    def feed(ids):
        """Appends ids in batches and returns the likeliest next id."""
        for at in range(0, len(ids), params.n_batch):
            part = ids[at : at + params.n_batch]
            tokens = (ctypes.c_int32 * len(part))(*part)  # the batch points into it
            batch = llama_cpp.llama_batch_get_one(tokens, len(part))
            if llama_cpp.llama_decode(context, batch) != 0:
                sys.exit("llama.cpp: llama_decode failed")
        logits = llama_cpp.llama_get_logits_ith(context, -1)
        return int(numpy.ctypeslib.as_array(logits, shape=(vocab_size,)).argmax())

    token = feed(job["ids"][:WARM_UP_TOKENS])
    first_token_s = time.perf_counter() - start
    feed([token])
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)

    start = time.perf_counter()
    token = feed(job["ids"])
    prefill_s = time.perf_counter() - start
    generated = [token]
    start = time.perf_counter()
    for _ in range(job["decode_tokens"]):
        token = feed([token])
        generated.append(token)
    decode_s = time.perf_counter() - start

    print(json.dumps({
        "prefill_tok_s": len(job["ids"]) / prefill_s,
        "decode_tok_s": job["decode_tokens"] / decode_s,
        "first_token_s": first_token_s,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "tokens": generated,
        "version": llama_cpp.__version__,
        "system": llama_cpp.llama_print_system_info().decode(),
    }))


main()
