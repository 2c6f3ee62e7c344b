"""Requests that break the rules of HTTP itself, or the server's limits: each gets a 4xx or a closed connection, and soon."""

import errno
import json
import socket
import time
from dataclasses import dataclass

from checks import assert_error

POST = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = '{"prompt": "a", "max_tokens": 1}'
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"


@dataclass
class Raw:
    """Bytes to be sent, and what must be answered; none: any 4xx or nothing, since the server is told that nothing more
    will come."""

    what: str
    data: bytes
    status: int | None = None


def cases(limit):
    """The requests; `limit` is the number of bytes that the server takes."""
    case = lambda what, text, **more: Raw(what, text.encode("latin-1"), **more)
    big = '{"ignored": "' + "x" * limit + '"}'
    chunk = f"{1 << 16:x}\r\n" + "x" * (1 << 16) + "\r\n"
    yield case("no length", POST + "\r\n" + BODY, status=400)
    yield case("length too small", POST + f"Content-Length: {len(BODY) - 5}\r\n\r\n{BODY}", status=400)
    yield case("length too large", POST + f"Content-Length: {len(BODY) + 5}\r\n\r\n{BODY}")
    for length in ("-1", "+5", "five", "", "0x10", "1e3", "5 5", "5, 6", str(2**64), str(2**70)):
        yield case(f"length {length!r}", POST + f"Content-Length: {length}\r\n\r\n{BODY}")
    yield case("two lengths", POST + f"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{BODY}")
    yield case("a length of a terabyte", POST + f"Content-Length: {1 << 40}\r\n\r\n{BODY}", status=413)
    yield case("a body over the limit", POST + f"Content-Length: {len(big)}\r\n\r\n{big}", status=413)
    yield case("chunks over the limit", CHUNKED + chunk * (limit // (1 << 16) + 2) + "0\r\n\r\n", status=413)
    for size in ("zz", "-1", "", " ", "0x5", "5;" + "x" * 100_000, "f" * 16, "f" * 17):
        yield case(f"chunk of {size[:20]!r}", f"{CHUNKED}{size}\r\n{BODY}\r\n0\r\n\r\n")
    yield case("chunk without end", f"{CHUNKED}{len(BODY):x}\r\n{BODY}")
    yield case("chunk too short", f"{CHUNKED}{len(BODY) - 3:x}\r\n{BODY}\r\n0\r\n\r\n")
    yield case("chunk that is not JSON", f"{CHUNKED}3\r\n{{]}}\r\n0\r\n\r\n", status=400)
    yield case("unknown transfer encoding", POST + f"Transfer-Encoding: gzip\r\n\r\n{BODY}")
    yield case("head without end", POST)
    yield case("a header without a colon", POST + f"nonsense\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}")
    yield case("a space in a header's name", POST + f"a b: c\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}")
    yield case("a zero byte in a header", POST + f"a: \0\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}")
    yield case("a megabyte of header", POST + "a: " + "x" * (1 << 20) + "\r\n\r\n")
    yield case("a thousand headers", POST + "".join(f"h{i}: {i}\r\n" for i in range(1000)) + "\r\n")
    yield case("a long address", f"GET /{'x' * (1 << 17)} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    yield case("no address", "GET HTTP/1.1\r\nHost: localhost\r\n\r\n")
    yield case("a bad address", "GET /v1/models/%ff%00%zz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    yield case("another version", "GET /health HTTP/9.9\r\nHost: localhost\r\n\r\n")
    yield case("a strange method", "BREW /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", status=405)
    yield case("two lines only", "\r\n\r\n")
    yield case("no HTTP", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + "\xaa" * 64)
    yield case("zeros", "\0" * 4096)


def exchange(server, raw, seconds=10):
    """The head and the body of the first answer; whether it is whole."""
    with socket.create_connection((server.host, server.port), timeout=seconds) as connection:
        data = b""
        try:
            connection.sendall(raw.data)
            if raw.status is None:
                connection.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                raise
            # The server has said what it had to say, and closed.
        try:
            while piece := connection.recv(65536):
                data += piece
                if split(data)[2]:
                    break
        except ConnectionResetError:
            pass
        return split(data)


def split(data):
    """The head and the body of the first answer; whether it is whole."""
    head, _, rest = data.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if not lengths:
        return head, b"", False
    length = int(lengths[0])
    return head, rest[:length], len(rest) >= length


def check(server, raw):
    head, body, whole = exchange(server, raw)
    if not head:
        assert raw.status is None, f"closed without an answer, expected {raw.status}"
        return
    status = int(head.split()[1])
    assert 400 <= status < 500 and raw.status in (None, status), f"expected {raw.status or '4xx'}: {head}"
    assert whole, f"the answer is cut off: {head} {body}"
    # What HTTP itself forbids is refused before the server proper sees it, without a body.
    if raw.status or body:
        assert_error(json.loads(body))


def check_late_body(server, method, path, kind):
    """A request that is refused for its head, whose body comes only then: the connection must go on, or the refusal must
    say that it does not."""
    with socket.create_connection((server.host, server.port), timeout=10) as connection:
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {len(BODY)}"]
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        answer = b""
        connection.settimeout(2)
        try:
            while not split(answer)[2] and (piece := connection.recv(65536)):
                answer += piece
        except TimeoutError:
            # It is refused when its body has come.
            pass
        if b"connection: close" in split(answer)[0].lower():
            return
        connection.settimeout(10)
        time.sleep(0.2)
        try:
            connection.sendall(BODY.encode())
            while not split(answer)[2] and (piece := connection.recv(65536)):
                answer += piece
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            alive = connection.recv(12) == b"HTTP/1.1 200"
        except ConnectionError:
            alive = False
        head, body, whole = split(answer)
        assert whole and head.split()[1].startswith(b"4"), answer
        assert_error(json.loads(body))
        assert alive, f"closed without notice after {head}"
