"""Many clients of an OpenAI-compatible server at once, over plain sockets, so that the clients cost little beside the server."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field


@dataclass
class Answer:
    """One streamed completion."""

    text: str
    tokens: int
    seconds: float
    first: float
    """Seconds until the first text."""
    gaps: list[float]
    """Seconds between two pieces of text."""


@dataclass
class Totals:
    """What all clients saw together."""

    answers: int = 0
    tokens: int = 0
    seconds: float = 0.0
    firsts: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


async def complete(port: int, request: dict) -> Answer:
    """Streams one completion to its end. Raises RuntimeError if it is not whole."""
    body = json.dumps({**request, "stream": True, "stream_options": {"include_usage": True}}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(head.encode() + body)
        await writer.drain()
        status = (await reader.readline()).decode()
        if " 200 " not in status:
            raise RuntimeError(f"{status.strip()}: {(await reader.read())[-300:]!r}")
        text, tokens, times, done = [], None, [], False
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            data = line[6:].strip()
            if data == b"[DONE]":
                done = True
                break
            piece = json.loads(data)
            if "error" in piece:
                raise RuntimeError(str(piece["error"]))
            if piece.get("usage"):
                tokens = piece["usage"]["completion_tokens"]
            for choice in piece["choices"]:
                if choice["text"]:
                    text.append(choice["text"])
                    times.append(time.monotonic())
        if not done or tokens is None:
            raise RuntimeError("the stream broke off")
    finally:
        writer.close()
    ended = time.monotonic()
    gaps = [b - a for a, b in zip(times, times[1:])]
    return Answer("".join(text), tokens, ended - begun, (times[0] if times else ended) - begun, gaps)


async def alone(port: int, requests: list[dict]) -> list[str]:
    """The answers of a single client, one after another."""
    return [(await complete(port, request)).text for request in requests]


async def together(port: int, requests: list[dict], clients: int, seconds: float, expected: list[str] | None) -> Totals:
    """`clients` clients ask again and again, each in another order, until the time is over; what was begun is finished.

    With `expected`, the requests are asked as they are and answers are compared. Without, every prompt gets a beginning of its own, so that no
    server is spared work by what it has read before.

    Tokens count for the time that they took to come, so that the end, when clients leave, does not count as idle.
    """
    totals = Totals()
    begun = time.monotonic()
    in_time = 0

    async def client(number: int) -> None:
        nonlocal in_time
        turn = number * 7
        while (now := time.monotonic()) - begun < seconds:
            index = turn % len(requests)
            turn += 1 + number % 5
            request = requests[index]
            if expected is None:
                request = {**request, "prompt": f"{number}.{turn} {request['prompt']}"}
            try:
                answer = await complete(port, request)
            except (OSError, RuntimeError, ValueError) as error:
                totals.errors.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.2)
                continue
            totals.answers += 1
            totals.firsts.append(answer.first)
            totals.gaps.extend(answer.gaps)
            # The share of the answer that came within the time.
            share = min(1.0, max(0.0, begun + seconds - now) / answer.seconds)
            totals.tokens += answer.tokens
            in_time += answer.tokens * share
            if expected is not None and answer.text != expected[index]:
                totals.wrong.append(f"request {index}: {answer.text[:60]!r} instead of {expected[index][:60]!r}")

    await asyncio.gather(*(client(number) for number in range(clients)))
    totals.seconds = seconds
    totals.tokens = int(in_time)
    return totals
