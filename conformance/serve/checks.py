"""What the checks of `ounce serve` share: a list of checks that all run, and HTTP without a library between."""

import http.client
import json
import traceback
from urllib.parse import urlsplit


class Checks:
    """Checks by name, in the order in which they were added. All run, also after one has failed."""

    def __init__(self):
        self.checks = []

    def add(self, group):
        """Adds a function as a check of a group, which can be left out as a whole."""
        return lambda function: self.checks.append((group, function)) or function

    def groups(self):
        return sorted({group for group, _ in self.checks})

    def run(self, server, without=()):
        """Runs all checks but those of the groups `without`; the number of failures."""
        failed = 0
        for group, function in self.checks:
            name = f"{group}: {function.__name__.replace('_', ' ')}"
            if group in without:
                print(f"left out  {name}", flush=True)
                continue
            try:
                function(server)
                print(f"ok        {name}", flush=True)
            except Exception:
                failed += 1
                print(f"FAILED    {name}\n{traceback.format_exc()}", flush=True)
        return failed


class Server:
    """Where the server is and what it wants."""

    def __init__(self, url, model, key=None, timeout=120):
        self.url, self.model, self.key, self.timeout = url.rstrip("/"), model, key, timeout
        parts = urlsplit(self.url)
        self.host, self.port = parts.hostname, parts.port

    def headers(self):
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def connection(self):
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    def get(self, path):
        """Status and text."""
        connection = self.connection()
        try:
            connection.request("GET", path, headers=self.headers())
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def post(self, path, body):
        """Status and value of a JSON answer."""
        connection = self.connection()
        try:
            headers = self.headers() | {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def events(text):
    """The values of a stream of server-sent events; each must be framed as browsers and OpenAI's clients expect it."""
    assert text.endswith("\n\n"), text[-200:]
    values = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        # Lines that begin with a colon keep the connection open and say nothing.
        lines = [line for line in block.split("\n") if not line.startswith(":")]
        if not lines:
            continue
        assert len(lines) == 1 and lines[0].startswith("data: "), block
        values.append(lines[0].removeprefix("data: "))
    assert values[-1] == "[DONE]" and "[DONE]" not in values[:-1], values[-3:]
    return [json.loads(value) for value in values[:-1]]


def assert_error(value):
    """Whether a value is an error in the form of OpenAI's API."""
    assert isinstance(value, dict) and set(value) == {"error"}, value
    error = value["error"]
    assert set(error) == {"message", "type", "param", "code"}, value
    assert isinstance(error["message"], str) and error["message"], value
    assert isinstance(error["type"], str) and error["type"], value
    assert error["param"] is None or isinstance(error["param"], str), value
    assert error["code"] is None or isinstance(error["code"], str), value
