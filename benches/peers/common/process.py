"""Child programs: run one, capture its output, its time and its peak memory."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .console import Failure, note


@dataclass(frozen=True)
class Finished:
    """A child that ended well."""

    stdout: str
    stderr: str
    seconds: float
    peak_rss_bytes: int


def require_tools(tools: dict[str, str]) -> None:
    """Fails unless every program is on the PATH. `tools` maps a program to the Debian package that has it."""
    missing = {program: package for program, package in tools.items() if shutil.which(program) is None}
    if missing:
        packages = " ".join(dict.fromkeys(missing.values()))
        raise Failure(f"missing on the PATH: {', '.join(missing)}", f"install them, on Debian and Ubuntu with: sudo apt-get install {packages}")


def run_logged(command: list[str], log: Path, cwd: Path | None = None) -> None:
    """Runs a long chore (a build, a download) with all its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        out.write(f"$ {shlex.join(command)}\n".encode())
        out.flush()
        code = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False).returncode
    if code != 0:
        tail = log.read_text(errors="replace").splitlines()[-12:]
        note("\n".join(f"  | {line}" for line in tail))
        raise Failure(f"{Path(command[0]).name} ended with code {code}", f"the whole log is {log}")


def run_measured(command: list[str]) -> Finished:
    """Runs a program and takes its peak resident memory from the kernel's account of that one child.

    Linux counts what the child held before it became the program too, so this interpreter's own memory (some 25 MB) is the
    least that can be seen.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        try:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        except OSError as error:
            raise Failure(f"cannot run {command[0]}: {error.strerror}", "check the path and that it may be executed") from error
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:
            child.kill()
            raise
        seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if child.returncode != 0:
        said = (stderr.strip() or stdout.strip() or "it printed nothing").splitlines()[-3:]
        raise Failure(f"`{shlex.join(command)}` ended with code {child.returncode}", "it said: " + " / ".join(said))
    unit = 1 if sys.platform == "darwin" else 1024
    return Finished(stdout, stderr, seconds, usage.ru_maxrss * unit)
