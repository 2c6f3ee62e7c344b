"""Embeddings through the `openai` package."""

import math
import struct
from base64 import b64decode

from chat import client

TEXTS = ["A cat sat on the mat.", "A kitten was sitting on a rug.", "Interest rates rose again."]


def embed(server, texts, **fields):
    return client(server).embeddings.create(model=server.model, input=texts, **fields)


def add(checks):
    @checks.add("embeddings")
    def numbers_are_the_same_in_either_form(server):
        # Unless it is told otherwise, the package asks for base 64 and decodes it.
        floats, decoded = embed(server, TEXTS, encoding_format="float"), embed(server, TEXTS)
        raw = server.post("/v1/embeddings", {"model": server.model, "input": TEXTS, "encoding_format": "base64"})[1]
        for index, (a, b, c) in enumerate(zip(floats.data, decoded.data, raw["data"], strict=True)):
            assert a.index == b.index == c["index"] == index
            data = b64decode(c["embedding"], validate=True)
            narrow = list(struct.unpack(f"<{len(data) // 4}f", data))
            single = lambda values: list(struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}f", *values)))
            assert single(a.embedding) == narrow == single(b.embedding), index
            assert abs(math.hypot(*a.embedding) - 1) < 1e-4, math.hypot(*a.embedding)

    @checks.add("embeddings")
    def texts_are_embedded_one_by_one(server):
        together = embed(server, TEXTS)
        assert together.usage.prompt_tokens == together.usage.total_tokens > 0, together.usage
        for text, entry in zip(TEXTS, together.data, strict=True):
            [alone] = embed(server, text).data
            assert max(abs(a - b) for a, b in zip(alone.embedding, entry.embedding, strict=True)) < 1e-4
        cosine = lambda i, j: sum(a * b for a, b in zip(together.data[i].embedding, together.data[j].embedding))
        assert cosine(0, 1) > cosine(0, 2), (cosine(0, 1), cosine(0, 2))

    @checks.add("embeddings")
    def more_texts_than_may_wait_are_embedded_if_nobody_else_waits(server):
        """Libraries embed documents by the hundred, and no later try of theirs would find more room."""
        many = [f"Number {number}." for number in range(300)]
        answer = embed(server, many)
        assert [entry.index for entry in answer.data] == list(range(300))

    @checks.add("embeddings")
    def the_width_can_be_named(server):
        width = len(embed(server, TEXTS[0]).data[0].embedding)
        assert len(embed(server, TEXTS[0], dimensions=width).data[0].embedding) == width
