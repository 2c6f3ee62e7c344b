"""llama.cpp as a peer: built from the source package of llama-cpp-python, with every instruction this CPU has."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from . import machine, packages
from .console import Failure, note
from .process import Finished, require_tools, run_logged, run_measured

PACKAGE = "llama-cpp-python"
VERSION = "0.3.36"

CMAKE_FLAGS = [
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_SERVER=ON",
]
TARGETS = ["llama-bench", "llama-perplexity", "llama-quantize", "llama-server"]
TOOLS = {"cmake": "cmake", "ninja": "ninja-build", "cc": "gcc", "c++": "g++"}


@dataclass(frozen=True)
class LlamaCpp:
    """A built llama.cpp."""

    binaries: Path
    version: str

    def bench(self, model: Path, prompt: int, generate: int, threads: int) -> tuple[dict[str, float], Finished]:
        """Tokens per second of one prefill and one decode, each after llama-bench's own warm-up."""
        shape = ["-p", str(prompt), "-n", str(generate), "-t", str(threads)]
        run = run_measured([str(self.binaries / "llama-bench"), "-m", str(model), *shape, "-r", "1", "-o", "json"])
        speeds = {}
        for test in json.loads(run.stdout):
            if test["n_threads"] != threads:
                raise Failure(f"llama-bench ran with {test['n_threads']} threads where {threads} were asked for")
            speeds["decode" if test["n_gen"] else "prefill"] = test["avg_ts"]
        return speeds, run

    def perplexity(self, model: Path, text: Path, chunks: int, threads: int) -> float:
        """Perplexity over the second half of each 512-token chunk."""
        shape = ["-c", "512", "--chunks", str(chunks), "-t", str(threads)]
        run = run_measured([str(self.binaries / "llama-perplexity"), "-m", str(model), "-f", str(text), *shape])
        found = re.search(r"Final estimate: PPL = ([0-9.]+)", run.stdout + run.stderr)
        if not found:
            raise Failure("llama-perplexity printed no final estimate", f"is {text} long enough for {chunks} chunks of 512 tokens?")
        return float(found.group(1))

    def requantize(self, model: Path, kind: str, target: Path) -> None:
        """Writes `model` again as another type; quantized weights are dequantized first."""
        partial = target.with_name(target.name + ".partial")
        run_logged(
            [str(self.binaries / "llama-quantize"), "--allow-requantize", str(model), str(partial), kind],
            target.parent / "quantize.log",
        )
        partial.rename(target)


def build(folder: Path, version: str, jobs: int) -> LlamaCpp:
    """Fetches and builds llama.cpp in `folder`, unless the same build for the same CPU is there already."""
    binaries = folder / "build" / "bin"
    stamp_file = folder / "built.json"
    stamp = {"package": PACKAGE, "version": version, "flags": CMAKE_FLAGS, "cpu": machine.describe()["cpu"], "simd": machine.describe()["simd"]}
    if stamp_file.exists():
        built = json.loads(stamp_file.read_text())
        if built.get("inputs") == stamp and all((binaries / name).exists() for name in TARGETS):
            return LlamaCpp(binaries, built["describes"])
    require_tools(TOOLS)
    stamp_file.unlink(missing_ok=True)
    archive = packages.fetch_source(PACKAGE, version, folder / "download")
    note(f"unpacking {archive.name}")
    packages.unpack(archive, folder / "source")
    # The package's git folder stays beside its submodule, so that CMake can tell llama.cpp's commit.
    source = folder / "source" / "vendor" / "llama.cpp"
    if not (source / "CMakeLists.txt").is_file():
        raise Failure(f"{archive.name} holds no vendor/llama.cpp", "name a --peer-version that does")
    shutil.rmtree(folder / "build", ignore_errors=True)
    log = folder / "build.log"
    log.unlink(missing_ok=True)
    note(f"building llama.cpp with {jobs} jobs (many minutes; log: {log})")
    run_logged(["cmake", "-G", "Ninja", "-S", str(source), "-B", str(folder / "build"), *CMAKE_FLAGS], log)
    run_logged(["ninja", "-C", str(folder / "build"), "-j", str(jobs), *TARGETS], log)
    describes = f"llama.cpp {_version_in(log)} ({PACKAGE} {version}, {' '.join(CMAKE_FLAGS[:2])})"
    stamp_file.write_text(json.dumps({"inputs": stamp, "describes": describes}, indent=2) + "\n")
    return LlamaCpp(binaries, describes)


def _version_in(log: Path) -> str:
    said = log.read_text(errors="replace")
    parts = []
    for pattern in (r"llama\.cpp version:\s*(\S+)", r"ggml (commit:\s*[0-9a-f]+)", r"(ggml version:\s*\S+)", r"The C compiler identification is (.+)"):
        if found := re.search(pattern, said):
            parts.append(" ".join(found.group(1).replace("version:", "").replace(":", "").split()))
    return ", ".join(parts) or "of unknown version"
