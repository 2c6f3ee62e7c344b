"""Errors as the `openai` package raises them."""

import json
from concurrent.futures import ThreadPoolExecutor

import openai

from chat import ask, client
from checks import Server, assert_error
from completions import complete
from embeddings import embed


def raised(error, call):
    """The error of this class that a call raises."""
    try:
        call()
    except error as caught:
        assert isinstance(caught.message, str) and caught.request_id, caught
        return caught
    raise AssertionError(f"no {error.__name__} was raised")


def add(checks, key, queue):
    @checks.add("errors")
    def a_bad_request_names_the_field(server):
        say = lambda **message: [{"role": "user"} | message]
        for call, fields, param in [
            (ask, {"temperature": 2.5}, "temperature"),
            (ask, {"temperature": "hot"}, "temperature"),
            (ask, {"top_p": -0.1}, "top_p"),
            (ask, {"n": 0}, "n"),
            (ask, {"n": 1000}, "n"),
            (ask, {"messages": []}, "messages"),
            (ask, {"messages": "hello"}, "messages"),
            (ask, {"messages": say()}, "messages[0].content"),
            (ask, {"messages": say(role="ghost", content="a")}, "messages[0].role"),
            (ask, {"max_tokens": 0}, "max_tokens"),
            (ask, {"max_tokens": -1}, "max_tokens"),
            (ask, {"max_completion_tokens": 0}, "max_completion_tokens"),
            (ask, {"top_logprobs": 2}, "top_logprobs"),
            (ask, {"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
            (ask, {"presence_penalty": 3}, "presence_penalty"),
            (ask, {"logit_bias": {"one": 1}}, "logit_bias"),
            (ask, {"logit_bias": {"1": 101}}, "logit_bias"),
            (ask, {"stop": ["x"] * 17}, "stop"),
            (complete, {"prompt": []}, "prompt"),
            (complete, {"prompt": [2**31]}, "prompt"),
            (complete, {"logprobs": 21}, "logprobs"),
            (complete, {"stream": True, "n": -1}, "n"),
            (embed, {"texts": "a", "dimensions": 1}, "dimensions"),
            (embed, {"texts": "a", "encoding_format": "hex"}, "encoding_format"),
            (embed, {"texts": {"a": 1}}, "input"),
        ]:
            error = raised(openai.BadRequestError, lambda: call(server, **fields))
            assert (error.param, error.type) == (param, "invalid_request_error"), (fields, error)

    @checks.add("errors")
    def a_prompt_that_is_too_long_is_told_so(server):
        [length] = [m.max_model_len for m in client(server).models.list() if m.id == server.model]
        long = "word " * (length + 8)
        for call in (
            lambda: ask(server, messages=[{"role": "user", "content": long}]),
            lambda: complete(server, prompt=long),
            lambda: embed(server, long),
        ):
            assert raised(openai.BadRequestError, call).code == "context_length_exceeded"

    @checks.add("errors")
    def an_unknown_model_is_not_found(server):
        one = client(server)
        unknown = {"model": "nobody", "messages": [{"role": "user", "content": "a"}]}
        error = raised(openai.NotFoundError, lambda: one.chat.completions.create(**unknown))
        assert (error.param, error.code) == ("model", "model_not_found"), error
        raised(openai.NotFoundError, lambda: one.models.retrieve("nobody"))
        raised(openai.NotFoundError, lambda: one.files.list())

    if key:

        @checks.add("errors")
        def a_wrong_key_is_refused(server):
            for wrong in ("wrong", server.key[:-1], server.key + "x"):
                one = client(server).with_options(api_key=wrong)
                error = raised(openai.AuthenticationError, lambda: one.models.list())
                assert error.code == "invalid_api_key", error
            assert server.get("/v1/models")[0] == 200
            for path in ("/health", "/openapi.json", "/"):
                assert Server(server.url, server.model).get(path)[0] == 200, path
            for path in ("/v1/models", "/v1/models/x"):
                status, text = Server(server.url, server.model).get(path)
                assert status == 401, (path, status)
                assert_error(json.loads(text))

    if queue:

        @checks.add("errors")
        def more_than_may_wait_is_too_much(server):
            def one(_):
                try:
                    return complete(server, max_tokens=100, logit_bias={"0": -100, "2": -100}).choices[0].text
                except openai.RateLimitError as error:
                    assert error.code == "queue_full" and error.response.headers["retry-after"], error
                    return None

            with ThreadPoolExecutor(queue + 12) as threads:
                texts = list(threads.map(one, range(queue + 12)))
            answered = [text for text in texts if text is not None]
            assert queue <= len(answered) < len(texts) and len(set(answered)) == 1, texts
            assert ask(server).choices[0].message.content, "what was turned away left something behind"
