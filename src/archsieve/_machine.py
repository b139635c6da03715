"""The machine that computes: processor name, core count and load."""

from __future__ import annotations

import os
import platform
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def processor() -> str:
    """Return the processor's name (from Linux, else from Python) and the instruction set that torch uses.

    Part of the key of measured latencies. It does not tell generations of one name apart; `model` does.
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    if find_spec("torch") is None:
        return name
    from torch.backends import cpu

    return f"{name}, {cpu.get_cpu_capability()}"


@cache
def model() -> str:
    """Return what distinguishes processors that may round sums differently: name, instruction set, generation, caches.

    Libraries choose the order of a sum by the sizes of caches, and virtual machines give several generations one name.
    """
    cpuinfo, parts = Path("/proc/cpuinfo"), [processor()]
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        values = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in reversed(lines))}
        parts += [f"{key} {values[key]}" for key in ("cpu family", "model", "stepping") if key in values]
    sizes = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
    caches = [path.read_text(encoding="utf-8").strip() for path in sizes]
    return ", ".join([*parts, f"caches {' '.join(caches)}"] if caches else parts)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float | None:
    """Return the mean number of runnable processes over the last minute; None if the system does not report it."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows
        return None
