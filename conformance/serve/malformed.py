"""Requests that no server should answer: valid ones, damaged in ways that a seed chooses."""

import copy
import json
import random
from dataclasses import dataclass

# What a value of each kind looks like; a field gets every kind that it does not take.
KINDS = {
    "null": None,
    "boolean": True,
    "integer": 1,
    "fraction": 0.5,
    "negative": -1,
    "huge": 2**70,
    "text": "text",
    "list": [],
    "lists": [[["x"]]],
    "object": {"x": {}},
}
NUMBERS = {"integer", "fraction", "negative", "huge"}
MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "Hi."}]}]
SAMPLING = {
    "temperature": 0.5, "top_p": 0.9, "top_k": 3, "min_p": 0.1, "repetition_penalty": 1.1, "presence_penalty": 0.1,
    "frequency_penalty": 0.1, "logit_bias": {"5": -1.5}, "seed": 7, "stop": ["\n\n"], "n": 1, "stream": False,
    "stream_options": {"include_usage": False},
}  # fmt: skip
# A path of each body and the kinds that it takes; `null` stands for a field that is not given.
OPTIONAL = {
    **{(name,): {"null"} | NUMBERS for name in ("temperature", "top_p", "min_p", "repetition_penalty")},
    **{(name,): {"null"} | NUMBERS for name in ("presence_penalty", "frequency_penalty")},
    **{(name,): {"null", "integer"} for name in ("top_k", "n", "max_tokens")},
    ("seed",): {"null", "integer", "negative"},
    ("logit_bias",): {"null", "object"},
    ("logit_bias", "5"): NUMBERS - {"huge"},
    ("stop",): {"null", "text", "list"},
    ("stop", 0): {"text"},
    ("stream",): {"null", "boolean"},
    ("stream_options",): {"null", "object"},
    ("stream_options", "include_usage"): {"null", "boolean"},
    ("model",): {"null", "text"},
}
CHAT = {
    ("messages",): set(),
    ("messages", 0): set(),
    ("messages", 0, "role"): set(),
    ("messages", 0, "content"): {"text", "list"},
    ("messages", 1, "content", 0): set(),
    ("messages", 1, "content", 0, "type"): {"text"},
    ("messages", 1, "content", 0, "text"): {"text"},
    ("tools",): {"null", "list"},
    ("tools", 0): set(),
    ("tools", 0, "type"): set(),
    ("tools", 0, "function"): set(),
    ("tools", 0, "function", "name"): {"text"},
    ("tools", 0, "function", "description"): {"null", "text"},
    ("tools", 0, "function", "parameters"): {"null", "object"},
    ("tool_choice",): {"null"},
    ("response_format",): {"null"},
    ("response_format", "type"): {"text"},
    ("max_completion_tokens",): {"null", "integer"},
    ("logprobs",): {"null", "boolean"},
    ("top_logprobs",): {"null", "integer"},
}
COMPLETION = {
    ("prompt",): {"text"},
    ("prompt", 0): {"text"},
    ("echo",): {"null", "boolean"},
    ("logprobs",): {"null", "integer"},
}
EMBEDDING = {
    ("input",): {"text"},
    ("input", 0): {"text"},
    ("encoding_format",): {"null"},
    ("dimensions",): {"null"},
    ("model",): {"null", "text"},
}
# Values of the right kind that are out of range; the last of a path is where the value goes.
RANGES = {
    ("temperature",): [-0.001, 2.001, 1e300, -1e300],
    ("top_p",): [-0.1, 1.1, 0],
    ("min_p",): [-0.1, 1.1],
    ("repetition_penalty",): [-1, 0, 10.1],
    ("presence_penalty",): [-2.1, 2.1],
    ("frequency_penalty",): [-2.1, 2.1],
    ("top_k",): [-1, 2**32],
    ("n",): [0, 65, 2**32],
    ("max_tokens",): [-1, 2**32],
    ("seed",): [0.5, 2**64],
    ("stream_options",): [[True]],
    ("stop",): [["x"] * 17, "x" * 1025],
    ("logit_bias",): [{"-1": 1}, {"1.5": 1}, {"": 1}, {"4294967296": 1}, {"9999999": 1}, {"1": 100.5}, {"1": 1e40}],
}
RANGES_OF = {
    "chat": {
        ("messages",): [
            *(
                [],
                [[]],
                [{}],
                [{"role": "user"}],
                [{"content": "a"}],
                [{"role": "user", "content": None}],
                [["user", "Hi."]],
            ),
        ],
        ("messages", 0, "role"): ["", "User", "ghost", "\0"],
        ("messages", 1, "content", 0, "type"): ["", "image_url", "video"],
        ("tools",): [
            [{"type": "function"}],
            [{"type": "function", "function": {"name": ""}}],
            [["function", {"name": "f"}]],
        ],
        ("tool_choice",): ["always", {"type": "function"}, {"type": "function", "function": {"name": "g"}}],
        ("response_format",): [
            {},
            {"type": "xml"},
            {"type": "json_schema"},
            {"type": "json_schema", "json_schema": {}},
        ],
        ("top_logprobs",): [21, 2**32],
        ("max_completion_tokens",): [0, -1, 2**32],
    },
    "completion": {
        ("prompt",): [[], [[]], [[], "a"], [1, "a"], ["a", 1], [-1], [1.5], [2**31], [2**32], [[1], [2**31]], [[[1]]]],
        ("logprobs",): [21, -1, 2**32],
    },
    "embedding": {
        ("input",): [[], [[]], [-1], [2**31], [[1], []]],
        ("encoding_format",): ["", "hex", "Float"],
        ("dimensions",): [0, 1, 2**32],
    },
}


@dataclass
class Request:
    """A request that is sent byte by byte as it stands here."""

    what: str
    path: str
    body: bytes
    status: tuple = (400,)
    param: str | None = None
    headers: tuple = (("Content-Type", "application/json"),)


def bodies(model):
    """A valid body of every kind, by its name: path and value."""
    tool = {"name": "f", "description": "Does it.", "parameters": {"type": "object", "properties": {}}}
    both = {"model": model, "max_tokens": 2, **SAMPLING}
    chat = {"messages": MESSAGES, "logprobs": True, "top_logprobs": 1, "max_completion_tokens": 2}
    chat |= {
        "tools": [{"type": "function", "function": tool}],
        "tool_choice": "none",
        "response_format": {"type": "text"},
    }
    return {
        "chat": ("/v1/chat/completions", both | chat),
        "completion": ("/v1/completions", both | {"prompt": ["Hello", "Good"], "echo": False, "logprobs": 1}),
        "embedding": (
            "/v1/embeddings",
            {"model": model, "input": ["Hello", "Good"], "encoding_format": "float", "dimensions": None},
        ),
    }


def replaced(body, path, value):
    body = copy.deepcopy(body)
    place = body
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return body


def wrong_values(model):
    """Every field with every kind of value that it does not take, and with values out of its range."""
    takes = {"chat": OPTIONAL | CHAT, "completion": OPTIONAL | COMPLETION, "embedding": EMBEDDING}
    for name, (path, body) in bodies(model).items():
        for field, kinds in takes[name].items():
            for kind, value in KINDS.items():
                if kind not in kinds:
                    text = json.dumps(replaced(body, field, value)).encode()
                    yield Request(f"{name}: {field} is {kind}", path, text, param=field[0])
        for field, values in (RANGES_OF[name] if name == "embedding" else RANGES | RANGES_OF[name]).items():
            for value in values:
                text = json.dumps(replaced(body, field, value)).encode()
                yield Request(f"{name}: {field} is {str(value)[:40]}", path, text, param=field[0])
        yield Request(f"{name}: unknown model", path, json.dumps(body | {"model": "x"}).encode(), (404,), "model")
        for required in {"messages", "prompt", "input"} & body.keys():
            text = json.dumps({key: value for key, value in body.items() if key != required}).encode()
            yield Request(f"{name}: no {required}", path, text)
        for value in ([], "text", 1, None, True, [body]):
            yield Request(f"{name}: the body is {str(value)[:20]}", path, json.dumps(value).encode())


def is_json(data):
    """Whether bytes are JSON as its standard has it."""

    def refuse(constant):
        raise ValueError(constant)

    def finite(text):
        if float(text) in (float("inf"), float("-inf")):
            raise ValueError(text)

    try:
        text = data.decode()
        json.loads(text, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError):
        return False
    return "\\ud" not in text.lower()


def damaged(text, rng):
    """A JSON text with one of many kinds of damage, and what it is called."""
    at = rng.randrange(1, len(text))
    insert = lambda what: text[:at] + what + text[at:]
    number = rng.choice(
        [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"01", b"+1", b"1.", b".5", b"0x10", b"1e", b"--1"]
    )
    kinds = {
        "cut off": lambda: text[:at],
        "bad UTF-8": lambda: insert(
            rng.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x80", b"\xe2\x82"])
        ),
        "control character": lambda: insert(bytes([rng.choice([0, 1, 8, 11, 27, 31])])),
        "lone surrogate": lambda: text.replace(
            b'"model": "', b'"model": "' + rng.choice([b"\\ud800", b"\\udfff", b"\\ud83d\\ud83d"]), 1
        ),
        "bad escape": lambda: text.replace(
            b'"model": "', b'"model": "' + rng.choice([b"\\x", b"\\u12", b"\\uzzzz", b"\\'"]), 1
        ),
        "odd number": lambda: b'{"ignored": ' + number + b", " + text[1:],
        "deep nesting": lambda: (
            b'{"ignored": ' + rng.choice([b"[", b'{"a":']) * rng.choice([200, 5000, 100000]) + text[1:]
        ),
        "deep and whole": lambda: b'{"ignored": ' + b"[" * 3000 + b"]" * 3000 + b", " + text[1:],
        "something left out": lambda: text[:at] + text[at + 1 :],
        "something too much": lambda: insert(
            rng.choice([b",", b"}", b"]", b"{", b":", b"'", b"tru", b"//c\n", b"/**/", b"\\"])
        ),
        "two values": lambda: text + rng.choice([b"{}", text, b"null", b"]", b"\0"]),
        "another encoding": lambda: text.decode().encode(rng.choice(["utf-16", "utf-16-le", "utf-32-be"])),
        "a byte order mark": lambda: b"\xef\xbb\xbf" + text,
        "a number as a key": lambda: b'{1: "a", ' + text[1:],
        "the last of two is wrong": lambda: (
            text[:-1] + rng.choice([b', "n": "x"}', b', "model": 5}', b', "input": {}, "prompt": {}, "messages": {}}'])
        ),
    }
    what = rng.choice(sorted(kinds))
    return what, kinds[what]()


def damaged_texts(model, seed):
    """Without end: valid bodies, damaged."""
    rng = random.Random(seed)
    valid = [(name, path, json.dumps(body).encode()) for name, (path, body) in bodies(model).items()]
    while True:
        name, path, text = rng.choice(valid)
        what, data = damaged(text, rng)
        if what == "the last of two is wrong" and name == "embedding" and data.endswith(b'"n": "x"}'):
            continue
        if what == "the last of two is wrong" or not is_json(data):
            yield Request(f"{name}: {what}", path, data)


def wrong_kinds(model):
    """Bodies that do not say that they are JSON."""
    for name, (path, body) in bodies(model).items():
        text = json.dumps(body).encode()
        for kind in (
            "text/plain",
            "text/json",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "json",
            "*/*",
            "\xff",
        ):
            yield Request(f"{name}: content type {kind}", path, text, (415,), headers=(("Content-Type", kind),))
        yield Request(f"{name}: no content type", path, text, (415,), headers=())
        zipped = (("Content-Type", "application/json"), ("Content-Encoding", "gzip"))
        yield Request(f"{name}: zipped", path, b"\x1f\x8b\x08\0\0\0\0\0\0\x03", (400, 415), headers=zipped)


def requests(model, count, seed):
    """So many different malformed requests, the same ones for the same seed."""
    chosen = [*wrong_values(model), *wrong_kinds(model)]
    texts = damaged_texts(model, seed)
    seen = set()
    while len(chosen) < count:
        request = next(texts)
        if request.body not in seen:
            seen.add(request.body)
            chosen.append(request)
    random.Random(seed).shuffle(chosen)
    return chosen
