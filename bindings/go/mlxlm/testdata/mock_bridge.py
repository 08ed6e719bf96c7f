"""Speaks the protocol without a model."""

import json
import sys

GENERATED = [("Hello", 100), (" ", 101), ("world", 102), ("!", 103), ("\n", 104)]
CHATTED = [("I", 200), (" ", 201), ("heard", 202), (" ", 203), ("you", 204)]


def reply(**fields):
    print(json.dumps(fields), flush=True)


def stream(tokens, request):
    tokens = tokens[: request.get("max_tokens", 5)]
    for text, token_id in tokens:
        reply(token=text, token_id=token_id)
    reply(done=True, tokens_generated=len(tokens))


for line in sys.stdin:
    if not line.strip():
        continue
    request = json.loads(line)
    command = request.get("cmd")
    if command == "load":
        if "FAIL" in request["path"]:
            reply(error=f"load: cannot open model at {request['path']}")
        else:
            reply(ok=True, model_type="mock_model", vocab_size=32000)
    elif command == "generate":
        if "ERROR" in request["prompt"]:
            reply(error="generate: simulated model error")
        else:
            stream(GENERATED, request)
    elif command == "chat":
        stream(CHATTED, request)
    elif command == "info":
        reply(model_type="mock_model", vocab_size=32000, layers=24, hidden_size=2048)
    elif command == "cancel":
        pass
    elif command == "quit":
        break
    else:
        reply(error=f"unknown command: {command}")
