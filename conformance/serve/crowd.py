"""Clients that go on in the background: one that behaves, one that reads slowly, and some that leave."""

import json
import socket
import struct
import threading
import time

from checks import events


class Background(threading.Thread):
    """Repeats `once` until it is stopped; an error ends it and is raised when it is stopped."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over, self.error, self.rounds, self.longest = server, threading.Event(), None, 0, 0

    def run(self):
        try:
            while not self.over.is_set():
                begun = time.monotonic()
                self.once()
                self.rounds += 1
                self.longest = max(self.longest, time.monotonic() - begun)
        except Exception as error:
            self.error = error

    def stop(self):
        self.over.set()
        self.join(self.server.timeout * 2)
        assert not self.is_alive(), f"{type(self).__name__} hangs"
        if self.error:
            raise self.error
        assert self.rounds, f"{type(self).__name__} never came to an end"
        return self.rounds


def ask(server, **fields):
    messages = [{"role": "user", "content": "Write a sentence about the sea."}]
    return {"model": server.model, "messages": messages, "temperature": 0, "max_tokens": 20, "stream": True} | fields


def send(server, body, receive_buffer=None):
    """A connection on which a chat completion has been asked for."""
    data = json.dumps(body).encode()
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(server.timeout)
    connection.connect((server.host, server.port))
    head = [
        "POST /v1/chat/completions HTTP/1.1",
        f"Host: {server.host}",
        "Content-Type: application/json",
        "Connection: close",
    ]
    head += [f"Content-Length: {len(data)}", *(f"{name}: {value}" for name, value in server.headers().items())]
    connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n" + data)
    return connection


def contents(text):
    """The text of each choice of a stream, and its reason."""
    choices = {}
    for chunk in events(text):
        for choice in chunk["choices"]:
            so_far, _ = choices.get(choice["index"], ("", None))
            choices[choice["index"]] = (so_far + (choice["delta"].get("content") or ""), choice["finish_reason"])
    return choices


def unchunked(data):
    """The body of a chunked answer that was read to its end."""
    head, _, rest = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200") and b"transfer-encoding: chunked" in head.lower(), head
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            assert rest == b"\r\n", rest
            return body.decode()
        body += rest[:length]
        assert rest[length : length + 2] == b"\r\n", "a chunk is cut off"
        rest = rest[length + 2 :]


def read_all(connection):
    with connection:
        data = b""
        while piece := connection.recv(65536):
            data += piece
    return unchunked(data)


class Behaved(Background):
    """Streams the same answer again and again, and expects it each time as it is when nobody else asks."""

    def __init__(self, server):
        super().__init__(server)
        self.expected = contents(read_all(send(server, ask(server))))
        assert self.expected[0][0], self.expected

    def once(self):
        found = contents(read_all(send(self.server, ask(self.server))))
        assert found == self.expected, (found, self.expected)


class SlowReader(Background):
    """Reads a stream of many choices some bytes at a time, and the rest when it is stopped: it must be whole and right."""

    CHOICES = 32

    def __init__(self, server):
        super().__init__(server)
        [self.expected] = contents(read_all(send(server, ask(server)))).values()

    def once(self):
        connection = send(self.server, ask(self.server, n=self.CHOICES), receive_buffer=2048)
        data = b""
        while not self.over.is_set() and (piece := connection.recv(16)):
            data += piece
            self.over.wait(0.25)
        with connection:
            while piece := connection.recv(65536):
                data += piece
        found = contents(unchunked(data))
        assert found == dict.fromkeys(range(self.CHOICES), self.expected), (found, self.expected)


class Leaver(Background):
    """Leaves once a second: in the middle of a stream, before it begins, or while a whole answer is awaited; with or
    without a goodbye."""

    def once(self):
        way = self.rounds % 4
        # Long and always another, so that it takes a while to read and the answer is not over before the client leaves.
        text = f"{self.rounds} " + "and so on " * 100
        question = ask(self.server, n=4, temperature=1, stream=way != 3, messages=[{"role": "user", "content": text}])
        connection = send(self.server, question)
        if way < 2:
            connection.recv(400)
        if way % 2:
            # Closing at once, with what was sent unread, resets the connection.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        self.over.wait(1)


def wait_until_idle(server, seconds=30):
    """Waits until the server says that no request is running or waiting; what it says then."""
    end = time.monotonic() + seconds
    while True:
        status, text = server.get("/metrics")
        assert status == 200, status
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
        metrics = {name: float(value) for name, value in lines}
        busy = {name: metrics[name] for name in ("ounce_requests_running", "ounce_requests_waiting")}
        if not any(busy.values()):
            return metrics
        assert time.monotonic() < end, f"nobody asks any more, but the server says {busy}"
        time.sleep(0.1)
