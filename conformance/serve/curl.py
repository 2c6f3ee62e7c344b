"""What `curl` and a browser see: headers, the framing of streams, requests across origins."""

import json
import shutil
import subprocess

from checks import assert_error, events

PAGE = "https://example.org"


def curl(server, path, *arguments, body=None, data=None, kind="application/json", key=True):
    """Status, headers and text. `data`, or `body` as JSON, is sent with the content type `kind`."""
    command = ["curl", "--silent", "--show-error", "--include", "--no-buffer", "--max-time", str(server.timeout)]
    for name, value in server.headers().items() if key else ():
        command += ["--header", f"{name}: {value}"]
    if body is not None:
        data = json.dumps(body)
    if data is not None:
        command += ["--header", f"Content-Type: {kind}" if kind else "Content-Type:", "--data-binary", "@-"]
    command += [*arguments, server.url + path]
    result = subprocess.run(command, input=(data or "").encode(), capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
    text = result.stdout.decode()
    head, _, rest = text.partition("\r\n\r\n")
    while head.startswith("HTTP/1.1 100"):
        head, _, rest = rest.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(status.split()[1]), headers, rest


def question(server, **fields):
    messages = [{"role": "user", "content": "Name the capital of France."}]
    return {"model": server.model, "messages": messages, "temperature": 0, "max_tokens": 40} | fields


def add(checks):
    if shutil.which("curl") is None:
        print("left out  curl: it is not installed")
        return

    @checks.add("curl")
    def a_stream_is_framed_as_events(server):
        status, headers, text = curl(server, "/v1/chat/completions", body=question(server))
        whole = json.loads(text)["choices"][0]["message"]["content"]
        assert status == 200 and headers["content-type"].startswith("application/json"), headers
        status, headers, text = curl(server, "/v1/chat/completions", body=question(server, stream=True))
        assert status == 200 and headers["content-type"].startswith("text/event-stream"), headers
        assert "no-cache" in headers["cache-control"] and "content-length" not in headers, headers
        chunks = events(text)
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks) == whole, text
        body = {"model": server.model, "prompt": "One, two,", "max_tokens": 4, "stream": True}
        assert len(events(curl(server, "/v1/completions", body=body)[2])) >= 4

    @checks.add("curl")
    def every_answer_has_an_id(server):
        ids = {curl(server, "/v1/models")[1]["x-request-id"] for _ in range(2)}
        assert len(ids) == 2, ids
        assert curl(server, "/health", "--header", "X-Request-Id: mine")[1]["x-request-id"] == "mine"

    @checks.add("curl")
    def what_is_not_there_is_told_so(server):
        for path in ("/v1/nothing", "/nothing", "/v1/models/nobody", "/v1/models/a/b%20c", "/v1"):
            status, _, text = curl(server, path)
            assert status == 404, (path, status)
            assert_error(json.loads(text))
        for path, method in (("/v1/chat/completions", "GET"), ("/v1/models", "POST"), ("/health", "DELETE")):
            status, headers, text = curl(server, path, "--request", method)
            assert status == 405 and headers["allow"], (path, status, headers)
            assert_error(json.loads(text))
        assert curl(server, "/health", "--head")[0] == 200

    @checks.add("curl")
    def a_body_must_be_json_and_say_so(server):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            status, _, text = curl(server, "/v1/completions", data="{}", kind=kind)
            assert status == 415, (kind, status)
            assert_error(json.loads(text))
        for kind in ("application/json; charset=utf-8", "Application/JSON"):
            data = '{"prompt": "a", "max_tokens": 1}'
            assert curl(server, "/v1/completions", data=data, kind=kind)[0] == 200, kind

    @checks.add("curl")
    def a_large_body_is_announced_first(server):
        """Above a megabyte `curl` sends `Expect: 100-continue` and waits for leave."""
        body = question(server, ignored="x" * (2 << 20))
        assert curl(server, "/v1/chat/completions", body=body)[0] == 200

    @checks.add("cors")
    def a_page_may_ask(server):
        ask = ["--request", "OPTIONS", "--header", f"Origin: {PAGE}"]
        ask += ["--header", "Access-Control-Request-Method: POST"]
        ask += ["--header", "Access-Control-Request-Headers: authorization,content-type"]
        for path in ("/v1/chat/completions", "/v1/models"):
            # Browsers ask without a key.
            status, headers, _ = curl(server, path, *ask, key=False)
            assert status in (200, 204), status
            assert headers["access-control-allow-origin"] in ("*", PAGE), headers
            assert "POST" in headers["access-control-allow-methods"], headers
            allowed = headers["access-control-allow-headers"].lower()
            assert "authorization" in allowed and "content-type" in allowed, headers
        for path in ("/v1/models", "/v1/nothing"):
            headers = curl(server, path, "--header", f"Origin: {PAGE}")[1]
            assert headers["access-control-allow-origin"] in ("*", PAGE), (path, headers)
        # A page must be able to read why it was refused.
        refused = curl(
            server, "/v1/models", "--header", f"Origin: {PAGE}", "--header", "Authorization: Bearer wrong", key=False
        )
        assert refused[1]["access-control-allow-origin"] in ("*", PAGE), refused
