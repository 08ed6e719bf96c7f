"""Does what a bridge must not do: the prompt, or the path, says what. Commands are read by a thread."""

import json
import os
import queue
import sys
import threading
import time

commands = queue.Queue()
cancelled = threading.Event()
log = open(os.environ["RUDE_LOG"], "a") if "RUDE_LOG" in os.environ else None


def read():
    for line in sys.stdin:
        request = json.loads(line)
        if log:
            print(line, end="", file=log, flush=True)
        if request["cmd"] == "cancel":
            cancelled.set()
        else:
            commands.put(request)
    commands.put({"cmd": "quit"})


def reply(**fields):
    print(json.dumps(fields), flush=True)


def echo(request):
    """The request itself, as the text of one token."""
    reply(token=json.dumps(request, sort_keys=True), token_id=1)
    reply(done=True, tokens_generated=1)


def forever(_):
    n = 0
    while not cancelled.wait(0.001):
        reply(token=f"{n} ", token_id=n)
        n += 1
    reply(done=True, tokens_generated=n)


def silent(_):
    cancelled.wait()
    reply(done=True, tokens_generated=0)


def deaf(_):
    """A line, then nothing for a while, whatever is asked."""
    reply(token="a", token_id=1)
    time.sleep(1.5)
    reply(done=True, tokens_generated=1)


def die(_):
    reply(token="a", token_id=1)
    print("rude: out of memory\nrude: dying", file=sys.stderr, flush=True)
    os._exit(3)


def garbage(_):
    print("Fetching 3 files", flush=True)
    reply(token="late", token_id=1)
    reply(done=True, tokens_generated=1)


def garbage_at_the_end(_):
    print("Fetching 3 files", flush=True)


def no_object(_):
    print("null", flush=True)
    print("[1]", flush=True)
    reply(done=True, tokens_generated=0)


def long_line(_):
    reply(token="x" * (1 << 20), token_id=1)


def nearly_long_line(_):
    line = json.dumps({"token": "", "token_id": 1})
    reply(token="x" * ((1 << 20) - 1 - len(line)), token_id=1)
    reply(done=True, tokens_generated=1)


def odd_values(_):
    for fields in [{}, {"token": 7, "token_id": "x"}, {"token": "big", "token_id": 1e300}, {"token_id": 5.0}]:
        reply(**fields)
    reply(error={"code": 7})


def stubborn(_):
    while True:
        time.sleep(1)


def grandchild(_):
    """Something that keeps the pipes open when this process is gone."""
    import subprocess

    subprocess.Popen(["sleep", "6"])
    reply(done=True, tokens_generated=0)


threading.Thread(target=read, daemon=True).start()
while True:
    request = commands.get()
    command = request["cmd"]
    if command == "quit":
        print("rude: bye", file=sys.stderr, flush=True)
        os._exit(int(os.environ.get("RUDE_STATUS", "0")))
    elif command == "load":
        if request["path"] == "die":
            die(request)
        reply(ok=True, model_type="rude", vocab_size=7.0)
    elif command == "info":
        reply(error="info: none of your business")
    elif command == "chat":
        echo(request)
    else:
        cancelled.clear()
        globals().get(request["prompt"], echo)(request)
