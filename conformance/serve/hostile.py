"""Does to a running `ounce serve` what the worst of all networks would, while one client expects to notice nothing.

    pip install -r conformance/serve/requirements.txt
    ounce serve MODEL --port 8080 --ctx 512 --max-tokens 24 --slots 8
    python conformance/serve/hostile.py http://127.0.0.1:8080 MODEL --pid PID

* 1,000 malformed requests (`malformed.py`), and some that are not even HTTP (`rawhttp.py`): each must be answered by the
  right 4xx with an error in the form of OpenAI's API, or by a closed connection, and soon;
* schemas that are wrong, endless or huge (`schemas.py`);
* schemathesis, which makes requests after `/openapi.json`, and holds the answers against it;
* in the background (`crowd.py`), one client that streams the same answer over and over and must get it as if it were
  alone, one that reads some bytes at a time, and one that leaves in the middle, once a second.

At the end no request may be running or waiting, and the server's memory must be what it was, but for `--growth`.
"""

import argparse
import collections
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import crowd
import malformed
import rawhttp
import schemas
from checks import Server, assert_error

# What is held against the description of the interface. Not held against it is that some of what it allows is refused:
# which models there are, lengths in tokens and more cannot be said in it.
SCHEMATHESIS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "unsupported_method", "missing_required_header",
]  # fmt: skip


def exchange(server, connection, request):
    """The answer to a malformed request, and its text."""
    connection.request("POST", request.path, request.body, dict(request.headers) | server.headers())
    response = connection.getresponse()
    return response, response.read()


def send_all(server, what, requests):
    """Sends requests one after the other, on one connection for as long as the server keeps it open; what went wrong."""
    wrong, closed, before = [], 0, None
    connection = server.connection()
    connection.timeout = 20
    for request in requests:
        try:
            try:
                response, text = exchange(server, connection, request)
            except ConnectionError:
                if not before:
                    raise
                wrong.append(f"after {before.what} (answered {before.status}) the connection is closed without notice")
                connection.close()
                response, text = exchange(server, connection, request)
            before = None if response.will_close else request
            if response.status not in request.status:
                raise AssertionError(f"{response.status} instead of {request.status}: {text[:300]}")
            value = json.loads(text)
            if response.status == 200:
                continue
            assert_error(value)
            param = value["error"]["param"]
            if request.param and re.split(r"[.\[]", param or "")[0] != request.param:
                raise AssertionError(f"param {param!r} instead of {request.param!r}: {text[:300]}")
            closed += response.will_close
        except (AssertionError, ValueError, OSError, http.client.HTTPException) as error:
            wrong.append(f"{request.what}: {request.body[:400]!r}\n    {type(error).__name__}: {error}")
            if not isinstance(error, (AssertionError, ValueError)):
                connection.close()
                before = None
    connection.close()
    print(f"{len(requests)} {what}: {len(wrong)} wrong; {closed} connections closed", flush=True)
    return wrong


def send_raw(server, limit):
    """Sends what is not HTTP, each on a connection of its own; what went wrong."""
    wrong, count = [], 0
    late = [
        ("POST", "/v1/completions", "text/plain"),
        ("POST", "/v1/nothing", "application/json"),
        ("POST", "/v1/models", "application/json"),
    ]
    attempts = [(raw.what, raw.data, lambda raw=raw: rawhttp.check(server, raw)) for raw in rawhttp.cases(limit)]
    attempts += [
        (f"a late body: {these}", b"", lambda these=these: rawhttp.check_late_body(server, *these)) for these in late
    ]
    for what, data, attempt in attempts:
        count += 1
        try:
            attempt()
            assert server.get("/health")[0] == 200
        except (AssertionError, ValueError, OSError, http.client.HTTPException) as error:
            wrong.append(f"{what}: {data[:200]!r}\n    {type(error).__name__}: {error}")
    print(f"{count} requests that break HTTP or a limit: {len(wrong)} wrong", flush=True)
    return wrong


def hold_open(server, count=200):
    """Opens connections on which half a request comes; others must not suffer."""
    held = []
    try:
        for number in range(count):
            connection = rawhttp.socket.create_connection((server.host, server.port), timeout=10)
            connection.sendall(b"" if number % 2 else rawhttp.POST.encode() + b"Content-Length: 100\r\n\r\n{")
            held.append(connection)
        begun = time.monotonic()
        status, _ = server.get("/health")
        return [] if status == 200 and time.monotonic() - begun < 10 else [f"{count} open connections: {status}"]
    finally:
        for connection in held:
            connection.close()


def schemathesis(server, examples, seed):
    """Runs schemathesis; what went wrong."""
    program = Path(sys.executable).with_name("schemathesis")
    command = [program, "run", f"{server.url}/openapi.json", "--checks", ",".join(SCHEMATHESIS)]
    command += ["--max-examples", str(examples), "--seed", str(seed), "--phases", "examples,coverage,fuzzing"]
    command += ["--request-timeout", "60", "--suppress-health-check", "all", "--continue-on-failure", "--no-shrink"]
    for name, value in server.headers().items():
        command += ["--header", f"{name}: {value}"]
    hooks = {
        "SCHEMATHESIS_HOOKS": "schema_hooks",
        "PYTHONPATH": str(Path(__file__).resolve().parent),
        "OUNCE_MODEL": server.model,
    }
    # It leaves files where it runs, and would begin with what failed before.
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(command, capture_output=True, text=True, env=os.environ | hooks, cwd=folder)
    lines = result.stdout.splitlines()
    print("schemathesis: " + (lines[-1].strip("= ") if lines else result.stderr), flush=True)
    return [] if result.returncode == 0 else [result.stdout + result.stderr]


def resident(pid):
    """The resident memory of a process in MiB; none where the system does not tell."""
    status = Path(f"/proc/{pid}/status")
    if pid is None or not status.exists():
        return None
    return int(re.search(r"VmRSS:\s+(\d+) kB", status.read_text())[1]) / 1024


def warm_up(server, slots):
    """Fills the cache of every slot, which the system hands out as it is used."""
    length = next(m["max_model_len"] for m in json.loads(server.get("/v1/models")[1])["data"])
    texts = [f"{number} " + "word " * (length - 16) for number in range(slots)]
    status, answer = server.post("/v1/embeddings", {"model": server.model, "input": texts})
    assert status == 200, answer
    status, answer = server.post("/v1/completions", {"model": server.model, "prompt": "a", "n": 64, "max_tokens": 24})
    assert status == 200, answer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url", help="where the server is, without /v1")
    parser.add_argument("model")
    parser.add_argument("--key", help="an API key of the server")
    parser.add_argument("--pid", type=int, help="the server's process, to look at its memory")
    parser.add_argument("--slots", type=int, default=8, help="those of the server")
    parser.add_argument("--body-limit", type=int, default=8, metavar="MIB", help="that of the server")
    parser.add_argument("--malformed", type=int, default=1000, metavar="N", help="malformed requests")
    parser.add_argument(
        "--examples", type=int, default=15, metavar="N", help="examples of schemathesis for each operation"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--growth", type=float, default=96, metavar="MIB", help="how much more memory may be resident at the end"
    )
    arguments = parser.parse_args()
    server = Server(arguments.url, arguments.model, arguments.key)

    warm_up(server, arguments.slots)
    # What compiling the largest schemas takes stays with the allocator, to be used again; so the measure begins after the first time.
    wrong = collections.Counter(send_all(server, "strange schemas, first time", list(schemas.requests(server.model))))
    before = resident(arguments.pid)
    background = [kind(server) for kind in (crowd.Behaved, crowd.SlowReader, crowd.Leaver)]
    for client in background:
        client.start()
    for part in (
        lambda: send_all(
            server, "malformed requests", malformed.requests(server.model, arguments.malformed, arguments.seed)
        ),
        lambda: send_all(server, "strange schemas", list(schemas.requests(server.model))),
        lambda: send_raw(server, arguments.body_limit << 20),
        lambda: hold_open(server),
        lambda: schemathesis(server, arguments.examples, arguments.seed),
    ):
        begun = time.monotonic()
        wrong.update(part())
        print(f"    {time.monotonic() - begun:.0f} s, {resident(arguments.pid) or 0:.0f} MiB resident", flush=True)
    for client in background:
        try:
            print(f"{type(client).__name__}: {client.stop()} times, at most {client.longest:.1f} s", flush=True)
        except Exception as error:
            wrong.update([f"{type(client).__name__}: {type(error).__name__}: {error}"])
    metrics = crowd.wait_until_idle(server)
    if not metrics.get('ounce_generations_total{end="abandoned"}'):
        wrong.update(["no answer was given up though clients left"])
    after = resident(arguments.pid)
    if after is not None:
        print(f"resident memory: {before:.0f} MiB, at the end {after:.0f} MiB", flush=True)
        if after - before > arguments.growth:
            wrong.update([f"the resident memory grew by more than {arguments.growth:.0f} MiB"])
    for problem in wrong:
        print(f"FAILED  {problem}")
    sys.exit(f"{len(wrong)} failures" if wrong else 0)


if __name__ == "__main__":
    main()
