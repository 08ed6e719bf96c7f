"""Chat templates as transformers 5 renders them, and conversations to try them with.

Needs jinja2 3.1. The environment and the treatment of messages follow
transformers/utils/chat_template_utils.py, so that transformers itself is not needed.
"""
import copy
import datetime
import json

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_run"), [], [], body).set_lineno(line)

    def _run(self, caller):
        return caller()


class TemplateDict:
    def __call__(self, *args, **kwargs):
        return dict(*args, **kwargs)

    def fromkeys(self, *args, **kwargs):
        return dict.fromkeys(*args, **kwargs)


class TemplateNamespace(jinja2.utils.Namespace):
    def __init__(*args, **kwargs):
        self, args = args[0], args[1:]
        attributes = dict(*args, **kwargs)
        for name in attributes:
            TemplateNamespace._check_name(name)
        jinja2.utils.Namespace.__init__(self, attributes)

    def __setitem__(self, name, value):
        TemplateNamespace._check_name(name)
        jinja2.utils.Namespace.__setitem__(self, name, value)

    @staticmethod
    def _check_name(name):
        if isinstance(name, str) and name.startswith("_"):
            raise jinja2.exceptions.SecurityError(
                "Chat templates cannot store underscore-prefixed attributes on a namespace, but "
                f"got {name!r}. Please rename the attribute.")


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    env.globals["dict"] = TemplateDict()
    env.globals["namespace"] = TemplateNamespace
    return env


REASONING = ("reasoning_content", "thinking", "reasoning")
CONTINUE_TAG = "CONTINUE_FINAL_MESSAGE_TAG "


def prepared(messages):
    """Messages as templates see them: no null fields, reasoning under its newer names too."""
    out = []
    for message in copy.deepcopy(messages):
        message = {key: value for key, value in message.items() if value is not None}
        reasoning = next((message[key] for key in REASONING if key in message), None)
        if reasoning is not None:
            message = {"thinking": reasoning, **message, "reasoning_content": reasoning}
        out.append(message)
    return out


def tagged(messages):
    last = messages[-1]
    if last.get("content") is None:
        raise ValueError("the final message has no content to continue")
    if not isinstance(last["content"], list):
        text, last["content"] = last["content"], last["content"] + CONTINUE_TAG
        return text
    for part in reversed(last["content"]):
        if "text" in part:
            text, part["text"] = part["text"], part["text"] + CONTINUE_TAG
            return text
    raise ValueError("the final message has no text to continue")


def render(compiled, call):
    """`call`: messages, add_generation_prompt, continue_final_message, and variables."""
    variables = {"tools": None, "documents": None, "add_generation_prompt": False, **call}
    proceed = variables.pop("continue_final_message", False)
    messages = prepared(variables.pop("messages"))
    final = tagged(messages) if proceed else ""
    text = compiled.render(messages=messages, **variables)
    if not proceed:
        return text
    if final.strip() not in text or CONTINUE_TAG.strip() not in text:
        raise ValueError("the final message does not appear in the rendered chat")
    at = text.rindex(CONTINUE_TAG.strip())
    return text[:at] if text[at:at + len(CONTINUE_TAG)] == CONTINUE_TAG else text[:at].rstrip()


def outcome(env, source, call):
    """{"text": ...}, or {"error": ...} with "raised": true where the template's own words."""
    try:
        return {"text": render(env.from_string(source), call)}
    except Exception as e:  # whatever Python raises is an error of the template
        own = type(e) is jinja2.exceptions.TemplateError
        return {"error": str(e) if own else f"{type(e).__name__}: {e}", "raised": own}


def system(content):
    return {"role": "system", "content": content}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def calls(*arguments, name="get_weather"):
    return [{"id": f"call{i}abcd", "type": "function",
             "function": {"name": name, "arguments": a}} for i, a in enumerate(arguments)]


def tool(content, **more):
    return {"role": "tool", "name": "get_weather", "tool_call_id": "call0abcd",
            "content": content, **more}


TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Weather of a city <b> & 'more'",
        "parameters": {"type": "object", "properties": {
            "city": {"type": "string", "description": "Name \u00fc", "enum": ["a", "b"]},
            "days": {"type": "array", "items": {"type": "integer"}, "default": [1]},
            "o": {"type": ["object", "null"], "properties": {"x": {"type": "number"}}}},
            "required": ["city"]},
        "return": {"type": "string", "description": "Text"}}},
    {"type": "function", "function": {
        "name": "no_arguments", "description": "n", "strict": True,
        "parameters": {"type": "object", "properties": {}}}},
]
DOCUMENTS = [{"title": "T\u00eft", "text": "D1", "doc_id": 1}, {"title": "U", "text": "D2\n"}]

CONVERSATIONS = {
    "user": [user("Hi")],
    "system": [system("Sys "), user(" Hi\n")],
    "turns": [user("Hi"), assistant(" yo "), user("\u00e9\U0001f600?")],
    "thought": [system("S"), user("q"), assistant("<think>\nhm\n</think>\n\nans"), user("z")],
    "tool_round": [user("q"),
                   assistant(None, tool_calls=calls({"city": "Paris", "days": [1, 2], "n": None,
                                                     "f": 1.5, "b": True})),
                   tool('{"t": 20}'), assistant("20"), user("t")],
    "text_arguments": [user("q"), assistant("", tool_calls=calls('{"city": "Paris"}')),
                       tool("20")],
    "two_calls": [system("S"), user("q"),
                  assistant("let me", reasoning_content="r1\nr2",
                            tool_calls=calls({"city": "X"}, {"city": "Y\u00df"})),
                  tool("1"), tool("2", tool_call_id="call1abcd")],
    "parts": [user([{"type": "text", "text": "part "}, {"type": "image"},
                    {"type": "text", "text": "two"}]),
              assistant([{"type": "text", "text": "A"}]), user("x")],
    "thinking": [user("q"), assistant("a", thinking="t1"), user("r"),
                 assistant("b", reasoning="t2")],
    "two_assistants": [assistant("x"), assistant("y")],
    "two_users": [user("x"), user("y")],
    "only_system": [system("only")],
    "none": [],
    "two_systems": [system("s"), system("t"), user("x")],
    "developer": [{"role": "developer", "content": "D"}, user("x")],
    "odd_role": [{"role": "weird", "content": "D"}],
    "null_content": [user(None)],
    "number_content": [user(5)],
    "empty_content": [system(""), user(""), assistant("")],
}

EXTRAS = {
    "plain": {},
    "no_thinking": {"enable_thinking": False, "thinking": False, "date_string": "1 Jan 2025"},
    "all": {"enable_thinking": True, "documents": DOCUMENTS, "bos_token": "<B>",
            "custom_tools": TOOLS, "tools_in_user_message": False, "date_string": "1 Jan",
            "keep_thinking": True, "xml_tools": TOOLS, "python_tools": ["f"],
            "builtin_tools": ["code_interpreter", "brave_search"], "reasoning_effort": "high",
            "controls": {"length": "short"}, "citations": True, "add_vision_id": True},
}


def published_calls():
    """Every conversation with and without tools, generation prompt and extra variables."""
    for messages in CONVERSATIONS.values():
        for tools in (None, TOOLS, []):
            for prompt in (True, False):
                for extra in EXTRAS.values():
                    yield {"messages": messages, "tools": tools, "add_generation_prompt": prompt,
                           "bos_token": "<s>", "eos_token": "</s>", **extra}
