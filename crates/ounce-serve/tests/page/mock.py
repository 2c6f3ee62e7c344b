"""A server that delivers the chat page and imitates the API, for the tests of the page. Python's standard library only.

    python3 mock.py [--port 8090]

The model's name says how it answers (see ANSWERS and FAILURES): `plain` counts, `slow` takes seconds for it, `markdown` shows every element, `long` never ends
soon, `error-401` … fail with that status, `error-midstream` and `cut-off` fail after some text, `key` asks for the key `secret`.
"""

import argparse
import json
import pathlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = pathlib.Path(__file__).resolve().parents[2] / "page"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)

MARKDOWN = """## Quantization, briefly

A weight is stored with **fewer bits** than it was trained with, and a *scale* per group brings it back. See [the AWQ paper](https://arxiv.org/abs/2306.00978) or run `ounce quantize`.

1. Choose a group of weights, say 128 of them.
2. Find the scale:
   - the largest magnitude decides,
   - or a search does, as in AWQ.
3. Round, and keep the scale beside it.

| bits | levels | weights per byte |
|:-----|-------:|:----------------:|
| 16   | 65,536 | one half         |
| 8    | 256    | 1                |
| 4    | 16     | 2                |

```python
def quantize(row, bits=4):
    # One scale for the whole row.
    scale = max(abs(x) for x in row) / (2 ** (bits - 1) - 1)
    return [round(x / scale) for x in row], scale
```

> What fits in memory is fast; what does not, is not.
"""
HOSTILE = (
    "<script>window.owned = 1</script> <img src=x onerror='window.owned = 2'> [click](javascript:window.owned=3) "
    "[data](data:text/html,<script>window.owned=4</script>) ![picture](https://example.invalid/p.png)\n\n<iframe src=//example.invalid></iframe>\n\n"
    "```html\n<script>window.owned = 5</script>\n"
)
ANSWERS = {
    "plain": "One two three four five six seven eight nine ten.",
    "slow": "One two three four five six seven eight nine ten.",
    "markdown": MARKDOWN,
    "hostile": HOSTILE,
    "long": "\n\n".join(f"Paragraph {number} says a little, and then a little more." for number in range(400)),
    "key": "The key was right.",
    "uncounted": "No usage comes with this.",
    "truncated": "This ends before",
}
FAILURES = {
    "error-400": (400, "temperature must be between 0 and 2", "invalid_request_error", "temperature", None),
    "error-context": (400, "The prompt has 9000 tokens; the context holds 8192.", "invalid_request_error", "messages", "context_length_exceeded"),
    "error-404": (404, "The model does not exist.", "invalid_request_error", "model", "model_not_found"),
    "error-413": (413, "The body is longer than 1 MiB.", "invalid_request_error", None, None),
    "error-429": (429, "The queue is full.", "rate_limit_error", None, None),
    "error-500": (500, "A thread died.", "server_error", None, None),
}
MODELS = ["plain", "slow", "markdown", "hostile", "long", "key", "uncounted", "truncated", "error-midstream", "cut-off", *FAILURES]


class State:
    """What the tests ask about: the last request's body, whether a client hung up, and whether the server should seem gone."""

    last = {}
    aborted = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        try:
            super().handle()
        except ConnectionResetError:
            pass  # A browser may drop a connection that it no longer needs.

    def reply(self, status, kind, body, **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def fail(self, status, message, kind, param=None, code=None):
        error = {"error": {"message": message, "type": kind, "param": param, "code": code}}
        headers = {"Retry_After": "3"} if status == 429 else {}
        self.reply(status, "application/json", json.dumps(error).encode(), **headers)

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/v1/models":
            models = {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "ounce"} for name in MODELS]}
            return self.reply(200, "application/json", json.dumps(models).encode())
        if path == "/test/last":
            return self.reply(200, "application/json", json.dumps({"body": State.last, "aborted": State.aborted.is_set()}).encode())
        name = "index.html" if path == "/" else path.removeprefix("/page/")
        file = PAGE / name
        if (path == "/" or path.startswith("/page/")) and "/" not in name and file.is_file():
            return self.reply(200, TYPES[file.suffix], file.read_bytes())
        return self.fail(404, f"There is no {path}.", "invalid_request_error")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        State.last = {**body, "authorization": self.headers.get("Authorization")}
        State.aborted.clear()
        model = body["model"]
        if model in FAILURES:
            return self.fail(*FAILURES[model])
        if model == "key" and self.headers.get("Authorization") != "Bearer secret":
            return self.fail(401, "No key was given." if not self.headers.get("Authorization") else "The key is wrong.", "authentication_error")
        try:
            self.stream(model, body)
        except (BrokenPipeError, ConnectionResetError):
            State.aborted.set()
        self.close_connection = True

    def event(self, value):
        self.wfile.write(f"data: {json.dumps(value) if isinstance(value, dict) else value}\n\n".encode())
        self.wfile.flush()

    def stream(self, model, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": model}
        chunk = lambda delta, finish=None: {**common, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        self.wfile.write(b": a comment is passed over\n\n")
        self.event(chunk({"role": "assistant", "content": ""}))
        time.sleep(0.15)
        failing = model in ("error-midstream", "cut-off")
        text = "The beginning of an answer" if failing else ANSWERS.get(model, "")
        pieces = [text[start : start + 4] for start in range(0, len(text), 4)]
        for piece in pieces:
            self.event(chunk({"content": piece}))
            time.sleep({"markdown": 0.004, "slow": 0.3}.get(model, 0.012))
        if model == "cut-off":
            return
        if failing:
            self.event({"error": {"message": "Out of memory.", "type": "server_error", "param": None, "code": None}})
            return
        self.event(chunk({}, "length" if model == "truncated" else "stop"))
        if model != "uncounted" and body.get("stream_options", {}).get("include_usage"):
            counts = {"prompt_tokens": 17, "completion_tokens": len(pieces), "total_tokens": 17 + len(pieces)}
            self.event({**common, "choices": [], "usage": {**counts, "prompt_tokens_details": {"cached_tokens": 5}}})
        self.event("[DONE]")


def serve(port=0):
    """Starts the server on a thread; returns it. Its address is `server_address`."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8090)
    running = serve(parser.parse_args().port)
    print(f"http://127.0.0.1:{running.server_address[1]}/", flush=True)
    threading.Event().wait()
