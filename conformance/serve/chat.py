"""Chat completions through the `openai` package."""

import asyncio
import math

import openai

QUESTION = [{"role": "user", "content": "Name the capital of France."}]
TOPICS = ["the sea", "a mountain", "bread", "winter", "a cat", "trains"]


def client(server, **options):
    options = {"max_retries": 0, "timeout": server.timeout} | options
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.key or "none", **options)


def ask(server, **fields):
    fields = {"messages": QUESTION, "temperature": 0, "max_tokens": 40} | fields
    return client(server).chat.completions.create(model=server.model, **fields)


def joined(chunks):
    """Text, scores and reason of each choice of a stream."""
    choices = {}
    for chunk in chunks:
        for choice in chunk.choices:
            text, scores, reason = choices.get(choice.index, ("", [], None))
            assert reason is None, "a piece came after the last one of its choice"
            scores = scores + (choice.logprobs.content if choice.logprobs else [])
            choices[choice.index] = (text + (choice.delta.content or ""), scores, choice.finish_reason)
    return [choices[index] for index in sorted(choices)]


def add(checks):
    @checks.add("chat")
    def an_answer_has_all_its_parts(server):
        answer = ask(server)
        [choice] = answer.choices
        assert "Paris" in choice.message.content, choice
        assert (choice.index, choice.finish_reason, choice.message.role) == (0, "stop", "assistant"), choice
        assert (answer.object, answer.model) == ("chat.completion", server.model), answer
        usage = answer.usage
        assert usage.prompt_tokens > 0 and usage.completion_tokens > 0, usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens, usage

    @checks.add("chat")
    def a_stream_gives_what_a_whole_answer_gives(server):
        for fields in ({}, {"max_tokens": 3}, {"stop": "Paris"}, {"n": 2}, {"logprobs": True, "top_logprobs": 3}):
            whole = ask(server, **fields)
            chunks = list(ask(server, stream=True, stream_options={"include_usage": True}, **fields))
            *pieces, last = chunks
            assert all(piece.usage is None for piece in pieces), "usage belongs to the last piece"
            assert last.choices == [] and last.usage is not None, last
            counts = lambda usage: (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
            assert counts(last.usage) == counts(whole.usage), (fields, last.usage, whole.usage)
            assert {(chunk.id, chunk.object, chunk.model) for chunk in chunks} == {
                (chunks[0].id, "chat.completion.chunk", server.model)
            }
            assert chunks[0].choices[0].delta.role == "assistant", chunks[0]
            for choice, (text, scores, reason) in zip(whole.choices, joined(pieces), strict=True):
                assert (choice.message.content, choice.finish_reason) == (text, reason), (fields, whole, text)
                assert (choice.logprobs.content if choice.logprobs else []) == scores, fields

    @checks.add("chat")
    def a_stream_tells_usage_only_if_asked(server):
        assert all(chunk.usage is None for chunk in ask(server, stream=True))

    @checks.add("chat")
    def scores_are_those_of_the_most_likely_tokens(server):
        [choice] = ask(server, logprobs=True, top_logprobs=4).choices
        content = choice.logprobs.content
        assert b"".join(bytes(token.bytes) for token in content).decode() == choice.message.content
        for token in content:
            best = token.top_logprobs
            assert len(best) == 4 and best[0].logprob == token.logprob == max(t.logprob for t in best), token
            assert best[0].token == token.token and token.logprob <= 0, token
            assert sum(math.exp(t.logprob) for t in best) < 1 + 1e-4, token

    @checks.add("chat")
    def lengths_and_stops_end_an_answer(server):
        for name in ("max_tokens", "max_completion_tokens"):
            answer = ask(server, **{"max_tokens": openai.NOT_GIVEN, name: 3})
            assert answer.usage.completion_tokens == 3, answer
            assert answer.choices[0].finish_reason == "length", answer
        whole = ask(server).choices[0].message.content
        for stop in ("Paris", ["nowhere", "is Par"]):
            [choice] = ask(server, stop=stop).choices
            first = stop if isinstance(stop, str) else stop[1]
            assert choice.message.content == whole[: whole.index(first)], choice
            assert choice.finish_reason == "stop", choice

    @checks.add("chat")
    def seeds_repeat_answers(server):
        story = [{"role": "user", "content": "Invent a name for a ship."}]
        fields = {"messages": story, "temperature": 1.2, "max_tokens": 24}
        texts = lambda **more: [c.message.content for c in ask(server, **fields, **more).choices]
        first = texts(seed=1, n=3)
        assert first == texts(seed=1, n=3) and len(set(first)) == 3, first
        assert texts(seed=2) == [first[1]], "the second choice counts on from the seed"

    @checks.add("chat")
    def conversations_and_parts_are_read(server):
        turns = [
            {"role": "system", "content": "You are a parrot."},
            {"role": "user", "content": [{"type": "text", "text": "Say "}, {"type": "text", "text": "hello."}]},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Say it again."},
        ]
        parts = ask(server, messages=turns)
        turns[1]["content"] = "Say hello."
        assert ask(server, messages=turns).choices[0].message == parts.choices[0].message
        turns[0]["role"] = "developer"
        assert ask(server, messages=turns).choices[0].message == parts.choices[0].message

    @checks.add("chat")
    def biases_are_heeded(server):
        scores = ask(server, max_tokens=1, logprobs=True, top_logprobs=1).choices[0].logprobs.content
        # Ids are not told, so a ban of all low ids must change or keep the first token, but not fail.
        answer = ask(server, max_tokens=1, logit_bias={str(id): -100 for id in range(2000)})
        assert answer.usage.completion_tokens == 1 and scores, answer
        forced = ask(server, max_tokens=4, logit_bias={"1000": 100}).choices[0].message.content
        assert forced == forced[: len(forced) // 4] * 4, forced

    @checks.add("chat")
    def answers_at_the_same_time_are_those_given_alone(server):
        questions = [[{"role": "user", "content": f"Write two sentences about {topic}."}] for topic in TOPICS]
        alone = [ask(server, messages=question).choices[0].message.content for question in questions]

        async def together():
            options = {"base_url": f"{server.url}/v1", "api_key": server.key or "none", "max_retries": 0}
            async with openai.AsyncOpenAI(timeout=server.timeout, **options) as one:

                async def stream(question):
                    chunks = await one.chat.completions.create(
                        model=server.model, messages=question, temperature=0, max_tokens=40, stream=True
                    )
                    return joined([chunk async for chunk in chunks])[0][0]

                return await asyncio.gather(*map(stream, questions))

        assert asyncio.run(together()) == alone

    @checks.add("models")
    def models_are_listed_and_retrieved(server):
        one = client(server)
        listed = [model.id for model in one.models.list()]
        assert server.model in listed, listed
        model = one.models.retrieve(server.model)
        assert (model.id, model.object) == (server.model, "model") and model.created > 0 and model.owned_by
