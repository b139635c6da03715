"""What a result was made with, so that a reader can reproduce it."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("archsieve", "numpy", "scipy", "scikit-learn", "torch")


@dataclass(frozen=True)
class Provenance:
    """The command, empty if it was called from Python; device and workers; versions by name; the processor."""

    command: str
    device: str
    workers: int
    versions: dict[str, str] = field(default_factory=dict)
    processor: str = ""


def provenance(command: str = "", device: str = "cpu", workers: int = 1) -> Provenance:
    """Return what this process works with."""
    versions = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return Provenance(command, device, workers, versions, processor())


@cache
def processor() -> str:
    """Return the processor's name as Linux has it, else what Python knows, and what torch uses of it.

    Two processors of one name and one capability are taken to give equal scores.
    """
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    if find_spec("torch") is None:
        return name
    from torch.backends import cpu

    return f"{name}, {cpu.get_cpu_capability()}"
