"""Messages on stderr, and errors that name a cause and a remedy."""

from __future__ import annotations

import sys


class Failure(Exception):
    """Something the user has to put right: what went wrong, and what to do about it."""

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.remedy = remedy


def note(message: str) -> None:
    """Prints a line of progress. stdout is kept for results."""
    print(message, file=sys.stderr, flush=True)


def warn(message: str) -> None:
    """Prints a line that the reader of the results must know."""
    note(f"warning: {message}")


def exit_with(failure: Failure) -> None:
    """Ends the program with the cause on one line and the remedy on the next."""
    note(f"error: {failure.cause}")
    if failure.remedy:
        note(f"  {failure.remedy}")
    sys.exit(1)
