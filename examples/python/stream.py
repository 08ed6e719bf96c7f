#!/usr/bin/env python3
"""Streams a model's answer to a question, with nothing but Python and libinference.so:

    python3 stream.py model.gguf "What is the capital of France?"

INFERENCE_LIBRARY names the library where the system does not find it. With a seed as a third argument the answer is
drawn at temperature 1, else the likeliest one is taken. Ctrl-C ends the answer."""

import ctypes
import ctypes.util
import os
import sys
from ctypes import POINTER, byref, c_char, c_char_p, c_double, c_float, c_int32, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p

OK, DONE, CANCELLED = 0, 1, -30
EVENT_TOKEN = 3


class Error(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("status", c_int32), ("domain", c_int32), ("sub", c_int32),
                ("msg_len", c_uint32), ("reserved", c_uint32), ("msg", c_char * 1000)]


class Event(ctypes.Structure):
    """The beginning of inf_event, which is all that is read here; the library owns it."""
    _fields_ = [("struct_size", c_uint32), ("kind", c_uint32), ("token", c_int32), ("reserved", c_uint32),
                ("pos", c_uint64), ("step", c_uint64), ("total", c_uint64), ("text", c_void_p), ("text_len", c_uint64),
                ("logprob", c_double)]


class Sampling(ctypes.Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("max_tokens", c_int32), ("top_k", c_int32),
                ("temperature", c_float), ("top_p", c_float), ("min_p", c_float), ("repeat_penalty", c_float),
                ("seed", c_uint64), ("typical_p", c_float), ("frequency_penalty", c_float),
                ("presence_penalty", c_float), ("penalty_window", c_int32), ("order", c_uint8 * 8)]


class InferenceError(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Library:
    """The functions by name. A handle is a c_void_p; text goes in as (bytes, length)."""

    def __init__(self):
        path = os.environ.get("INFERENCE_LIBRARY") or ctypes.util.find_library("inference") or "libinference.so.0"
        self.so = ctypes.CDLL(path)
        for name in ("runtime", "model", "tokenizer", "chat", "session", "request", "gen", "cancel"):
            function = getattr(self.so, f"inf_{name}_free")
            function.argtypes, function.restype = [c_void_p], None
        self.so.inf_cancel_trigger.argtypes = [c_void_p]

    def call(self, name, *arguments):
        """Calls a function whose last argument is the inf_error: a positive outcome, or InferenceError."""
        err = Error(struct_size=ctypes.sizeof(Error))
        status = getattr(self.so, name)(*arguments, byref(err))
        if status < 0:
            raise InferenceError(status, err.msg[: err.msg_len].decode())
        return status

    def new(self, name, *arguments):
        handle = c_void_p()
        self.call(name, *arguments, byref(handle))
        return handle


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return c_char_p(data), c_size_t(len(data))


def answer(lib, path, question, seed=None):
    """Yields the answer as it comes: whole characters."""
    handles = []

    def keep(kind, handle):
        handles.append((kind, handle))
        return handle

    try:
        runtime = keep("runtime", lib.new("inf_runtime_new", None, None, None, None))
        model = keep("model", lib.new("inf_model_load", runtime, *text(os.fsencode(path)), None, None, None, None))
        tokenizer = c_void_p()
        lib.call("inf_model_tokenizer", model, byref(tokenizer))
        keep("tokenizer", tokenizer)
        chat = keep("chat", lib.new("inf_chat_new", tokenizer))
        lib.call("inf_chat_add", chat, *text("user"), *text(question))
        session = keep("session", lib.new("inf_session_new", model, None))
        request = keep("request", lib.new("inf_request_new"))
        lib.call("inf_request_set_chat", request, chat)
        if seed is not None:
            sampling = Sampling()
            lib.so.inf_sampling_init(byref(sampling))
            sampling.temperature, sampling.seed = 1.0, seed
            lib.call("inf_request_set_sampling", request, byref(sampling))
        gen = keep("gen", lib.new("inf_gen_start", session, request))
        event = POINTER(Event)()
        while lib.call("inf_gen_next", gen, byref(event)) != DONE:
            if event.contents.kind == EVENT_TOKEN:
                yield ctypes.string_at(event.contents.text, event.contents.text_len).decode()
    finally:
        for kind, handle in reversed(handles):  # any order would do
            getattr(lib.so, f"inf_{kind}_free")(handle)


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(f"usage: {sys.argv[0]} MODEL QUESTION [SEED]")
    try:
        for piece in answer(Library(), sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])):
            print(piece, end="", flush=True)
        print()
    except InferenceError as error:
        sys.exit(f"error {error.status}: {error}")
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
