#!/usr/bin/env python3
"""Encoding speed against the Python package `tokenizers`, both in one process, in turn, one thread each.

  bench/compare_tokenizers.py --tokenizers FOLDER [--library build/lib/libinference.so]

FOLDER holds NAME/tokenizer.json. Run it with a Python that has the package. Every text is 1 MiB; ids must
be equal; times are CPU time of the process, the best of --runs. The package's faster call (encode or
encode_batch_fast) counts, with its word cache warm. Writes bench/results/tokenizers.md."""

import argparse
import ctypes
import os
import pathlib
import platform
import pydoc_data.topics
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import tokenizers  # noqa: E402  reads the variable above

HERE = pathlib.Path(__file__).resolve().parent
SIZE = 1 << 20
PARSE_SPECIAL = 2


class Error(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_uint32), ("status", ctypes.c_int32), ("domain", ctypes.c_int32),
                ("sub", ctypes.c_int32), ("msg_len", ctypes.c_uint32), ("reserved", ctypes.c_uint32),
                ("msg", ctypes.c_char * 1000)]


class Tokens(ctypes.Structure):
    _fields_ = [("data", ctypes.POINTER(ctypes.c_int32)), ("len", ctypes.c_size_t), ("cap", ctypes.c_size_t)]


class Ours:
    def __init__(self, library, path):
        self.library, self.tokens, self.handle = library, Tokens(), ctypes.c_void_p()
        self.error = Error(struct_size=ctypes.sizeof(Error))
        self.check(library.inf_tokenizer_load(path.encode(), ctypes.c_size_t(len(path.encode())), None,
                                              ctypes.byref(self.handle), ctypes.byref(self.error)))

    def check(self, status):
        if status < 0:
            sys.exit(f"inference: {self.error.msg.decode()}")

    def encode(self, data):
        self.check(self.library.inf_tokenize(self.handle, data, ctypes.c_size_t(len(data)), PARSE_SPECIAL,
                                             ctypes.byref(self.tokens), ctypes.byref(self.error)))

    def ids(self):
        return self.tokens.data[:self.tokens.len]


def fill(parts):
    text = "\n".join(parts)
    data = (text * (SIZE // len(text.encode()) + 1)).encode()[:SIZE]
    return data.decode(errors="ignore")


def texts():
    library = pathlib.Path(os.__file__).parent
    code = [p.read_text() for p in sorted(library.glob("*.py"))[:60]]
    mixed = ["Zażółć gęślą jaźń, 12345 dni.", "日本語の文章をトークンに分ける。漢字とかな。", "Привет, как дела сегодня?",
             "مرحبا بالعالم، كيف الحال؟", "안녕하세요 세계 여러분", "naïve café — “quotes” … 3.14159", "नमस्ते दुनिया 😀👍🏽"]
    return {"prose": fill(pydoc_data.topics.topics[k] for k in sorted(pydoc_data.topics.topics)),
            "code": fill(code), "nine scripts": fill(mixed), "letters a": "a" * SIZE, "spaces": " " * SIZE,
            "new lines": "\n" * SIZE, "digits": "1234567890" * (SIZE // 10), "emoji ZWJ": fill(["👩‍👩‍👧‍👦"])}


def seconds(call):
    begin = time.process_time()
    call()
    return time.process_time() - begin


def compare(ours, theirs, text, runs):
    """MB/s of both; None where the ids differ."""
    data = text.encode()
    calls = {"ours": lambda: ours.encode(data), "encode": lambda: theirs.encode(text, add_special_tokens=False),
             "fast": lambda: theirs.encode_batch_fast([text], add_special_tokens=False)}
    best = {name: min(seconds(call) for _ in range(1)) for name, call in calls.items()}
    for _ in range(runs - 1):
        for name, call in calls.items():
            best[name] = min(best[name], seconds(call))
    equal = ours.ids() == theirs.encode(text, add_special_tokens=False).ids
    mb = len(data) / 1e6
    return mb / best["ours"], mb / min(best["encode"], best["fast"]), equal


def cpu_name():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizers", required=True, type=pathlib.Path)
    parser.add_argument("--library", default=HERE.parent / "build/lib/libinference.so", type=pathlib.Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="part of a tokenizer's name")
    parser.add_argument("--results", type=pathlib.Path, help="default: print only")
    arguments = parser.parse_args()
    library = ctypes.CDLL(str(arguments.library))
    rows = [f"Encoding 1 MiB on one thread, MB/s of CPU time, best of {arguments.runs}: libinference / `tokenizers` "
            f"{tokenizers.__version__} (ratio).", "CPU time of the process was compared, not time on the clock, so that other work on "
            f"the machine counts little. {cpu_name()}, {os.cpu_count()} cores. `bench/compare_tokenizers.py`", ""]
    all_texts = texts()
    rows += ["| | " + " | ".join(all_texts) + " |", "|---" * (len(all_texts) + 1) + "|"]
    worst, differ = 1e9, []
    for folder in sorted(p.parent for p in arguments.tokenizers.glob("*/tokenizer.json")):
        if arguments.only and arguments.only not in folder.name:
            continue
        ours, theirs = Ours(library, str(folder)), tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        cells = [folder.name]
        for name, text in all_texts.items():
            mine, other, equal = compare(ours, theirs, text, arguments.runs)
            worst = min(worst, mine / other)
            if not equal:
                differ.append(f"{folder.name}, {name}")
            cells.append(f"{mine:.1f} / {other:.1f} ({mine / other:.1f}){'' if equal else ' IDS DIFFER'}")
            print(folder.name, name, cells[-1], file=sys.stderr, flush=True)
        rows.append("| " + " | ".join(cells) + " |")
    rows += ["", f"Smallest ratio: {worst:.2f}. " + (f"Ids differ: {differ}" if differ else "All ids are equal.")]
    print("\n".join(rows))
    if arguments.results:
        arguments.results.write_text("# Tokenizers\n\n" + "\n".join(rows) + "\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
