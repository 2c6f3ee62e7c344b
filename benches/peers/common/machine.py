"""The machine a comparison ran on: processor, cores, vector instructions, load."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from .console import warn

# The instructions that decide which kernels an engine picks, as Linux names them on x86-64 and on Arm.
SIMD_FLAGS = (
    "sse4_2 avx f16c fma avx2 avx_vnni avx512f avx512bw avx512vl avx512_vnni avx512_bf16 avx512_fp16 "
    "amx_tile amx_int8 amx_bf16 asimd asimdhp asimddp i8mm bf16 sve sve2 sme"
).split()

# Another program at work this hard (runnable tasks per core) makes timings doubtful.
BUSY_LOAD_PER_CORE = 0.5


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def available_cpus() -> list[int]:
    """The logical CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def default_threads() -> int:
    """One thread per physical core this process may use, and no more than its control group grants."""
    cores = set()
    for cpu in available_cpus():
        siblings = _read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").strip()
        cores.add(siblings or str(cpu))
    threads = len(cores)
    quota = _read("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0] != "max":
        threads = min(threads, max(1, int(quota[0]) // int(quota[1])))
    return threads


def load_average() -> float | None:
    """The mean number of runnable tasks over the last minute, where the system tells."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def warn_if_busy() -> None:
    """Warns when other programs keep more than half of the cores busy."""
    load, cores = load_average(), len(available_cpus())
    if load is not None and load > BUSY_LOAD_PER_CORE * cores:
        warn(f"load average {load:.2f} on {cores} cores: other programs are at work, so expect slow and scattered timings")


def cpu_model() -> str:
    """The processor's name as the system gives it."""
    info = _read("/proc/cpuinfo")
    found = re.search(r"^(?:model name|Hardware|Model)\s*:\s*(.+)$", info, re.MULTILINE)
    if found:
        return found.group(1).strip()
    implementer = re.search(r"^CPU implementer\s*:\s*(\S+)$", info, re.MULTILINE)
    part = re.search(r"^CPU part\s*:\s*(\S+)$", info, re.MULTILINE)
    if implementer and part:
        return f"{platform.machine()} implementer {implementer.group(1)} part {part.group(1)}"
    return platform.processor() or platform.machine()


def _simd() -> list[str]:
    found = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    present = set(found.group(1).split()) if found else set()
    return [flag for flag in SIMD_FLAGS if flag in present]


def describe() -> dict:
    """Everything about this machine that a published number needs beside it."""
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    info = _read("/proc/cpuinfo")
    family = [re.search(rf"^{key}\s*:\s*(\d+)$", info, re.MULTILINE) for key in ("cpu family", "model", "stepping")]
    return {
        "cpu": cpu_model(),
        "family_model_stepping": "/".join(match.group(1) for match in family) if all(family) else None,
        "logical_cpus": len(available_cpus()),
        "simd": _simd(),
        "memory_bytes": int(memory.group(1)) * 1024 if memory else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": load_average(),
    }
