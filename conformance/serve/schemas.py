"""Schemas that are wrong, endless or huge: an answer must be constrained by them or the request refused, and either soon."""

import json

from malformed import MESSAGES, Request


def nested(levels, wrap, inner):
    for _ in range(levels):
        inner = wrap(inner)
    return inner


WRONG = [
    5,
    "text",
    [],
    {"type": "nothing"},
    {"type": 5},
    {"$ref": "#/nowhere"},
    {"$ref": 5},
    {"properties": []},
    {"required": "a"},
    {"enum": "a"},
    {"type": "string", "pattern": "("},
    {"type": "string", "pattern": "a{5,2}"},
    {"type": "string", "minLength": -1},
    {"type": "integer", "minimum": "a"},
    {"anyOf": {}},
]
STRANGE = [
    {},
    True,
    False,
    {"$ref": "#"},
    {"$ref": "https://example.org/schema.json"},
    {"$ref": "file:///etc/passwd"},
    {"allOf": [{"$ref": "#"}]},
    {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
    {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    {"enum": []},
    {"enum": [f"value {number}" for number in range(20_000)]},
    {"const": "x" * 100_000},
    {"type": "string", "minLength": 10**9},
    {"type": "string", "minLength": 5, "maxLength": 2},
    {"type": "string", "maxLength": 2**63},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 10**9},
    {"type": "array", "minItems": 2**53, "maxItems": 2**53},
    {"type": "integer", "minimum": 10**40, "maximum": 10**41},
    {"type": "integer", "minimum": 5, "maximum": 2},
    {"type": "number", "multipleOf": 1e-300},
    {"type": "number", "multipleOf": 0},
    {"type": "string", "pattern": "(a{1000}){1000}"},
    {"type": "string", "pattern": "(a|aa)*b" * 50},
    {"type": "string", "pattern": "(.*a){40}"},
    {"type": "string", "pattern": ".*[ab].{400}"},
    {"type": "string", "pattern": "(?=a)b(?!c)\\1"},
    {"type": "object", "properties": {f"name {number}": {"type": "integer"} for number in range(2000)}},
    {"type": "object", "required": [f"name {number}" for number in range(2000)]},
    {"type": "object", "patternProperties": {"(x+x+)+y": {}}},
    {"anyOf": [{"type": "object", "properties": {f"a{n}": {"const": n}}} for n in range(500)]},
    {"allOf": [{"pattern": f".*{letter}.*"} for letter in "abcdefghijklmnopqrst"] + [{"type": "string"}]},
    {"oneOf": [{"type": "string"}, {"minLength": 3}]},
    {"not": {"not": {}}},
    {"type": "string", "format": "no such format"},
    nested(40, lambda inner: {"type": "array", "items": inner}, {"type": "null"}),
    nested(40, lambda inner: {"anyOf": [inner, inner]}, {"type": "null"}),
    nested(14, lambda inner: {"allOf": [inner, {"anyOf": [inner, {}]}]}, {"type": "null"}),
    nested(60, lambda inner: {"properties": {"a": inner}, "required": ["a"]}, {}),
]  # fmt: skip


def text(schema):
    """JSON of a schema whose parts may be the same object many times over; none if that is too much to send."""
    encoded = ""
    for piece in json.JSONEncoder().iterencode(schema):
        encoded += piece
        if len(encoded) > 4 << 20:
            return None
    return encoded


def requests(model):
    """Each schema as a format of the answer and as the parameters of a tool that must be called."""
    body = {"model": model, "messages": MESSAGES, "max_tokens": 2, "temperature": 0}
    for schemas, status in ((WRONG, (400,)), (STRANGE, (200, 400))):
        for schema in schemas:
            encoded = text(schema)
            if encoded is None:
                continue
            form = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": "SCHEMA"}}
            tools = [{"type": "function", "function": {"name": "f", "parameters": "SCHEMA"}}]
            for what, more in (
                ("format", {"response_format": form}),
                ("tool", {"tools": tools, "tool_choice": "required"}),
            ):
                data = json.dumps(body | more).replace('"SCHEMA"', encoded).encode()
                # Of a strange one too much else may be wrong.
                param = {"format": "response_format", "tool": "tools"}[what] if schemas is WRONG else None
                yield Request(f"{what} with schema {encoded[:60]}", "/v1/chat/completions", data, status, param)
