"""Tools and answers in JSON, through the `openai` package.

Every value of the schemas is one of a few, so that an answer that follows its schema is short, whatever the model knows.
"""

import json
from typing import Literal

import openai
import pydantic

from chat import ask, client
from errors import raised

CITIES = ["Paris", "Rome", "Oslo"]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "enum": CITIES},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "get_time",
        "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
    },
}
TOOLS = [WEATHER, TIME]
WEATHER_QUESTION = [{"role": "user", "content": "What is the weather in Rome, in celsius? Use the tool get_weather."}]
NAMED = {"type": "function", "function": {"name": "get_weather"}}


class Review(pydantic.BaseModel):
    """What a review says."""

    sentiment: Literal["good", "bad", "mixed"]
    recommended: bool
    topics: tuple[Literal["food", "service"], Literal["price", "place"]]


REVIEW = {
    "type": "object",
    "properties": {
        "sentiment": {"type": "string", "enum": ["good", "bad", "mixed"]},
        "recommended": {"type": "boolean"},
    },
    "required": ["sentiment", "recommended"],
    "additionalProperties": False,
}
REVIEW_QUESTION = [{"role": "user", "content": "Judge this review: The food was wonderful and the staff kind."}]


def schema(value, **more):
    return {"type": "json_schema", "json_schema": {"name": "review", "schema": value, "strict": True} | more}


def call_tool(server, choice, **fields):
    fields = {"messages": WEATHER_QUESTION, "tools": TOOLS, "max_tokens": 200} | fields
    return ask(server, tool_choice=choice, **fields)


def assert_call(call, names):
    assert call.type == "function" and call.id and call.function.name in names, call
    arguments = json.loads(call.function.arguments)
    if call.function.name == "get_weather":
        assert set(arguments) == {"city", "unit"} and arguments["city"] in CITIES, arguments
        assert arguments["unit"] in ("celsius", "fahrenheit"), arguments
    else:
        assert arguments == {}, arguments


def merged(chunks):
    """The calls of a stream: name and arguments by index; and the reason."""
    calls, reason = {}, None
    for chunk in chunks:
        for choice in chunk.choices:
            reason = choice.finish_reason or reason
            for delta in choice.delta.tool_calls or []:
                name, arguments, id = calls.get(delta.index, ("", "", None))
                assert (delta.id is not None) == (delta.index not in calls), "the first piece of a call has its id"
                name += (delta.function and delta.function.name) or ""
                arguments += (delta.function and delta.function.arguments) or ""
                calls[delta.index] = (name, arguments, id or delta.id)
    return [calls[index] for index in sorted(calls)], reason


def add(checks):
    @checks.add("tools")
    def a_required_call_is_made(server):
        [choice] = call_tool(server, "required").choices
        assert choice.finish_reason == "tool_calls" and choice.message.tool_calls, choice
        for call in choice.message.tool_calls:
            assert_call(call, ["get_weather", "get_time"])

    @checks.add("tools")
    def a_named_call_is_made(server):
        [choice] = call_tool(server, NAMED).choices
        [call] = choice.message.tool_calls
        assert_call(call, ["get_weather"])
        # OpenAI's own servers say `stop` here.
        assert choice.finish_reason in ("tool_calls", "stop"), choice

    @checks.add("tools")
    def a_call_is_made_or_not(server):
        [choice] = call_tool(server, "auto").choices
        calls = choice.message.tool_calls or []
        assert calls or choice.message.content, choice
        assert (choice.finish_reason == "tool_calls") == bool(calls), choice
        for call in calls:
            assert_call(call, ["get_weather", "get_time"])
        [choice] = call_tool(server, "none", max_tokens=24).choices
        assert not choice.message.tool_calls and choice.message.content, choice

    @checks.add("tools")
    def streamed_calls_are_whole_ones_in_pieces(server):
        for choice in ("required", NAMED):
            [whole] = call_tool(server, choice).choices
            calls, reason = merged(call_tool(server, choice, stream=True))
            named = [(call.function.name, call.function.arguments) for call in whole.message.tool_calls]
            assert [call[:2] for call in calls] == named, (calls, named)
            assert reason == whole.finish_reason and all(id for *_, id in calls), (reason, calls)

    @checks.add("tools")
    def what_a_tool_gave_is_read(server):
        [choice] = call_tool(server, NAMED).choices
        [call] = choice.message.tool_calls
        result = {"role": "tool", "tool_call_id": call.id, "content": '{"weather": "sunny", "degrees": 23}'}
        turns = [*WEATHER_QUESTION, choice.message.model_dump(exclude_none=True), result]
        [answer] = ask(server, messages=turns, tools=TOOLS, tool_choice="none").choices
        assert answer.message.content and not answer.message.tool_calls, answer
        other = [*turns[:-1], result | {"content": '{"weather": "snow", "degrees": -40}'}]
        scores = lambda turns: (
            ask(server, messages=turns, max_tokens=1, logprobs=True, top_logprobs=5).choices[0].logprobs
        )
        assert scores(turns) != scores(other), "the result of the tool changes nothing"

    @checks.add("tools")
    def wrong_tools_are_refused(server):
        for fields in (
            {"tools": "get_weather"},
            {"tools": [{"type": "function"}]},
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"type": "nothing"}}}]},
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "unknown"}}},
            {"tools": TOOLS, "tool_choice": "always"},
            {"tool_choice": "required"},
        ):
            error = raised(openai.BadRequestError, lambda: ask(server, **fields))
            assert error.param and error.param.startswith("tool"), (fields, error)

    @checks.add("response_format")
    def an_object_is_an_object(server):
        question = [{"role": "user", "content": 'Answer with the JSON object {"capital": "Paris"} and nothing else.'}]
        [choice] = ask(server, messages=question, response_format={"type": "json_object"}, max_tokens=300).choices
        assert choice.message.content.lstrip().startswith("{"), choice
        if choice.finish_reason == "stop":
            assert isinstance(json.loads(choice.message.content), dict), choice
        [choice] = ask(server, response_format={"type": "text"}).choices
        assert choice == ask(server).choices[0], choice

    @checks.add("response_format")
    def a_schema_is_followed(server):
        for fields in ({"temperature": 0}, {"temperature": 1.5, "n": 4, "seed": 3}):
            answer = ask(server, messages=REVIEW_QUESTION, response_format=schema(REVIEW), max_tokens=100, **fields)
            for choice in answer.choices:
                value = json.loads(choice.message.content)
                assert choice.finish_reason == "stop" and set(value) == {"sentiment", "recommended"}, choice
                assert value["sentiment"] in ("good", "bad", "mixed") and isinstance(value["recommended"], bool), value
        whole = ask(server, messages=REVIEW_QUESTION, response_format=schema(REVIEW), max_tokens=100)
        chunks = ask(server, messages=REVIEW_QUESTION, response_format=schema(REVIEW), max_tokens=100, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        assert text == whole.choices[0].message.content, text

    @checks.add("response_format")
    def a_class_is_filled(server):
        parse = client(server).chat.completions.parse
        answer = parse(
            model=server.model, messages=REVIEW_QUESTION, response_format=Review, temperature=0, max_tokens=120
        )
        assert isinstance(answer.choices[0].message.parsed, Review), answer

    @checks.add("response_format")
    def wrong_formats_are_refused(server):
        for value in (
            "json",
            {"type": "xml"},
            {"type": "json_schema"},
            schema({"type": "nothing"}),
            schema({"$ref": "#/nowhere"}),
            schema("text"),
        ):
            error = raised(openai.BadRequestError, lambda: ask(server, response_format=value))
            assert error.param and error.param.startswith("response_format"), (value, error)
