"""Uses a running `ounce serve` as its users do: with the `openai` package, and with `curl`.

    pip install -r conformance/serve/requirements.txt
    python conformance/serve/clients.py http://127.0.0.1:8080 MODEL [--key KEY] [--queue N] [--without GROUP ...]

`--key` and `--queue` are what the server was started with; without them the errors that belong to them are not asked for.
"""

import argparse
import sys

import chat
import completions
import curl
import embeddings
import errors
import structured
from checks import Checks, Server


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url", help="where the server is, without /v1")
    parser.add_argument("model")
    parser.add_argument("--key", help="an API key of the server")
    parser.add_argument("--queue", type=int, help="requests that may wait and be answered, all together")
    parser.add_argument("--without", nargs="*", default=[], metavar="GROUP", help="leave these checks out")
    arguments = parser.parse_args()
    server = Server(arguments.url, arguments.model, arguments.key)
    checks = Checks()
    for module in (chat, completions, embeddings, structured, curl):
        module.add(checks)
    errors.add(checks, key=arguments.key is not None, queue=arguments.queue)
    unknown = set(arguments.without) - set(checks.groups())
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(checks.groups())}")
    failed = checks.run(server, arguments.without)
    sys.exit(f"{failed} checks failed" if failed else 0)


if __name__ == "__main__":
    main()
