"""Our own program, as the comparisons run it."""

from __future__ import annotations

import argparse
from pathlib import Path

from .console import Failure, note
from .process import require_tools, run_logged

REPOSITORY = Path(__file__).resolve().parents[3]


def positive(text: str) -> int:
    """A whole number above zero, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above zero")
    return value


def binary(given: Path | None) -> Path:
    """The program to measure: the one named, or this checkout's, built now."""
    if given:
        if not given.is_file():
            raise Failure(f"--ounce {given}: no such file", "name the ounce program, or leave --ounce out to build this checkout")
        return given.resolve()
    require_tools({"cargo": "rustup"})
    note("cargo build --release")
    target = REPOSITORY / "target"
    run_logged(["cargo", "build", "--release", "--target-dir", str(target)], target / "peers" / "ounce-build.log", cwd=REPOSITORY)
    return target / "release" / "ounce"
