"""Completions through the `openai` package."""

from chat import client

PROMPT = "The first three months of the year are January,"
# Whatever comes after this, it is not part of the answer: the model ends its turn.
ENDED = (
    "<|im_start|>user\nName the capital of France.<|im_end|>\n<|im_start|>assistant\nThe capital of France is Paris."
)


def complete(server, **fields):
    fields = {"prompt": PROMPT, "temperature": 0, "max_tokens": 12} | fields
    return client(server).completions.create(model=server.model, **fields)


def assert_scores(text, scores, top):
    """Whether scores belong to a text, token by token."""
    lengths = {len(scores.tokens), len(scores.token_logprobs), len(scores.top_logprobs), len(scores.text_offset)}
    assert lengths == {len(scores.tokens)}, scores
    assert scores.text_offset == sorted(scores.text_offset), scores.text_offset
    for token, begin in zip(scores.tokens, scores.text_offset):
        # A token that holds a part of a character is written in bytes.
        if not token.startswith("bytes:"):
            assert text[begin : begin + len(token)] == token, (token, begin, text)
    for token, logprob, best in zip(scores.tokens, scores.token_logprobs, scores.top_logprobs):
        assert (logprob is None) == (best is None), (token, logprob, best)
        if logprob is not None:
            assert logprob <= 0 and 0 < len(best) <= top, (token, best)


def add(checks):
    @checks.add("completions")
    def a_text_is_continued(server):
        answer = complete(server)
        [choice] = answer.choices
        assert "February" in choice.text and choice.finish_reason == "length", choice
        assert (answer.object, answer.usage.completion_tokens) == ("text_completion", 12), answer
        assert complete(server, max_tokens=None).usage.completion_tokens == 16

    @checks.add("completions")
    def a_stream_gives_what_a_whole_answer_gives(server):
        for fields in ({}, {"echo": True}, {"logprobs": 2}, {"echo": True, "logprobs": 2, "n": 2}, {"stop": "March"}):
            whole = complete(server, **fields)
            *pieces, last = complete(server, stream=True, stream_options={"include_usage": True}, **fields)
            assert last.choices == [] and last.usage.total_tokens == whole.usage.total_tokens, last
            for choice in whole.choices:
                mine = [p.choices[0] for p in pieces if p.choices[0].index == choice.index]
                assert "".join(piece.text for piece in mine) == choice.text, fields
                assert [p.finish_reason for p in mine if p.finish_reason] == [choice.finish_reason], fields
                if choice.logprobs:
                    scored = [piece.logprobs for piece in mine if piece.logprobs]
                    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                        parts = [value for scores in scored for value in getattr(scores, name)]
                        assert parts == getattr(choice.logprobs, name), (fields, name)

    @checks.add("completions")
    def echo_gives_the_prompt_back_with_scores(server):
        [choice] = complete(server, echo=True).choices
        assert choice.text.startswith(PROMPT) and choice.logprobs is None, choice
        for prompt in (PROMPT, "Größe: 5 €, 日本語 🙂 naïve."):
            whole = complete(server, prompt=prompt, echo=True, logprobs=3)
            [choice] = whole.choices
            assert_scores(choice.text, choice.logprobs, 4)
            assert choice.logprobs.token_logprobs[0] is None
            assert len(choice.logprobs.tokens) == whole.usage.total_tokens, whole
            only = complete(server, prompt=prompt, echo=True, logprobs=3, max_tokens=0)
            assert only.choices[0].text == prompt and only.usage.completion_tokens == 0, only
            count = only.usage.prompt_tokens
            assert only.choices[0].logprobs.token_logprobs == choice.logprobs.token_logprobs[:count]
            assert only.choices[0].finish_reason == "length", only

    @checks.add("completions")
    def the_prompt_is_scored_as_a_continuation_of_its_beginning_is(server):
        [alone] = complete(server, logprobs=1, max_tokens=6).choices
        [both] = complete(server, prompt=PROMPT + alone.text, logprobs=1, echo=True, max_tokens=0).choices
        again = both.logprobs.token_logprobs[-6:]
        assert both.logprobs.tokens[-6:] == alone.logprobs.tokens, (both.logprobs.tokens, alone.logprobs.tokens)
        # Prompts are read many tokens at a time, which rounds otherwise. A score of another token is off by more.
        assert all(abs(a - b) < 0.5 for a, b in zip(again, alone.logprobs.token_logprobs)), (again, alone)

    @checks.add("completions")
    def a_token_that_ends_the_text_is_scored_too(server):
        """Evaluation harnesses ask for one token and drop its score, whichever it is: there must be one."""
        only = complete(server, prompt=ENDED, echo=True, logprobs=1, max_tokens=0)
        one = complete(server, prompt=ENDED, echo=True, logprobs=1, max_tokens=1)
        count = only.usage.prompt_tokens
        scores = one.choices[0].logprobs
        assert one.choices[0].finish_reason == "stop" and one.choices[0].text == ENDED, one.choices[0]
        assert len(scores.tokens) == len(scores.token_logprobs) == count + 1, (count, scores.tokens[-3:])

    @checks.add("completions")
    def several_prompts_with_several_choices_come_in_order(server):
        prompts = [PROMPT, "One, two, three,"]
        alone = [complete(server, prompt=prompt, seed=5).choices[0].text for prompt in prompts]
        answer = complete(server, prompt=prompts, n=2, seed=5)
        assert [choice.index for choice in answer.choices] == [0, 1, 2, 3], answer
        assert [choice.text for choice in answer.choices] == [alone[0], alone[0], alone[1], alone[1]], answer

    @checks.add("completions")
    def seeds_repeat_texts(server):
        texts = lambda **more: [c.text for c in complete(server, temperature=1.0, **more).choices]
        first = texts(seed=11, n=2)
        assert first == texts(seed=11, n=2) and first[0] != first[1], first
        assert first[0] == texts(seed=11)[0]

    @checks.add("completions")
    def stops_and_lengths_end_a_text(server):
        whole = complete(server).choices[0].text
        [choice] = complete(server, stop=["March"]).choices
        assert choice.text == whole[: whole.index("March")] and choice.finish_reason == "stop", choice
        [choice] = complete(server, max_tokens=2).choices
        assert choice.finish_reason == "length" and whole.startswith(choice.text), choice
