"""Serves a model of mlx-lm over JSON Lines on stdin and stdout: docs/bridge_protocol.md.

A thread of its own reads the commands, so that "cancel" reaches a generation that runs.
"""

import json
import os
import queue
import signal
import sys
import threading


class Cancelled(Exception):
    pass


class Replies:
    """The stdout of the protocol. What else prints ends up on stderr."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def __call__(self, **reply):
        self._out.write(json.dumps(reply).encode() + b"\n")


class StopStrings:
    """Ends a text before the first of some strings; holds back what could be the beginning of one."""

    def __init__(self, stops):
        self._stops = stops
        self._held = ""

    def add(self, text):
        """Returns the text that is certain now, and whether a stop string has come."""
        held = self._held + text
        found = [i for i in (held.find(s) for s in self._stops) if i >= 0]
        if found:
            self._held = ""
            return held[: min(found)], True
        keep = 0
        for stop in self._stops:
            for n in range(min(len(stop) - 1, len(held)), keep, -1):
                if held.endswith(stop[:n]):
                    keep = n
                    break
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep], False

    def rest(self):
        rest, self._held = self._held, ""
        return rest


class Bridge:
    def __init__(self, reply):
        self._reply = reply
        self._model = None
        self._tokenizer = None
        self._config = {}
        self._context_len = 0

    def load(self, request, _):
        path = request.get("path")
        if not path:
            raise ValueError("missing 'path'")
        if os.path.isabs(path) and not os.path.isdir(path):  # else a name on the Hugging Face hub
            raise ValueError(f"cannot open model at {path}")
        import mlx.core as mx

        layers = request.get("gpu_layers", -1)
        if layers == 0:
            mx.set_default_device(mx.cpu)  # before mlx_lm, which makes its stream when it is imported
        elif layers > 0:
            raise ValueError(f"gpu_layers is {layers}; mlx runs all layers (-1) or none (0) on the GPU")
        import mlx_lm

        adapters = request.get("adapters") or []
        if len(adapters) > 1 or any(a.get("scale", 1) != 1 for a in adapters):
            raise ValueError("mlx-lm loads one adapter, with scale 1")
        self._model, self._tokenizer, self._config = mlx_lm.load(
            path, adapter_path=adapters[0]["path"] if adapters else None, return_config=True
        )
        self._context_len = int(request.get("context_len", 0))
        self._reply(ok=True, model_type=self._config.get("model_type", "unknown"), vocab_size=self._vocab_size())

    def info(self, _request, _):
        self._need_model()
        quantization = self._config.get("quantization") or {}
        self._reply(
            model_type=self._config.get("model_type", "unknown"),
            vocab_size=self._vocab_size(),
            layers=len(self._model.layers),
            hidden_size=self._text_config("hidden_size"),
            quant_bits=quantization.get("bits", 0),
            quant_group=quantization.get("group_size", 0),
        )

    def generate(self, request, cancelled):
        self._need_model()
        prompt = request.get("prompt", "")
        bos = self._tokenizer.bos_token
        ids = self._tokenizer.encode(prompt, add_special_tokens=not (bos and prompt.startswith(bos)))
        self._stream(ids, request, cancelled)

    def chat(self, request, cancelled):
        self._need_model()
        messages = request.get("messages", [])
        if self._tokenizer.has_chat_template:
            ids = self._tokenizer.apply_chat_template(messages, tokenize=True, add_generation_prompt=True)
        else:
            lines = [f"{m['role']}: {m['content']}" for m in messages] + ["assistant:"]
            ids = self._tokenizer.encode("\n".join(lines))
        self._stream(ids, request, cancelled)

    def _need_model(self):
        if self._model is None:
            raise ValueError("no model loaded")

    def _text_config(self, key):
        """Models for more than text have the figures of the text model in a part of their own."""
        return self._config.get(key) or self._config.get("text_config", {}).get(key) or 0

    def _vocab_size(self):
        return self._text_config("vocab_size") or len(self._tokenizer)

    def _stream(self, ids, request, cancelled):
        import mlx.core as mx
        from mlx_lm import stream_generate

        if request.get("adapters") is not None:
            raise ValueError("mlx-lm takes adapters when it loads a model, not later")
        max_tokens = int(request.get("max_tokens", 256))
        if max_tokens <= 0:  # mlx-lm's -1 is no limit
            self._reply(done=True, tokens_generated=0)
            return
        if request.get("seed") is not None:
            mx.random.seed(int(request["seed"]))
        def progress(*_):  # of the prompt
            if cancelled.is_set():
                raise Cancelled

        stops = StopStrings([s for s in request.get("stop") or [] if s])
        ends = self._tokenizer.eos_token_ids
        self._tokenizer.eos_token_ids = set(ends) | set(request.get("stop_tokens") or [])
        count = 0
        try:
            for response in stream_generate(
                self._model,
                self._tokenizer,
                ids,
                max_tokens=max_tokens,
                prompt_progress_callback=progress,
                prefill_step_size=512,
                sampler=self._sampler(request),
                logits_processors=processors(request, len(ids)),
                prompt_cache=self._cache(),
            ):
                if cancelled.is_set():
                    break
                text, stopped = stops.add(response.text)
                if response.finish_reason == "stop":  # its token is the end, and no part of the text
                    if text := text + stops.rest():
                        self._reply(token=text, token_id=-1)
                    break
                if response.finish_reason == "length":
                    text += stops.rest()
                count += 1
                self._reply(token=text, token_id=response.token)
                if stopped:
                    break
        except Cancelled:
            pass
        finally:
            self._tokenizer.eos_token_ids = ends
        self._reply(done=True, tokens_generated=count)

    def _cache(self):
        """Layers that would see everything see the first four tokens and the last context_len ones."""
        from mlx_lm.models.cache import KVCache, RotatingKVCache, make_prompt_cache

        cache = make_prompt_cache(self._model)
        if self._context_len > 0:
            for i, layer in enumerate(cache):
                if type(layer) is KVCache:
                    cache[i] = RotatingKVCache(max_size=self._context_len, keep=4)
        return cache

    def _sampler(self, request):
        from mlx_lm.sample_utils import make_sampler

        top_k = int(request.get("top_k", 0))
        return make_sampler(
            temp=request.get("temperature", 0.0),
            top_p=request.get("top_p", 1.0),
            min_p=request.get("min_p", 0.0),
            top_k=top_k if top_k < self._vocab_size() else 0,  # mlx-lm refuses what would change nothing
        )


def processors(request, prompt_tokens):
    """The repeat penalty looks at what was generated, not at the prompt, as the contract has it."""
    penalty = request.get("repeat_penalty", 0.0)
    if penalty in (0, 1):
        return []
    import mlx.core as mx

    def repeat_penalty(tokens, logits):
        generated = tokens[prompt_tokens:]
        if generated.size > 0:
            seen = logits[:, generated]
            logits[:, generated] = mx.where(seen < 0, seen * penalty, seen / penalty)
        return logits

    return [repeat_penalty]


def read_commands(commands):
    """Queues commands with the event that cancels them; "cancel" is about the one that was read last."""
    cancelled = threading.Event()
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            if not isinstance(request, dict):
                raise ValueError("a command is an object")
            command = str(request.get("cmd", ""))
        except ValueError as error:
            request, command = {"error": f"parse error: {error}"}, None
        if command == "cancel":
            cancelled.set()
            continue
        if command == "quit":
            break
        cancelled = threading.Event()
        commands.put((command, request, cancelled))
    cancelled.set()
    commands.put(("quit", {}, cancelled))


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it closes our stdin
    reply = Replies()
    bridge = Bridge(reply)
    known = {"load": bridge.load, "info": bridge.info, "generate": bridge.generate, "chat": bridge.chat}
    commands = queue.Queue()
    threading.Thread(target=read_commands, args=(commands,), daemon=True).start()
    while True:
        command, request, cancelled = commands.get()
        if command == "quit":
            break
        if command is None:
            reply(**request)
        elif command not in known:
            reply(error=f"unknown command: {command}")
        else:
            try:
                known[command](request, cancelled)
            except BrokenPipeError:
                break
            except Exception as error:
                reply(error=f"{command}: {error}")
    sys.stderr.flush()
    os._exit(0)  # threads of mlx, and the one that reads, are not waited for


if __name__ == "__main__":
    main()
