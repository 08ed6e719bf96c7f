"""One timed run of llama.cpp's classification of short prompts (through llama-cpp-python's C functions): prompts are
packed into batches of up to 512 tokens, a sequence each, and the likeliest id after each is taken.

Reads a job as JSON from stdin: model, prompts (lists of ids), passes (over them), threads. Prints one JSON object. compare_many.py runs it in
the Python that has llama-cpp-python."""

import ctypes
import json
import statistics
import sys
import time

import llama_cpp
import numpy

BATCH_TOKENS = 512
SEQUENCES = 64


def batches_of(prompts):
    batch, tokens = [], 0
    for prompt in prompts:
        if batch and (tokens + len(prompt) > BATCH_TOKENS or len(batch) == SEQUENCES):
            yield batch
            batch, tokens = [], 0
        batch.append(prompt)
        tokens += len(prompt)
    yield batch


class Llama:
    def __init__(self, job):
        log = llama_cpp.llama_log_callback(lambda level, text, user: None)
        self.log = log  # it must outlive the calls
        llama_cpp.llama_log_set(log, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_load_model_from_file(job["model"].encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            sys.exit(f"llama.cpp cannot load {job['model']}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = 2 * BATCH_TOKENS
        params.n_batch = params.n_ubatch = BATCH_TOKENS
        params.n_seq_max = SEQUENCES
        params.kv_unified = True
        params.n_threads = params.n_threads_batch = job["threads"]
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        if not self.context:
            sys.exit("llama.cpp cannot make a context")
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        self.batch = llama_cpp.llama_batch_init(BATCH_TOKENS, 0, 1)

    def classify(self, prompts):
        """The likeliest next id of each prompt."""
        found = []
        for group in batches_of(prompts):
            llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)
            n, last = 0, []
            for sequence, prompt in enumerate(group):
                for position, token in enumerate(prompt):
                    self.batch.token[n], self.batch.pos[n] = token, position
                    self.batch.n_seq_id[n], self.batch.seq_id[n][0] = 1, sequence
                    self.batch.logits[n] = position == len(prompt) - 1
                    n += 1
                last.append(n - 1)
            self.batch.n_tokens = n
            if llama_cpp.llama_decode(self.context, self.batch) != 0:
                sys.exit("llama.cpp: llama_decode failed")
            for at in last:
                logits = llama_cpp.llama_get_logits_ith(self.context, at)
                found.append(int(numpy.ctypeslib.as_array(logits, shape=(self.vocab_size,)).argmax()))
        return found


def main():
    job = json.load(sys.stdin)
    llama, prompts = Llama(job), job["prompts"]
    llama.classify(prompts[: len(prompts) // 4])
    passes = []
    for _ in range(job["passes"]):
        start = time.perf_counter()
        classes = llama.classify(prompts)
        passes.append(time.perf_counter() - start)
    seconds = statistics.median(passes)
    print(json.dumps({
        "classify_tok_s": sum(map(len, prompts)) / seconds,
        "classify_prompts_s": len(prompts) / seconds,
        "classes": classes,
        "version": llama_cpp.__version__,
    }))


main()
